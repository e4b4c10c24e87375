"""JPEG of images and of blocks: kernels against their definitions, which equal libjpeg."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from isptoolkit import Capture, errors
from isptoolkit.kernels import reference
from isptoolkit.stages import Jpeg
from isptoolkit.stages.jpeg.image import jpeg_image
from isptoolkit.stages.jpeg.planes import SUBSAMPLINGS
from isptoolkit.stages.jpeg.rounding import series_slopes

CAPTURE = Capture.of("RGGB")
SIZES = [(1, 1), (2, 3), (1, 5), (3, 4), (5, 2), (8, 8), (9, 21), (16, 33), (17, 40), (31, 6), (40, 275)]
"""Sizes that padding, replicated chroma, several patches and several tiles depend on."""


def gradients(x, tables, factors, slopes):
    """Output and gradients; the weights of the output vary without a period."""
    leaves = [x.detach().clone().requires_grad_(), tables.detach().clone().requires_grad_()]
    y = jpeg_image(*leaves, factors, slopes)
    weights = torch.arange(y.numel(), device=y.device).mul(1.7).sin().reshape(y.shape).to(y.dtype)
    return y.detach(), *torch.autograd.grad(y, leaves, weights)


def image(batch, height, width, device):
    """Noise around smooth colors, partly saturated, so that outputs are clamped at both ends."""
    down, across = torch.meshgrid(torch.arange(height) / 9, torch.arange(width) / 13, indexing="ij")
    waves = torch.stack([torch.sin(down + k * across) for k in range(3)])
    return (0.5 + 0.6 * waves + 0.1 * torch.randn(batch, 3, height, width)).to(device)


@pytest.mark.parametrize("slope", ["straight-through", "fourier"])
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_images_and_gradients_equal_the_definition(build, device, size, subsampling, slope):
    torch.manual_seed(sum(size))
    x = image(2, *size, device)
    arguments = SUBSAMPLINGS[subsampling], series_slopes(slope, 5)
    for count in (1, 2):
        tables = torch.randint(8, 60, (count, 2, 8, 8)).to(device).float()
        y, grad_x, grad_tables = gradients(x, tables, *arguments)
        with reference():
            plain, expected_x, expected_tables = gradients(x, tables, *arguments)
        assert torch.equal(y, plain)
        torch.testing.assert_close(grad_x, expected_x, rtol=1e-3, atol=1e-3 * float(expected_x.abs().max()))
        scale = float(expected_tables.abs().max())
        torch.testing.assert_close(grad_tables, expected_tables, rtol=2e-3, atol=2e-3 * scale)

"""JPEG of images: kernels against their definition, which equals libjpeg."""

import pytest
import torch

from isptoolkit import errors
from isptoolkit.kernels import reference
from isptoolkit.stages.jpeg.image import jpeg_image
from isptoolkit.stages.jpeg.planes import SUBSAMPLINGS
from isptoolkit.stages.jpeg.rounding import series_slopes

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


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_every_number_of_threads_computes_the_same(kernels, device, threads):
    """Threads start in the middle of an image, whose chroma they upsample from units of another thread."""
    x, tables = image(2, 210, 250, device), torch.randint(8, 60, (2, 2, 8, 8)).to(device).float()
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        outputs = gradients(x, tables, (2, 2), (0.4, -0.2))
        torch.set_num_threads(1)
        expected = gradients(x, tables, (2, 2), (0.4, -0.2))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(outputs[0], expected[0])
    torch.testing.assert_close(outputs[1:], expected[1:], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_pixels_out_of_range_are_clamped(build, device, subsampling):
    x = torch.tensor([-5.0, 0, 0.4 / 255, 127.5 / 255, 254.5 / 255, 1, 1.2, 1e30, -1e30, float("inf"), float("nan")])
    x = x.repeat(3 * 12)[: 3 * 11 * 12].reshape(1, 3, 12, 11).to(device)
    tables, factors = torch.ones(1, 2, 8, 8, device=device), SUBSAMPLINGS[subsampling]
    y = jpeg_image(x, tables, factors)
    with reference():
        assert torch.equal(y, jpeg_image(x, tables, factors))


def test_layouts_do_not_matter(build, device):
    x, tables = image(2, 17, 40, device), torch.randint(8, 60, (1, 2, 8, 8)).to(device).float()
    y = jpeg_image(x, tables, (2, 2))
    last = x.to(memory_format=torch.channels_last)
    assert torch.equal(jpeg_image(last, tables.mT.contiguous().mT, (2, 2)), y)
    wide = torch.nn.functional.pad(x, (3, 5, 1, 2))[..., 1:-2, 3:-5]
    assert torch.equal(jpeg_image(wide, tables, (2, 2)), y)


def test_only_the_gradients_that_are_needed(build, device):
    """With a straight-through estimator, and no gradient of the tables, that of the blocks is skipped."""
    x, tables = image(1, 20, 30, device), torch.randint(8, 60, (1, 2, 8, 8)).to(device).float()
    (grad_x, _) = gradients(x, tables, (2, 2), ())[1:]
    leaf = x.clone().requires_grad_()
    weights = torch.arange(x.numel(), device=device).mul(1.7).sin().reshape(x.shape)
    (alone,) = torch.autograd.grad(jpeg_image(leaf, tables, (2, 2)), leaf, weights)
    torch.testing.assert_close(alone, grad_x, rtol=1e-4, atol=1e-5 * float(grad_x.abs().max()))
    table = tables.clone().requires_grad_()
    (only,) = torch.autograd.grad(jpeg_image(x, table, (2, 2)), table, weights)
    torch.testing.assert_close(only, gradients(x, tables, (2, 2), ())[2])


def test_invalid_arguments_are_refused(device):
    x, tables = torch.zeros(2, 3, 8, 8, device=device), torch.ones(1, 2, 8, 8, device=device)
    for wrong in (x[:, :1], x[0], x[:0], x.int()):
        with pytest.raises(errors.InvalidTensor, match="jpeg_image takes a floating-point image"):
            jpeg_image(wrong, tables, (1, 1))
    with pytest.raises(errors.InvalidTensor, match=r"tables of 2 images are \[2,2,8,8\], got \[3, 2, 8, 8\]"):
        jpeg_image(x, tables.expand(3, 2, 8, 8), (1, 1))
    with pytest.raises(errors.InvalidArgument, match="at least 1, got 0"):
        jpeg_image(x, 0 * tables, (1, 1))

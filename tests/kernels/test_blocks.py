"""AdaIN, coupling and JPEG blocks: kernels against their definitions, definitions against other programs."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from isptoolkit import errors
from isptoolkit.kernels import reference
from isptoolkit.learned import adain, couple, uncouple
from isptoolkit.stages.jpeg.blocks import jpeg_blocks

FOURIER = [-2.0 * (-1) ** n for n in range(9)]


def gradients(function, *leaves):
    y = function(*leaves)
    weights = torch.linspace(-1, 1, y.numel(), device=y.device).reshape(y.shape).sin()
    return y, torch.autograd.grad((y * weights).sum(), leaves)


def both(function, *values):
    leaves = [value.requires_grad_() for value in values]
    result = gradients(function, *leaves)
    with reference():
        expected = gradients(lambda *v: function(*v), *leaves)
    return result, expected


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (70, 130), (1, 9000)])
def test_adain_equals_its_definition(build, device, size):
    torch.manual_seed(1)
    x = torch.randn(2, 5, *size).to(device) * torch.tensor([1e-3, 1, 50, 1, 1], device=device).view(5, 1, 1) + 30
    scale, shift = torch.randn(2, 2, 5).to(device).unbind(0)
    leaves = [value.requires_grad_() for value in (x, scale, shift)]
    y, grads = gradients(adain, *leaves)
    plain, expected = gradients(adain, *(value.detach().double().requires_grad_() for value in leaves))
    torch.testing.assert_close(y.double(), plain, rtol=1e-5, atol=1e-5)
    for a, b in zip(grads, expected, strict=True):
        torch.testing.assert_close(a.double(), b, rtol=1e-2, atol=1e-3 * float(b.abs().max()))


def test_adain_of_a_large_mean_loses_no_precision(build, device):
    x = (torch.rand(1, 2, 300, 300, dtype=torch.float64).to(device) * 1e-2 + 100).float()
    one, zero = torch.ones(1, 2, device=device), torch.zeros(1, 2, device=device)
    exact = adain(x.double(), one.double(), zero.double())
    assert float((adain(x, one, zero) - exact).abs().max()) < 1e-4 * float(exact.abs().max())


def test_adain_of_black_is_the_style(build, device):
    x = torch.zeros(1, 1, 4, 4, device=device)
    one = torch.ones(1, 1, device=device)
    assert torch.equal(adain(x, one, 0.25 * one), torch.full_like(x, 0.25))
    assert bool(adain(x, one, one, 0.0).isnan().all())


def test_adain_statistics_are_torch_instance_norm(device):
    x = torch.randn(3, 4, 9, 11).to(device)
    one, zero = torch.ones(3, 4, device=device), torch.zeros(3, 4, device=device)
    biased = torch.nn.functional.instance_norm(x, eps=0.0) * ((99 - 1) / 99) ** 0.5
    torch.testing.assert_close(adain(x, one, zero, 0.0), biased, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("limit", [0.8, 0.0])
@pytest.mark.parametrize("direction", [couple, uncouple])
def test_coupling_equals_its_definition(build, device, direction, limit):
    torch.manual_seed(2)
    x, h, t = torch.randn(3, 2, 3, 40, 61).to(device).unbind(0)
    (y, grads), (plain, expected) = both(lambda *v: direction(*v, limit), x * 3, h * 2, t)
    torch.testing.assert_close(y, plain, rtol=3e-6, atol=1e-6)
    for a, b in zip(grads, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-5, atol=2e-6 * float(b.abs().max()))


def test_coupling_far_from_zero(build, device):
    h = torch.tensor([-1e30, -100.0, -1e-8, 0.0, 1e-8, 100.0, 1e30, float("nan")], device=device)
    output = couple(torch.ones_like(h), h, torch.zeros_like(h))
    expected = torch.exp(0.8 * torch.tanh(h / 2))
    torch.testing.assert_close(output, expected, equal_nan=True, rtol=1e-6, atol=0)


def test_coupling_round_trip(build, device):
    torch.manual_seed(3)
    x, h, t = torch.randn(3, 100_000).to(device).unbind(0)
    assert float((uncouple(couple(x, h, t), h, t) - x).abs().max()) < 3e-6


def table_of(quality):
    """Pillow's luminance table at a quality, in natural order."""
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
    return torch.tensor(Image.open(io.BytesIO(file.getvalue())).quantization[0], dtype=torch.float32).view(1, 8, 8)


@pytest.mark.parametrize("quality", [1, 5, 30, 50, 75, 90, 98, 100])
def test_jpeg_blocks_equal_libjpeg_bit_for_bit(build, device, data, quality):
    """A gray JPEG consists of these blocks only."""
    photograph = (
        Image.open(sorted((data / "kodak24").rglob("*.png"))[4]).convert("L").crop((40, 60, 40 + 8 * 37, 60 + 8 * 21))
    )
    file = io.BytesIO()
    photograph.save(file, "JPEG", quality=quality)
    expected = torch.from_numpy(np.array(Image.open(io.BytesIO(file.getvalue()))))
    x = torch.from_numpy(np.array(photograph)).float()[None].to(device)
    table = table_of(quality).to(device)
    assert torch.equal(jpeg_blocks(x, table)[0].cpu(), expected.float())
    with reference():
        assert torch.equal(jpeg_blocks(x, table)[0].cpu(), expected.float())


@pytest.mark.parametrize("slopes", [(), FOURIER], ids=["straight-through", "fourier"])
@pytest.mark.parametrize("tables", [1, 2])
def test_jpeg_gradients_equal_the_definition(build, device, slopes, tables):
    torch.manual_seed(4)
    x = torch.rand(2, 24, 136).to(device) * 255
    table = torch.randint(1, 60, (tables, 8, 8)).to(device).float()
    (y, grads), (plain, expected) = both(lambda a, b: jpeg_blocks(a, b, slopes), x, table)
    assert torch.equal(y, plain)
    torch.testing.assert_close(grads[0], expected[0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(grads[1], expected[1], rtol=2e-3, atol=2e-3 * float(expected[1].abs().max()))


def test_straight_through_passes_the_gradient(build, device):
    x = (torch.rand(1, 8, 16).to(device) * 255).requires_grad_()
    weights = torch.rand(1, 8, 16).to(device)
    (jpeg_blocks(x, torch.full((1, 8, 8), 7.0, device=device)) * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights, rtol=1e-5, atol=1e-5)


def test_samples_out_of_range_are_clamped(build, device):
    x = torch.tensor([-5.0, 0, 0.4, 127.6, 254.5, 255, 300, float("nan")], device=device).repeat(8, 1)[None]
    ones = torch.ones(1, 8, 8, device=device)
    with reference():
        expected = jpeg_blocks(x, ones)
    assert torch.equal(jpeg_blocks(x, ones), expected)


def test_invalid_arguments_are_refused(device):
    x, table = torch.zeros(2, 8, 8, device=device), torch.ones(1, 8, 8, device=device)
    with pytest.raises(errors.InvalidSize, match="9 x 8"):
        jpeg_blocks(torch.zeros(1, 9, 8, device=device), table)
    with pytest.raises(errors.InvalidTensor, match="3 tables for 2"):
        jpeg_blocks(x, table.expand(3, 8, 8))
    with pytest.raises(errors.InvalidTensor):
        jpeg_blocks(x, table.view(1, 64))
    with pytest.raises(errors.InvalidArgument, match="at least 1"):
        jpeg_blocks(x, 0 * table)
    with pytest.raises(errors.InvalidTensor, match=r"\[2\]"):
        couple(torch.zeros(3), torch.zeros(2), torch.zeros(3))
    with pytest.raises(errors.InvalidArgument, match="-1"):
        couple(torch.zeros(3), torch.zeros(3), torch.zeros(3), -1)
    with pytest.raises(errors.InvalidTensor, match="adain"):
        adain(torch.zeros(1, 2, 3, 3), torch.zeros(1, 3), torch.zeros(1, 2))

"""Clipping and rounding."""

import numpy as np
import pytest
import torch

from isptoolkit import LINEAR, MOSAIC
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages.limits import Clip, Quantize


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clip_is_numpy_clip_and_a_projection(capture, dtype):
    x = torch.randn(2, 3, 5, 4, dtype=dtype)
    stage = Clip(-0.25, 0.75)
    y = stage(x, capture)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), np.clip(x.numpy(), -0.25, 0.75))
    assert torch.equal(stage(stage.inverse(y, capture), capture), y)


def test_clip_is_exact_on_its_domain_and_only_there(capture):
    x = torch.randn(1, 3, 6, 6)
    x[..., 0, 0], x[..., 0, 1] = 0, 1
    stage = Clip()
    inside = stage.in_domain(x, capture)
    unchanged = (stage.inverse(stage(x, capture), capture) == x).all(1, keepdim=True)
    assert torch.equal(inside, unchanged)
    assert inside[..., 0, :2].all()
    assert inside.shape == (1, 1, 6, 6)


def test_clip_gradient_is_one_on_the_limits_and_zero_outside(capture):
    x = torch.tensor([-0.1, 0.0, 0.5, 1.0, 1.1]).view(1, 1, 1, 5).requires_grad_()
    Clip(space=MOSAIC)(x, capture).sum().backward()
    assert x.grad.flatten().tolist() == [0, 1, 1, 1, 0]


def test_clip_limits_per_sample_and_learned(capture):
    high = torch.nn.Parameter(torch.tensor([0.5, 0.8], dtype=torch.float64))
    stage = Clip(high=high, space=MOSAIC)
    x = torch.full((2, 1, 1, 1), 0.9, dtype=torch.float64)
    assert stage(x, capture).flatten().tolist() == [0.5, 0.8]
    stage(x, capture).sum().backward()
    assert high.grad.tolist() == [1, 1]


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0), (0.0, float("nan"))])
def test_bad_limits_are_refused(low, high):
    with pytest.raises(InvalidArgument):
        Clip(low, high)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bits", [1, 8, 10, 16])
def test_quantize_rounds_to_the_levels_of_an_integer_file(capture, bits, dtype):
    steps = 2**bits - 1
    x = torch.rand(1, 3, 20, 20, dtype=dtype)
    y = Quantize(bits)(x, capture)
    assert y.dtype == dtype
    codes = np.rint(x.numpy() * steps)
    np.testing.assert_array_equal(y.numpy(), (codes / steps).astype(y.numpy().dtype))
    slack = 2 * torch.finfo(dtype).eps
    assert (y - x).abs().max() <= Quantize(bits).contract.round_trip + slack
    assert torch.equal(Quantize(bits)(y, capture), y)


@pytest.mark.parametrize("bits", [1, 8, 16])
def test_quantize_keeps_every_level_bit_for_bit_and_reaches_its_bound(capture, bits):
    steps = 2**bits - 1
    levels = torch.arange(steps + 1, dtype=torch.float32).view(1, 1, 1, -1) / steps
    stage = Quantize(bits, space=MOSAIC)
    assert torch.equal(stage(levels, capture), levels)
    halfway = (levels.double()[..., :-1] + 0.499 / steps).clamp(max=1)
    assert (stage(halfway, capture) - halfway).abs().max() > 0.99 * stage.contract.round_trip


def test_quantize_passes_the_gradient_straight_through(capture):
    x = torch.rand(1, 3, 4, 4, requires_grad=True)
    (Quantize(2)(x, capture) * 3).sum().backward()
    assert (x.grad == 3).all()
    assert not Quantize().contract.differentiable


@pytest.mark.parametrize("bits", [0, 17, 8.0, True, "8"])
def test_bad_bits_are_refused(bits):
    with pytest.raises(InvalidArgument, match="bits"):
        Quantize(bits)


@pytest.mark.parametrize("stage", [Clip(), Quantize(space=LINEAR)], ids=["Clip", "Quantize"])
def test_compiles(capture, stage, compiler):
    x = torch.rand(1, 3, 4, 6)
    compiled = torch.compile(lambda x: stage.inverse(stage(x, capture), capture), fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), stage(x, capture))

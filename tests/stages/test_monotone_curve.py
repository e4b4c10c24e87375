"""The learnable monotone curve against SciPy's Hermite splines, and its training."""

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator
from scipy.optimize import brentq
from torch import nn

from isptoolkit import Capture
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages import MonotoneCurve

CAPTURE = Capture.of("RGGB")


def image(values):
    return torch.as_tensor(values, dtype=torch.float64).view(1, 1, 1, -1).expand(1, 3, 1, -1)


def spline(logits):
    """The curve by SciPy: heights by softmax, slopes by harmonic means of the secants."""
    steps = np.exp(logits) / np.exp(logits).sum()
    secants = steps * len(steps)
    inner = 2 / (1 / secants[1:] + 1 / secants[:-1])
    slopes = np.concatenate([secants[:1], inner, secants[-1:]])
    return CubicHermiteSpline(np.linspace(0, 1, len(steps) + 1), np.concatenate([[0], steps.cumsum()]), slopes), slopes


@pytest.mark.parametrize("seed", range(4))
def test_equal_to_a_hermite_spline_and_inverse_to_its_roots(seed):
    logits = np.random.default_rng(seed).normal(0, 1.2, 6)
    curve, slopes = spline(logits)
    stage = MonotoneCurve(logits.tolist())
    places = np.linspace(0, 1, 43)
    heights = stage(image(places), CAPTURE)[0, 0, 0].numpy()
    np.testing.assert_allclose(heights, curve(places), rtol=0, atol=1e-14)
    assert (np.diff(heights) > 0).all()
    recovered = stage.inverse(image(heights[1:-1]), CAPTURE)[0, 0, 0].numpy()
    roots = [brentq(lambda x, y=y: curve(x) - y, 0, 1, xtol=1e-15) for y in heights[1:-1]]
    np.testing.assert_allclose(recovered, roots, rtol=0, atol=1e-13)
    outside = stage(image([-0.5, 1.5]), CAPTURE)[0, 0, 0].numpy()
    np.testing.assert_allclose(outside, [-0.5 * slopes[0], 1 + 0.5 * slopes[-1]], rtol=0, atol=1e-14)


def test_gradients_of_both_directions_by_input_and_knots():
    logits = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = image([-0.1, 0.03, 0.31, 0.55, 0.93, 1.2]).clone()
    for direction in ("forward", "inverse"):

        def call(values, knots, direction=direction):
            stage = MonotoneCurve(nn.Parameter(logits))
            return torch.func.functional_call(_Direction(stage, direction), {"stage.logits": knots}, (values,))

        assert torch.autograd.gradcheck(call, (x.requires_grad_(), logits.clone().requires_grad_()))


class _Direction(nn.Module):
    def __init__(self, stage, direction):
        super().__init__()
        self.stage, self.direction = stage, direction

    def forward(self, x):
        return getattr(self.stage, self.direction)(x, CAPTURE)


# The limits of 8 equal segments: those of the inverse are unequal, and its best fit has an error of 0.01182.
@pytest.mark.parametrize(("direction", "bound"), [("forward", 0.003), ("inverse", 0.01184)])
def test_it_learns_a_gamma_curve_in_either_direction(direction, bound):
    stage = MonotoneCurve(nn.Parameter(torch.zeros(8, dtype=torch.float64)))
    optimizer = torch.optim.Adam(stage.parameters(), 0.1)
    x = image(np.linspace(0, 1, 60))
    losses = []
    for _ in range(250):
        optimizer.zero_grad()
        loss = (getattr(stage, direction)(x, CAPTURE) - x**2.2).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] ** 0.5 < bound < 0.2 < losses[0] ** 0.5


def test_heights_must_increase_from_zero_to_one():
    for heights in ([0.0, 0.5], [0.0, 0.6, 0.5, 1.0], [0.1, 1.0], [[0.0, 1.0]]):
        with pytest.raises(InvalidArgument, match="increase from 0 to 1"):
            MonotoneCurve.through(heights)


@pytest.mark.parametrize("seed", range(3))
def test_inner_segments_are_those_of_pchip(seed):
    heights = np.concatenate([[0], np.random.default_rng(seed).uniform(0.01, 1, 7).cumsum()])
    heights /= heights[-1]
    heights[-1] = 1
    places = np.linspace(
        1 / 7, 6 / 7, 50
    )  # at the ends PCHIP uses the slope of a parabola, this curve that of the secant
    y = MonotoneCurve.through(heights.tolist())(image(places), CAPTURE)[0, 0, 0]
    np.testing.assert_allclose(y, PchipInterpolator(np.linspace(0, 1, 8), heights)(places), rtol=0, atol=2e-15)


def test_equal_logits_are_the_identity_everywhere():
    x = image([-2.0, 0.0, 0.1, 0.37, 1.0, 3.0])
    for knots in (1, 2, 7):
        stage = MonotoneCurve([0.3] * knots)
        torch.testing.assert_close(stage(x, CAPTURE), x, rtol=0, atol=1e-15)
        torch.testing.assert_close(stage.inverse(x, CAPTURE), x, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [1.0, 5.0, 30.0, 300.0])
def test_any_logits_increase_and_are_inverted_to_rounding(spread, dtype):
    """Where segments are flatter than rounding, only the height of the solution is determined."""
    tail = np.logspace(-12, 0, 100)
    for seed in range(4):
        generator = torch.Generator().manual_seed(seed)
        stage = MonotoneCurve(torch.randn(6, generator=generator, dtype=torch.float64) * spread)
        x = image(np.sort(np.concatenate([np.linspace(-0.5, 1.5, 301), tail, 1 - tail]))).to(dtype)
        y = stage(x, CAPTURE)
        assert y.isfinite().all()
        assert (y.diff(dim=-1) >= -2 * torch.finfo(dtype).eps).all()
        target = image(np.concatenate([tail, 1 - tail, np.linspace(0, 1, 101)])).to(dtype)
        recovered = stage.inverse(target, CAPTURE)
        assert ((recovered >= 0) & (recovered <= 1)).all()
        assert (stage(recovered, CAPTURE) - target).abs().max() <= 6 * torch.finfo(dtype).eps


def test_nan_stays_nan():
    stage = MonotoneCurve([0.1, 0.7, -0.4])
    for direction in (stage.forward, stage.inverse):
        assert direction(image([np.nan, 0.5, np.inf, -np.inf]), CAPTURE)[0, 0, 0].isnan().tolist() == [True] + 3 * [
            False
        ]


def test_gradients_at_the_ends_and_knots_are_finite():
    logits = nn.Parameter(torch.tensor([0.0, 9.0, -9.0, 3.0]))
    stage = MonotoneCurve(logits)
    for direction in (stage.forward, stage.inverse):
        x = image([0.0, 0.25, 0.5, 0.75, 1.0]).float().requires_grad_()
        direction(x, CAPTURE).sum().backward()
        assert x.grad.isfinite().all()
        assert logits.grad.isfinite().all()


def test_compiles(compiler):
    stage = MonotoneCurve(nn.Parameter(torch.tensor([0.2, -0.3, 0.5])))
    x = torch.rand(1, 3, 4, 6)
    trip = torch.compile(lambda x: stage.inverse(stage(x, CAPTURE), CAPTURE), fullgraph=True, backend="eager")
    torch.testing.assert_close(trip(x), x, rtol=0, atol=1e-6)


def test_each_sample_has_its_own_logits():
    logits = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    stage = MonotoneCurve(logits)
    x = image(np.linspace(-0.2, 1.2, 40))
    for direction in ("forward", "inverse"):
        both = getattr(stage, direction)(x.expand(2, -1, -1, -1), CAPTURE)
        alone = [getattr(MonotoneCurve(own), direction)(x, CAPTURE) for own in logits]
        assert torch.equal(both, torch.cat(alone))
        assert not torch.equal(*alone)

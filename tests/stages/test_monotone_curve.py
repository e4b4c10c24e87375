"""The learnable monotone curve against SciPy's Hermite splines, and as something that learns."""

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq
from torch import nn

from isptoolkit import Capture
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages import MonotoneCurve
from isptoolkit.stages.solve import solve_increasing

CAPTURE = Capture.of("RGGB")


def image(values):
    return torch.as_tensor(values, dtype=torch.float64).view(1, 1, 1, -1).expand(1, 3, 1, -1)


def spline(logits):
    """The same curve by SciPy: heights by softmax, slopes by harmonic means of the secants."""
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
    back = stage.inverse(image(heights[1:-1]), CAPTURE)[0, 0, 0].numpy()
    roots = [brentq(lambda x, y=y: curve(x) - y, 0, 1, xtol=1e-15) for y in heights[1:-1]]
    np.testing.assert_allclose(back, roots, rtol=0, atol=1e-13)
    outside = stage(image([-0.5, 1.5]), CAPTURE)[0, 0, 0].numpy()
    np.testing.assert_allclose(outside, [-0.5 * slopes[0], 1 + 0.5 * slopes[-1]], rtol=0, atol=1e-14)


def test_gradients_of_both_verbs_by_input_and_knots():
    logits = torch.randn(5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = image([-0.1, 0.03, 0.31, 0.55, 0.93, 1.2]).clone()
    for verb in ("forward", "inverse"):

        def call(values, knots, verb=verb):
            stage = MonotoneCurve(nn.Parameter(logits))
            return torch.func.functional_call(_Verb(stage, verb), {"stage.logits": knots}, (values,))

        assert torch.autograd.gradcheck(call, (x.requires_grad_(), logits.clone().requires_grad_()))


class _Verb(nn.Module):
    def __init__(self, stage, verb):
        super().__init__()
        self.stage, self.verb = stage, verb

    def forward(self, x):
        return getattr(self.stage, self.verb)(x, CAPTURE)


def test_it_learns_a_gamma_curve_through_its_inverse():
    stage = MonotoneCurve(nn.Parameter(torch.zeros(8)))
    optimizer = torch.optim.Adam(stage.parameters(), 0.1)
    x = torch.linspace(0.02, 1, 60).view(1, 1, 1, 60).expand(1, 3, 1, 60)
    target = x**2.2
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = (stage.inverse(x, CAPTURE) - target).abs().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.01 < 0.1 < losses[0]


def test_heights_must_increase_from_zero_to_one():
    for heights in ([0.0, 0.5], [0.0, 0.6, 0.5, 1.0], [0.1, 1.0], [[0.0, 1.0]]):
        with pytest.raises(InvalidArgument, match="increase from 0 to 1"):
            MonotoneCurve.through(heights)


def test_roots_against_brentq_and_their_gradients():
    power = torch.tensor([1.5, 3.0, 0.7], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([0.2, 1.4, 0.9], dtype=torch.float64, requires_grad=True)
    low, high = torch.zeros(3, dtype=torch.float64), torch.full((3,), 4.0, dtype=torch.float64)

    def root(goal, exponent):
        return solve_increasing(lambda t: t**exponent + t, goal, low, high)

    expected = [
        brentq(lambda t, p=p, y=y: t**p + t - y, 0, 4, xtol=1e-15)
        for p, y in zip([1.5, 3.0, 0.7], [0.2, 1.4, 0.9], strict=True)
    ]
    np.testing.assert_allclose(root(target, power).detach().numpy(), expected, rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(root, (target, power))

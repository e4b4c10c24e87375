"""The root solver against SciPy's `brentq` and its gradients against finite differences."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from isptoolkit import Capture
from isptoolkit.stages import HighlightWhiteBalance
from isptoolkit.stages.solve import solve_increasing


def columns(*values):
    return tuple(torch.tensor(value, dtype=torch.float64) for value in values)


FUNCTIONS = {
    "straight": (lambda t: 3 * t, lambda t: torch.full_like(t, 3.0), 0.0, 2.0),
    "cube": (lambda t: t**3 + t, lambda t: 3 * t**2 + 1, 0.0, 4.0),
    "exponential": (lambda t: t.exp(), lambda t: t.exp(), -3.0, 5.0),
    "bent both ways": (lambda t: t.tanh() + 0.01 * t, lambda t: 1.01 - t.tanh() ** 2, -4.0, 5.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_roots_are_those_of_brentq(name):
    function, slope, low, high = FUNCTIONS[name]
    places = torch.linspace(low, high, 53, dtype=torch.float64)
    targets = function(places)
    roots = solve_increasing(function, slope, targets, torch.full_like(places, low), torch.full_like(places, high))
    for root, target, steepness in zip(roots.tolist(), targets.tolist(), slope(roots).tolist(), strict=True):
        expected = brentq(lambda t, y=target: function(*columns(t)).item() - y, low, high, xtol=1e-15)
        assert root == pytest.approx(expected, abs=4e-16 * max(1, abs(target)) / steepness + 2e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_reaches_its_rounding(name):
    function, slope, low, high = FUNCTIONS[name]
    places = torch.linspace(low, high, 53)
    targets = function(places)
    roots = solve_increasing(function, slope, targets, torch.full_like(places, low), torch.full_like(places, high))
    allowed = 4 * torch.finfo(torch.float32).eps * (targets.abs().clamp(min=1) / slope(places) + places.abs())
    assert ((roots - places).abs() <= allowed).all()


def test_targets_out_of_range_return_the_nearer_end():
    low, high, target = columns([0.0, 0.0], [2.0, 2.0], [-5.0, 500.0])
    roots = solve_increasing(lambda t: t**3 + t, lambda t: 3 * t**2 + 1, target, low, high)
    np.testing.assert_allclose(roots, [0, 2], rtol=0, atol=1e-3)
    assert ((roots >= 0) & (roots <= 2)).all()


def test_an_empty_bracket_and_a_slope_of_zero():
    low, high, target = columns([1.0, 0.0], [1.0, 1.0], [1.0, 0.0])
    roots = solve_increasing(lambda t: t**3, lambda t: 3 * t**2, target, low, high)
    np.testing.assert_allclose(roots, [1, 0], rtol=0, atol=1e-3)


def test_nan_stays_nan():
    low, high, target = columns([0.0, 0.0], [1.0, 1.0], [np.nan, 0.25])
    roots = solve_increasing(lambda t: t, torch.ones_like, target, low, high)
    assert roots.isnan().tolist() == [True, False]
    assert roots[1] == 0.25


def test_a_start_at_the_root_needs_no_halving():
    zero, one, target = columns([0.0], [1.0], [0.3])
    assert solve_increasing(lambda t: t, torch.ones_like, target, zero, one, start=target, halvings=0) == 0.3


def test_roots_at_the_ends_of_the_bracket():
    low, high, target = columns([0.0, 0.0], [0.3, 0.3], [0.0, 0.9])
    roots = solve_increasing(lambda t: 3 * t, lambda t: torch.full_like(t, 3.0), target, low, high)
    np.testing.assert_allclose(roots, [0, 0.3], rtol=0, atol=1e-16)


def test_gradients_are_those_of_the_implicit_function():
    power, target = columns([1.5, 3.0, 0.7], [0.2, 1.4, 0.9])
    low, high = columns([0.0] * 3, [4.0] * 3)

    def root(goal, exponent):
        return solve_increasing(
            lambda t: t**exponent + t, lambda t: exponent * t ** (exponent - 1) + 1, goal, low, high
        )

    expected = [
        brentq(lambda t, p=p, y=y: t**p + t - y, 0, 4, xtol=1e-15)
        for p, y in zip(power.tolist(), target.tolist(), strict=True)
    ]
    np.testing.assert_allclose(root(target, power), expected, rtol=0, atol=1e-14)
    assert torch.autograd.gradcheck(root, (target.requires_grad_(), power.requires_grad_()))


def test_the_bracket_has_no_gradient():
    low, high, target = (value.requires_grad_() for value in columns([0.0], [2.0], [0.7]))
    solve_increasing(lambda t: t**3 + t, lambda t: 3 * t**2 + 1, target, low, high).sum().backward()
    assert target.grad is not None
    assert low.grad is None
    assert high.grad is None


@pytest.mark.parametrize("seed", range(12))
def test_highlights_of_extreme_gains_are_those_of_brentq(seed):
    """Gains from 0.15 to 50, inflections up to 0.997, samples from 1e-3 to 100: plain Newton would diverge."""
    rng = np.random.default_rng(seed)
    gains, inflection = np.exp(rng.uniform(-2, 4, 3)), 1 - 10 ** rng.uniform(-2.5, 0)
    raw = rng.random((40, 3)) * 10.0 ** rng.integers(-3, 3, (40, 1))
    raw[:3] = [[0, 0, 0], [1, 1, 1], [0, 0, 1.2]]
    g = 1 / gains

    def scale(t):
        height = max(t - inflection, 0) / (1 - inflection)
        return g + height**2 * np.maximum(1 - g, 0)

    stage = HighlightWhiteBalance(gains=gains.tolist(), inflection=inflection)
    pixels = torch.from_numpy(raw.T.copy()).view(1, 3, 1, -1)
    balanced = stage(pixels, Capture.of("RGGB"))[0, :, 0].T.numpy()
    for pixel, output in zip(raw, balanced, strict=True):
        top = (pixel / g).mean()
        t = brentq(lambda t, x=pixel: t - (x / scale(t)).mean(), 0, top * 1.01 + 1e-9, xtol=1e-15, maxiter=500)
        np.testing.assert_allclose(output, pixel / scale(t), rtol=3e-12 / (1 - inflection), atol=1e-15)

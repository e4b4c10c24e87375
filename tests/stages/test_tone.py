"""Tone curves against independent evaluations of their formulas and against published numbers."""

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from isptoolkit import LINEAR, Capture
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages import ExtendedReinhard, Filmic, PowerCurve, Smoothstep

CAPTURE = Capture.of("RGGB")
HEIGHTS = np.linspace(0, 0.999, 61)


def applied(direction, values):
    x = torch.as_tensor(values, dtype=torch.float64).view(1, 1, 1, -1).expand(1, 3, 1, -1)
    return direction(x, CAPTURE)[0, 0, 0].numpy()


def hable(x):
    """The formula as printed in the article of 2010."""
    a, b, c, d, e, f = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30
    return (x * (a * x + c * b) + d * e) / (x * (a * x + b) + d * f) - e / f


FORMULAS = {
    "smoothstep": (Smoothstep(), lambda x: 3 * x**2 - 2 * x**3, 1.0),
    "half smoothstep": (Smoothstep(0.5), lambda x: 0.5 * x + 0.5 * (3 * x**2 - 2 * x**3), 1.0),
    "reinhard": (ExtendedReinhard(4.0), lambda x: x * (1 + x / 16) / (1 + x), 4.0),
    "filmic": (Filmic(11.2, 2.0), lambda x: hable(2 * x) / hable(11.2), 5.6),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_forward_is_the_formula_and_inverse_its_root(name):
    stage, formula, white = FORMULAS[name]
    light = np.linspace(0, white, 61)
    np.testing.assert_allclose(applied(stage.forward, light), formula(light), rtol=0, atol=2e-15)
    assert applied(stage.forward, [white]) == pytest.approx(1, abs=1e-15)
    roots = [brentq(lambda x, y=y: formula(x) - y, 0, white, xtol=1e-15) for y in HEIGHTS]
    np.testing.assert_allclose(applied(stage.inverse, HEIGHTS), roots, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("srgb", "toned", "linear"),
    [
        ((0.25, 0.5, 0.75), (0.326352, 0.5, 0.673648), (0.085135, 0.217638, 0.419327)),
        ((0.1, 0.1, 0.1), (0.1958,) * 3, (0.027669,) * 3),
        ((0.99, 0.99, 0.99), (0.941097,) * 3, (0.874975,) * 3),
        ((1.0, 0.9, 0.3), (1.0, 0.8042, 0.363257), (1.0, 0.619157, 0.107764)),
    ],
)
def test_golden_values_of_unprocessing(srgb, toned, linear):
    before = applied(Smoothstep().inverse, srgb)
    np.testing.assert_allclose(before, toned, rtol=0, atol=6e-6 if 0.1958 in toned or 0.8042 in toned else 1e-6)
    np.testing.assert_allclose(applied(PowerCurve(2.2).inverse, before), linear, rtol=0, atol=1e-6)


def test_the_inverse_of_unprocessing_in_closed_form():
    codes = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(
        applied(Smoothstep().inverse, codes), 0.5 - np.sin(np.arcsin(1 - 2 * codes) / 3), rtol=0, atol=5e-16
    )


@pytest.mark.parametrize("amount", [1e-9, 1e-3, 0.3, 0.9, 0.999999, 1.0])
def test_every_amount_is_inverted_up_to_the_ends(amount):
    """Where the slope 1 - a vanishes, a rounding error e of y becomes about sqrt(e)."""
    x = np.concatenate([[0.0, 1e-12, 1e-6], np.linspace(0.001, 0.999, 400), [1 - 1e-6, 1.0]])
    stage = Smoothstep(amount)
    y = applied(stage.forward, x)
    slopes = (1 - amount) + 6 * amount * x * (1 - x)
    # Rounding of 0.5 + v is 1e-16 for any y; for small amounts the argument of the sine adds more.
    allowed = np.minimum(1e-15 / np.maximum(slopes, 1e-15) + 4e-16 / np.sqrt(amount), 4e-8)
    assert (np.abs(applied(stage.inverse, y) - x) <= allowed).all()


def test_in_float32_the_full_smoothstep_errs_by_1e_4_at_its_ends_and_the_half_does_not():
    x = torch.linspace(0, 1, 4001).view(1, 1, 1, -1).expand(1, 3, 1, -1)
    errors = [(stage.inverse(stage(x, CAPTURE), CAPTURE) - x).abs() for stage in (Smoothstep(), Smoothstep(0.5))]
    assert 2e-6 < errors[0].max() < 3e-4
    assert errors[0][..., 400:-400].max() < 1e-6
    assert errors[1].max() < 1e-6


def test_smoothstep_is_a_polynomial_forward_and_stops_at_the_ends_backward():
    np.testing.assert_allclose(applied(Smoothstep().forward, [-0.5, 1.5]), [1.0, 0.0], rtol=0, atol=1e-15)
    np.testing.assert_array_equal(applied(Smoothstep().inverse, [-0.5, 0.0, 1.0, 1.5]), [0, 0, 1, 1])
    x = torch.tensor([[0.2, 1.1], [0.0, 1.0]], dtype=torch.float64).view(1, 1, 2, 2).repeat(1, 3, 1, 1)
    assert Smoothstep().in_domain(x, CAPTURE).flatten().tolist() == [True, False, True, True]


@pytest.mark.parametrize("name", ["reinhard", "filmic"])
def test_compressions_are_odd_and_increase_above_white(name):
    stage, _, white = FORMULAS[name]
    light = np.concatenate([np.geomspace(1e-12, 1e-3, 50), np.linspace(0.01, 3 * white, 200)])
    up, down = applied(stage.forward, light), applied(stage.forward, -light)
    np.testing.assert_array_equal(up, -down)
    assert (np.diff(up) > 0).all()
    assert up[-1] > 1
    np.testing.assert_allclose(applied(stage.inverse, up), light, rtol=1e-13)
    np.testing.assert_allclose(applied(stage.inverse, down), -light, rtol=1e-13)


def test_filmic_has_no_inverse_beyond_its_asymptote():
    height = (1 - 0.02 / 0.30) / hable(11.2)
    assert applied(Filmic().forward, [1e9]) == pytest.approx(height, rel=1e-8)
    below, *above = applied(Filmic().inverse, [height * (1 - 1e-6), height * 1.01, 5.0, -5.0])
    assert below > 1e4
    assert np.isnan(above).all()


@pytest.mark.parametrize("stage", [stage for stage, _, _ in FORMULAS.values()], ids=list(FORMULAS))
def test_float32_error_is_within_the_condition(stage):
    x = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    gap = (stage(x.float(), CAPTURE).double() - stage(x, CAPTURE)).abs().max()
    assert gap < 4 * torch.finfo(torch.float32).eps


@pytest.mark.parametrize("name", FORMULAS)
def test_gradients_are_true_inside_and_finite_at_the_ends(name):
    stage, _, white = FORMULAS[name]
    for direction, top in ((stage.forward, white), (stage.inverse, 1.0)):
        inside = (torch.tensor([0.02, 0.3, 0.7, 0.95], dtype=torch.float64) * top).view(1, 1, 1, 4).expand(1, 3, 1, 4)
        assert torch.autograd.gradcheck(
            lambda x, direction=direction: direction(x, CAPTURE), (inside.clone().requires_grad_(),)
        )
        ends = torch.tensor([0.0, 0.5 * top, top]).view(1, 3, 1, 1).requires_grad_()
        direction(ends, CAPTURE).sum().backward()
        assert ends.grad.isfinite().all()


@pytest.mark.parametrize("stage", [stage for stage, _, _ in FORMULAS.values()], ids=list(FORMULAS))
def test_nan_stays_nan(stage):
    assert np.isnan(applied(stage.forward, [np.nan])).all()
    assert np.isnan(applied(stage.inverse, [np.nan])).all()


def test_parameters_have_gradients():
    x = torch.rand(2, 3, 2, 2, dtype=torch.float64) * 0.8 + 0.1
    for stage, name in ((Smoothstep, "amount"), (ExtendedReinhard, "white"), (Filmic, "white"), (Filmic, "exposure")):
        start = {"amount": 0.6, "white": 3.0, "exposure": 1.5}[name]
        value = torch.nn.Parameter(torch.tensor([start, start * 1.1], dtype=torch.float64))
        curve = stage(**{name: value})
        for direction in ("forward", "inverse"):

            def call(parameter, curve=curve, name=name, direction=direction):
                return torch.func.functional_call(_Direction(curve, direction), {f"stage.{name}": parameter}, (x,))

            assert torch.autograd.gradcheck(call, (value,))


class _Direction(torch.nn.Module):
    def __init__(self, stage, direction):
        super().__init__()
        self.stage, self.direction = stage, direction

    def forward(self, x):
        return getattr(self.stage, self.direction)(x, CAPTURE)


def test_invalid_parameters_are_refused():
    for make in (
        lambda: Smoothstep(0.0),
        lambda: Smoothstep(1.5),
        lambda: ExtendedReinhard(0.5, space=LINEAR),
        lambda: Filmic(white=0.0),
    ):
        with pytest.raises(InvalidArgument):
            make()

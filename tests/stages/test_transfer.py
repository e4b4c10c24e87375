"""Transfer curves against colour-science and the numbers that the standards print."""

import colour
import numpy as np
import pytest
import torch

from isptoolkit import Capture
from isptoolkit.stages import HLGCurve, PowerCurve, PQCurve, Rec709Curve, SRGBCurve

CAPTURE = Capture.of("RGGB")
LIGHT = np.concatenate([[0.0, 1e-6, 1e-4], np.linspace(0, 1, 997)])
CURVES = {
    "srgb": SRGBCurve(),
    "rec709": Rec709Curve(),
    "power": PowerCurve(2.2),
    "pq": PQCurve(),
    "hlg": HLGCurve(),
}
# Ours and theirs part near a joint only: the sRGB pieces of IEC 61966-2-1 meet 3e-8 apart, those of Rec. 709 2.5e-4.
THEIRS = {
    "srgb": (colour.models.eotf_inverse_sRGB, colour.models.eotf_sRGB, 3e-8),
    "rec709": (colour.models.oetf_BT709, colour.models.oetf_inverse_BT709, 1e-14),
    "power": (lambda x: x ** (1 / 2.2), lambda y: y**2.2, 1e-15),
    "pq": (lambda x: colour.models.eotf_inverse_ST2084(10000 * x), lambda y: colour.models.eotf_ST2084(y) / 1e4, 1e-12),
    "hlg": (colour.models.oetf_BT2100_HLG, colour.models.oetf_inverse_BT2100_HLG, 1e-8),
}


def both(curve, values, dtype=torch.float64):
    x = torch.as_tensor(values, dtype=dtype).view(1, 1, 1, -1).expand(1, 3, 1, -1)
    return curve(x, CAPTURE)[0, 0, 0].double().numpy(), curve.inverse(x, CAPTURE)[0, 0, 0].double().numpy()


@pytest.mark.parametrize("name", CURVES)
def test_equal_to_colour_science_both_ways(name):
    encode, decode, bound = THEIRS[name]
    encode, decode = (np.errstate(invalid="ignore")(function) for function in (encode, decode))
    np.testing.assert_allclose(both(CURVES[name], LIGHT)[0], encode(LIGHT), rtol=0, atol=bound)
    encoded = encode(LIGHT)
    np.testing.assert_allclose(both(CURVES[name], encoded)[1], decode(encoded), rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("name", "light", "encoded"),
    [
        ("srgb", 0.0031308, 0.04045),  # IEC 61966-2-1, the breakpoints as rounded there
        ("rec709", 0.018, 0.081),
        ("pq", 0.01, 0.508078),  # 100 cd/m2, ITU-R BT.2408: 50.8 % of the signal
        ("pq", 0.1, 0.751827),  # 1000 cd/m2
        ("hlg", 1 / 12, 0.5),
        ("hlg", 1.0, 1.0),
    ],
)
def test_published_points(name, light, encoded):
    assert both(CURVES[name], [light])[0] == pytest.approx(encoded, abs=6e-6 if name == "srgb" else 3e-4)


@pytest.mark.parametrize("name", CURVES)
def test_in_float32_as_good_as_its_digits(name):
    wide, narrow = both(CURVES[name], LIGHT)[0], both(CURVES[name], LIGHT.astype("f4"), torch.float32)[0]
    assert np.abs(wide - narrow).max() < (2e-5 if name == "pq" else 5e-7)


@pytest.mark.parametrize("name", CURVES)
def test_increasing_over_all_reals_and_odd(name):
    values = np.concatenate([-np.geomspace(3, 1e-7, 400), [0.0], np.geomspace(1e-7, 3, 400)])
    curve = CURVES[name]
    encoded, _ = both(curve, values)
    assert (np.diff(encoded) > 0).all()
    middle = encoded[400]
    np.testing.assert_allclose(encoded - middle, -(encoded[::-1] - middle), rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", CURVES)
def test_not_a_number_stays_so(name):
    for values in both(CURVES[name], [np.nan, 0.5]):
        assert np.isnan(values[0])
        assert np.isfinite(values[1])


@pytest.mark.parametrize("name", CURVES)
def test_gradients_are_true_inside_and_finite_everywhere(name):
    curve = CURVES[name]
    inside = torch.tensor([0.001, 0.03, 0.2, 0.6, 0.97], dtype=torch.float64).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    for verb in (curve.forward, curve.inverse):
        assert torch.autograd.gradcheck(lambda x, verb=verb: verb(x, CAPTURE), (inside.clone().requires_grad_(),))
        edge = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1).requires_grad_()
        verb(edge, CAPTURE).sum().backward()
        assert edge.grad.isfinite().all()


def test_the_gamma_of_a_power_curve_can_be_learned():
    gamma = torch.nn.Parameter(torch.tensor(1.8, dtype=torch.float64))
    x = torch.rand(1, 3, 2, 2, dtype=torch.float64)

    def render(value):
        return torch.func.functional_call(PowerCurve(gamma), {"gamma": value}, (x, CAPTURE))

    assert torch.autograd.gradcheck(render, (gamma,))

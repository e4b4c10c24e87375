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
REFERENCES = {
    "srgb": (colour.models.eotf_inverse_sRGB, colour.models.eotf_sRGB, 5e-16),
    "rec709": (colour.models.oetf_BT709, colour.models.oetf_inverse_BT709, 5e-16),
    "power": (lambda x: x ** (1 / 2.2), lambda y: y**2.2, 5e-16),
    "pq": (lambda x: colour.models.eotf_inverse_ST2084(10000 * x), lambda y: colour.models.eotf_ST2084(y) / 1e4, 5e-13),
    "hlg": (colour.models.oetf_BT2100_HLG, colour.models.oetf_inverse_BT2100_HLG, 2e-15),
}
# Light and code where two pieces meet.
JOINTS = {"srgb": (0.0031308, 0.04045), "rec709": (0.018, 0.081), "hlg": (1 / 12, 0.5)}


def both(curve, values, dtype=torch.float64):
    x = torch.as_tensor(values, dtype=dtype).view(1, 1, 1, -1).expand(1, 3, 1, -1)
    return curve(x, CAPTURE)[0, 0, 0].double().numpy(), curve.inverse(x, CAPTURE)[0, 0, 0].double().numpy()


@pytest.mark.parametrize("name", CURVES)
def test_both_directions_equal_colour_science(name):
    encode, decode, bound = REFERENCES[name]
    encode, decode = (np.errstate(invalid="ignore")(function) for function in (encode, decode))
    np.testing.assert_allclose(both(CURVES[name], LIGHT)[0], encode(LIGHT), rtol=0, atol=bound)
    np.testing.assert_allclose(both(CURVES[name], LIGHT)[1], decode(LIGHT), rtol=0, atol=bound)


def test_the_srgb_pieces_meet_just_below_the_standards_rounded_breakpoint():
    """Between the two breakpoints this curve is the power, colour-science's the line: they differ by 3e-8."""
    light = np.linspace(0.0031300, 0.0031316, 4001)
    apart = np.abs(both(SRGBCurve(), light)[0] - colour.models.eotf_inverse_sRGB(light))
    assert apart.max() < 3e-8
    assert light[apart > 1e-15].min() > 0.00313066
    assert light[apart > 1e-15].max() <= 0.0031308


@np.errstate(invalid="ignore")
def test_hlg_is_also_arib_std_b67_on_its_scale_of_12():
    """ARIB rounds b and c to eight digits, BT.2100 computes them from a."""
    np.testing.assert_allclose(both(HLGCurve(), LIGHT)[0], colour.models.oetf_ARIBSTDB67(12 * LIGHT), atol=1e-9)
    expected = colour.models.oetf_inverse_ARIBSTDB67(LIGHT) / 12
    np.testing.assert_allclose(both(HLGCurve(), LIGHT)[1], expected, rtol=0, atol=5e-9)


@pytest.mark.parametrize(
    ("name", "light", "encoded", "digits"),
    [
        ("srgb", 0.0031308, 0.04045, 6e-6),  # IEC 61966-2-1, as rounded there
        ("srgb", 1.0, 1.0, 1e-15),
        ("rec709", 0.018, 0.081, 3e-4),  # ITU-R BT.709: its pieces are 2.5e-4 apart here
        ("rec709", 1.0, 1.0, 1e-15),
        ("pq", 0.01, 0.508078, 5e-7),  # 100 cd/m2, ITU-R BT.2408: 50.8 % of the signal
        ("pq", 0.1, 0.751827, 5e-7),  # 1000 cd/m2
        ("pq", 1.0, 1.0, 1e-14),
        ("hlg", 1 / 12, 0.5, 1e-15),
        ("hlg", 1.0, 1.0, 1e-8),  # by the standard's rounded a
    ],
)
def test_published_points(name, light, encoded, digits):
    assert both(CURVES[name], [light])[0] == pytest.approx(encoded, abs=digits)


@pytest.mark.parametrize("name", CURVES)
def test_values_beyond_0_and_1_are_not_clamped_and_inverted(name):
    values = np.concatenate([-np.geomspace(5, 1e-9, 300), [0.0], np.geomspace(1e-9, 5, 300)])
    encoded, _ = both(CURVES[name], values)
    assert encoded[-1] > 1
    assert encoded[0] < 0
    np.testing.assert_allclose(both(CURVES[name], encoded)[1], values, rtol=0, atol=2e-12 if name == "pq" else 1e-14)


@pytest.mark.parametrize("name", JOINTS)
def test_only_rec709_has_a_step_at_its_joint(name):
    light, code = JOINTS[name]
    around = light + np.arange(-500, 501) * 1e-9
    steps = np.diff(both(CURVES[name], around)[0])
    assert (steps > 0).all()
    if name == "rec709":
        assert steps.max() == pytest.approx(1.099 * 0.018**0.45 - 0.099 - 4.5 * 0.018, abs=5e-9)
    else:
        assert steps.max() < 1.05 * 1e-9 * 12.92
        assert (np.diff(both(CURVES[name], code + np.arange(-500, 501) * 1e-9)[1]) > 0).all()


@pytest.mark.parametrize(
    ("name", "dark", "white", "dark_inverse", "white_inverse"),
    [
        ("srgb", 12.92, 1.055 / 2.4, 1 / 12.92, 2.4 / 1.055),
        ("rec709", 4.5, 1.099 * 0.45, 1 / 4.5, 1 / (1.099 * 0.45)),
        ("power", 0.0, 1 / 2.2, 0.0, 2.2),  # 0 stands for infinity
    ],
)
def test_slopes_at_0_and_1(name, dark, white, dark_inverse, white_inverse):
    for direction, slopes in (
        (CURVES[name].forward, (dark, white)),
        (CURVES[name].inverse, (dark_inverse, white_inverse)),
    ):
        ends = torch.tensor([0.0, 1.0], dtype=torch.float64).view(1, 1, 1, 2).repeat(1, 3, 1, 1).requires_grad_()
        direction(ends, CAPTURE).sum().backward()
        np.testing.assert_allclose(ends.grad[0, 0, 0], slopes, rtol=1e-14)


@pytest.mark.parametrize("name", JOINTS)
def test_gradients_at_the_joint_are_one_of_the_two_slopes(name):
    light, _ = JOINTS[name]
    around = torch.tensor([light - 1e-7, light, light + 1e-7], dtype=torch.float64)
    x = around.view(1, 1, 1, 3).repeat(1, 3, 1, 1).requires_grad_()
    CURVES[name](x, CAPTURE).sum().backward()
    left, at, right = x.grad[0, 0, 0].tolist()
    assert min(left, right) * (1 - 1e-4) <= at <= max(left, right) * (1 + 1e-4)


@pytest.mark.parametrize("name", CURVES)
def test_float32_error(name):
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
def test_nan_stays_nan(name):
    for values in both(CURVES[name], [np.nan, 0.5]):
        assert np.isnan(values[0])
        assert np.isfinite(values[1])


@pytest.mark.parametrize("name", CURVES)
def test_gradients_are_true_inside_and_finite_everywhere(name):
    curve = CURVES[name]
    inside = torch.tensor([0.001, 0.03, 0.2, 0.6, 0.97], dtype=torch.float64).view(1, 1, 1, 5).expand(1, 3, 1, 5)
    for direction in (curve.forward, curve.inverse):
        assert torch.autograd.gradcheck(
            lambda x, direction=direction: direction(x, CAPTURE), (inside.clone().requires_grad_(),)
        )
        edge = torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1).requires_grad_()
        direction(edge, CAPTURE).sum().backward()
        assert edge.grad.isfinite().all()


def test_the_gamma_of_a_power_curve_can_be_learned():
    gamma = torch.nn.Parameter(torch.tensor(1.8, dtype=torch.float64))
    x = torch.rand(1, 3, 2, 2, dtype=torch.float64)

    def render(value):
        return torch.func.functional_call(PowerCurve(gamma), {"gamma": value}, (x, CAPTURE))

    assert torch.autograd.gradcheck(render, (gamma,))

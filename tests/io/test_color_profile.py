"""DNG color math against colour, colour-hdri, the specification's formulas, and hand-computed numbers."""

import colour
import numpy as np
import pytest
import torch
from colour_hdri.models import dng

from isptoolkit.errors import InvalidArgument
from isptoolkit.io.color_profile import TEMPERATURES, ColorProfile, normalized_rows
from isptoolkit.io.tiff import tiff_tags
from isptoolkit.spaces import XYZ_FROM_SRGB

# Canon EOS 5D Mark II, as in colour-hdri's documentation.
CM1 = np.array([[0.5309, -0.0229, -0.0336], [-0.6241, 1.3265, 0.3337], [-0.0817, 0.1215, 0.6664]])
CM2 = np.array([[0.4716, 0.0603, -0.0830], [-0.7798, 1.5474, 0.2480], [-0.1496, 0.1937, 0.6651]])
FM = np.array([[0.8924, -0.1041, 0.1760], [0.4351, 0.6621, -0.0972], [0.0505, -0.1562, 0.9308]])
FM2 = np.array([[0.8300, -0.0500, 0.1842], [0.4000, 0.6900, -0.0900], [0.0300, -0.1200, 0.9149]])
CC1 = np.array([[1.02, 0.01, 0.0], [0.0, 0.99, 0.01], [0.02, 0.0, 1.03]])
CC2 = np.array([[1.01, 0.0, 0.01], [0.02, 1.0, 0.0], [0.0, -0.01, 0.98]])
AB = np.array([1.1, 1.0, 0.9])
WHITES = [(0.3457, 0.3585), (0.3127, 0.3290), (0.40, 0.39), (0.4476, 0.4074), (0.30, 0.31)]
A, D65 = 17, 21


def profile(**changes):
    values = {"color_matrix1": CM1, "color_matrix2": CM2, "illuminant1": A, "illuminant2": D65} | changes
    return ColorProfile(
        **{name: value if isinstance(value, int) else torch.as_tensor(value) for name, value in values.items()}
    )


def reference_arguments(cc1=None, cc2=None, ab=None):
    """The arguments of colour-hdri's functions after the white point."""
    eye = np.eye(3)
    cc1, cc2 = (eye if c is None else c for c in (cc1, cc2))
    return 2856.0, 6504.0, CM1, CM2, cc1, cc2, np.ones(3) if ab is None else ab


@pytest.mark.parametrize("xy", WHITES)
def test_xyz_to_camera_matches_colour_hdri(xy):
    camera = profile(camera_calibration1=CC1, camera_calibration2=CC2, analog_balance=AB)
    expected = dng.matrix_XYZ_to_camera_space(np.array(xy), *reference_arguments(CC1, CC2, AB))
    np.testing.assert_allclose(camera.xyz_to_camera(xy).numpy(), expected, atol=1e-9)


@pytest.mark.parametrize("xy", WHITES)
def test_neutral_and_white_point_match_colour_hdri(xy):
    camera = profile(camera_calibration1=CC1, camera_calibration2=CC2, analog_balance=AB)
    expected = dng.xy_to_camera_neutral(np.array(xy), *reference_arguments(CC1, CC2, AB))
    np.testing.assert_allclose(camera.neutral(xy).numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(camera.white_xy(expected), xy, atol=1e-7)


@pytest.mark.parametrize("xy", WHITES)
@pytest.mark.parametrize("calibrated", [False, True])
def test_forward_matrices_match_colour_hdri(xy, calibrated):
    extra = {"camera_calibration1": CC1, "camera_calibration2": CC2, "analog_balance": AB} if calibrated else {}
    white = np.array([0.9642, 1.0, 0.8249])
    forward = [np.diag(white / f.sum(1)) @ f for f in (FM, FM2)]
    camera = profile(forward_matrix1=forward[0], forward_matrix2=forward[1], **extra)
    tail = reference_arguments(CC1, CC2, AB) if calibrated else reference_arguments()
    camera_to_d50 = dng.matrix_camera_space_to_XYZ(np.array(xy), *tail, *forward)
    d65 = XYZ_FROM_SRGB.sum(1).numpy()
    adapt = colour.adaptation.matrix_chromatic_adaptation_VonKries(white, d65, "Bradford")
    neutral = dng.xy_to_camera_neutral(np.array(xy), *tail)
    to_srgb = np.linalg.inv(XYZ_FROM_SRGB.numpy()) @ adapt @ camera_to_d50 @ np.diag(neutral)
    np.testing.assert_allclose(camera.srgb_to_camera(neutral).numpy(), np.linalg.inv(to_srgb), atol=2e-6)


@pytest.mark.parametrize("xy", WHITES)
def test_color_matrices_alone_match_colour_hdri(xy):
    neutral = dng.xy_to_camera_neutral(np.array(xy), *reference_arguments())
    camera_to_d50 = dng.matrix_camera_space_to_XYZ(np.array(xy), *reference_arguments(), np.eye(3), np.eye(3))
    d50 = colour.xy_to_XYZ([0.3457, 0.3585])
    adapt = colour.adaptation.matrix_chromatic_adaptation_VonKries(d50, XYZ_FROM_SRGB.sum(1).numpy(), "Bradford")
    to_srgb = np.linalg.inv(XYZ_FROM_SRGB.numpy()) @ adapt @ camera_to_d50 @ np.diag(neutral)
    expected = np.linalg.inv(to_srgb)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(profile().srgb_to_camera(neutral).numpy(), expected, atol=5e-4)


def test_the_order_of_the_illuminants_does_not_matter():
    swapped = profile(color_matrix1=CM2, color_matrix2=CM1, illuminant1=D65, illuminant2=A)
    for xy in WHITES:
        torch.testing.assert_close(swapped.xyz_to_camera(xy), profile().xyz_to_camera(xy), rtol=0, atol=1e-12)
        assert swapped.weight(xy) == pytest.approx(1 - profile().weight(xy), abs=1e-12)


def test_interpolation_is_linear_in_inverse_temperature_and_clamped(monkeypatch):
    monkeypatch.setattr("isptoolkit.io.color_profile._temperature_of", lambda xy: xy[0])
    camera = profile()
    middle = 2 / (1 / 2856 + 1 / 6504)
    assert camera.weight((middle, 0)) == pytest.approx(0.5)
    assert camera.weight((4000.0, 0)) == pytest.approx((1 / 4000 - 1 / 6504) / (1 / 2856 - 1 / 6504))
    assert [camera.weight((kelvin, 0)) for kelvin in (1500.0, 2856.0, 6504.0, 20000.0)] == pytest.approx([1, 1, 0, 0])


def test_srgb_to_xyz_follows_from_its_primaries_and_white():
    white = colour.XYZ_to_xy([0.95047, 1.0, 1.08883])
    expected = colour.normalised_primary_matrix(colour.RGB_COLOURSPACES["sRGB"].primaries, white)
    np.testing.assert_allclose(XYZ_FROM_SRGB, expected, rtol=0, atol=5.1e-8)  # seven digits
    # The standard's four digits are for a white that is rounded differently.
    np.testing.assert_allclose(XYZ_FROM_SRGB, colour.RGB_COLOURSPACES["sRGB"].matrix_RGB_to_XYZ, rtol=0, atol=2.5e-4)


@pytest.mark.parametrize("changes", [{"illuminant2": 0}, {"illuminant1": 255}, {"illuminant1": D65}])
def test_unknown_or_equal_illuminants_use_the_first_matrix_alone(changes):
    camera = profile(**changes)
    for xy in WHITES:
        assert torch.equal(camera.xyz_to_camera(xy), torch.as_tensor(CM1))


def test_a_single_matrix_needs_no_temperature(monkeypatch):
    monkeypatch.setattr("isptoolkit.io.color_profile._temperature_of", None)
    camera = ColorProfile(torch.as_tensor(CM1), illuminant1=D65)
    xy = (0.34, 0.35)
    response = CM1 @ np.array([xy[0] / xy[1], 1, (1 - sum(xy)) / xy[1]])
    np.testing.assert_allclose(camera.white_xy(response), xy, atol=1e-9)


def test_an_srgb_camera_has_the_identity_matrix():
    camera = ColorProfile(torch.linalg.inv(XYZ_FROM_SRGB))
    torch.testing.assert_close(camera.srgb_to_camera([1, 1, 1]), torch.eye(3, dtype=torch.float64), rtol=0, atol=1e-9)


@pytest.mark.parametrize("neutral", [(0.41, 1.0, 0.65), (0.6, 1.0, 0.4), (1, 2.477, 1.462)])
def test_rows_sum_to_one_and_the_scale_of_the_neutral_does_not_matter(neutral):
    for camera in (profile(), profile(forward_matrix1=FM, forward_matrix2=FM2, camera_calibration1=CC1)):
        matrix = camera.srgb_to_camera(neutral)
        torch.testing.assert_close(matrix.sum(1), torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-12)
        scaled = camera.srgb_to_camera([7 * value for value in neutral])
        torch.testing.assert_close(scaled, matrix, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("code", "name"), [(17, "A"), (18, "B"), (19, "C"), (20, "D55"), (21, "D65"), (22, "D75"), (23, "D50")]
)
def test_temperatures_of_named_illuminants_match_colour(code, name):
    x, y = colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"][name]
    uv = colour.UCS_to_uv(colour.XYZ_to_UCS(colour.xy_to_XYZ([x, y])))
    assert TEMPERATURES[code] == pytest.approx(colour.temperature.uv_to_CCT_Ohno2013(uv)[0], rel=3e-3)


def test_tags_may_be_fractions_or_numbers():
    fractions = tuple(part for value in CM1.flatten() for part in (round(value * 10000), 10000))
    for value in (fractions, tuple(CM1.flatten())):
        camera = ColorProfile.from_tags({50721: value, 50778: 17, 50727: (11, 10, 1, 1, 9, 10)})
        np.testing.assert_allclose(camera.color_matrix1.numpy(), CM1)
        np.testing.assert_allclose(camera.analog_balance.numpy(), AB)
        assert (camera.illuminant1, camera.illuminant2) == (17, 0)


@pytest.mark.parametrize(
    "tags",
    [{}, {50778: 21}, {50721: (1, 0) * 9}, {50721: (1, 1) * 9}, {50721: (1, 1) * 12}],
    ids=["none", "no matrix", "division by zero", "singular", "four colors"],
)
def test_unusable_tags_have_no_profile(tags):
    assert ColorProfile.from_tags(tags) is None


def test_files_that_are_not_tiff_have_no_tags(tmp_path):
    for content in (b"", b"II", b"II*\0\xff\xff\xff\xff", b"plain text, not an image"):
        (tmp_path / "f.dng").write_bytes(content)
        assert tiff_tags(tmp_path / "f.dng") == {}
    assert ColorProfile.from_dng(tmp_path / "missing.dng") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: ColorProfile(torch.eye(2)),
        lambda: ColorProfile(torch.ones(3, 3)),
        lambda: ColorProfile(torch.eye(3) * torch.nan),
        lambda: ColorProfile(torch.eye(3), analog_balance=torch.zeros(3)),
        lambda: profile().white_xy([1, -1, 1]),
        lambda: profile().white_xy([1, 1]),
        lambda: profile().white_xy([0.001, 1, 50]),
        lambda: normalized_rows(torch.tensor([[1.0, -1.0, 0.0]])),
    ],
)
def test_impossible_values_are_refused(call):
    with pytest.raises(InvalidArgument):
        call()

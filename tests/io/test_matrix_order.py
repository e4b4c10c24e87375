"""Which color matrix of a file counts: LibRaw and colour-hdri as judges."""

import numpy as np
import pytest
import rawpy
import torch
from colour_hdri.models import dng
from tagged_dng import ASCII, BYTE, RATIONAL, SHORT, SRATIONAL, camera_tags, samples, tag, write

from isptoolkit import errors, read_raw
from isptoolkit.io import describe_raw
from isptoolkit.io.color_profile import ColorProfile
from isptoolkit.spaces import XYZ_FROM_SRGB

CAMERAS = [("Canon", "Canon EOS 5D"), ("NIKON CORPORATION", "NIKON D750"), ("SONY", "ILCE-7M3")]
# Canon EOS 5D Mark II, as in colour-hdri's documentation.
CM1 = np.array([[0.5309, -0.0229, -0.0336], [-0.6241, 1.3265, 0.3337], [-0.0817, 0.1215, 0.6664]])
CM2 = np.array([[0.4716, 0.0603, -0.0830], [-0.7798, 1.5474, 0.2480], [-0.1496, 0.1937, 0.6651]])
FM1 = np.array([[0.8924, -0.1041, 0.1760], [0.4351, 0.6621, -0.0972], [0.0505, -0.1562, 0.9308]])
FM2 = np.array([[0.8300, -0.0500, 0.1842], [0.4000, 0.6900, -0.0900], [0.0300, -0.1200, 0.9149]])
CC1 = np.array([[1.02, 0.01, 0.0], [0.0, 0.99, 0.01], [0.02, 0.0, 1.03]])
CC2 = np.array([[1.01, 0.0, 0.01], [0.02, 1.0, 0.0], [0.0, -0.01, 0.98]])
BALANCE = np.array([1.25, 1.0, 0.875])
NEUTRAL = (0.45, 1.0, 0.625)


def rows(code, matrix):
    return tag(code, SRATIONAL, *np.round(matrix, 6).flatten())


def two_illuminants(*more):
    """Tags of a camera with matrices under standard light A (17) and D65 (21)."""
    lights = [tag(50778, SHORT, 17), tag(50779, SHORT, 21)]
    return [
        tag(50706, BYTE, 1, 4, 0, 0),
        rows(50721, CM1),
        rows(50722, CM2),
        *lights,
        tag(50728, RATIONAL, *NEUTRAL),
        *more,
    ]


def matrix_of(path, **arguments):
    return read_raw(path, **arguments)[1].srgb_to_camera[0]


@pytest.mark.parametrize(("make", "model"), CAMERAS)
def test_the_file_counts_before_the_table_of_libraw(tmp_path, make, model):
    plain = write(tmp_path / "plain.dng", samples(64, 80))
    named = write(tmp_path / "named.dng", samples(64, 80), tag(271, ASCII, make), tag(272, ASCII, model))
    with rawpy.imread(str(named)) as raw, rawpy.imread(str(plain)) as other:
        assert raw.rgb_xyz_matrix.any() and not other.rgb_xyz_matrix.any()  # LibRaw knows the one camera
        assert np.array_equal(raw.color_matrix, other.color_matrix)  # and still renders with the file's matrix
    assert torch.equal(matrix_of(named), matrix_of(plain))
    assert describe_raw(named)["matrix_source"] == "the file's ColorMatrix1"


@pytest.mark.parametrize(("make", "model"), CAMERAS)
def test_the_table_counts_where_the_file_states_none(tmp_path, make, model):
    camera = [entry for entry in camera_tags() if entry[0] != 50721]
    path = write(tmp_path / "a.dng", samples(64, 80), tag(271, ASCII, make), tag(272, ASCII, model), camera=camera)
    with rawpy.imread(str(path)) as raw:
        product = raw.rgb_xyz_matrix[:3].astype(float) @ XYZ_FROM_SRGB.numpy()
    np.testing.assert_allclose(matrix_of(path), product / product.sum(1, keepdims=True), atol=1e-12)
    facts = describe_raw(path)
    assert facts["matrix_source"] == f"LibRaw's table, for {facts['camera']}"
    assert "no usable ColorMatrix1" in facts["problems"]


def test_an_argument_counts_before_the_file(tmp_path):
    product = CM2 @ XYZ_FROM_SRGB.numpy()
    path = write(tmp_path / "a.dng", samples(64, 80), camera=two_illuminants())
    np.testing.assert_allclose(matrix_of(path, matrix=CM2), product / product.sum(1, keepdims=True), atol=1e-12)


def expected(cc1=None, cc2=None, balance=None, forward=None):
    """colour-hdri's camera to XYZ D50 with the light that explains the neutral, turned into sRGB to camera."""
    eye = np.eye(3)
    arguments = (2856.0, 6504.0, CM1, CM2, eye if cc1 is None else cc1, eye if cc2 is None else cc2)
    arguments = (*arguments, np.ones(3) if balance is None else balance)
    xy = dng.camera_neutral_to_xy(np.array(NEUTRAL), *arguments)
    forward = (eye, eye) if forward is None else [np.diag([0.9642, 1, 0.8249] / f.sum(1)) @ f for f in forward]
    to_d50 = dng.matrix_camera_space_to_XYZ(xy, *arguments, *forward) @ np.diag(NEUTRAL)
    d50, d65 = np.array([0.9642, 1.0, 0.8249]), XYZ_FROM_SRGB.sum(1).numpy()
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    adapt = np.linalg.inv(bradford) @ np.diag((bradford @ d65) / (bradford @ d50)) @ bradford
    matrix = np.linalg.inv(np.linalg.inv(XYZ_FROM_SRGB.numpy()) @ adapt @ to_d50)
    return matrix / matrix.sum(1, keepdims=True)


SIGNATURE = {"camera": 50931, "profile": 50932}


def signed(**signatures):
    return [tag(SIGNATURE[name], ASCII, text) for name, text in signatures.items()]


@pytest.mark.parametrize(
    ("signatures", "calibrated"),
    [
        ({}, True),
        ({"camera": "com.acme", "profile": "com.acme"}, True),
        ({"camera": "com.acme", "profile": "com.other"}, False),
        ({"camera": "com.acme"}, False),
        ({"profile": "com.acme"}, False),
    ],
    ids=["none", "equal", "different", "camera", "profile"],
)
@pytest.mark.parametrize("forward", [False, True])
def test_two_illuminants_with_calibration(tmp_path, signatures, calibrated, forward):
    """Calibration counts where both signatures are equal; AnalogBalance and forward matrices always do."""
    more = [rows(50723, CC1), rows(50724, CC2), tag(50727, RATIONAL, *BALANCE), *signed(**signatures)]
    more += [rows(50964, FM1), rows(50965, FM2)] if forward else []
    path = write(tmp_path / "a.dng", samples(64, 80), camera=two_illuminants(*more))
    calibrations = (CC1, CC2) if calibrated else (None, None)
    matrix = expected(*calibrations, BALANCE, (FM1, FM2) if forward else None)
    other = expected(*((None, None) if calibrated else (CC1, CC2)), BALANCE, (FM1, FM2) if forward else None)
    assert np.abs(matrix - other).max() > 5e-3
    np.testing.assert_allclose(matrix_of(path), matrix, atol=5e-4)
    assert ("CameraCalibration1" in describe_raw(path)["matrix_source"]) == calibrated


@pytest.mark.parametrize("broken", [np.zeros((3, 3)), np.ones((3, 3))], ids=["zeros", "singular"])
@pytest.mark.parametrize(
    ("code", "name"), [(50722, "ColorMatrix2"), (50964, "ForwardMatrix1"), (50724, "CameraCalibration2")]
)
def test_a_malformed_matrix_does_not_cost_the_others(tmp_path, broken, code, name):
    path = write(tmp_path / "a.dng", samples(64, 80), camera=two_illuminants(rows(code, broken)))
    without = [entry for entry in two_illuminants() if entry[0] != code]
    assert torch.equal(matrix_of(path), matrix_of(write(tmp_path / "b.dng", samples(64, 80), camera=without)))
    assert any(problem.startswith(f"{name} is") for problem in describe_raw(path)["problems"])


def test_the_second_illuminant_alone_counts_if_the_first_is_malformed(tmp_path):
    path = write(tmp_path / "a.dng", samples(64, 80), rows(50721, np.zeros((3, 3))), camera=two_illuminants())
    alone = ColorProfile(torch.tensor(CM2), illuminant1=21)
    torch.testing.assert_close(matrix_of(path), alone.srgb_to_camera(NEUTRAL), rtol=0, atol=1e-6)


def test_a_file_without_any_matrix_names_the_argument(tmp_path):
    path = write(tmp_path / "a.dng", samples(64, 80), rows(50721, np.zeros((3, 3))))
    with pytest.raises(errors.MissingMetadata, match=r"no color matrix: pass matrix=$"):
        read_raw(path)
    assert describe_raw(path)["matrix_source"] is None

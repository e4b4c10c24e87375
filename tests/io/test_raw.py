"""RAW files against LibRaw itself, DNG files written tag by tag, and files that must be refused."""

import shutil

import numpy as np
import pytest
import rawpy
import tifffile
import torch

from isptoolkit import errors, read_raw
from isptoolkit.io import describe_raw
from isptoolkit.io.color_profile import ColorProfile
from isptoolkit.spaces import XYZ_FROM_SRGB

CRW = [f"canon-powershot-s40/CRW_{n}.CRW" for n in ("0101", "0104", "0112", "0117", "0118")] + [
    f"canon-powershot-g2/CRW_{n}.CRW" for n in ("0304", "0305")
]
KDC = [f"kodak-dc120/P0039{n}.KDC" for n in ("08", "09", "10", "11", "12", "13")] + [
    f"kodak-dc50/{n}.KDC" for n in ("DC0008L", "DC0009L", "DC0010S", "DC0011M")
]
QTK = [f"quicktake-100/{n}" for n in ("IMAGE01.QTK", "Image__1.qtk", "Image__2.qtk", "Mistigri.qtk")] + [
    f"quicktake-150/{n}"
    for n in ("QT150_10.QTK", "QT150-2.qtk", *(f"raw_Image_{k}.qtk" for k in ("02", "04", "07", "08")))
]
D750 = [[0.902, -0.289, -0.0715], [-0.4535, 1.2436, 0.2348], [-0.0934, 0.1919, 0.7086]]
XTRANS = bytes(map(int, "110112112110201021112110110112021201"))
MATRIX_TAG = (50721, 10, 9, [6461, 10000, -1164, 10000, -857, 10000, -3825, 10000, 11597, 10000, 2534, 10000]
              + [-416, 10000, 1540, 10000, 6039, 10000], True)  # fmt: skip
NEUTRAL_TAG = (50728, 5, 3, (1, 2, 1, 1, 2, 3), True)
WHITE_TAG = (50717, 4, 1, 4095, True)


def check_against_libraw(path, sensor, capture):
    """The tensor, CFA letters, and levels equal those that rawpy returns pixel by pixel."""
    with rawpy.imread(str(path)) as raw:
        visible = raw.raw_image_visible
        assert sensor.dtype == torch.float32
        assert np.array_equal(sensor[0, 0].numpy(), visible)
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1), (10, 21), (37, 44)):
            site = row % 2 * 2 + column % 2
            assert sensor[0, 0, row, column] == raw.raw_value_visible(row, column)
            color = raw.raw_color(row + raw.sizes.top_margin, column + raw.sizes.left_margin)
            assert capture.cfa[site] == chr(raw.color_desc[color])
            assert capture.black[0, site] == raw.black_level_per_channel[color]
        assert capture.white[0] == raw.white_level
        return np.array(raw.camera_whitebalance), raw.rgb_xyz_matrix[:3].astype(float)


@pytest.mark.parametrize("name", CRW)
def test_canon_crw(data, name):
    path = data / "digicam_corpus" / name
    sensor, capture = read_raw(path)
    assert sensor.shape == (1, 1, 1720, 2312)
    assert (capture.cfa, capture.black[0].tolist(), capture.white.item()) == ("RGGB", [32] * 4, 1023)
    assert capture.camera == ("Canon PowerShot S40" if "s40" in name else "Canon PowerShot G2",)
    assert capture.orientation == (1,)
    balance, matrix = check_against_libraw(path, sensor, capture)
    np.testing.assert_allclose(capture.gains[0], balance[:3] / balance[1])
    rows = matrix @ XYZ_FROM_SRGB.numpy()
    np.testing.assert_allclose(capture.srgb_to_camera[0], rows / rows.sum(1, keepdims=True), atol=1e-12)


@pytest.mark.parametrize("name", KDC)
def test_kodak_kdc_lists_missing_metadata(data, name):
    path = data / "digicam_corpus" / name
    with pytest.raises(errors.MissingMetadata, match=r"pass gains= and matrix=") as caught:
        read_raw(path)
    assert path.name in str(caught.value)
    with pytest.raises(errors.MissingMetadata, match=r"no color matrix: pass matrix=$"):
        read_raw(path, gains=(1.5, 1, 1.2))
    sensor, capture = read_raw(path, gains=(3, 2, 2.4), matrix=D750)
    check_against_libraw(path, sensor, capture)
    assert capture.cfa == "GRBG"
    assert capture.gains[0].tolist() == pytest.approx([1.5, 1, 1.2])
    assert "Kodak" in capture.camera[0]


@pytest.mark.parametrize("name", QTK)
def test_quicktake_lacks_white_balance_only(data, name):
    path = data / "a2tools" / name
    with pytest.raises(errors.MissingMetadata, match=r"no as-shot white balance: pass gains=$"):
        read_raw(path)
    sensor, capture = read_raw(path, gains=(1.5, 1, 1.2))
    check_against_libraw(path, sensor, capture)
    assert capture.camera == (f"Apple QuickTake {name[10:13]}",)


def test_a_dng_without_libraw_matrix_uses_its_tags(data):
    path = data / "tinydng" / "colorchart.dng"
    sensor, capture = read_raw(path)
    _, matrix = check_against_libraw(path, sensor, capture)
    assert not matrix.any()
    assert (tuple(sensor.shape), capture.cfa, capture.white.item()) == ((1, 1, 1156, 1734), "RGGB", 15000)
    assert capture.camera == ("Canon EOS Kiss X4",)
    np.testing.assert_allclose(capture.gains[0], [2.477, 1, 2.477 / 1.462], rtol=1e-6)
    expected = ColorProfile.from_dng(path).srgb_to_camera([1, 2.477, 1.462])
    torch.testing.assert_close(capture.srgb_to_camera[0], expected, rtol=0, atol=1e-6)
    facts = describe_raw(path)
    assert facts["missing"] == []
    assert facts["matrix"][0] == pytest.approx([0.6461, -0.1164, -0.0857])


def test_arguments_replace_the_metadata_of_the_file(data):
    path = data / "tinydng" / "colorchart.dng"
    _, capture = read_raw(path, gains=np.array([2.0, 1, 1.5]), matrix=torch.tensor(D750), black=[1, 2, 3, 4], white=999)
    assert (capture.gains[0].tolist(), capture.black[0].tolist(), capture.white.item()) == (
        [2, 1, 1.5],
        [1, 2, 3, 4],
        999,
    )
    rows = np.array(D750) @ XYZ_FROM_SRGB.numpy()
    np.testing.assert_allclose(capture.srgb_to_camera[0], rows / rows.sum(1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"gains": (1, 1)},
        {"gains": (1, 0, 1)},
        {"gains": (1, float("nan"), 1)},
        {"gains": "red"},
        {"matrix": [[1, 0, 0]]},
        {"matrix": np.ones((3, 3))},
        {"matrix": -np.eye(3)},
    ],
)
def test_malformed_arguments(tmp_path, arguments):
    with pytest.raises(errors.InvalidArgument, match=next(iter(arguments))):
        read_raw(synthetic_dng(tmp_path / "a.dng"), **arguments)


def test_white_below_black_is_refused(tmp_path):
    with pytest.raises(errors.InvalidCapture, match="white"):
        read_raw(synthetic_dng(tmp_path / "a.dng"), black=5000)


def test_a_name_that_is_not_ascii(data, tmp_path):
    path = data / "rawpy" / "RAW_KODAK_DC50_é.KDC"
    sensor, capture = read_raw(path, gains=(1, 1, 1), matrix=D750)
    assert (tuple(sensor.shape), capture.cfa) == ((1, 1, 512, 768), "GRBG")
    other = shutil.copy(path, tmp_path / "写真 ü.kdc")
    assert torch.equal(read_raw(str(other), gains=(1, 1, 1), matrix=D750)[0], sensor)


def synthetic_dng(path, pixels=None, cfa=b"\0\1\1\2", repeat=(2, 2), tags=(MATRIX_TAG, NEUTRAL_TAG, WHITE_TAG)):
    """Write a DNG of plain samples; linear if `cfa` is None."""
    pixels = np.random.default_rng(0).integers(100, 4000, (64, 80)).astype(np.uint16) if pixels is None else pixels
    always = [(50706, 1, 4, b"\1\4\0\0", True), (50707, 1, 4, b"\1\1\0\0", True)]
    always += [(271, 2, 0, "Acme", True), (272, 2, 0, "One", True)]
    mosaic = [] if cfa is None else [(33421, 3, 2, repeat, True), (33422, 1, len(cfa), cfa, True)]
    photometric = 34892 if cfa is None else 32803
    tifffile.imwrite(path, pixels, photometric=photometric, extratags=[*always, *mosaic, *tags], metadata=None)
    return path


@pytest.mark.parametrize(
    ("cfa", "letters"), [(b"\0\1\1\2", "RGGB"), (b"\2\1\1\0", "BGGR"), (b"\1\0\2\1", "GRBG"), (b"\1\2\0\1", "GBRG")]
)
def test_all_phases_and_levels_of_each_site(tmp_path, cfa, letters):
    repeat, black = (50713, 3, 2, (2, 2), True), (50714, 4, 4, (60, 64, 66, 70), True)
    path = synthetic_dng(tmp_path / "a.dng", cfa=cfa, tags=(MATRIX_TAG, NEUTRAL_TAG, WHITE_TAG, repeat, black))
    sensor, capture = read_raw(path)
    check_against_libraw(path, sensor, capture)
    assert (capture.cfa, capture.black[0].tolist()) == (letters, [60, 64, 66, 70])
    assert capture.gains[0].tolist() == pytest.approx([2, 1, 1.5])
    assert capture.camera == ("Acme One",)


@pytest.mark.parametrize("top", [0, 1, 2, 3])
@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_an_active_area_moves_letters_and_levels_together(tmp_path, top, left):
    """DNG 1.6, chapter 4: CFAPattern and BlackLevel start at the top left of the ActiveArea."""
    grid = np.array([[10, 20], [30, 40]])
    pixels = np.tile(np.roll(grid, (top, left), (0, 1)), (32, 40)).astype(np.uint16)
    repeat, black = (50713, 3, 2, (2, 2), True), (50714, 4, 4, (10, 20, 30, 40), True)
    area = (50829, 4, 4, (top, left, 60, 76), True)
    path = synthetic_dng(tmp_path / "a.dng", pixels, tags=(MATRIX_TAG, NEUTRAL_TAG, WHITE_TAG, repeat, black, area))
    sensor, capture = read_raw(path)
    # Every sample equals the black level of its site, which identifies its letter.
    corner = sensor[0, 0, :2, :2].flatten().tolist()
    assert capture.black[0].tolist() == corner
    assert capture.cfa == "".join({10: "R", 20: "G", 30: "G", 40: "B"}[level] for level in corner)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_stored_and_not_applied(tmp_path, orientation):
    path = synthetic_dng(tmp_path / "a.dng", tags=(MATRIX_TAG, NEUTRAL_TAG, WHITE_TAG, (274, 3, 1, orientation, True)))
    sensor, capture = read_raw(path)
    assert capture.orientation == (orientation,)
    assert sensor.shape == (1, 1, 64, 80)


def test_equal_gains_count_only_if_the_file_states_them(tmp_path):
    stated = synthetic_dng(tmp_path / "a.dng", tags=(MATRIX_TAG, WHITE_TAG, (50728, 5, 3, (1, 1) * 3, True)))
    assert read_raw(stated)[1].gains[0].tolist() == [1, 1, 1]
    silent = synthetic_dng(tmp_path / "b.dng", tags=(MATRIX_TAG, WHITE_TAG))
    with pytest.raises(errors.MissingMetadata, match="gains="):
        read_raw(silent)
    assert describe_raw(silent)["missing"] == ["gains"]


def test_white_balance_stated_as_chromaticity(tmp_path):
    path = synthetic_dng(
        tmp_path / "a.dng", tags=(MATRIX_TAG, WHITE_TAG, (50729, 5, 2, (34567, 100000, 35850, 100000), True))
    )
    matrix = np.array(MATRIX_TAG[3][::2]).reshape(3, 3) / 10000
    x, y = 0.34567, 0.35850
    neutral = matrix @ np.array([x / y, 1, (1 - x - y) / y])
    np.testing.assert_allclose(read_raw(path)[1].gains[0], neutral[1] / neutral, rtol=1e-5)


def test_describe_lists_the_metadata_of_a_file(data):
    facts = describe_raw(data / "digicam_corpus" / CRW[0])
    assert (facts["width"], facts["height"], facts["cfa"], facts["white"]) == (2312, 1720, "RGGB", 1023)
    assert (facts["camera"], facts["orientation"], facts["missing"]) == ("Canon PowerShot S40", 1, [])
    facts = describe_raw(data / "digicam_corpus" / KDC[0])
    assert (facts["gains"], facts["matrix"], facts["missing"]) == (None, None, ["gains", "matrix"])


def one_sentence(error, path):
    assert path.name in str(error) and "\n" not in str(error) and "b'" not in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "unreadable/Canon-R6-pruned.CR3",
        "unreadable/fixture-Leica-M10.dng",
        "licence-unclear/metadata-extractor-images/Issue 247-1.nef",
        "digicam_corpus/gopro-hero7-black/GOPR8514.GPR",
        "README.md",
        "kodak24/kodim01.png",
    ],
)
@pytest.mark.parametrize("reader", [read_raw, describe_raw])
def test_undecodable_files(data, name, reader):
    with pytest.raises(errors.UnreadableFile) as caught:
        reader(data / name)
    assert type(caught.value) is errors.UnreadableFile
    one_sentence(caught.value, data / name)


@pytest.mark.parametrize("reader", [read_raw, describe_raw])
def test_files_without_a_mosaic(data, reader):
    path = data / "kimageformats" / "RAW_KODAK_C330_FORMAT_NONE_YRGB.raw"
    with pytest.raises(errors.NotAMosaic) as caught:
        reader(path)
    one_sentence(caught.value, path)


def test_synthetic_files_without_a_bayer_mosaic(tmp_path):
    flat = np.full((60, 72), 500, np.uint16)
    with pytest.raises(errors.NotAMosaic, match="6 x 6"):
        read_raw(synthetic_dng(tmp_path / "xtrans.dng", flat, XTRANS, (6, 6)))
    with pytest.raises(errors.NotAMosaic, match="RGBG"):
        read_raw(synthetic_dng(tmp_path / "columns.dng", flat, b"\0\1\2\1"))


@pytest.mark.parametrize(
    "name",
    [
        "openisp/test.RAW",
        "infinite-isp/ColorCheckerRAW_1920x1080_12bit_BGGR.raw",
        "infinite-isp/BlackImage_1920x1080_12bits_BGGR.raw",
        "licence-unclear/xkisp/input.raw",
        "mushfiqulalam-isp/DSC_1339_768x512_rggb.raw",
    ],
)
def test_headerless_files_that_libraw_recognizes_by_size(data, name):
    with rawpy.imread(str(data / name)) as raw:
        assert raw.raw_image_visible is not None  # LibRaw does open it
    with pytest.raises(errors.UnreadableFile, match="read_mosaic"):
        read_raw(data / name, gains=(1, 1, 1), matrix=D750)


def test_unknown_headerless_files_point_to_read_mosaic(data):
    with pytest.raises(errors.UnreadableFile, match=r"read_mosaic .* \(--size on the command line\)"):
        read_raw(data / "infinite-isp" / "Indoor1_2592x1536_8bit_GRBG.raw")


def test_missing_empty_and_truncated_files_and_folders(data, tmp_path):
    for path in (tmp_path / "none.crw", tmp_path, tmp_path / ("n" * 300)):
        with pytest.raises(errors.UnreadableFile, match="is not a file"):
            read_raw(path)
    (tmp_path / "empty.crw").write_bytes(b"")
    with pytest.raises(errors.UnreadableFile, match="is empty"):
        read_raw(tmp_path / "empty.crw")
    for name in (CRW[0], KDC[0], KDC[6]):
        whole = (data / "digicam_corpus" / name).read_bytes()
        for share in (0.001, 0.5, 0.99):
            (tmp_path / "cut.raw").write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(errors.UnreadableFile, match="truncated|no RAW format"):
                read_raw(tmp_path / "cut.raw", gains=(1, 1, 1), matrix=D750)

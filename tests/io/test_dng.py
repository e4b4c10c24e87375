"""DNG files that write_dng writes, read by isptoolkit, LibRaw, and exiftool where it is installed."""

import shutil
import subprocess

import numpy as np
import pytest
import rawpy
import tifffile
import torch
from PIL import Image

from isptoolkit import Capture, errors, read_raw, stages, write_dng, write_image
from isptoolkit.io import describe_raw, read_gain_map
from isptoolkit.io.color_profile import ColorProfile
from isptoolkit.io.exif import read_exif
from isptoolkit.io.opcodes import gain_map_opcodes
from isptoolkit.io.tiff import tiff_tags
from isptoolkit.priors import random_captures
from isptoolkit.spaces import XYZ_FROM_SRGB

MATRIX = ((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76))


def capture(cfa="RGGB", **changes):
    values = {"black": (60, 62.5, 61, 64), "white": 4095, "gains": (2.1, 1.0, 1.6), "noise": (1.5e-3, 2.5e-6)}
    return Capture.of(cfa, srgb_to_camera=MATRIX, **values | changes)


def samples(height, width, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 65536, (1, channels, height, width), generator=generator).float()


@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("preview", [False, True])
@pytest.mark.parametrize("size", [(64, 96), (63, 101)], ids=str)
def test_samples_and_metadata_survive_the_round_trip(cfa, compress, preview, size, tmp_path):
    path, x, original = tmp_path / "a.dng", samples(*size), capture(cfa, camera="Maker Model X", orientation=6)
    small = torch.rand(1, 3, 30, 40) if preview else None
    write_dng(path, x, original, compress=compress, preview=small)
    sensor, result = read_raw(path)
    assert torch.equal(sensor, x)
    assert (result.cfa, result.camera, result.orientation) == (cfa, ("Maker Model X",), (6,))
    torch.testing.assert_close(result.gains, original.gains, rtol=1e-7, atol=0)
    torch.testing.assert_close(result.srgb_to_camera, original.srgb_to_camera, rtol=0, atol=1e-6)
    assert torch.equal(result.noise, original.noise)
    assert torch.equal(result.white, original.white)
    assert float((result.black - original.black).abs().max()) <= 0.5
    assert describe_raw(path)["problems"] == []
    with tifffile.TiffFile(path) as file:
        page = file.pages[0].pages[0] if preview else file.pages[0]
        assert np.array_equal(page.asarray(), x[0, 0].numpy().astype(np.uint16))
    with rawpy.imread(str(path)) as raw:
        assert np.array_equal(raw.raw_image_visible, x[0, 0].numpy().astype(np.uint16))
        assert raw.white_level == 4095
        assert raw.camera_whitebalance[:3] == pytest.approx([2.1, 1.0, 1.6], rel=1e-6)


def test_linear_files(tmp_path):
    x = samples(40, 50, 3)
    write_dng(tmp_path / "a.dng", x, capture("RGB", black=64))
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        assert np.array_equal(file.pages[0].asarray(), x[0].permute(1, 2, 0).numpy().astype(np.uint16))
        assert file.pages[0].photometric == 34892
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert raw.raw_pattern is None
        assert np.array_equal(raw.raw_image_visible[..., :3], x[0].permute(1, 2, 0).numpy().astype(np.uint16))
    sensor, result = read_raw(tmp_path / "a.dng")
    assert torch.equal(sensor, x)
    assert (result.cfa, result.black.tolist()) == ("RGB", [[64] * 4])
    with pytest.raises(errors.InvalidArgument, match="cannot compress LinearRaw"):
        write_dng(tmp_path / "b.dng", x, capture("RGB", black=64), compress=True)


def test_the_preview_is_the_first_image(tmp_path):
    write_dng(tmp_path / "a.dng", samples(64, 64), capture(), preview=torch.full((1, 3, 20, 30), 0.5))
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        codes = file.pages[0].asarray()
    assert codes.shape == (20, 30, 3)
    assert int(codes.min()) == int(codes.max()) == 128


@pytest.mark.parametrize("options", ["", "compress", "preview", "shading", "crop", "exif", "preview exif shading"])
@pytest.mark.parametrize("cfa", ["RGGB", "RGB", "MONO"])
def test_exiftool_reports_no_defects(options, cfa, tmp_path):
    tool = shutil.which("exiftool")
    if tool is None:
        pytest.skip("needs exiftool: install the package libimage-exiftool-perl")
    write_image(tmp_path / "a.jpg", torch.rand(3, 8, 8), orientation=6)
    values = {
        "compress": cfa != "RGB",
        "preview": torch.rand(1, 3, 20, 30),
        "shading": stages.LensShadingMesh(1 + torch.rand(4, 5, 7).double()) if cfa == "RGGB" else None,
        "crop": (2, 4, 50, 60),
        "exif": tmp_path / "a.jpg",
    }
    written = capture(cfa, black=64, camera="Maker Model X", exposure=0.5)
    written = written.replace(gains=torch.ones_like(written.gains)) if cfa == "MONO" else written
    chosen = {name: values[name] for name in options.split()}
    write_dng(tmp_path / "a.dng", samples(64, 96, 3 if cfa == "RGB" else 1), written, **chosen)
    result = subprocess.run(
        [tool, "-validate", "-warning", "-error", "-a", tmp_path / "a.dng"], capture_output=True, text=True
    )
    assert result.stdout.split() == ["Validate", ":", "OK"]


def test_colors_under_another_light_and_brightness(tmp_path):
    """Captures as UPI draws them: the gain of green is a brightness and becomes BaselineExposure."""
    original = random_captures(1, torch.Generator().manual_seed(3)).replace(
        black=torch.full((1, 4), 512.0), white=torch.tensor([16383.0])
    )
    write_dng(tmp_path / "a.dng", samples(32, 32), original)
    _, result = read_raw(tmp_path / "a.dng")
    torch.testing.assert_close(result.gains, original.gains / original.gains[:, 1:2], rtol=1e-7, atol=0)
    torch.testing.assert_close(result.srgb_to_camera, original.srgb_to_camera, rtol=0, atol=1e-6)
    numerator, denominator = tiff_tags(tmp_path / "a.dng")[50730]
    assert 2 ** (numerator / denominator) == pytest.approx(float(original.gains[0, 1]))


def test_a_profile_of_two_illuminants(tmp_path):
    generator = torch.Generator().manual_seed(1)
    near = [torch.eye(3).double() + 0.1 * torch.rand(3, 3, generator=generator).double() for _ in range(6)]
    original = ColorProfile(
        *near, analog_balance=torch.tensor([1.0, 1.1, 0.9]).double(), illuminant1=17, illuminant2=21
    )
    write_dng(tmp_path / "a.dng", samples(32, 32), capture(), profile=original, preview=torch.rand(1, 3, 8, 8))
    result = ColorProfile.from_dng(tmp_path / "a.dng")
    assert (result.illuminant1, result.illuminant2) == (17, 21)
    for name in ("color_matrix1", "color_matrix2", "forward_matrix1", "forward_matrix2", "camera_calibration1"):
        torch.testing.assert_close(getattr(result, name), getattr(original, name), rtol=0, atol=1e-8)
    expected = original.srgb_to_camera([1 / gain for gain in (2.1, 1.0, 1.6)])
    torch.testing.assert_close(read_raw(tmp_path / "a.dng")[1].srgb_to_camera[0], expected, rtol=0, atol=1e-6)


def test_the_profile_of_a_source_file_is_copied(data, tmp_path):
    source = data / "tinydng" / "colorchart.dng"
    x, original = read_raw(source)
    write_dng(tmp_path / "a.dng", x, original, source=source)
    sensor, result = read_raw(tmp_path / "a.dng")
    assert torch.equal(sensor, x)
    copied, expected = ColorProfile.from_dng(tmp_path / "a.dng"), ColorProfile.from_dng(source)
    assert torch.equal(copied.color_matrix1, expected.color_matrix1)
    assert (copied.illuminant1, copied.illuminant2) == (expected.illuminant1, expected.illuminant2)
    torch.testing.assert_close(result.srgb_to_camera, original.srgb_to_camera, rtol=0, atol=1e-4)
    torch.testing.assert_close(result.gains, original.gains, rtol=1e-6, atol=0)


@pytest.mark.parametrize("sites", [1, 4])
@pytest.mark.parametrize("preview", [False, True])
def test_lens_shading_survives_the_round_trip(sites, preview, tmp_path):
    shading = stages.LensShadingMesh((1 + torch.rand(sites, 5, 7)).double())
    small = torch.rand(1, 3, 16, 24) if preview else None
    write_dng(tmp_path / "a.dng", samples(48, 64), capture(), shading=shading, preview=small)
    result = read_gain_map(tmp_path / "a.dng")
    assert torch.equal(result.mesh, shading.mesh)
    write_dng(tmp_path / "b.dng", samples(48, 64), capture())
    assert read_gain_map(tmp_path / "b.dng") is None


def test_the_bytes_of_a_gain_map():
    """Hand-written from the specification: numbers are big-endian, and sizes count the bytes that follow."""
    opcodes = gain_map_opcodes(stages.LensShadingMesh([[[1.0, 2.0], [1.5, 3.0]]]), (10, 20))
    words = np.frombuffer(opcodes, ">u4")
    assert words[:4].tolist() == [1, 9, 0x01030000, 1]
    assert words[4] == len(opcodes) - 20 == 76 + 16
    assert words[5:15].tolist() == [0, 0, 10, 20, 0, 1, 1, 1, 2, 2]
    assert np.frombuffer(opcodes, ">f8", 4, 60).tolist() == [1.0, 1.0, 0.0, 0.0]
    assert words[23] == 1
    assert np.frombuffer(opcodes, ">f4", 4, 96).tolist() == [1.0, 2.0, 1.5, 3.0]


@pytest.mark.parametrize("cut", [2, 30, 70, 100])
def test_truncated_opcodes_are_refused(cut, tmp_path, monkeypatch):
    content = gain_map_opcodes(stages.LensShadingMesh([[[1.0, 2.0], [1.5, 3.0]]]), (10, 20))[:cut]
    monkeypatch.setattr("isptoolkit.io.tiff.main_tags", lambda path: {51009: content})
    with pytest.raises(errors.UnreadableFile, match="OpcodeList2 cannot be read"):
        read_gain_map(tmp_path / "a.dng")


def test_refused_input_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.dng"
    write_dng(path, samples(32, 32), capture())
    before = path.read_bytes()
    for x, message in (
        (torch.full((1, 1, 32, 32), -1.0), "values from -1 to -1 do not fit"),
        (torch.full((1, 1, 32, 32), 70000.0), "to 70000 do not fit"),
        (torch.full((1, 1, 32, 32), torch.nan), "values from nan"),
        (torch.zeros(1, 2, 32, 32), r"takes \[1,1,H,W\]"),
        (torch.zeros(8, 8), r"takes \[1,1,H,W\]"),
    ):
        with pytest.raises(errors.IspError, match=message):
            write_dng(path, x, capture())
    with pytest.raises(errors.InvalidArgument, match="the capture describes 2"):
        write_dng(path, samples(32, 32), Capture.collate([capture()] * 2))
    with pytest.raises(errors.UnreadableFile, match="is not a readable DNG"):
        write_dng(path, samples(32, 32), capture(), source=tmp_path / "none.dng")
    with pytest.raises(errors.InvalidArgument, match=r"suffix must be one of .dng"):
        write_dng(tmp_path / "a.tif", samples(32, 32), capture())
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["a.dng"]


def test_defects_of_the_tags_are_listed(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        tags = [
            (50706, 1, 4, b"\1\4\0\0", True),
            (33421, 3, 2, (2, 2), True),
            (33422, 1, 4, b"\0\1\1\2", True),
            (50714, 3, 1, 900, True),
            (50717, 4, 1, 700, True),
            (50721, 10, 9, (0, 1) * 9, True),
            (50778, 3, 1, 21, True),
            (50779, 3, 1, 17, True),
            (51041, 12, 2, (-1.0, 0.0), True),
        ]
        file.write(np.full((32, 32), 500, np.uint16), photometric=32803, extratags=tags, metadata=None)
    problems = "; ".join(describe_raw(tmp_path / "a.dng")["problems"])
    for problem in (
        "ColorMatrix1 is all zeros",
        "no usable",
        "illuminants are swapped",
        "NoiseProfile",
        "white 700 is not",
    ):
        assert problem in problems


def rationals(value):
    return [above / below for above, below in zip(value[::2], value[1::2], strict=True)]


def test_tags_of_a_mosaic(tmp_path):
    """The values in the file, by the DNG specification."""
    original = capture(camera="Maker Model X", orientation=6, gains=(2.1, 2.0, 1.6))
    write_dng(tmp_path / "a.dng", samples(32, 48), original)
    tags = tiff_tags(tmp_path / "a.dng")
    assert bytes(tags[50706]) == b"\1\4\0\0" and bytes(tags[50707]) == b"\1\3\0\0"  # opcodes need version 1.3
    assert (tags[271], tags[272], tags[50708]) == ("Maker", "Model X", "Maker Model X")
    assert tags[274] == 6 and tags[50778] == 21  # D65
    assert (tags[33421], bytes(tags[33422]), tags[50713]) == ((2, 2), b"\0\1\1\2", (2, 2))
    assert rationals(tags[50714]) == [60, 62.5, 61, 64] and tags[50717] == 4095
    assert rationals(tags[50728]) == pytest.approx([1 / 2.1, 1 / 2.0, 1 / 1.6], abs=1e-8)
    assert tags[51041] == pytest.approx((1.5e-3, 2.5e-6) * 3, rel=1e-6)
    assert rationals(tags[50730]) == pytest.approx([1.0], abs=1e-8)
    # Scaled so that the channel with the largest gain reaches white.
    scale = np.diag([2.1 / 2.1, 2.1 / 2.0, 2.1 / 1.6])
    expected = scale @ np.array(MATRIX) @ np.linalg.inv(XYZ_FROM_SRGB.numpy())
    assert rationals(tags[50721]) == pytest.approx(expected.flatten().tolist(), abs=1e-6)


def test_tags_of_a_linear_file(tmp_path):
    """One level for each channel: black is the mean over the sites of a color, which is reported."""
    with pytest.warns(UserWarning, match=r"mean of the levels of green, \[60.0, 64.0\]"):
        write_dng(tmp_path / "a.dng", samples(32, 48, 3), capture("GRBG", noise=None))
    tags = tiff_tags(tmp_path / "a.dng")
    assert rationals(tags[50714]) == [62.5, 62, 61]
    assert tags[50717] == (4095, 4095, 4095)
    assert not {33421, 33422, 51041, 50730} & tags.keys()


@pytest.mark.parametrize(("name", "make", "model"), [("Leica", "Leica", "Leica"), ("Kamera Ä", "Kamera", "Ä")])
def test_names_that_are_short_or_beyond_ascii(tmp_path, name, make, model):
    write_dng(tmp_path / "a.dng", samples(32, 32), capture(camera=name))
    tags = tiff_tags(tmp_path / "a.dng")
    assert (tags[271], tags[272]) == (make, model)


def test_values_are_rounded_and_fit_exactly(tmp_path):
    x = torch.tensor([[0.4, 0.6], [65534.5, 65535.4]]).repeat(16, 16)[None, None]
    write_dng(tmp_path / "a.dng", x, capture())
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        assert file.pages[0].asarray()[:2, :2].tolist() == [[0, 1], [65534, 65535]]  # ties to even
    with pytest.raises(errors.InvalidArgument, match="to 65536 do not fit"):
        write_dng(tmp_path / "b.dng", x + 0.2, capture())
    for changes in ({"white": 65536}, {"black": (-1, 0, 0, 0)}):
        with pytest.raises(errors.InvalidArgument, match="levels of a DNG must be between 0 and 65535"):
            write_dng(tmp_path / "b.dng", x, capture(**changes))


def test_mosaic_values_are_written_at_stated_levels(tmp_path):
    """At the default white 1, rounding would leave the codes 0 and 1."""
    x, plain = torch.rand(1, 1, 32, 48), Capture.of("RGGB", gains=(2, 1, 1.5))
    path = tmp_path / "a.dng"
    for values, levels_of in ((x, plain), (1.5 * x, plain), (x, capture(white=1023)), (300 * x, plain)):
        with pytest.raises(errors.InvalidArgument, match=r"pass levels=\(black, white\), such as levels=\(0, 65535\)"):
            write_dng(path, values, levels_of)
    for black, white in ((0, 65535), (63.5, 1023)):
        write_dng(path, x, plain, levels=(black, white))
        with tifffile.TiffFile(path) as file:
            codes = file.pages[0].asarray()
        assert np.array_equal(codes, (black + x[0, 0].double() * (white - black)).round().numpy())
        tags = tiff_tags(path)
        assert (rationals(tags[50714]), tags[50717]) == ([black] * 4, white)
    write_dng(path, torch.rand(1, 3, 32, 48), plain.replace(cfa="RGB"), levels=(64, 4095))
    assert (rationals(tiff_tags(path)[50714]), tiff_tags(path)[50717]) == ([64] * 3, (4095,) * 3)
    for levels, message in (((-1, 5), "got -1, 5"), ((9, 9), "got 9, 9"), ((0, 1022.5), "a whole number, got 1022.5")):
        with pytest.raises(errors.InvalidArgument, match=message):
            write_dng(path, x, plain, levels=levels)
    with pytest.raises(errors.InvalidArgument, match="values from -64 to"):
        write_dng(path, x - 0.5, plain, levels=(64, 320))


def test_digital_numbers_far_above_white_are_refused(tmp_path):
    x = samples(32, 32) // 64
    with pytest.raises(errors.InvalidArgument, match=r"10 times the capture's white 1: pass a capture with the levels"):
        write_dng(tmp_path / "a.dng", x, Capture.of("RGGB"))
    write_dng(tmp_path / "a.dng", x, Capture.of("RGGB", white=255))
    write_dng(tmp_path / "a.dng", (x > 500).float(), Capture.of("RGGB"))  # codes 0 and 1 are exact


def test_files_are_as_large_as_libraw_reads(tmp_path, monkeypatch):
    path, original = tmp_path / "a.dng", capture(white=65535)
    for size in ((21, 64), (64, 21)):
        with pytest.raises(errors.InvalidSize, match=f"needs 22 rows and columns, .* got {size[0]} x {size[1]}"):
            write_dng(path, samples(*size), original)
        with monkeypatch.context() as patched:
            patched.setattr("isptoolkit.io.dng.SMALLEST", 1)
            write_dng(path, samples(*size), original)
        with pytest.raises(rawpy.LibRawFileUnsupportedError):
            rawpy.imread(str(path))
    x = samples(22, 22)
    write_dng(path, x, original)
    with rawpy.imread(str(path)) as raw:
        assert np.array_equal(raw.raw_image_visible, x[0, 0].numpy())


@pytest.mark.parametrize("width", range(24, 64, 8))
def test_narrow_files_of_a_camera_whose_rows_libraw_measures(width, tmp_path):
    """LibRaw takes one strip of ceil(7 width / 64) 16 bytes a row for packed 14-bit samples of a NIKON Z."""
    x = samples(32, width)
    write_dng(tmp_path / "a.dng", x, capture(camera="NIKON Z 6", white=65535))
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert np.array_equal(raw.raw_image_visible, x[0, 0].numpy())


@pytest.mark.parametrize(("compress", "preview"), [(False, False), (True, False), (True, True)])
def test_a_sensor_without_color_filters(compress, preview, tmp_path):
    x, original = samples(32, 49), capture("MONO", gains=(2, 2, 2), black=(60, 61, 62, 63.5))
    small = torch.rand(1, 3, 10, 12) if preview else None
    write_dng(tmp_path / "a.dng", x, original, compress=compress, preview=small)
    tags = tiff_tags(tmp_path / "a.dng")
    assert (tags[262], tags[277], tags[50713]) == (34892, 1, (2, 2))
    assert rationals(tags[50714]) == [60, 61, 62, 63.5]
    assert tags[51041] == pytest.approx((1.5e-3, 2.5e-6))
    assert rationals(tags[50730]) == [1]
    assert not {33421, 33422, 50721, 50728} & tags.keys()
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert raw.num_colors == 1
        assert np.array_equal(raw.raw_image_visible, x[0, 0].numpy())
    for changes, profile in (({"gains": (2, 1, 1)}, None), ({"gains": (1, 1, 1)}, ColorProfile(XYZ_FROM_SRGB))):
        with pytest.raises(errors.InvalidArgument, match=r"\(cfa MONO\) has equal gains and no profile"):
            write_dng(tmp_path / "a.dng", x, capture("MONO", **changes), profile=profile)


def test_planes_and_color_filters_agree(tmp_path):
    for planes, cfa in ((3, "MONO"), (1, "RGB")):
        with pytest.raises(errors.InvalidTensor, match=f"cfa {cfa} has {4 - planes} planes, got {planes}"):
            write_dng(tmp_path / "a.dng", samples(32, 32, planes), capture(cfa, black=64))


def test_the_default_crop(tmp_path):
    write_dng(tmp_path / "a.dng", samples(40, 60), capture(), crop=(2, 3, 38, 57))
    tags = tiff_tags(tmp_path / "a.dng")
    assert (tags[50719], tags[50720]) == ((3, 2), (57, 38))  # horizontal before vertical
    for crop in ((-1, 0, 8, 8), (0, 0, 41, 8), (1, 0, 40, 8), (0, 10, 8, 51), (0, 0, 0, 8)):
        with pytest.raises(errors.InvalidArgument, match="crop is top, left, height and width inside the 40 x 60"):
            write_dng(tmp_path / "b.dng", samples(40, 60), capture(), crop=crop)


def test_exposure_is_the_captures_and_the_gain_of_green(tmp_path):
    for changes, stops in (
        ({"exposure": -1.25}, -1.25),
        ({"exposure": 0.0}, 0),
        ({"exposure": 0.5, "gains": (4, 2, 3)}, 1.5),
    ):
        write_dng(tmp_path / "a.dng", samples(32, 32), capture(**changes))
        assert rationals(tiff_tags(tmp_path / "a.dng")[50730]) == [stops]
    write_dng(tmp_path / "a.dng", samples(32, 32), capture(exposure=0.75))
    for changes, stops in (({}, 0.75), ({"exposure": 0.25}, 0.25)):  # stated by the source, unless by the capture
        write_dng(tmp_path / "b.dng", samples(32, 32), capture(**changes), source=tmp_path / "a.dng")
        assert rationals(tiff_tags(tmp_path / "b.dng")[50730]) == [stops]


def test_orientations_are_1_to_8(tmp_path):
    with pytest.raises(errors.InvalidArgument, match="orientation is 1 to 8, got 9"):
        write_dng(tmp_path / "a.dng", samples(32, 32), capture(orientation=9))


@pytest.mark.parametrize(("width", "components"), [(48, 2), (49, 1)])
def test_compression_is_what_cameras_use(width, components, tmp_path):
    """Readers other than LibRaw decode only predictor 1: ITU-T T.81, B.2.2 and B.2.3."""
    write_dng(tmp_path / "a.dng", samples(32, width), capture(), compress=True)
    content = (tmp_path / "a.dng").read_bytes()
    frame, scan = content.index(b"\xff\xc3"), content.index(b"\xff\xda")
    assert (content[frame + 4], content[frame + 9]) == (16, components)
    assert content[scan + 5 + 2 * components] == 1


def test_a_source_replaces_the_whole_profile(tmp_path):
    near = [torch.eye(3).double() + 0.1 * torch.rand(3, 3).double() for _ in range(4)]
    write_dng(tmp_path / "a.dng", samples(32, 32), capture(), profile=ColorProfile(near[0], illuminant1=17))
    two = ColorProfile(*near, illuminant1=17, illuminant2=21)
    write_dng(tmp_path / "b.dng", samples(32, 32), capture(), profile=two, source=tmp_path / "a.dng")
    result = ColorProfile.from_dng(tmp_path / "b.dng")
    torch.testing.assert_close(result.color_matrix1, near[0], rtol=0, atol=1e-9)
    assert result.color_matrix2 is None and result.forward_matrix1 is None
    assert (result.illuminant1, result.illuminant2) == (17, 0)


def test_names_are_spelled_as_in_the_photograph(data, tmp_path):
    source = data / "photoprism" / "canon_eos_6d.dng"
    for camera, names in (("Canon EOS 6D", ("Canon", "Canon EOS 6D")), ("Maker Model X", ("Maker", "Model X"))):
        write_dng(tmp_path / "a.dng", samples(32, 32), capture(camera=camera), exif=source)
        tags = tiff_tags(tmp_path / "a.dng")
        assert (tags[271], tags[272], tags[50708]) == (*names, camera)
    write_dng(tmp_path / "a.dng", samples(32, 32), capture(), exif=source)
    assert not {271, 272} & tiff_tags(tmp_path / "a.dng").keys()  # the samples may come from another camera


def test_a_source_states_the_photograph_unless_another_file_does(data, tmp_path):
    source = data / "photoprism" / "canon_eos_6d.dng"
    write_dng(tmp_path / "a.dng", samples(32, 32), capture(), source=source)
    assert read_exif(tmp_path / "a.dng") == read_exif(source)
    exif = Image.Exif()
    exif[315] = "Zoe"
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", exif=exif)
    write_dng(tmp_path / "b.dng", samples(32, 32), capture(), source=source, exif=tmp_path / "a.jpg")
    write_dng(tmp_path / "c.dng", samples(32, 32), capture(), source=tmp_path / "b.dng", exif=source)
    facts = [read_exif(tmp_path / name) for name in ("b.dng", "c.dng")]
    assert facts[0] == {"make": "Canon", "model": "Canon EOS 6D", "artist": "Zoe"}
    assert facts[1] == read_exif(source)

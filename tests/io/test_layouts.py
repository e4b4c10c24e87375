"""Layouts of RAW files: mosaics, three linear planes, one plane without filters, and gray images that state nothing."""

import numpy as np
import pytest
import tifffile
from tagged_dng import ASCII, BYTE, LONG, RATIONAL, SHORT, camera_tags, samples, tag, write

from isptoolkit import errors, read_raw
from isptoolkit.io import default_crop, describe_raw

EYE = np.eye(3)
MONO_CAMERA = [tag(50706, BYTE, 1, 4, 0, 0)]
LEVELS = (tag(50714, RATIONAL, 64.5), tag(50717, LONG, 4095))


def test_linear_files_have_three_planes(tmp_path):
    pixels = samples(40, 50, 3)
    levels = (tag(50714, RATIONAL, 60, 61.5, 62), tag(50717, LONG, 4095, 4095, 4095))
    sensor, capture = read_raw(write(tmp_path / "a.dng", pixels, *levels))
    assert np.array_equal(sensor[0].permute(1, 2, 0).numpy(), pixels)
    assert (capture.cfa, capture.black[0].tolist(), capture.white.item()) == ("RGB", [60, 61.5, 61.5, 62], 4095)
    assert capture.gains[0].tolist() == [2, 1, 1.6]


def test_a_linear_file_of_a_camera(data):
    """Lossy: LibRaw undoes the compression, so that black is 0 and white 65535."""
    sensor, capture = read_raw(data / "photoprism" / "canon_eos_6d.dng")
    assert (tuple(sensor.shape), capture.cfa) == ((1, 3, 816, 1224), "RGB")
    assert (capture.black[0].tolist(), capture.white.item(), capture.exposure.item()) == ([0] * 4, 65535, 0.25)


def test_monochrome_files_have_one_plane_and_no_color(tmp_path):
    pixels = samples(40, 50)
    path = write(tmp_path / "a.dng", pixels, *LEVELS, cfa=None, camera=MONO_CAMERA)
    sensor, capture = read_raw(path)
    assert np.array_equal(sensor[0, 0].numpy(), pixels)
    assert (capture.cfa, capture.black[0].tolist(), capture.white.item()) == ("MONO", [64.5] * 4, 4095)
    np.testing.assert_allclose(capture.srgb_to_camera[0], EYE, atol=1e-12)
    facts = describe_raw(path)
    assert (facts["cfa"], facts["missing"], facts["problems"]) == ("MONO", [], [])


@pytest.mark.parametrize("arguments", [{"gains": (2, 1, 1.5)}, {"matrix": EYE}])
def test_monochrome_files_take_no_color(tmp_path, arguments):
    path = write(tmp_path / "a.dng", samples(40, 50), *LEVELS, cfa=None, camera=MONO_CAMERA)
    with pytest.raises(errors.InvalidArgument, match="without color filters"):
        read_raw(path, **arguments)


def gray(path, **options):
    tifffile.imwrite(path, samples(40, 50), photometric="minisblack", metadata=None, **options)
    return path


def test_a_gray_image_is_no_mosaic_unless_the_caller_says_so(tmp_path):
    path = gray(tmp_path / "a.tif")
    with pytest.raises(errors.NotAMosaic, match="pass cfa="):
        read_raw(path)
    with pytest.raises(errors.MissingMetadata, match="pass black=, white=, gains=, and matrix=$"):
        read_raw(path, cfa="GRBG")
    sensor, capture = read_raw(path, cfa="GRBG", black=(1, 2, 3, 4), white=1023, gains=(2, 1, 1.5), matrix=EYE)
    assert np.array_equal(sensor[0, 0].numpy(), samples(40, 50))
    assert (capture.cfa, capture.black[0].tolist(), capture.white.item()) == ("GRBG", [1, 2, 3, 4], 1023)
    sensor, capture = read_raw(path, cfa="MONO", black=0, white=1023)
    assert (capture.cfa, tuple(sensor.shape)) == ("MONO", (1, 1, 40, 50))


@pytest.mark.parametrize("cfa", ["BGGR", "MONO"])
def test_a_stated_cfa_replaces_that_of_any_file(tmp_path, cfa):
    path = write(tmp_path / "a.dng", samples(40, 50), *LEVELS)
    sensor, capture = read_raw(path, cfa=cfa)
    assert capture.cfa == cfa
    assert np.array_equal(sensor[0, 0].numpy(), samples(40, 50))


@pytest.mark.parametrize(("shape", "cfa"), [((40, 50), "RGB"), ((40, 50, 3), "RGGB"), ((40, 50, 3), "MONO")])
def test_a_cfa_of_another_number_of_planes_is_refused(tmp_path, shape, cfa):
    with pytest.raises(errors.NotAMosaic, match=cfa):
        read_raw(write(tmp_path / "a.dng", samples(*shape)), cfa=cfa)


@pytest.mark.parametrize("cfa", ["rggb", "RGBG", "XYZW", ""])
def test_unknown_letters_are_refused(tmp_path, cfa):
    with pytest.raises(errors.InvalidArgument, match="cfa must be one of RGGB"):
        read_raw(write(tmp_path / "a.dng", samples(40, 50)), cfa=cfa)


def previewed(path, order, chain=False):
    """A thumbnail, then a small LinearRaw preview and the main mosaic in this order, as SubIFDs or in the chain."""
    preview = [tag(51041, 12, 9e-3, 9e-6), tag(50714, SHORT, 9, 9, 9), tag(50717, LONG, 99, 99, 99)]
    main = [tag(33421, SHORT, 2, 2), tag(33422, BYTE, 0, 1, 1, 2), tag(50713, SHORT, 2, 2)]
    main += [tag(50714, RATIONAL, 60, 64, 66, 70.5), tag(50717, LONG, 1023), tag(50829, LONG, 1, 1, 95, 127)]
    main += [tag(51041, 12, 1e-3, 1e-6)]
    images = {
        "main": (samples(96, 128), {"photometric": 32803, "subfiletype": 0, "extratags": main}),
        "preview": (samples(48, 64, 3), {"photometric": 34892, "subfiletype": 1, "extratags": preview}),
    }
    with tifffile.TiffWriter(path, byteorder="<") as file:
        inside = {} if chain else {"subifds": len(order)}
        thumbnail = np.zeros((24, 32, 3), np.uint8)
        file.write(thumbnail, photometric="rgb", subfiletype=1, metadata=None, extratags=camera_tags(), **inside)
        for name in order:
            pixels, options = images[name]
            file.write(pixels, planarconfig=1, metadata=None, **options)
    return path


@pytest.mark.parametrize("chain", [False, True])
@pytest.mark.parametrize("order", [["main"], ["main", "preview"], ["preview", "main"]], ids=" ".join)
def test_levels_and_noise_are_those_of_the_main_image(tmp_path, order, chain):
    sensor, capture = read_raw(previewed(tmp_path / "a.dng", order, chain))
    assert np.array_equal(sensor[0, 0].numpy(), samples(96, 128)[1:95, 1:127])
    assert (capture.cfa, capture.black[0].tolist()) == ("RGGB", [60, 64, 66, 70.5])
    assert (capture.white.item(), capture.noise[0].tolist()) == (1023, [1e-3, 1e-6])


def test_the_noise_of_a_preview_is_not_that_of_the_main_image(tmp_path):
    """A preview of linear samples in the first directory, and a main image that states no noise."""
    main = [tag(33421, SHORT, 2, 2), tag(33422, BYTE, 0, 1, 1, 2), tag(50717, LONG, 1023)]
    with tifffile.TiffWriter(tmp_path / "a.dng", byteorder="<") as file:
        first = [*camera_tags(), tag(50717, LONG, 99, 99, 99), tag(51041, 12, 9e-3, 9e-6)]
        options = {"photometric": 34892, "planarconfig": 1, "subfiletype": 1, "subifds": 1, "extratags": first}
        file.write(samples(48, 64, 3), metadata=None, **options)
        file.write(samples(96, 128), photometric=32803, subfiletype=0, metadata=None, extratags=main)
    capture = read_raw(tmp_path / "a.dng")[1]
    assert (capture.noise, capture.white.item(), capture.gains[0].tolist()) == (None, 1023, [2, 1, 1.6])


@pytest.mark.parametrize(
    ("area", "origin", "size", "crop"),
    [
        (None, (8, 4), (40, 30), (4, 8, 30, 40)),
        ((2, 4, 42, 62), (8, 4), (40, 30), (4, 8, 30, 40)),
        ((1, 3, 42, 62), (8, 4), (40, 30), (4, 8, 30, 40)),
        (None, (0, 0), (64, 44), (0, 0, 44, 64)),
        (None, (60, 40), (40, 30), (40, 60, 4, 4)),
        (None, (8.4, 3.6), (40, 30), (4, 8, 30, 40)),
    ],
)
def test_default_crop(tmp_path, area, origin, size, crop):
    tags = [tag(50719, RATIONAL, *origin), tag(50720, RATIONAL, *size)]
    tags += [] if area is None else [tag(50829, LONG, *area)]
    path = write(tmp_path / "a.dng", samples(44, 64), *tags)
    assert default_crop(path) == crop
    assert describe_raw(path)["crop"] == list(crop)


def test_a_crop_outside_the_frame_is_a_problem(tmp_path):
    path = write(tmp_path / "a.dng", samples(44, 64), tag(50719, LONG, 80, 4), tag(50720, LONG, 40, 30))
    assert default_crop(path) is None
    assert any("default crop" in problem for problem in describe_raw(path)["problems"])


def test_default_crop_of_cameras(data):
    """The camera's JPEG of this frame has 2272 x 1704 pixels."""
    assert default_crop(data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0101.CRW")[2:] == (1704, 2272)
    assert default_crop(data / "digicam_corpus" / "kodak-dc120" / "P003908.KDC") is None
    assert default_crop(data / "tinydng" / "colorchart.dng") == (0, 0, 1156, 1734)


def test_names_of_cameras(tmp_path):
    path = write(tmp_path / "a.dng", samples(40, 50), tag(271, ASCII, "Acme"), tag(272, ASCII, "Acme One"))
    assert read_raw(path)[1].camera == ("Acme One",)


@pytest.mark.parametrize(("scale", "is_square"), [((1, 1), True), ((2, 2), True), ((1, 2), False), ((1.5, 1), False)])
def test_pixels_that_are_not_square_are_named(tmp_path, scale, is_square):
    path = write(tmp_path / "a.dng", samples(40, 50), *LEVELS, tag(50718, RATIONAL, *scale))
    assert any("DefaultScale" in problem for problem in describe_raw(path)["problems"]) != is_square

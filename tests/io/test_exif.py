"""EXIF of RAW files and photographs, against exiftool and Pillow: read, and copied into written images."""

import json
import shutil
import subprocess
import time
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from isptoolkit import Capture, errors, write_dng, write_image
from isptoolkit.io.exif import ENTRIES, exif_block, read_exif

CAMERA_FILES = {
    "photoprism/canon_eos_6d.dng": {},
    "digicam_corpus/kodak-dc120/P003908.KDC": {},
    "digicam_corpus/srgb-colorchecker/Canon_EOS_5D_Mark_III.JPG": {},
    "licence-unclear/metadata-extractor-images/Issue 247-1.nef": {"iso"},  # in the maker note of a JPEG file
    "digicam_corpus/canon-powershot-s40/CRW_0117.CRW": {},
    "tinydng/colorchart.dng": {},
}
"""Camera files, and what exiftool reads from places that are no tags."""
NAMES = {
    "make": "Make", "model": "Model", "artist": "Artist", "copyright": "Copyright", "exposure_time": "ExposureTime",
    "aperture": "FNumber", "iso": "ISO", "date": "DateTimeOriginal", "time_zone": "OffsetTimeOriginal",
    "exposure_bias": "ExposureCompensation", "flash": "Flash", "focal_length": "FocalLength",
    "subseconds": "SubSecTimeOriginal", "focal_length_35mm": "FocalLengthIn35mmFormat", "lens_make": "LensMake",
    "lens": "LensModel",
}  # fmt: skip
"""exiftool's names of what `read_exif` reads."""
FORMATS = [("a.jpg", 8), ("a.png", 8), ("a.png", 16), ("a.tif", 8), ("a.tif", 16)]
FACTS = {
    "make": "Maker",
    "model": "Model X",
    "artist": "Zoë",
    "copyright": "© Zoë",
    "exposure_time": Fraction(1, 125),
    "aperture": Fraction(14, 5),
    "iso": 102400,
    "date": "2026:01:31 23:59:58",
    "time_zone": "+05:30",
    "exposure_bias": Fraction(-2, 3),
    "flash": 0,
    "focal_length": Fraction(707, 10),
    "subseconds": "07",
    "focal_length_35mm": 106,
    "lens_make": "Glass",
    "lens": "70 mm f/2.8",
}


@pytest.fixture
def exiftool():
    """Runs exiftool on a file; returns its values by name, or its verdict."""
    tool = shutil.which("exiftool")
    if tool is None:
        pytest.skip("needs exiftool: install the package libimage-exiftool-perl")

    def call(path, *, validate=False):
        options = ["-validate", "-warning", "-error", "-a"]
        if not validate:
            options = ["-n", "-Orientation", *(f"-{name}" for name in NAMES.values())]
        result = subprocess.run([tool, "-j", *options, path], capture_output=True, text=True, check=True)
        return json.loads(result.stdout)[0]

    return call


def photograph(path, changes):
    """A JPEG file with the EXIF tags `changes` by code, in the directory where each belongs."""
    exif, nested = Image.Exif(), {entry.code for entry in ENTRIES.values() if entry.nested} | {34864, 34866}
    for code, value in changes.items():
        (exif.get_ifd(34665) if code in nested else exif)[code] = value
    Image.fromarray(np.full((30, 40, 3), 120, np.uint8)).save(path, exif=exif)
    return path


def agree(ours, theirs, tolerance=1e-3):
    if isinstance(ours, str):
        return ours == str(theirs)
    return float(ours) == pytest.approx(float(theirs), rel=tolerance)


@pytest.mark.parametrize("name", CAMERA_FILES)
def test_facts_equal_those_of_exiftool(data, exiftool, name):
    facts, expected = read_exif(data / name), exiftool(data / name)
    for fact, tag in NAMES.items():
        stated = expected.get(tag)
        if fact in CAMERA_FILES[name]:
            assert fact not in facts
        elif fact not in facts:
            assert stated in (None, "", 0), (fact, stated)
        elif stated is not None:  # a CIFF file states exposures as logarithms, which are rounded to nominal values
            assert agree(facts[fact], stated, 0.05 if name.endswith("CRW") else 1e-3), (fact, facts[fact], stated)


@pytest.mark.parametrize(("name", "bits"), FORMATS, ids=str)
@pytest.mark.parametrize("orientation", [1, 6])
def test_written_images_state_the_photograph(tmp_path, exiftool, name, bits, orientation):
    source, photo = tmp_path / "source.dng", tmp_path / "source.jpg"
    Image.new("RGB", (30, 20)).save(photo, exif=b"Exif\0\0" + exif_block(FACTS, 8, (20, 30)))
    assert read_exif(photo) == FACTS
    write_dng(source, torch.rand(1, 1, 32, 48), Capture.of("RGGB"), levels=(64, 4095), exif=photo)
    stated = {name: value for name, value in FACTS.items() if name not in ("make", "model")}
    assert read_exif(source) == stated
    path = tmp_path / name
    write_image(path, torch.rand(3, 21, 31), bits=bits, source=photo, orientation=orientation)
    assert read_exif(path) == FACTS
    shown = exiftool(path)
    assert shown["Orientation"] == orientation
    for fact, tag in NAMES.items():
        assert agree(FACTS[fact], shown[tag]) or fact == "iso", (fact, shown[tag])
    assert exiftool(path, validate=True)["Validate"] == "OK"
    with Image.open(path) as image:
        exif = image.getexif()
        assert exif[274] == orientation
        assert exif.get_ifd(34665)[33434] == IFDRational(1, 125)


@pytest.mark.parametrize(("name", "bits"), FORMATS, ids=str)
def test_without_a_source_nothing_is_stated(tmp_path, name, bits):
    write_image(tmp_path / name, torch.rand(3, 21, 31), bits=bits)
    with Image.open(tmp_path / name) as image:
        assert not {274, 34665, 271} & image.getexif().keys()
    assert read_exif(tmp_path / name) == {}


def test_values_that_state_nothing_are_left_out(tmp_path):
    path = photograph(
        tmp_path / "a.jpg",
        {
            271: " \0rest",
            272: "Model\0rest",
            33434: IFDRational(1, 0),
            33437: IFDRational(0, 1),
            34855: 0,
            36867: "",
            37380: IFDRational(0, 1),
            37385: 0,
            42036: "x" * 5000,
        },
    )
    assert read_exif(path) == {"model": "Model", "exposure_bias": 0, "flash": 0}


def test_files_without_a_photograph(tmp_path):
    np.zeros((40, 40), np.uint16).tofile(tmp_path / "a.raw")
    np.save(tmp_path / "a.npy", np.zeros((40, 40), np.uint16))
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe1\x00\x20Exif\0\0II*\0")
    for name in ("a.raw", "a.npy", "a.txt", "empty.jpg", "cut.jpg"):
        assert read_exif(tmp_path / name) == {}
    for name in ("none.jpg", "."):
        with pytest.raises(errors.UnreadableFile, match="is not a file"):
            read_exif(tmp_path / name)


def test_times_depend_on_no_time_zone(data, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        facts = [read_exif(data / name)["date"] for name in list(CAMERA_FILES)[:5]]
    finally:
        monkeypatch.undo()
        time.tzset()
    assert facts[0] == "2019:06:06 07:29:51"
    assert facts[4] == "2021:03:26 21:16:32"


def test_orientations_are_1_to_8(tmp_path):
    with pytest.raises(errors.InvalidArgument, match="orientation is 1 to 8, got 9"):
        write_image(tmp_path / "a.png", torch.rand(3, 8, 8), orientation=9)
    assert not list(tmp_path.iterdir())

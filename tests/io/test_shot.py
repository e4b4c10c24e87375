"""Lens, ISO, exposure time, aperture and date, as exiftool reads them."""

import json
import shutil
import subprocess
import time
from fractions import Fraction

import pytest
from tagged_dng import ASCII, LONG, RATIONAL, SHORT, samples, tag, write

from isptoolkit.io import describe_raw
from isptoolkit.io.shot import shot_of

STATED = {
    "LensModel": "EF24-105mm f/4L IS USM",
    "ISO": 1000,
    "ExposureTime": 1 / 250,
    "FNumber": 5.6,
    "DateTimeOriginal": "2021:04:08 14:51:12",
}
NAMES = dict(zip(STATED, ("lens", "iso", "exposure_time", "aperture", "date"), strict=True))


def exiftool(*arguments):
    tool = shutil.which("exiftool")
    if tool is None:
        pytest.skip("needs exiftool: install the package libimage-exiftool-perl")
    return subprocess.run([tool, *map(str, arguments)], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("changes", [{}, {"ISO": 50}, {"ExposureTime": 30.0}, {"LensModel": None}, {"FNumber": None}])
def test_exif_directories_that_exiftool_writes(tmp_path, changes):
    stated = {name: value for name, value in (STATED | changes).items() if value is not None}
    path = write(tmp_path / "a.dng", samples(32, 48))
    exiftool("-overwrite_original", *(f"-EXIF:{name}={value}" for name, value in stated.items()), path)
    facts = describe_raw(path)
    for name, key in NAMES.items():
        value = stated.get(name)
        expected = value.replace(":", "-", 2) if key == "date" and value else value
        assert facts[key] == (pytest.approx(expected) if isinstance(expected, float) else expected)


@pytest.mark.parametrize("name", ["photoprism/canon_eos_6d.dng", "digicam_corpus/kodak-dc120/P003908.KDC"])
def test_files_of_cameras(data, name):
    tags = json.loads(exiftool("-json", "-n", "-EXIF:all", data / name))[0]
    facts = describe_raw(data / name)
    compared = [name for name in NAMES if tags.get(name)]
    assert "ExposureTime" in compared
    for tag_name in compared:
        value = facts[NAMES[tag_name]]
        expected = tags[tag_name].replace(":", "-", 2) if tag_name == "DateTimeOriginal" else tags[tag_name]
        assert value == (pytest.approx(expected, rel=1e-3) if isinstance(expected, float) else expected)


def test_canon_crw_files_have_no_exif(data):
    """exiftool reads the date from Canon's own records, and LibRaw the rest."""
    path = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0101.CRW"
    facts, tags = describe_raw(path), json.loads(exiftool("-json", "-n", path))[0]
    assert facts["date"] == tags["DateTimeOriginal"].replace(":", "-", 2)
    assert facts["iso"] == tags["CameraISO"]
    assert facts["aperture"] == pytest.approx(float(tags["TargetAperture"]), rel=0.01)
    assert facts["exposure_time"] == pytest.approx(float(tags["TargetExposureTime"]), rel=0.01)


def test_zero_and_empty_values_are_not_stated(data):
    facts = describe_raw(data / "tinydng" / "colorchart.dng")  # exposure time 0, f-number 0, ISO 0, an empty date
    assert {facts[key] for key in NAMES.values()} == {None}


def test_tags_of_the_first_directory(tmp_path):
    """As TIFF/EP files have them; the lens's make is added where its model lacks it."""
    tags = [tag(33434, RATIONAL, 0.5), tag(34855, SHORT, 200, 100), tag(306, ASCII, "2020:01:02 03:04:05")]
    tags += [tag(42035, ASCII, "Acme"), tag(42036, ASCII, "50mm f/2")]
    facts = describe_raw(write(tmp_path / "a.dng", samples(32, 48), *tags))
    assert (facts["exposure_time"], facts["iso"], facts["date"]) == (0.5, 200, "2020-01-02 03:04:05")
    assert (facts["lens"], facts["aperture"]) == ("Acme 50mm f/2", None)


@pytest.mark.parametrize(
    "entry",
    [
        tag(34855, ASCII, "fast"),
        tag(34855, SHORT, 0),
        tag(33434, RATIONAL, 0),
        (33434, RATIONAL, 1, (1, 0), True),
        tag(33434, ASCII, "slow"),
        (33437, RATIONAL, 3, (1, 2, 3, 4, 5, 6), True),
        tag(36867, SHORT, 5),
        tag(42036, SHORT, 7),
        tag(42035, ASCII, "Acme"),
    ],
)
def test_malformed_tags_are_not_stated(tmp_path, entry):
    facts = describe_raw(write(tmp_path / "a.dng", samples(32, 48), entry))
    assert {facts[key] for key in NAMES.values()} == {None}


def test_large_iso_values_are_in_another_tag(tmp_path):
    path = write(tmp_path / "a.dng", samples(32, 48), tag(34855, SHORT, 65535), tag(34866, LONG, 102400))
    assert describe_raw(path)["iso"] == 102400


def test_dates_depend_on_no_time_zone(data, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        facts = describe_raw(data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert facts["date"] == "2021-03-26 21:16:32"


def test_a_description_states_what_written_images_state():
    exif = {"lens_make": "Acme", "lens": "ACME 35", "iso": 64, "exposure_time": Fraction(1, 3), "aperture": Fraction(2)}
    shot = {"lens": "ACME 35", "iso": 64, "exposure_time": 1 / 3, "aperture": 2.0, "date": None}
    assert shot_of(exif) == shot
    assert shot_of(exif | {"lens": "35"})["lens"] == "Acme 35"

"""Directories and tags of TIFF-based files, compared with tifffile and exiftool."""

import json
import shutil
import struct
import subprocess
import time

import numpy as np
import pytest
import tifffile

from isptoolkit import errors
from isptoolkit.io.tiff import structure, tiff_tags
from isptoolkit.io.tiff_directory import Directory

DNG = [(50706, 1, 4, b"\1\4\0\0", True)]
CFA = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, b"\0\1\1\2", True)]
FILES = [
    "digicam_corpus/gopro-hero7-black/GOPR8514.GPR",
    "digicam_corpus/kodak-dc120/P003911.KDC",
    "digicam_corpus/kodak-dc50/DC0008L.KDC",
    "photoprism/canon_eos_6d.dng",
    "research-only/mcmaster18/1.tif",
    "tinydng/colorchart.dng",
    "unreadable/fixture-Leica-M10.dng",
]
POINTERS = {34665, 34853, 40965, 33723}
"""Tags whose directory tifffile returns instead of its position."""


def pages_of(pages):
    """All directories of tifffile, each followed by its sub-directories."""
    return [each for page in pages for each in (page, *pages_of(page.pages or ()))]


def check_against_tifffile(path):
    tiff = structure(path)
    with tifffile.TiffFile(path) as file:
        pages = pages_of(file.pages)
        assert len(tiff.directories) == len(pages)
        for directory, page in zip(tiff.directories, pages, strict=True):
            expected = {tag.code: tag.value for tag in page.tags if tag.code not in POINTERS}
            assert {*directory.tags} - POINTERS == {*expected}
            for code, value in expected.items():
                assert np.array_equal(np.atleast_1d(directory.tags[code]), np.atleast_1d(value)), code
            assert (directory.width, directory.height) == (page.imagewidth, page.imagelength)
            assert directory.offsets == page.dataoffsets
            assert directory.byte_counts == page.databytecounts
            assert (directory.compression, directory.samples) == (page.compression, page.samplesperpixel)
            assert (directory.bits, directory.is_float) == (page.bitspersample, page.sampleformat == 3)
            assert (directory.is_tiled, directory.is_planar) == (page.is_tiled, page.planarconfig == 2)
            assert directory.segment == (
                (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
            )
    return tiff


@pytest.mark.parametrize("name", FILES)
def test_real_files_have_the_tags_that_tifffile_reads(data, name):
    check_against_tifffile(data / name)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "options",
    [{"rowsperstrip": 7}, {"tile": (16, 32)}, {"rowsperstrip": 40, "compression": "deflate"}],
    ids=["strips", "tiles", "deflate"],
)
def test_written_files_have_the_tags_that_tifffile_reads(tmp_path, order, big, options):
    path = tmp_path / "a.tif"
    many = (65000, 12, 2000, tuple(np.linspace(0, 1, 2000)), True)
    with tifffile.TiffWriter(path, byteorder=order, bigtiff=big) as file:
        file.write(np.zeros((20, 30, 3), np.uint8), photometric="rgb", subifds=1, extratags=[*DNG, many])
        file.write(np.zeros((40, 70), np.uint16), photometric=32803, extratags=CFA, **options)
        file.write(np.zeros((10, 10), np.float32), photometric=1)
    tiff = check_against_tifffile(path)
    assert tiff.is_dng
    assert (tiff.main.width, tiff.main.photometric, tiff.order) == (70, 32803, order)


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool: apt-get install libimage-exiftool-perl")
def test_exif_tags_are_those_of_exiftool(data):
    path = data / "tinydng" / "colorchart.dng"
    command = ["exiftool", "-json", "-n", "-ExposureTime", "-FNumber", "-FocalLength", str(path)]
    expected = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    exif = structure(path).exif
    assert exif[33434][0] / exif[33434][1] == expected["ExposureTime"]
    assert exif[33437][0] / exif[33437][1] == expected["FNumber"]
    assert exif[37386][0] / exif[37386][1] == expected["FocalLength"]


def chain(path, *images, nested=False):
    """Write images `(size, photometric, subfile type)` after a preview, as its sub-directories or in the chain."""
    with tifffile.TiffWriter(path) as file:
        preview = {"photometric": "rgb", "subfiletype": 1, "extratags": DNG}
        file.write(np.zeros((8, 8, 3), np.uint8), **preview, **({"subifds": len(images)} if nested else {}))
        for size, photometric, kind in images:
            samples = np.zeros((size, size, 3) if photometric == 34892 else (size, size), np.uint16)
            file.write(samples, photometric=photometric, subfiletype=kind, extratags=CFA, planarconfig="contig")
    return structure(path)


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("images", "main"),
    [
        ([(64, 32803, 0), (32, 34892, 1)], 64),
        ([(32, 34892, 1), (64, 32803, 0)], 64),
        ([(96, 34892, 16), (64, 32803, 0)], 64),  # an enhanced image (DNG 1.5) beside the mosaic
        ([(96, 32803, 1), (64, 32803, 0)], 64),
        ([(32, 32803, 0), (64, 32803, 0), (16, 32803, 0)], 64),
        ([(96, 1, 0), (64, 32803, 1)], 64),
    ],
)
def test_the_main_image_is_raw_full_size_and_not_a_preview(tmp_path, nested, images, main):
    tiff = chain(tmp_path / "a.dng", *images, nested=nested)
    assert len(tiff.directories) == 1 + len(images)
    assert tiff.main.width == main
    assert tiff_tags(tmp_path / "a.dng")[256] == main


def test_without_a_raw_photometric_the_main_image_has_the_most_bytes(tmp_path):
    """As in CR2, whose RAW directory states no PhotometricInterpretation."""
    with tifffile.TiffWriter(tmp_path / "a.cr2") as file:
        for size in (30, 90, 60):
            file.write(np.zeros((size, size), np.uint16), photometric=1, extratags=[(271, 2, 0, "Canon", True)])
    assert structure(tmp_path / "a.cr2").main.width == 90


def entry(code, kind, count, value):
    return struct.pack("<HHII", code, kind, count, value)


def directory_bytes(entries, following=0):
    return struct.pack("<H", len(entries)) + b"".join(entries) + struct.pack("<I", following)


@pytest.mark.parametrize("version", [0x55, 0x4F52, 0x5352])
def test_variants_of_cameras_are_read(tmp_path, version):
    content = struct.pack("<2sHI", b"II", version, 8) + directory_bytes([entry(256, 4, 1, 33), entry(280, 4, 1, 77)])
    (tmp_path / "a.rw2").write_bytes(content)
    tiff = structure(tmp_path / "a.rw2")
    assert (tiff.main.width, tiff.main.offsets, tiff.is_variant, tiff.is_plain) == (33, (77,), True, False)


@pytest.mark.parametrize(
    "content", [b"", b"II", b"II*\0", b"MM\0*" + b"\xff" * 20, b"II+\0" + bytes(20), b"\x89PNG" * 9]
)
def test_files_that_are_no_tiff(tmp_path, content):
    (tmp_path / "a.dng").write_bytes(content)
    assert structure(tmp_path / "a.dng") is None
    assert tiff_tags(tmp_path / "a.dng") == {}
    assert structure(tmp_path) is None


def test_cycles_are_followed_once(tmp_path):
    first = directory_bytes([entry(256, 4, 1, 5), entry(330, 4, 1, 8)], 8)
    (tmp_path / "a.dng").write_bytes(struct.pack("<2sHI", b"II", 42, 8) + first)
    tiff = structure(tmp_path / "a.dng")
    assert [directory.width for directory in tiff.directories] == [5]


def test_a_chain_without_end_is_refused_soon(tmp_path):
    each = len(directory_bytes([entry(256, 4, 1, 5)]))
    places = [8 + each * index for index in range(100_000)]
    content = b"".join(directory_bytes([entry(256, 4, 1, 5)], place + each) for place in places)
    (tmp_path / "a.dng").write_bytes(struct.pack("<2sHI", b"II", 42, 8) + content)
    start = time.perf_counter()
    with pytest.raises(errors.UnreadableFile, match="more than 256 image directories"):
        structure(tmp_path / "a.dng")
    assert time.perf_counter() - start < 5


def test_values_that_overlap_do_not_fill_the_memory(tmp_path):
    """4000 tags that each claim the same 16 MB."""
    entries = [entry(code, 7, 1 << 24, 60_000) for code in range(1, 4001)]
    content = struct.pack("<2sHI", b"II", 42, 8) + directory_bytes(entries)
    (tmp_path / "a.dng").write_bytes(content.ljust(60_000 + (1 << 24), b"\1"))
    with pytest.raises(errors.UnreadableFile, match="bytes of tags"):
        structure(tmp_path / "a.dng")


def test_malformed_values_are_left_out(tmp_path):
    entries = [
        entry(256, 4, 1, 9),
        entry(271, 2, 100, 1 << 30),  # outside the file
        entry(272, 99, 1, 1),  # no such type
        entry(273, 4, 1 << 31, 8),
        entry(339, 12, 0, 0),
    ]
    (tmp_path / "a.dng").write_bytes(struct.pack("<2sHI", b"II", 42, 8) + directory_bytes(entries))
    assert structure(tmp_path / "a.dng").directories[0].tags == {256: 9}


def test_the_tag_that_panasonic_uses_for_an_offset_is_the_smallest_sample_in_other_files():
    assert Directory({273: 100, 280: 7}).offsets == (100,)
    assert Directory({273: 0xFFFFFFFF, 280: 7}).offsets == (7,)


def test_a_tag_of_another_type_does_not_count():
    directory = Directory({256: "wide", 257: 2.5, 258: b"\x08", 273: (1.0, 2.0)})
    assert (directory.width, directory.height, directory.bits, directory.offsets) == (0, 0, 1, ())

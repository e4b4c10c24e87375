"""Truncated, hollow, and damaged files are refused; complete ones, dark frames included, are read."""

import imagecodecs
import numpy as np
import pytest
import tifffile

from isptoolkit import errors
from isptoolkit.io.completeness import jpeg_samples, stored_bytes
from isptoolkit.io.decode import decode
from isptoolkit.io.tiff import structure

HEIGHT, WIDTH, TILE = 200, 320, 128
TAGS = [
    (50706, 1, 4, b"\1\4\0\0", True),
    (50717, 4, 1, 1023, True),
    (33421, 3, 2, (2, 2), True),
    (33422, 1, 4, b"\0\1\1\2", True),
]
STORAGE = {
    "lossless tiles": {"tile": (TILE, TILE), "compression": "jpeg"},
    "lossless strips": {"rowsperstrip": TILE, "compression": "jpeg"},
    "deflate tiles": {"tile": (TILE, TILE), "compression": "deflate"},
    "plain tiles": {"tile": (TILE, TILE)},
    "plain strips": {"rowsperstrip": TILE},
    "12 bits": {"rowsperstrip": HEIGHT, "bitspersample": 12},
    "JPEG XL": {"rowsperstrip": HEIGHT, "compression": 52546, "compressionargs": {"lossless": True}},
}


def mosaic(level):
    noise = np.random.default_rng(level).integers(0, 3, (HEIGHT, WIDTH))
    return (level + noise).astype(np.uint16)


def lossless(samples, rows, columns):
    """Lossless JPEG streams of all tiles, the last ones padded."""
    padded = np.pad(samples, ((0, -HEIGHT % rows), (0, -WIDTH % columns)), mode="edge")
    return [
        imagecodecs.ljpeg_encode(np.ascontiguousarray(padded[y : y + rows, x : x + columns]), bitspersample=16)
        for y in range(0, padded.shape[0], rows)
        for x in range(0, padded.shape[1], columns)
    ]


def written(path, storage, level=222):
    samples, options = mosaic(level), dict(STORAGE[storage])
    data = samples
    if storage.startswith("lossless"):
        rows, columns = options.get("tile", (TILE, WIDTH))
        streams = lossless(samples, rows, columns)
        if "tile" not in options:
            streams[-1] = imagecodecs.ljpeg_encode(samples[TILE:].copy(), bitspersample=16)
        data, options = iter(streams), options | {"shape": samples.shape, "dtype": samples.dtype}
    with tifffile.TiffWriter(path, byteorder="<") as file:
        file.write(data, photometric=32803, metadata=None, extratags=TAGS, **options)
    return samples, structure(path).main


@pytest.mark.parametrize("storage", STORAGE)
def test_a_file_cut_anywhere_is_refused(tmp_path, storage):
    """Without the check, LibRaw leaves samples of the file read before in the missing tiles."""
    other, path = tmp_path / "other.dng", tmp_path / "a.dng"
    written(other, storage, 777)
    samples, main = written(path, storage)
    assert np.array_equal(decode(path).samples, samples)
    whole = path.read_bytes()
    for offset, count in zip(main.offsets, main.byte_counts, strict=True):
        for end in (offset, offset + 10, offset + count // 2, offset + count - 1):
            decode(other)
            (tmp_path / "cut.dng").write_bytes(whole[:end])
            with pytest.raises(errors.UnreadableFile, match="is truncated"):
                decode(tmp_path / "cut.dng")


@pytest.mark.parametrize("storage", [name for name in STORAGE if "plain" not in name and "bits" not in name])
def test_a_hollow_strip_or_tile_is_refused(tmp_path, storage):
    path = tmp_path / "a.dng"
    _, main = written(path, storage)
    whole = path.read_bytes()
    for offset, count in zip(main.offsets, main.byte_counts, strict=True):
        for kept in (0, count // 2):
            path.write_bytes(whole[: offset + kept] + bytes(count - kept) + whole[offset + count :])
            with pytest.raises(errors.UnreadableFile, match="hollow|damaged"):
                decode(path)


@pytest.mark.parametrize("storage", STORAGE)
def test_a_dark_frame_is_valid(tmp_path, storage, monkeypatch):
    monkeypatch.setattr(f"{__name__}.mosaic", lambda level: np.zeros((HEIGHT, WIDTH), np.uint16))
    written(tmp_path / "a.dng", storage)
    decoded = decode(tmp_path / "a.dng")
    assert decoded.samples.shape == (HEIGHT, WIDTH)
    assert not decoded.samples.any()


def test_a_frame_of_the_value_that_marks_memory_is_valid(tmp_path):
    for level in (0xA5C3, 0xA5C3 ^ 0xFFFF):
        samples = np.full((HEIGHT, WIDTH), level, np.uint16)
        with tifffile.TiffWriter(tmp_path / "a.dng") as file:
            file.write(samples, photometric=32803, metadata=None, extratags=TAGS)
        assert np.array_equal(decode(tmp_path / "a.dng").samples, samples)


def test_a_stream_with_too_few_samples_is_refused(tmp_path):
    streams = lossless(mosaic(222), TILE, TILE)
    streams[2] = imagecodecs.ljpeg_encode(mosaic(222)[:64, :TILE].copy(), bitspersample=16)
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        options = {"shape": (HEIGHT, WIDTH), "dtype": np.uint16, **STORAGE["lossless tiles"]}
        file.write(iter(streams), photometric=32803, metadata=None, extratags=TAGS, **options)
    with pytest.raises(errors.UnreadableFile, match=r"tile 3 of 6 is a JPEG stream of 8192 samples, not of 16384"):
        decode(tmp_path / "a.dng")


def test_a_stream_of_another_shape_with_as_many_samples_is_read(tmp_path):
    """DNG 1.6, chapter 3: width, length, and components of the stream need not match the tile, only their product."""
    tile = mosaic(222)[:TILE, :TILE].copy()
    streams = [imagecodecs.ljpeg_encode(tile.reshape(TILE // 2, TILE * 2), bitspersample=16)]
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        options = {"shape": tile.shape, "dtype": np.uint16, **STORAGE["lossless tiles"]}
        file.write(iter(streams), photometric=32803, metadata=None, extratags=TAGS, **options)
    assert np.array_equal(decode(tmp_path / "a.dng").samples, tile)


@pytest.mark.parametrize("code", [273, 324])
def test_missing_strips_and_tiles_are_refused(tmp_path, code):
    path = tmp_path / "a.dng"
    _, main = written(path, "plain strips" if code == 273 else "plain tiles")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[code].overwrite(main.offsets[:1])
    with pytest.raises(errors.UnreadableFile, match=f"states 1 of {len(main.offsets)} (strip|tile)s"):
        decode(path)


def test_samples_may_come_before_the_directories(tmp_path):
    """A complete file whose strips are not in the order of the file, with bytes behind."""
    samples = mosaic(222)
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        file.write(samples, photometric=32803, metadata=None, extratags=TAGS, rowsperstrip=HEIGHT)
    with (tmp_path / "a.dng").open("ab") as file:
        file.write(b"more" * 100)
    assert np.array_equal(decode(tmp_path / "a.dng").samples, samples)


NAMES = [
    "a2tools/quicktake-100/IMAGE01.QTK",
    "a2tools/quicktake-150/raw_Image_02.qtk",
    "digicam_corpus/kodak-dc120/P003908.KDC",
    "digicam_corpus/kodak-dc120/P003911.KDC",
    "digicam_corpus/kodak-dc120/P003913.KDC",
    "digicam_corpus/kodak-dc50/DC0010S.KDC",
    "digicam_corpus/canon-powershot-s40/CRW_0101.CRW",
    "photoprism/canon_eos_6d.dng",
    "tinydng/colorchart.dng",
]


@pytest.mark.parametrize("name", NAMES)
def test_real_files_cut_anywhere_are_refused_or_lose_nothing(data, tmp_path, name):
    whole, samples = (data / name).read_bytes(), decode(data / name).samples
    rng, refused = np.random.default_rng(0), 0
    for share in (0.3, 0.6, 0.9, 0.99, 0.999, *rng.random(10)):
        (tmp_path / "cut.raw").write_bytes(whole[: int(len(whole) * share)])
        try:
            assert np.array_equal(decode(tmp_path / "cut.raw").samples, samples)
        except errors.UnreadableFile:
            refused += 1
    assert refused >= 12


@pytest.mark.parametrize("name", [name for name in NAMES if "kodak" in name or name.endswith("dng")])
def test_real_files_lack_one_byte(data, tmp_path, name):
    main = structure(data / name).main
    end = max(offset + count for offset, count in zip(main.offsets, main.byte_counts, strict=True))
    (tmp_path / "cut.raw").write_bytes((data / name).read_bytes()[: end - 1])
    with pytest.raises(errors.UnreadableFile, match=f"is truncated.* ends at byte {end}, but the file has {end - 1}"):
        decode(tmp_path / "cut.raw")


def test_jpeg_samples_are_those_that_were_encoded():
    samples = np.zeros((24, 36, 3), np.uint8)
    assert jpeg_samples(bytes(imagecodecs.jpeg8_encode(samples))) == samples.size
    assert jpeg_samples(bytes(imagecodecs.jpeg8_encode(samples[..., 0].copy()))) == 24 * 36
    assert jpeg_samples(bytes(imagecodecs.ljpeg_encode(np.zeros((24, 36), np.uint16), bitspersample=12))) == 24 * 36


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\0", b"\xff\xd8" * 50, b"\xff\xd8\xff\xe0\0\4", b"no"]
)
def test_jpeg_samples_of_damaged_streams(content):
    assert jpeg_samples(content) == 0


@pytest.mark.parametrize(
    ("bits", "options"),
    [(bits, {"rowsperstrip": 13}) for bits in (8, 10, 12, 14, 16)] + [(bits, {"tile": (16, 48)}) for bits in (8, 16)],
    ids=str,
)
def test_stored_bytes_are_those_that_tifffile_writes(tmp_path, bits, options):
    samples = np.zeros((50, 70), np.uint8 if bits == 8 else np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric=32803, metadata=None, bitspersample=bits, **options)
    main = structure(tmp_path / "a.tif").main
    assert [stored_bytes(main, index) for index in range(len(main.offsets))] == list(main.byte_counts)

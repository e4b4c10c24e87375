"""Truncated, hollow, and damaged files are refused; complete ones, dark frames included, are read."""

import struct

import imagecodecs
import numpy as np
import pytest
import rawpy
import tifffile

from isptoolkit import errors
from isptoolkit.io.completeness import JpegFrame, jpeg_frame, stored_bytes
from isptoolkit.io.decode import decode
from isptoolkit.io.libraw import render_by_libraw
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


def test_a_small_stream_that_claims_a_large_frame_is_refused(tmp_path):
    """Before memory is taken for it."""
    stream = bytearray(imagecodecs.ljpeg_encode(np.zeros((HEIGHT, WIDTH), np.uint16), bitspersample=16))
    at, side = stream.index(b"\xff\xc3") + 5, 20_000
    stream[at : at + 4] = side.to_bytes(2, "big") * 2
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        options = {"shape": (HEIGHT, WIDTH), "dtype": np.uint16, "rowsperstrip": HEIGHT, "compression": "jpeg"}
        file.write(iter([bytes(stream)]), photometric=32803, metadata=None, extratags=TAGS, **options)
    with tifffile.TiffFile(tmp_path / "a.dng", mode="r+") as file:
        for code in (256, 257, 278):
            file.pages[0].tags[code].overwrite(side)
    with pytest.raises(errors.UnreadableFile, match=f"cannot hold 400000000 samples in {len(stream)} bytes"):
        decode(tmp_path / "a.dng")


def test_a_stream_of_another_shape_with_as_many_samples_is_read(tmp_path):
    """DNG 1.6, chapter 3: width, length, and components of the stream need not match the tile, only their product."""
    tile = mosaic(222)[:TILE, :TILE].copy()
    streams = [imagecodecs.ljpeg_encode(tile.reshape(TILE // 2, TILE * 2), bitspersample=16)]
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        options = {"shape": tile.shape, "dtype": np.uint16, **STORAGE["lossless tiles"]}
        file.write(iter(streams), photometric=32803, metadata=None, extratags=TAGS, **options)
    assert np.array_equal(decode(tmp_path / "a.dng").samples, tile)


@pytest.mark.parametrize("storage", ["lossless tiles", "lossless strips", "deflate tiles"])
@pytest.mark.parametrize("counts", [[], [0]])
def test_missing_byte_counts_are_refused(tmp_path, storage, counts):
    path = tmp_path / "a.dng"
    _, main = written(path, storage)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[325 if main.is_tiled else 279].overwrite([*counts, *main.byte_counts[1:]])
    with pytest.raises(errors.UnreadableFile, match=f"the bytes of all {len(main.offsets)} (strip|tile)s"):
        decode(path)


@pytest.mark.parametrize("code", [273, 324])
def test_missing_strips_and_tiles_are_refused(tmp_path, code):
    path = tmp_path / "a.dng"
    _, main = written(path, "plain strips" if code == 273 else "plain tiles")
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[code].overwrite(main.offsets[:1])
    with pytest.raises(errors.UnreadableFile, match=f"states 1 of {len(main.offsets)} (strip|tile)s"):
        decode(path)


@pytest.mark.parametrize("storage", ["plain strips", "plain tiles", "12 bits"])
def test_the_size_of_uncompressed_samples_counts_not_the_stated_one(tmp_path, storage):
    path = tmp_path / "a.dng"
    samples, main = written(path, storage)
    end = max(start + count for start, count in zip(main.offsets, main.byte_counts, strict=True))
    whole = path.read_bytes()[:end]
    for stated in (10, 1 << 30):
        path.write_bytes(whole)
        with tifffile.TiffFile(path, mode="r+") as file:
            tag = file.pages[0].tags[325 if main.is_tiled else 279]
            tag.overwrite([stated] * len(main.offsets), dtype="I", erase=False)
        assert np.array_equal(decode(path).samples, samples)
        path.write_bytes(path.read_bytes()[: end - 1])
        with pytest.raises(errors.UnreadableFile, match=f"is truncated.* ends at byte {end}"):
            decode(path)


@pytest.mark.parametrize("compression", ["deflate", "lzw", "zstd", "packbits"])
def test_a_complete_stream_of_too_few_samples_is_refused(tmp_path, compression):
    path, encode = tmp_path / "a.dng", {"deflate": "zlib"}.get(compression, compression)
    options = {"rowsperstrip": HEIGHT, "compression": compression}
    with tifffile.TiffWriter(path) as file:
        file.write(mosaic(222), photometric=32803, metadata=None, extratags=TAGS, **options)
    short = bytes(getattr(imagecodecs, f"{encode}_encode")(mosaic(222)[:-1].tobytes()))
    place = path.stat().st_size
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[273].overwrite(place)
        file.pages[0].tags[279].overwrite(len(short))
    path.write_bytes(path.read_bytes()[:place].ljust(place, b"\0") + short)
    with pytest.raises(errors.UnreadableFile, match=f"{(HEIGHT - 1) * WIDTH * 2} of {HEIGHT * WIDTH * 2} bytes"):
        decode(path)


def panasonic(payload):
    """An RW2 file of a camera that LibRaw knows: 1120 x 600 samples, 14 in 16 bytes."""
    texts = {271: (400, b"Panasonic\0"), 272: (420, b"DMC-LX3\0")}
    numbers = {2: 1120, 3: 600, 4: 2, 5: 4, 6: 598, 7: 1116, 9: 2, 10: 12, 23: 100, 36: 500, 37: 264, 38: 400}
    numbers |= {259: 34316, 273: 0xFFFFFFFF, 274: 1, 278: 600, 279: 1120 * 600 * 8 // 7, 280: 2048}
    entries = [(1, 7, 4, 0x30303230)]
    entries += [(code, 3 if value < 1 << 16 and code < 279 else 4, 1, value) for code, value in numbers.items()]
    entries += [(code, 2, len(text), place) for code, (place, text) in texts.items()]
    content = struct.pack("<2sHIH", b"II", 0x55, 8, len(entries))
    content += b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries)) + bytes(4)
    for place, text in texts.values():
        content = content.ljust(place, b"\0") + text
    return content.ljust(2048, b"\0") + payload


def test_a_panasonic_file_that_libraw_reads_whole_is_read_and_its_stripped_form_is_not(tmp_path):
    """LibRaw returns zeros for the stripped and the truncated file, without an error."""
    size, path = 1120 * 600 * 8 // 7, tmp_path / "a.rw2"
    path.write_bytes(panasonic(b"\1" * size))
    with rawpy.imread(str(path)) as raw:
        assert np.array_equal(decode(path).samples, raw.raw_image_visible)
    for content, message in (
        (panasonic(bytes(size)), "is hollow: strip 1 of 1 holds only zeros"),
        (panasonic(b"\1" * 5000), f"is truncated: strip 1 of 1 ends at byte {2048 + size}, but the file has 7048"),
        (panasonic(b"\1" * (size - 1)), "is truncated"),
    ):
        path.write_bytes(content)
        with rawpy.imread(str(path)) as raw:
            assert raw.raw_image_visible is not None
        with pytest.raises(errors.UnreadableFile, match=message):
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


def test_the_frame_of_a_jpeg_stream():
    samples = np.zeros((24, 36, 3), np.uint8)
    assert jpeg_frame(bytes(imagecodecs.jpeg8_encode(samples))) == JpegFrame(samples.size, False)
    assert jpeg_frame(bytes(imagecodecs.jpeg8_encode(samples[..., 0].copy()))) == JpegFrame(24 * 36, False)
    lossless = bytes(imagecodecs.ljpeg_encode(np.zeros((24, 36), np.uint16), bitspersample=12))
    assert jpeg_frame(lossless) == JpegFrame(24 * 36, True)


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xda\0\0", b"\xff\xd8" * 50, b"\xff\xd8\xff\xe0\0\4", b"no"]
)
def test_damaged_jpeg_streams_have_no_frame(content):
    assert jpeg_frame(content) is None


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


def test_renderings_of_libraw_are_refused_as_well(tmp_path):
    path = tmp_path / "a.dng"
    _, main = written(path, "lossless tiles")
    assert render_by_libraw(path).shape == (1, 3, HEIGHT, WIDTH)
    path.write_bytes(path.read_bytes()[: main.offsets[2]])
    with pytest.raises(errors.UnreadableFile, match="tile 3 of 6"):
        render_by_libraw(path)

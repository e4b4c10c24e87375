"""Samples of every kind of DNG against the samples that were written, LibRaw, and tifffile; and what is refused."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import rawpy
import tifffile
import torch
from PIL import Image

from isptoolkit import Capture, errors, write_dng
from isptoolkit.io import describe_raw
from isptoolkit.io.decode import decode
from isptoolkit.io.limits import MAX_SAMPLES
from isptoolkit.io.tiff import structure

HEIGHT, WIDTH = 96, 128
CFA, LINEAR = 32803, 34892
VERSION = (50706, 1, 4, b"\1\4\0\0", True)
PATTERN = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, b"\1\2\0\1", True)]
DEFLATE, LOSSLESS = {"compression": "deflate"}, {"compressionargs": {"lossless": True}}
STORED = {
    "one strip": {"rowsperstrip": HEIGHT},
    "strips": {"rowsperstrip": 13},
    "tiles": {"tile": (32, 48)},
    "deflate": {"rowsperstrip": 13, **DEFLATE},
    "deflate, predictor": {"tile": (32, 48), "predictor": 2, **DEFLATE},
    "LZW": {"rowsperstrip": 13, "compression": "lzw", "predictor": 2},
    "Zstandard": {"rowsperstrip": 13, "compression": "zstd"},
    "PackBits": {"rowsperstrip": 13, "compression": "packbits"},
    "JPEG XL": {"tile": (32, 48), "compression": 52546, **LOSSLESS},
}


ORDERED = [(name, order) for name in STORED for order in "<>" if (name, order) != ("JPEG XL", ">")]
"""Ways to store samples; tifffile writes JPEG XL in little-endian files only."""


def mosaic(most=1023):
    return np.random.default_rng(0).integers(0, most + 1, (HEIGHT, WIDTH)).astype(np.uint16)


def written(path, samples, tags=(), order="<", **options):
    """Write a DNG with tifffile, a mosaic or three planes."""
    linear = samples.ndim == 3
    always = [VERSION, *([] if linear else PATTERN)]
    options = {"photometric": LINEAR if linear else CFA, "metadata": None, "rowsperstrip": HEIGHT} | options
    if linear:
        options = {"planarconfig": "contig"} | options
    if "tile" in options:
        del options["rowsperstrip"]
    with tifffile.TiffWriter(path, byteorder=order) as file:
        file.write(samples, extratags=[*always, *tags], **options)
    return path


def check(path, samples, layout="mosaic"):
    """The decoded samples are those that were written, and the layout and frame fit."""
    decoded = decode(path)
    assert decoded.samples.dtype == (np.float32 if samples.dtype.kind == "f" else np.uint16)
    assert np.array_equal(decoded.samples, samples)
    assert (decoded.layout, decoded.cfa) == (layout, "GBRG" if layout == "mosaic" else "")
    assert (decoded.frame, decoded.top, decoded.left, decoded.levels_apply) == (samples.shape[:2], 0, 0, True)
    return decoded


@pytest.mark.parametrize(("storage", "order"), ORDERED)
@pytest.mark.parametrize("bits", [8, 16])
def test_mosaics(tmp_path, storage, bits, order):
    samples = mosaic((1 << bits) - 1).astype(f"u{bits // 8}")
    check(written(tmp_path / "a.dng", samples, order=order, **STORED[storage]), samples.astype(np.uint16))


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("rows", [HEIGHT, 13])
@pytest.mark.parametrize("storage", [{}, DEFLATE], ids=["plain", "deflate"])
def test_packed_mosaics(tmp_path, bits, rows, storage):
    samples = mosaic((1 << bits) - 1)
    if storage:  # tifffile packs plain samples only
        path = written(tmp_path / "a.dng", samples, bitspersample=bits, rowsperstrip=rows)
        deflate(path)
    else:
        path = written(tmp_path / "a.dng", samples, bitspersample=bits, rowsperstrip=rows)
    check(path, samples)


def deflate(path):
    """Deflate the strips of a DNG, at the end of the file."""
    main, content = structure(path).main, path.read_bytes()
    strips = [
        zlib.compress(content[start : start + count])
        for start, count in zip(main.offsets, main.byte_counts, strict=True)
    ]
    places = np.cumsum([len(content), *map(len, strips)])[:-1]
    path.write_bytes(content + b"".join(strips))
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        tags[259].overwrite(8)
        tags[273].overwrite([int(place) for place in places])
        tags[279].overwrite([len(strip) for strip in strips])


@pytest.mark.parametrize(("bits", "width"), [(12, 64), (14, 64), (14, 128), (16, 24), (16, 40), (16, 64)])
def test_the_packing_is_not_guessed_from_the_camera(tmp_path, bits, width):
    """LibRaw takes packed samples of a NIKON Z for those of its own format where the number of bytes fits both."""
    samples = np.random.default_rng(0).integers(0, 1 << bits, (40, width)).astype(np.uint16)
    names = [(271, 2, 0, "NIKON CORPORATION", True), (272, 2, 0, "NIKON Z 6", True)]
    check(written(tmp_path / "a.dng", samples, names, rowsperstrip=40, bitspersample=bits), samples)


@pytest.mark.parametrize("size", [(2, 2), (21, 40), (40, 21), (22, 22)])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}], ids=["strips", "tiles"])
def test_what_libraw_refuses_to_open(tmp_path, size, big, options):
    """BigTIFF and small images."""
    samples = mosaic()[: size[0], : size[1]].copy()
    with tifffile.TiffWriter(tmp_path / "a.dng", bigtiff=big) as file:
        file.write(samples, photometric=CFA, metadata=None, extratags=[VERSION, *PATTERN], **options)
    check(tmp_path / "a.dng", samples)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["f2", "f4"])
@pytest.mark.parametrize(
    "options",
    [
        {"rowsperstrip": HEIGHT},
        {"tile": (32, 48)},
        {"tile": (32, 48), **DEFLATE},
        {"tile": (32, 48), "predictor": 3, **DEFLATE},
        {"rowsperstrip": 13, "predictor": 34894, **DEFLATE},
        {"rowsperstrip": 13, "predictor": 34895, **DEFLATE},
    ],
    ids=str,
)
@pytest.mark.parametrize("planes", [1, 3])
def test_floating_point(tmp_path, order, kind, options, planes):
    """LibRaw scales such samples by the brightest one and cuts them to 14 bits."""
    shape = (HEIGHT, WIDTH) if planes == 1 else (HEIGHT, WIDTH, 3)
    samples = np.random.default_rng(0).normal(0.2, 0.5, shape).astype(kind)
    path = written(tmp_path / "a.dng", samples, order=order, **options)
    assert np.array_equal(tifffile.imread(path), samples)
    check(path, samples.astype(np.float32), "mosaic" if planes == 1 else "linear")


def test_floating_point_of_24_bits(tmp_path):
    samples = np.linspace(-2, 3, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    coded = bytes(imagecodecs.float24_encode(samples, byteorder="<"))
    exact = imagecodecs.float24_decode(coded, byteorder="<").reshape(samples.shape)
    path = written(tmp_path / "a.dng", samples)
    content = path.read_bytes()
    with tifffile.TiffFile(path, mode="r+") as file:
        tags = file.pages[0].tags
        tags[258].overwrite(24)
        tags[273].overwrite(len(content))
        tags[279].overwrite(len(coded))
    path.write_bytes(path.read_bytes()[: len(content)] + coded)
    check(path, exact)
    assert np.abs(exact - samples).max() < 3e-5


@pytest.mark.parametrize("options", [{"rowsperstrip": 16}, {"tile": (32, 32)}], ids=str)
@pytest.mark.parametrize("planes", [1, 3])
def test_strips_and_tiles_in_any_order(tmp_path, options, planes):
    """LibRaw reads strips as if each followed the one before."""
    samples = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, planes)).astype(np.uint16).squeeze()
    path = written(tmp_path / "a.dng", samples, **options)
    main, content = structure(path).main, path.read_bytes()
    places = main.offsets[::-1]
    moved = bytearray(content)
    for start, count, place in zip(main.offsets, main.byte_counts, places, strict=True):
        moved[place : place + count] = content[start : start + count]
    path.write_bytes(moved)
    with tifffile.TiffFile(path, mode="r+") as file:
        file.pages[0].tags[324 if "tile" in options else 273].overwrite(places)
    check(path, samples, "mosaic" if planes == 1 else "linear")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, value):
    samples = np.zeros((HEIGHT, WIDTH), np.float32)
    samples[3, 4] = value
    with pytest.raises(errors.UnreadableFile, match="holds 1 samples that are not finite"):
        decode(written(tmp_path / "a.dng", samples))


@pytest.mark.parametrize(("storage", "order"), ORDERED)
def test_linear_samples(tmp_path, storage, order):
    samples = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3)).astype(np.uint16)
    check(written(tmp_path / "a.dng", samples, order=order, **STORED[storage]), samples, "linear")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("options", [{"rowsperstrip": HEIGHT}, {"rowsperstrip": 13}, {"tile": (32, 48)}], ids=str)
def test_planes_one_after_the_other(tmp_path, order, options):
    samples = np.random.default_rng(0).integers(0, 65536, (3, HEIGHT, WIDTH)).astype(np.uint16)
    with tifffile.TiffWriter(tmp_path / "a.dng", byteorder=order) as file:
        file.write(samples, photometric=LINEAR, planarconfig="separate", metadata=None, extratags=[VERSION], **options)
    check(tmp_path / "a.dng", np.moveaxis(samples, 0, -1), "linear")


def test_one_linear_plane_is_monochrome(tmp_path):
    """As cameras without color filters write: LinearRaw with one sample per pixel."""
    samples = mosaic()
    for storage in ({}, DEFLATE, {"tile": (32, 48)}):
        tifffile.imwrite(tmp_path / "a.dng", samples, photometric=1, metadata=None, extratags=[VERSION], **storage)
        with tifffile.TiffFile(tmp_path / "a.dng", mode="r+") as file:
            file.pages[0].tags[262].overwrite(LINEAR)
        check(tmp_path / "a.dng", samples, "mono")


def streams(samples, rows, columns):
    return [
        imagecodecs.ljpeg_encode(np.ascontiguousarray(samples[y : y + rows, x : x + columns]), bitspersample=16)
        for y in range(0, HEIGHT, rows)
        for x in range(0, WIDTH, columns)
    ]


@pytest.mark.parametrize("options", [{"tile": (32, 64)}, {"rowsperstrip": 32}, {"rowsperstrip": HEIGHT}], ids=str)
def test_lossless_jpeg(tmp_path, options):
    """LibRaw decodes only the first of several strips."""
    samples = mosaic(65535)
    rows, columns = options.get("tile", (options.get("rowsperstrip"), WIDTH))
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        file.write(
            iter(streams(samples, rows, columns)),
            **{"shape": samples.shape, "dtype": np.uint16, "photometric": CFA, "compression": "jpeg", **options},
            metadata=None,
            extratags=[VERSION, *PATTERN],
        )
    check(tmp_path / "a.dng", samples)


@pytest.mark.parametrize("predictor", [1, 6])
@pytest.mark.parametrize("components", [1, 2])
@pytest.mark.parametrize("tile", [(32, 144), (112, 128), (112, 144), (96, 192), (32, 112)], ids=str)
def test_lossless_jpeg_tiles_larger_than_the_image(tmp_path, tile, components, predictor):
    """LibRaw starts a new row where the image ends, not where the tile does."""
    samples, (rows, columns) = mosaic(), tile
    padded = np.pad(samples, ((0, -HEIGHT % rows), (0, -WIDTH % columns)), mode="reflect")
    blocks = [
        np.ascontiguousarray(padded[y : y + rows, x : x + columns]).reshape(rows, columns // components, -1)
        for y in range(0, HEIGHT, rows)
        for x in range(0, WIDTH, columns)
    ]
    coded = [
        imagecodecs.jpeg8_encode(block.squeeze(), lossless=True, predictor=predictor, bitspersample=16)
        for block in blocks
    ]
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        file.write(
            iter(coded),
            **{"shape": samples.shape, "dtype": np.uint16, "photometric": CFA, "compression": "jpeg", "tile": tile},
            metadata=None,
            extratags=[VERSION, *PATTERN],
        )
    check(tmp_path / "a.dng", samples)


@pytest.mark.parametrize("storage", [{}, DEFLATE], ids=["LibRaw", "here"])
@pytest.mark.parametrize("planes", [1, 3])
def test_the_linearization_table_is_applied(tmp_path, storage, planes):
    """DNG 1.6, LinearizationTable: a sample indexes the table, the last entry stands for all larger ones."""
    samples = mosaic() if planes == 1 else np.stack([mosaic()] * 3, -1)
    table = (np.arange(800) ** 1.5).astype(np.uint16)
    tags = [(50712, 3, len(table), tuple(table.tolist()), True)]
    check_table = table[np.minimum(samples, len(table) - 1)]
    check(written(tmp_path / "a.dng", samples, tags, **storage), check_table, "mosaic" if planes == 1 else "linear")


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_the_linearization_table_of_a_preview_is_left_out(tmp_path, own, nested):
    """LibRaw applies the table that it reads last."""
    samples, table = mosaic(), (np.arange(1024) ** 1.5).astype(np.uint16)
    main = [(50712, 3, len(table), tuple(table.tolist()), True)] if own else []
    preview = [(50712, 3, 256, tuple(range(256)), True)]
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        options = {"photometric": CFA, "metadata": None, "rowsperstrip": HEIGHT}
        first = [VERSION, *PATTERN, *(preview if nested else main)]
        file.write(
            samples[:48, :64] if nested else samples,
            extratags=sorted(first),
            subfiletype=int(nested),
            subifds=int(nested),
            **options,
        )
        second = [*PATTERN, *(main if nested else preview)]
        file.write(
            samples if nested else samples[:48, :64], extratags=sorted(second), subfiletype=int(not nested), **options
        )
    check(tmp_path / "a.dng", table[samples] if own else samples)


def test_the_polynomial_of_lossy_dng_is_applied(data):
    """DNG 1.6, opcode MapPolynomial, on the samples that libjpeg decodes; LibRaw rounds to 16 bits."""
    path = data / "photoprism" / "canon_eos_6d.dng"
    decoded, main, content = decode(path), structure(path).main, path.read_bytes()
    assert (decoded.layout, decoded.levels_apply) == ("linear", False)
    body, at, curves = bytes(main.tags[51009]), 4, []
    for _ in range(struct.unpack_from(">I", body)[0]):
        code, _, _, size = struct.unpack_from(">4I", body, at)
        degree = struct.unpack_from(">I", body, at + 16 + 32)[0]
        assert code == 8
        curves.append(np.array(struct.unpack_from(f">{degree + 1}d", body, at + 16 + 36)))
        at += 16 + size
    rows, columns = main.segment
    for index, (start, count) in enumerate(zip(main.offsets, main.byte_counts, strict=True)):
        tile = imagecodecs.jpeg8_decode(content[start : start + count]) / 255
        top, left = index // 3 * rows, index % 3 * columns
        part = decoded.samples[top : top + rows, left : left + columns] / 65535
        expected = np.stack([np.polyval(curve[::-1], tile[..., c]) for c, curve in enumerate(curves)], -1).clip(0, 1)
        assert np.abs(expected[: part.shape[0], : part.shape[1]] - part).max() < 2e-5


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("sizes", [(64, 96), (96, 64)])
def test_of_several_images_at_full_size_the_largest_is_decoded(tmp_path, sizes, nested):
    """As its tags are those of the main directory; LibRaw takes the first."""
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        options = {"photometric": "rgb", "subfiletype": 1} | ({"subifds": 2} if nested else {})
        file.write(np.zeros((8, 8, 3), np.uint8), metadata=None, extratags=[VERSION], **options)
        for size in sizes:
            file.write(np.full((size, size), size, np.uint16), photometric=CFA, subfiletype=0, extratags=PATTERN)
    check(tmp_path / "a.dng", np.full((96, 96), 96, np.uint16))


@pytest.mark.parametrize("compression", [7, 34892])
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("options", [{"tile": (32, 64)}, {"rowsperstrip": 32}], ids=str)
def test_lossy_jpeg_without_a_polynomial(tmp_path, compression, planes, table, options):
    """LibRaw fails, leaves memory as it was, or applies the curve of sRGB and ignores the table."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    smooth = np.stack([x, y * 2, 255 - x], -1)[..., :planes].astype(np.uint8).squeeze()
    rows, columns = options.get("tile", (options.get("rowsperstrip"), WIDTH))
    corners = [(top, left) for top in range(0, HEIGHT, rows) for left in range(0, WIDTH, columns)]
    coded = [
        imagecodecs.jpeg8_encode(smooth[top : top + rows, left : left + columns].copy(), level=95)
        for top, left in corners
    ]
    curve = (np.arange(256) ** 2).astype(np.uint16)
    tags = [VERSION, *(PATTERN if planes == 1 else []), *([(50712, 3, 256, tuple(curve.tolist()), True)] * table)]
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        kind = {"photometric": CFA} if planes == 1 else {"photometric": LINEAR, "planarconfig": "contig"}
        kind |= {"shape": smooth.shape, "dtype": np.uint8, "compression": compression, **options}
        file.write(iter(coded), metadata=None, extratags=tags, **kind)
    expected = np.zeros(smooth.shape, np.uint16)
    for (top, left), stream in zip(corners, coded, strict=True):
        with Image.open(io.BytesIO(stream)) as image:
            expected[top : top + rows, left : left + columns] = np.array(image)
    assert np.abs(expected.astype(int) - smooth).max() < 12
    check(tmp_path / "a.dng", curve[expected] if table else expected, "mosaic" if planes == 1 else "linear")


@pytest.mark.parametrize("options", [{}, DEFLATE, {"compression": 7, **LOSSLESS}], ids=["none", "deflate", "JPEG"])
@pytest.mark.parametrize("codes", [(50975,), (52547,), (50975, 52547)])
@pytest.mark.parametrize("fields", [2, 3])
def test_interleaved_rows_and_columns(tmp_path, codes, fields, options):
    """LibRaw leaves them as they are stored."""
    samples = mosaic()
    stored = samples
    if 50975 in codes:
        stored = np.concatenate([stored[first::fields] for first in range(fields)])
    if 52547 in codes:
        stored = np.concatenate([stored[:, first::fields] for first in range(fields)], 1)
    tags = [(code, 3, 1, fields, True) for code in codes]
    check(written(tmp_path / "a.dng", stored.copy(), tags, **options), samples)


@pytest.mark.parametrize("options", [{}, DEFLATE, {"tile": (32, 48)}], ids=["LibRaw", "here", "tiles"])
def test_samples_in_blocks_are_refused(tmp_path, options):
    """DNG 1.6, SubTileBlockSize: rows and columns of the blocks in which the samples of a tile are stored."""
    path = written(tmp_path / "a.dng", mosaic(), [(50974, 3, 2, (2, 2), True)], **options)
    with pytest.raises(errors.UnreadableFile, match="SubTileBlockSize"):
        decode(path)
    check(written(tmp_path / "b.dng", mosaic(), [(50974, 3, 2, (1, 1), True)], **options), mosaic())


@pytest.mark.parametrize("area", [(0, 0, 96, 128), (4, 6, 90, 120), (1, 3, 91, 121)])
@pytest.mark.parametrize("storage", [{}, DEFLATE], ids=["LibRaw", "here"])
def test_the_active_area_is_cut_out(tmp_path, area, storage):
    samples, (top, left, bottom, right) = mosaic(), area
    decoded = decode(written(tmp_path / "a.dng", samples, [(50829, 4, 4, area, True)], **storage))
    assert (decoded.top, decoded.left) == (top, left)
    assert np.array_equal(decoded.samples, samples[top:bottom, left:right])
    assert decoded.cfa == "GBRG"  # CFAPattern starts at the area
    assert decoded.frame == (HEIGHT, WIDTH)


@pytest.mark.parametrize("area", [(10, 10, 5, 20), (0, 0, 97, 128), (0, 0, 96)])
def test_a_malformed_active_area_is_refused(tmp_path, area):
    path = written(tmp_path / "a.dng", mosaic(), [(50829, 4, len(area), area, True)], **DEFLATE)
    with pytest.raises(errors.UnreadableFile, match="ActiveArea"):
        decode(path)


def test_a_stated_array_replaces_that_of_the_file(tmp_path):
    for storage in ({}, DEFLATE):
        path = written(tmp_path / "a.dng", mosaic(), **storage)
        assert decode(path, cfa="BGGR").cfa == "BGGR"
        assert decode(path, cfa="MONO").layout == "mono"
        with pytest.raises(errors.NotAMosaic, match="RGB"):
            decode(path, cfa="RGB")


@pytest.mark.parametrize("storage", [{}, DEFLATE], ids=["LibRaw", "here"])
@pytest.mark.parametrize(
    ("shape", "colors", "message"),
    [
        ((4, 4), b"\0\0\1\1\0\0\1\1\1\1\2\2\1\1\2\2", "4 x 4"),
        ((2, 2), b"\0\1\2\1", "RGBG"),
        ((2, 2), b"\3\4\5\4", "only RGGB"),
    ],
)
def test_other_color_filter_arrays_are_refused(tmp_path, storage, shape, colors, message):
    tags = [VERSION, (33421, 3, 2, shape, True), (33422, 1, len(colors), colors, True)]
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        file.write(mosaic(), photometric=CFA, metadata=None, extratags=tags, **storage)
    with pytest.raises(errors.NotAMosaic, match=message):
        decode(tmp_path / "a.dng")


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", [np.uint16, np.float32])
@pytest.mark.parametrize(("photometric", "count"), [(LINEAR, 2), (LINEAR, 4), (CFA, 2), (CFA, 3), (CFA, 4)])
def test_other_numbers_of_samples_are_refused(tmp_path, photometric, count, kind, planar):
    samples, layout = np.stack([mosaic()] * count, 0 if planar else -1), "separate" if planar else "contig"
    options = {"photometric": 1, "planarconfig": layout, "rowsperstrip": HEIGHT, "metadata": None}
    tifffile.imwrite(tmp_path / "a.dng", samples.astype(kind), extratags=[VERSION, *PATTERN], **options)
    with tifffile.TiffFile(tmp_path / "a.dng", mode="r+") as file:
        file.pages[0].tags[262].overwrite(photometric)
    with pytest.raises(errors.NotAMosaic, match=f"{count} samples per pixel"):
        decode(tmp_path / "a.dng")


@pytest.mark.parametrize("storage", [{}, DEFLATE], ids=["LibRaw", "here"])
@pytest.mark.parametrize("arrangement", range(2, 10))
def test_staggered_arrays_are_refused(tmp_path, storage, arrangement):
    """DNG 1.6, CFALayout: 1 is rectangular, in the others some rows or columns are offset by half a pixel."""
    path = written(tmp_path / "a.dng", mosaic(), [(50711, 3, 1, arrangement, True)], **storage)
    with pytest.raises(errors.NotAMosaic, match=f"CFALayout {arrangement}"):
        decode(path)
    check(written(tmp_path / "b.dng", mosaic(), [(50711, 3, 1, 1, True)], **storage), mosaic())


@pytest.mark.parametrize("storage", [{}, DEFLATE], ids=["LibRaw", "here"])
@pytest.mark.parametrize("colors", [b"\2\1\0", b"\1\0\2", b"\3\4\5", b"\0\1\2\3"])
def test_other_planes_than_red_green_and_blue_are_refused(tmp_path, storage, colors):
    """DNG 1.6, CFAPlaneColor: the order of the rows of ColorMatrix and of the values of AsShotNeutral."""
    path = written(tmp_path / "a.dng", mosaic(), [(50710, 1, len(colors), colors, True)], **storage)
    with pytest.raises(errors.NotAMosaic, match="CFAPlaneColor"):
        decode(path)
    check(written(tmp_path / "b.dng", mosaic(), [(50710, 1, 3, b"\0\1\2", True)], **storage), mosaic())


@pytest.mark.parametrize("cfa", [None, "RGGB"])
def test_gray_in_which_zero_is_white_is_refused(tmp_path, cfa):
    """TIFF 6.0, PhotometricInterpretation 0: as a mosaic, it would be a negative."""
    tifffile.imwrite(tmp_path / "a.tif", mosaic(), photometric="miniswhite", metadata=None)
    with pytest.raises(errors.UnreadableFile, match="WhiteIsZero"):
        decode(tmp_path / "a.tif", cfa=cfa)


@pytest.mark.parametrize("storage", [{}, DEFLATE], ids=["LibRaw", "here"])
@pytest.mark.parametrize("suffix", ["dng", "tif"])
def test_signed_samples_are_refused(tmp_path, storage, suffix):
    """LibRaw reads -1 as 65535."""
    samples, path = mosaic().astype(np.int16) - 500, tmp_path / f"a.{suffix}"
    if suffix == "dng":
        written(path, samples, **storage)
    else:
        tifffile.imwrite(path, samples, photometric="minisblack", metadata=None, **storage)
    with pytest.raises(errors.UnreadableFile, match="signed samples"):
        decode(path, cfa="RGGB")


@pytest.mark.parametrize("storage", [{}, DEFLATE, {"compression": "lzw"}, {"tile": (32, 48)}], ids=str)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_gray_tiff_is_a_mosaic_only_if_the_caller_says_so(tmp_path, storage, bits):
    samples = mosaic((1 << bits) - 1).astype(f"u{bits // 8}")
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric=1, **storage)
    with pytest.raises(errors.NotAMosaic, match=r"gray TIFF .* pass cfa= \(--cfa\)"):
        decode(tmp_path / "a.tif")
    decoded = decode(tmp_path / "a.tif", cfa="GRBG")
    assert (decoded.layout, decoded.cfa) == ("mosaic", "GRBG")
    assert np.array_equal(decoded.samples, samples)
    assert decode(tmp_path / "a.tif", cfa="MONO").layout == "mono"


def test_a_preview_is_not_the_image_of_a_truncated_file(tmp_path):
    path, cut = tmp_path / "a.dng", tmp_path / "cut.dng"
    preview = torch.rand(1, 3, 32, 48)
    write_dng(path, torch.full((1, 1, 64, 96), 500.0), Capture.of("RGGB", black=64, white=1023), preview=preview)
    tiff = structure(path)
    (offset,), (count,) = tiff.directories[0].offsets, tiff.directories[0].byte_counts
    cut.write_bytes(path.read_bytes()[: offset + count])  # before the directory of the mosaic
    with pytest.raises(errors.UnreadableFile, match="truncated or damaged: it states a DNG without a RAW image"):
        decode(cut)


def test_a_gray_tiff_is_described_with_a_stated_filter_array(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", mosaic(4000), photometric=1)
    with pytest.raises(errors.NotAMosaic, match="pass cfa="):
        describe_raw(tmp_path / "a.tif")
    facts = describe_raw(tmp_path / "a.tif", cfa="GRBG")
    assert (facts["cfa"], facts["missing"]) == ("GRBG", ["black", "white", "gains", "matrix"])
    with pytest.raises(errors.InvalidArgument, match="cfa must be one of RGGB.* got 'rggb'"):
        describe_raw(tmp_path / "a.tif", cfa="rggb")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xd8\xff\xe0" + bytes(100), "is a JPEG image, not a RAW file$"),
        (
            b"\x89PNG\r\n\x1a\n" + bytes(100),
            "is a PNG image, not a RAW file: if .* with read_mosaic",
        ),
        (b"\0\0\0\x18ftypheic" + bytes(100), "is a HEIC image, not a RAW file"),
        (b"\0\0\0\x18ftypavif" + bytes(100), "is an AVIF image, not a RAW file"),
        (b"RIFF\0\0\0\0WEBP" + bytes(100), "is a WebP image, not a RAW file"),
        (b"P5\n8 8\n255\n" + bytes(64), "is a PGM image, not a RAW file: .* `isptoolkit render`"),
        (b"\x93NUMPY" + bytes(100), "is a NumPy array, not a RAW file: .* with read_mosaic"),
        (b"\0\0\0\x18ftypcrx " + bytes(100), "LibRaw"),
        (b"II*\0\xff\xff\0\0" + bytes(100), "is a TIFF-based file that LibRaw cannot open: it is truncated"),
        (b"II\x1a\0\0\0HEAPCCDR" + bytes(100), "is a CRW file that LibRaw cannot open: it is truncated"),
        (b"FUJIFILMCCD-RAW 0201" + bytes(100), "LibRaw"),
        (b"hello " * 100, r"in no RAW format that LibRaw knows, or a headerless dump.*--size"),
        (b"", "is empty"),
    ],
    ids=lambda value: value[:12].hex() if isinstance(value, bytes) else "",
)
def test_the_error_names_what_the_file_is(tmp_path, content, message):
    (tmp_path / "a.raw").write_bytes(content)
    with pytest.raises(errors.UnreadableFile, match=message) as caught:
        decode(tmp_path / "a.raw")
    assert str(caught.value).startswith(str(tmp_path / "a.raw"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("digicam_corpus/gopro-hero7-black/GOPR8514.GPR", errors.UnreadableFile, r"compressed with VC-5 \(GoPro\)"),
        ("unreadable/Canon-R6-pruned.CR3", errors.UnreadableFile, "truncated or damaged"),
        ("unreadable/fixture-Leica-M10.dng", errors.UnreadableFile, "truncated.* the file has 100000"),
        ("licence-unclear/metadata-extractor-images/Issue 247-1.nef", errors.UnreadableFile, "is a JPEG image"),
        ("kimageformats/RAW_KODAK_C330_FORMAT_NONE_YRGB.raw", errors.NotAMosaic, "layered pixels"),
        ("research-only/mcmaster18/1.tif", errors.UnreadableFile, "TIFF image without RAW samples"),
        ("openisp/test.RAW", errors.UnreadableFile, "headerless dump.*guess from its size"),
        ("infinite-isp/Indoor1_2592x1536_8bit_GRBG.raw", errors.UnreadableFile, "headerless dump"),
        ("kodak24/kodim01.png", errors.UnreadableFile, "is a PNG image"),
    ],
)
def test_real_files_that_are_refused(data, name, kind, message):
    with pytest.raises(kind, match=message) as caught:
        decode(data / name)
    assert type(caught.value) is kind


REAL = ("*.CRW", "*.KDC", "*.[Qq][Tt][Kk]", "colorchart.dng", "canon_eos_6d.dng")


def test_all_real_files_have_the_samples_that_libraw_decodes(data):
    paths = [path for pattern in REAL for path in sorted(data.rglob(pattern))]
    assert len(paths) == 30
    for path in paths:
        with rawpy.imread(str(path)) as raw:
            expected = raw.raw_image_visible[..., :3] if raw.raw_image.ndim == 3 else raw.raw_image_visible
            assert np.array_equal(decode(path).samples, expected), path


def test_too_many_samples_are_refused_before_memory_is_taken(tmp_path):
    """Deflate shrinks zeros by a factor of 1000, so a small file may claim a large frame."""
    side = 8 * int(MAX_SAMPLES**0.5 / 8) + 64
    strip = zlib.compress(bytes(side * 2))
    path = written(tmp_path / "a.dng", mosaic(), rowsperstrip=1, **DEFLATE)
    with tifffile.TiffFile(path, mode="r+") as file:
        for code, value in ((256, side), (257, side), (273, [8] * side), (279, [len(strip)] * side)):
            file.pages[0].tags[code].overwrite(value)
    with pytest.raises(errors.UnreadableFile, match=f"claims {side} x {side} pixels: at most {MAX_SAMPLES}"):
        decode(path)


def test_unsupported_compressions_and_predictors_are_named(tmp_path):
    path = written(tmp_path / "a.dng", mosaic(), **DEFLATE, predictor=2)
    for code, value, message in ((317, 77, "predictor 77"), (259, 34887, "compressed with LERC")):
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags[code].overwrite(value)
        with pytest.raises(errors.UnreadableFile, match=message):
            decode(path)

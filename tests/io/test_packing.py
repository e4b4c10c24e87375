"""Packed samples: each layout against a packer written from its specification, imagecodecs, and LibRaw."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from isptoolkit.io.dump_rows import DTYPES, Geometry, read_rows, row_bytes
from isptoolkit.io.packing import PACKINGS

imagecodecs = pytest.importorskip("imagecodecs", reason="needs imagecodecs: pip install imagecodecs")


def stream(values, bits, order):
    """Whole numbers as one number in base 2**bits, the first one least significant for `little`, padded to bytes."""
    ordered = reversed(values) if order == "little" else values
    digits = "".join(format(int(value), f"0{bits}b") for value in ordered)
    width = -(-len(digits) // 8) * 8
    digits = digits.rjust(width, "0") if order == "little" else digits.ljust(width, "0")
    return int(digits, 2).to_bytes(width // 8, order)


def groups(row, count):
    """Groups of samples, the last one filled up with zeros."""
    padded = [*row, *[0] * (-len(row) % count)]
    return [padded[i : i + count] for i in range(0, len(padded), count)]


def packed_row(row, layout):
    """Bytes of a row of samples."""
    kind, bits = layout[:-2], int(layout[-2:])
    if kind == "lsb":
        return stream(row, bits, "little")
    if kind == "msb":
        return stream(row, bits, "big")
    if kind == "ipu":
        return b"".join(stream(group, 10, "little").ljust(32, b"\0") for group in groups(row, 25))
    low = bits - 8
    if kind == "gev":
        parts = [(a >> low, (a & (1 << low) - 1) | (b & (1 << low) - 1) << 4, b >> low) for a, b in groups(row, 2)]
        return b"".join(bytes(map(int, part)) for part in parts)
    assert kind == "mipi"
    upper = [bytes(int(v) >> low for v in group) for group in groups(row, 2 if bits == 12 else 4)]
    lower = [stream([v & (1 << low) - 1 for v in g], low, "little") for g in groups(row, 2 if bits == 12 else 4)]
    return b"".join(a + b for a, b in zip(upper, lower, strict=True))


@pytest.mark.parametrize("layout", PACKINGS)
@given(data=st.data())
def test_samples_come_back_for_any_size_stride_and_offset(tmp_path_factory, layout, data):
    """Rows padded with ones, a header of ones, and a last row with or without its padding."""
    size = data.draw(st.tuples(st.integers(1, 5), st.integers(1, 60)), label="size")
    values = st.integers(0, (1 << PACKINGS[layout].bits) - 1)
    samples = data.draw(arrays.arrays(np.uint16, size, elements=values, fill=values), label="samples")
    padding, offset = data.draw(st.integers(0, 9), label="padding"), data.draw(st.integers(0, 9), label="offset")
    whole = data.draw(st.booleans(), label="whole last row")
    rows = [packed_row(row, layout) + b"\xff" * padding for row in samples.tolist()]
    content = b"\xff" * offset + b"".join(rows)
    path = tmp_path_factory.mktemp("dump") / "a.raw"
    path.write_bytes(content if whole or not padding else content[:-padding])
    stride = len(rows[0]) if padding or data.draw(st.booleans(), label="stride") else None
    read = read_rows(path, Geometry(*size, layout, stride, offset))
    assert read.dtype == np.float32
    assert np.array_equal(read, samples)


@pytest.mark.parametrize("layout", PACKINGS)
@pytest.mark.parametrize("width", [50, 51, 53])
def test_rows_that_continue_inside_a_byte(tmp_path, layout, width):
    samples = np.random.default_rng(width).integers(0, 1 << PACKINGS[layout].bits, (7, width))
    (tmp_path / "a.raw").write_bytes(packed_row(samples.flatten().tolist(), layout))
    assert np.array_equal(read_rows(tmp_path / "a.raw", Geometry(7, width, layout, None, 0)), samples)


@pytest.mark.parametrize(("kind", "order"), [("msb", None), ("lsb", "<"), ("gev", ">")])
def test_layouts_equal_imagecodecs(kind, order):
    if order and "bitorder" not in (imagecodecs.packints_decode.__doc__ or ""):
        pytest.skip("needs bit orders of packints: pip install 'imagecodecs>=2026'")
    options = {"bitorder": order} if order else {}
    for name in (name for name in PACKINGS if name.startswith(kind)):
        packing = PACKINGS[name]
        rows = np.random.default_rng(0).integers(0, 256, (5, packing.row_bytes(40)), np.uint8)
        decoded = [imagecodecs.packints_decode(row.tobytes(), np.uint16, packing.bits, **options) for row in rows]
        assert np.array_equal(packing.unpack(rows, 40), np.stack(decoded)), name


@pytest.mark.parametrize(
    ("layout", "stored", "samples"),
    [
        # Linux kernel documentation: pixfmt-srggb10p, -12p, -14p, srggb10-ipu3, and y10b; one bit set in each sample.
        ("mipi10", [0, 0, 0, 0, 0b01_10_01_10], [2, 1, 2, 1]),
        ("mipi12", [0x12, 0x34, 0x65], [0x125, 0x346]),
        ("mipi14", [1, 2, 3, 4, 0b10_000101, 0b0011_0000, 0b000000_11], [64 + 5, 128 + 2, 192 + 0b110011, 256]),
        ("ipu10", [0xFF, 0b000001_00, 0, *[0] * 27, 0b1, 0b10], [255, 1, *[0] * 22, 513]),
        ("msb10", [0, 0b01_000000, 0b0001_0000, 0b000001_00, 1], [1, 1, 1, 1]),
        # Basler racer GigE user's manual, 9.2.3, and the comments of ROS camera_aravis on 10 bits.
        ("gev12", [0x12, 0x65, 0x34], [0x125, 0x346]),
        ("gev10", [1, 0b0010_0011, 1], [7, 6]),
    ],
)
def test_bytes_of_the_documentation(layout, stored, samples):
    rows = np.array([stored], np.uint8)
    assert PACKINGS[layout].unpack(rows, len(samples)).tolist() == [samples]
    assert PACKINGS[layout].row_bytes(len(samples)) == len(stored)


def test_a_packed_strip_equals_what_libraw_decodes(data, tmp_path):
    """A DNG with 14 bits a sample, without compression."""
    rawpy = pytest.importorskip("rawpy", reason="needs rawpy: pip install rawpy")
    path = data / "tinydng" / "colorchart.dng"
    with rawpy.imread(str(path)) as raw:
        decoded = raw.raw_image.copy()
    (tmp_path / "strip.raw").write_bytes(path.read_bytes()[: 1536 + 3905328])  # offset and size of its one strip
    height, width = decoded.shape
    assert np.array_equal(read_rows(tmp_path / "strip.raw", Geometry(height, width, "msb14", None, 1536)), decoded)


def test_twelve_megapixels_unpack_in_well_under_a_second():
    rows = np.random.default_rng(0).integers(0, 256, (3000, row_bytes("mipi10", 4000)), np.uint8)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        PACKINGS["mipi10"].unpack(rows, 4000)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


def test_names_are_listed_once():
    assert len(DTYPES) == len(set(DTYPES)) == 5 + len(PACKINGS)

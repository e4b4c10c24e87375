"""Mosaics with stated metadata: dumps of every sample type and phase, .npy, PNG, and what must be refused."""

import io
import struct
import zlib

import numpy as np
import pytest
import torch

from isptoolkit import errors, read_mosaic
from isptoolkit.io.mosaic_dump import is_array_file

D750 = [[0.902, -0.289, -0.0715], [-0.4535, 1.2436, 0.2348], [-0.0934, 0.1919, 0.7086]]
DUMP = {"black": 600, "white": 15520, "gains": (1.949, 1, 1.344), "matrix": D750}


def test_the_four_phases_of_one_dump_hold_the_same_samples(data):
    packed = {}
    for cfa in ("RGGB", "BGGR", "GRBG", "GBRG"):
        path = data / "mushfiqulalam-isp" / f"DSC_1339_768x512_{cfa.lower()}.raw"
        sensor, capture = read_mosaic(path, width=768, height=512, cfa=cfa, **DUMP)
        assert np.array_equal(sensor[0, 0].numpy(), np.fromfile(path, "<u2").reshape(512, 768))
        assert (capture.cfa, capture.white.item()) == (cfa, 15520)
        sites = dict.fromkeys("RGB", ())
        for index, letter in enumerate(cfa):
            sites[letter] += (sensor[0, 0, index // 2 :: 2, index % 2 :: 2],)
        packed[cfa] = [sites["R"][0], sites["B"][0], sites["G"][0] + sites["G"][1], sites["G"][0] * sites["G"][1]]
    for channels in packed.values():
        assert all(torch.equal(a, b) for a, b in zip(channels, packed["RGGB"], strict=True))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "<u2", ">u2", "float32", ">f4"])
def test_dumps_of_every_type(tmp_path, dtype):
    pixels = np.random.default_rng(1).integers(0, 255, (5, 7))
    stored = {"uint8": "u1", "uint16": "<u2", "float32": "<f4"}.get(dtype, dtype)
    (tmp_path / "d.raw").write_bytes(b"head" + pixels.astype(stored).tobytes())
    sensor, capture = read_mosaic(
        tmp_path / "d.raw", width=7, height=5, cfa="GRBG", dtype=dtype, offset=4, orientation=6, camera="Acme", **DUMP
    )
    assert np.array_equal(sensor[0, 0].numpy(), pixels)
    assert (capture.orientation, capture.camera) == ((6,), ("Acme",))


REAL = [
    ("infinite-isp/ColorCheckerRAW_1920x1080_12bit_BGGR.raw", 1920, 1080, "BGGR", "uint16", "<u2", 0),
    ("infinite-isp/Indoor1_2592x1536_8bit_GRBG.raw", 2592, 1536, "GRBG", "uint8", "u1", 0),
    ("openisp/test.RAW", 1920, 1080, "BGGR", "uint16", "<u2", 0),
    ("isp_rawtorgb/0.raw", 1920, 1200, "RGGB", "uint8", "u1", 0),
    ("halide/bayer_2592_304.pgm", 2592, 304, "GRBG", ">u2", ">u2", 18),
]


@pytest.mark.parametrize(("name", "width", "height", "cfa", "dtype", "stored", "offset"), REAL)
def test_dumps_of_real_cameras(data, name, width, height, cfa, dtype, stored, offset):
    sensor, capture = read_mosaic(
        data / name, width=width, height=height, cfa=cfa, dtype=dtype, offset=offset, **DUMP | {"black": 0}
    )
    expected = np.frombuffer((data / name).read_bytes(), stored, offset=offset).reshape(height, width)
    assert np.array_equal(sensor[0, 0].numpy(), expected)
    assert capture.cfa == cfa
    greens = [sensor[0, 0, i // 2 :: 2, i % 2 :: 2] for i, letter in enumerate(cfa) if letter == "G"]
    others = [sensor[0, 0, i // 2 :: 2, i % 2 :: 2] for i, letter in enumerate(cfa) if letter != "G"]
    assert (greens[0] - greens[1]).abs().mean() < (others[0] - others[1]).abs().mean()


@pytest.mark.parametrize("dtype", ["mipi10", "lsb12", "msb14"])
def test_a_real_dump_that_was_packed(data, tmp_path, dtype):
    """The samples of a camera, repacked with a bit stream written here, padded rows, and a header."""
    path = data / "infinite-isp" / "ColorCheckerRAW_1920x1080_12bit_BGGR.raw"
    bits = int(dtype[-2:])
    samples = np.fromfile(path, "<u2").reshape(1080, 1920) >> (12 - bits if bits < 12 else 0)
    digits = samples[..., None] >> np.arange(bits, dtype=np.uint16) & 1
    if dtype == "lsb12":
        rows = np.packbits(digits.astype(np.uint8).reshape(1080, -1), axis=1, bitorder="little")
    elif dtype == "msb14":
        rows = np.packbits(digits[..., ::-1].astype(np.uint8).reshape(1080, -1), axis=1)
    else:
        upper = (samples >> 2).astype(np.uint8).reshape(1080, -1, 4)
        lower = np.packbits(digits[..., :2].astype(np.uint8).reshape(1080, -1, 8), axis=2, bitorder="little")
        rows = np.concatenate([upper, lower], 2).reshape(1080, -1)
    padded = np.pad(rows, ((0, 0), (0, 32)), constant_values=255)
    (tmp_path / "a.raw").write_bytes(b"head" + padded.tobytes())
    sensor, _ = read_mosaic(
        tmp_path / "a.raw", width=1920, height=1080, cfa="BGGR", dtype=dtype, stride=padded.shape[1], offset=4, **DUMP
    )
    assert np.array_equal(sensor[0, 0].numpy(), samples)


def test_three_planes_and_sensors_without_color_filters(tmp_path):
    samples = np.random.default_rng(2).integers(0, 4096, (4, 6, 3)).astype("<u2")
    samples.tofile(tmp_path / "rgb.raw")
    np.save(tmp_path / "rgb.npy", samples)
    for arguments in ({"path": tmp_path / "rgb.raw", "width": 6, "height": 4}, {"path": tmp_path / "rgb.npy"}):
        sensor, capture = read_mosaic(**arguments, cfa="RGB", **DUMP)
        assert np.array_equal(sensor[0].numpy(), samples.transpose(2, 0, 1))
        assert capture.cfa == "RGB" and capture.gains.tolist() == [[1.949, 1, 1.344]]
    samples[..., 0].tofile(tmp_path / "mono.raw")
    mono = {"path": tmp_path / "mono.raw", "width": 6, "height": 4, "cfa": "MONO", "black": 600, "white": 15520}
    sensor, capture = read_mosaic(**mono)
    assert np.array_equal(sensor[0, 0].numpy(), samples[..., 0])
    assert capture.gains.tolist() == [[1, 1, 1]]
    with pytest.raises(errors.InvalidArgument, match="MONO, which has no colors: leave out gains="):
        read_mosaic(**mono, gains=(2, 1, 1))


@pytest.mark.parametrize("stored", ["u1", "<u2", ">u2", "<i4", "<f2", "<f4", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy_files(tmp_path, stored, order):
    samples = np.random.default_rng(3).integers(0, 200, (5, 7)).astype(stored, order=order)
    np.save(tmp_path / "a.raw", samples)  # recognized by its first bytes; NumPy appends .npy
    (tmp_path / "a.raw.npy").rename(tmp_path / "a.raw")
    sensor, capture = read_mosaic(tmp_path / "a.raw", cfa="GBRG", **DUMP)
    assert sensor.dtype == torch.float32
    assert np.array_equal(sensor[0, 0].numpy(), samples)
    assert capture.cfa == "GBRG"


def test_png_mosaics_of_real_cameras(data):
    """Pillow decodes the gray one; it cannot decode 16-bit RGB, so that one is unfiltered here."""
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install pillow")
    path = data / "halide" / "bayer_small.png"
    sensor, _ = read_mosaic(path, cfa="GRBG", **DUMP)
    assert np.array_equal(sensor[0, 0].numpy(), np.asarray(image.open(path)))
    path = data / "c5-imx135" / "S_IMX135_BLCCSC_field_002_sensorname_sony_imx135.png"
    sensor, capture = read_mosaic(path, cfa="RGB", black=0, white=65535, gains=DUMP["gains"], matrix=D750)
    assert np.array_equal(sensor[0].numpy().transpose(1, 2, 0), unfiltered(path.read_bytes()))
    assert (capture.cfa, sensor.shape) == ("RGB", (1, 3, 256, 384))


def test_a_pgm_of_a_real_camera(data):
    image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install pillow")
    path = data / "halide" / "bayer_2592_304.pgm"
    sensor, capture = read_mosaic(path, cfa="GRBG", **DUMP)
    assert np.array_equal(sensor[0, 0].numpy(), np.asarray(image.open(path)))
    assert (capture.cfa, sensor.shape) == ("GRBG", (1, 1, 304, 2592))


@pytest.mark.parametrize(("head", "dtype"), [(b"P5 6 4 255\n", "u1"), (b"P5\n# 6 x 4\n6\n4\n# 10 bits\n1023 ", ">u2")])
def test_pgm_and_ppm_files(tmp_path, head, dtype):
    """Values are not scaled by the largest one, which is not the white level of a mosaic."""
    samples = np.random.default_rng(4).integers(0, 255, (4, 6, 3)).astype(dtype)
    (tmp_path / "a.pgm").write_bytes(head + samples[..., 0].tobytes())
    (tmp_path / "a.ppm").write_bytes(head.replace(b"P5", b"P6") + samples.tobytes())
    assert np.array_equal(read_mosaic(tmp_path / "a.pgm", cfa="RGGB", **DUMP)[0][0, 0].numpy(), samples[..., 0])
    sensor, _ = read_mosaic(tmp_path / "a.ppm", cfa="RGB", **DUMP)
    assert np.array_equal(sensor[0].numpy().transpose(1, 2, 0), samples)


def unfiltered(png):
    """The samples of a 16-bit RGB PNG without interlacing (PNG specification, third edition, 9.2)."""
    width, height = struct.unpack(">II", png[16:24])
    place, body = 8, b""
    while place < len(png):
        (size,) = struct.unpack(">I", png[place : place + 4])
        body += png[place + 8 : place + 8 + size] if png[place + 4 : place + 8] == b"IDAT" else b""
        place += size + 12
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 6 * width)
    above = [0] * 6 * width
    lines = []
    for kind, *filtered in rows.tolist():
        line = [0] * 6
        before = [0] * 6 + above
        for index, value in enumerate(filtered):
            a, b, c = line[index], above[index], before[index]
            nearest = min((a, b, c), key=lambda n, p=a + b - c: abs(p - n))
            line.append((value + (0, a, b, (a + b) // 2, nearest)[kind]) & 255)
        above = line[6:]
        lines.append(above)
    return np.array(lines, np.uint8).view(">u2").reshape(height, width, 3)


def png(depth, color, size=(4, 6), body=None):
    """A PNG with one IDAT chunk."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    data = bytes(size[0] * (1 + -(-size[1] * channels * depth // 8))) if body is None else body
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], depth, color, 0, 0, 0))]
    chunks += [(b"PLTE", bytes(3))] if color == 3 else []
    chunks += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def npy(array, *, pickled=False):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=pickled)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (png(8, 3), "color type 3 with 8 bits"),
        (png(4, 0), "color type 0 with 4 bits"),
        (png(16, 6), "color type 6 with 16 bits"),
        (png(16, 2), r"shape \(4, 6, 3\): RGGB needs \[H,W\]"),
        (png(16, 0, (1 << 14, 1 << 14), b""), "truncated: .. bytes of PNG cannot expand to 536870912"),
        (png(16, 0)[:-30], "damaged or truncated PNG"),
        (png(16, 0)[:20], "damaged PNG: it does not start with its size"),
        (npy(np.zeros((4, 6, 3))), r"shape \(4, 6, 3\): RGGB needs \[H,W\]"),
        (npy(np.zeros(24)), r"shape \(24,\)"),
        (npy(np.zeros((0, 6))), r"shape \(0, 6\)"),
        (npy(np.zeros((4, 6), complex)), "array of complex128"),
        (npy(np.full((4, 6), None), pickled=True), "array of object"),
        (npy(np.zeros((4, 6)))[:-1], "319 bytes, but its array of shape .* needs 320"),
        (npy(np.zeros((4, 6))) + b"0", "321 bytes"),
        (npy(np.zeros((4, 6)))[:9], "damaged .npy file"),
        (npy(np.full((4, 6), 1 << 24 | 1)), "at most 16777216 are exact"),
        (npy(np.full((4, 6), np.nan)), "24 samples that are not finite"),
        (b"\x93NUMPY\x09\0" + bytes(300), "damaged .npy file"),
        (b"P5 6 4 255 " + bytes(23), "34 bytes, but its array of shape .* needs 35"),
        (b"P5 6 4 65536 " + bytes(48), "largest value is 65536"),
        (b"P5 6 4 0 " + bytes(24), "largest value is 0"),
        (b"P5 9999999999 9999999999 255 " + bytes(24), "needs 99999999980000000030"),
        (b"P6 6 4 255 " + bytes(72), r"shape \(4, 6, 3\): RGGB needs"),
    ],
    ids=range(23),
)
def test_array_files_that_hold_no_mosaic(tmp_path, content, says):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(errors.UnreadableFile, match=says):
        read_mosaic(tmp_path / "a", cfa="RGGB", **DUMP)


def test_array_files_refuse_a_geometry_and_ask_for_metadata(tmp_path):
    (tmp_path / "a").write_bytes(npy(np.ones((4, 6))))
    (tmp_path / "b").write_bytes(png(16, 0))
    (tmp_path / "c").write_bytes(b"")
    assert [is_array_file(tmp_path / name) for name in "abc"] == [True, True, False]
    for name, form in (("a", "NumPy array"), ("b", "PNG image")):
        with pytest.raises(errors.InvalidArgument, match=f"a {form}, which states its geometry: leave out width= and"):
            read_mosaic(tmp_path / name, width=6, height=4, cfa="RGGB", **DUMP)
        with pytest.raises(errors.InvalidArgument, match="leave out dtype=, stride=, and offset="):
            read_mosaic(tmp_path / name, dtype="uint8", stride=6, offset=0, cfa="RGGB", **DUMP)
        with pytest.raises(
            errors.MissingMetadata, match=f"{form} without metadata of a mosaic: pass cfa=, black=, white=, gains=, a"
        ):
            read_mosaic(tmp_path / name)


@pytest.mark.parametrize("size", [(1 << 15, 1 << 15), (1 << 40, 1)])
def test_enormous_arrays_are_refused_before_memory_is_taken(tmp_path, size):
    header = {"descr": "|u1", "fortran_order": False, "shape": size}
    with (tmp_path / "a.npy").open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + size[0] * size[1])
    with pytest.raises(errors.InvalidArgument, match="more than the limit"):
        read_mosaic(tmp_path / "a.npy", cfa="RGGB", **DUMP)


@pytest.mark.parametrize(
    ("width", "height", "dtype"), [(768, 511, "uint16"), (767, 512, "uint16"), (768, 512, "uint8")]
)
def test_a_wrong_geometry_names_both_sizes(data, width, height, dtype):
    path = data / "mushfiqulalam-isp" / "DSC_1339_768x512_rggb.raw"
    needed = width * height * (1 if dtype == "uint8" else 2)
    with pytest.raises(errors.UnreadableFile, match=rf"786432 bytes.*{needed}"):
        read_mosaic(path, width=width, height=height, cfa="RGGB", dtype=dtype, **DUMP)


@pytest.mark.parametrize(
    ("size", "arguments", "says"),
    [
        (2560, {}, "at exactly 10 bits a sample, dtype=mipi10, lsb10, or msb10 fits"),
        (3072, {}, "at exactly 12 bits a sample, dtype=mipi12, lsb12, msb12, gev10, gev12, or ipu10 fits"),
        (3584, {}, "at exactly 14 bits a sample, dtype=mipi14, lsb14, or msb14 fits"),
        (2048, {}, "at exactly 8 bits a sample, dtype=uint8 fits"),
        (8192, {"dtype": "uint8"}, "at exactly 32 bits a sample, dtype=float32 or >f4 fits"),
        (32 * 96, {"dtype": "uint8"}, "exactly 12 bits"),
        (
            32 * 84,
            {"dtype": "uint16"},
            "need 4096: stride=84 and dtype=mipi10, lsb10, or msb10 fit rows with 4 bytes of padding",
        ),
        (32 * 160, {}, "stride=160 and dtype=uint16 or >u2 fit rows with 32 bytes of padding, or offset=1024 fits a"),
        (4096 + 54, {}, "need 4096: offset=54 fits a header before the samples"),
        (4096 + 54, {"offset": 4}, "need 4100: offset=54 fits"),
        (4096 + 54, {"stride": 128}, "samples of uint16 in rows of 128 bytes at offset 0 need 4096: offset=54 fits"),
        (100, {}, "check width, height, dtype, stride, and offset"),
        (4, {"offset": 100}, "holds 4 bytes"),
    ],
)
def test_a_wrong_size_names_the_layouts_that_fit(tmp_path, size, arguments, says):
    (tmp_path / "d.raw").write_bytes(bytes(size))
    with pytest.raises(errors.UnreadableFile) as caught:
        read_mosaic(tmp_path / "d.raw", width=64, height=32, cfa="RGGB", **arguments, **DUMP)
    assert says in str(caught.value)


def test_what_is_missing_is_asked_for_at_once(tmp_path):
    (tmp_path / "d.raw").write_bytes(bytes(8))
    with pytest.raises(errors.MissingMetadata) as caught:
        read_mosaic(tmp_path / "d.raw")
    assert str(caught.value).endswith("has no header: pass width=, height=, cfa=, black=, white=, gains=, and matrix=")
    with pytest.raises(errors.MissingMetadata, match="no header: pass cfa= and white=$"):
        read_mosaic(tmp_path / "d.raw", width=2, height=2, black=0, gains=(1, 1, 1), matrix=D750)
    with pytest.raises(errors.MissingMetadata, match="no header: pass black=$"):
        read_mosaic(tmp_path / "d.raw", width=2, height=2, white=1, cfa="MONO")


def test_dumps_that_are_not_finite(tmp_path):
    np.array([[1, np.nan], [np.inf, 2]], "<f4").tofile(tmp_path / "d.raw")
    with pytest.raises(errors.UnreadableFile, match="2 samples that are not finite"):
        read_mosaic(tmp_path / "d.raw", width=2, height=2, cfa="RGGB", dtype="float32", **DUMP)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"gains": None}, errors.MissingMetadata),
        ({"matrix": None}, errors.MissingMetadata),
        ({"gains": (1, -1, 1)}, errors.InvalidArgument),
        ({"dtype": "int64"}, errors.InvalidArgument),
        ({"dtype": "object"}, errors.InvalidArgument),
        ({"width": 0}, errors.InvalidArgument),
        ({"width": 2.0}, errors.InvalidArgument),
        ({"height": -2}, errors.InvalidArgument),
        ({"offset": -1}, errors.InvalidArgument),
        ({"offset": 0.5}, errors.InvalidArgument),
        ({"stride": 3}, errors.InvalidArgument),
        ({"stride": -4}, errors.InvalidArgument),
        ({"stride": 4.0}, errors.InvalidArgument),
        ({"dtype": "mipi16"}, errors.InvalidArgument),
        ({"cfa": "RGB", "width": 1 << 14, "height": 1 << 14}, errors.InvalidArgument),
        ({"width": 1 << 20, "height": 1 << 20}, errors.InvalidArgument),
        ({"cfa": "RGBG"}, errors.InvalidCapture),
        ({"white": 600}, errors.InvalidCapture),
    ],
)
def test_dumps_with_wrong_arguments(tmp_path, changes, error):
    np.zeros((2, 2), "<u2").tofile(tmp_path / "d.raw")
    with pytest.raises(error):
        read_mosaic(tmp_path / "d.raw", **({"width": 2, "height": 2, "cfa": "RGGB", **DUMP} | changes))


def test_missing_dumps(tmp_path):
    for path in (tmp_path, tmp_path / "none.raw"):
        with pytest.raises(errors.UnreadableFile, match="is not a file"):
            read_mosaic(path, width=2, height=2, cfa="RGGB", **DUMP)

"""Images written by isptoolkit are read by other libraries and vice versa; failures leave nothing behind."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from isptoolkit import errors, read_image, write_image
from isptoolkit.atomic import replacing

TYPES = {8: np.uint8, 16: np.uint16}


def noise(bits, shape=(3, 5, 7)):
    """An image whose values are exactly codes of `bits` bits, and those codes `[H,W,3]`."""
    codes = np.random.default_rng(bits).integers(0, 2**bits, shape).astype(TYPES[bits])
    codes.flat[:2] = 0, 2**bits - 1
    return torch.from_numpy(codes.astype(np.float64) / (2**bits - 1)), codes.transpose(1, 2, 0)


def opened(path):
    """An image file, decoded by Pillow and closed."""
    with Image.open(path) as image:
        image.load()
    return image


def chunks(png):
    """The chunks of a PNG by name, checksums verified."""
    result, at = {}, 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + size]
        assert struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0] == zlib.crc32(name + body)
        result[name] = body
        at += 12 + size
    return result


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
@pytest.mark.parametrize("batched", [False, True])
def test_codes_are_exact_for_every_reader(tmp_path, bits, suffix, batched):
    image, codes = noise(bits)
    path = tmp_path / f"bild ü{suffix}"
    write_image(path, image[None] if batched else image, bits=bits)
    read = tifffile.imread(path) if suffix != ".png" else imagecodecs.png_decode(path.read_bytes())
    assert read.dtype == TYPES[bits]
    np.testing.assert_array_equal(read, codes)
    result = read_image(str(path))
    assert (result.dtype, tuple(result.shape)) == (torch.float32, (1, 3, 5, 7))
    torch.testing.assert_close(result[0].double(), image, rtol=0, atol=1e-7)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_values_are_clamped_and_rounded_to_nearest(tmp_path):
    values = torch.tensor([-1.0, -1e-9, 0.49 / 255, 0.51 / 255, 1.49 / 255, 254.4 / 255, 254.6 / 255, 1.5])
    write_image(tmp_path / "a.png", values.expand(3, 1, 8))
    assert np.asarray(opened(tmp_path / "a.png"))[0, :, 1].tolist() == [0, 0, 0, 1, 1, 254, 255, 255]


@pytest.mark.parametrize(("suffix", "bits"), [(".png", 8), (".jpg", 8), (".tif", 8), (".tif", 16)])
def test_files_carry_an_srgb_profile(tmp_path, suffix, bits):
    path = tmp_path / f"a{suffix}"
    write_image(path, noise(bits)[0], bits=bits)
    if suffix == ".tif":
        with tifffile.TiffFile(path) as tiff:
            profile = tiff.pages[0].tags[34675].value
    else:
        profile = opened(path).info["icc_profile"]
    parsed = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert "sRGB" in ImageCms.getProfileDescription(parsed)
    to_srgb = ImageCms.buildTransform(parsed, ImageCms.createProfile("sRGB"), "RGB", "RGB")
    patch = Image.new("RGB", (1, 1), (200, 100, 50))
    assert ImageCms.applyTransform(patch, to_srgb).getpixel((0, 0)) == (200, 100, 50)


def test_a_deep_png_carries_the_srgb_chunk_before_its_data(tmp_path):
    write_image(tmp_path / "a.png", noise(16)[0], bits=16)
    content = chunks((tmp_path / "a.png").read_bytes())
    assert content[b"sRGB"] == b"\0"
    assert list(content)[:2] == [b"IHDR", b"sRGB"]
    assert content[b"IHDR"][8] == 16


def test_equal_images_have_equal_bytes(tmp_path):
    image = noise(8)[0]
    write_image(tmp_path / "a.png", image)
    write_image(tmp_path / "b.png", image)
    profile = opened(tmp_path / "a.png").info["icc_profile"]
    assert struct.unpack(">6H", profile[24:36]) == (2000, 1, 1, 0, 0, 0)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_jpeg_quality_and_chroma(tmp_path):
    ramp = torch.linspace(0, 1, 64).expand(3, 64, 64)
    write_image(tmp_path / "a.jpeg", ramp)
    assert (read_image(tmp_path / "a.jpeg") - ramp).abs().max() < 0.02
    write_image(tmp_path / "b.jpg", noise(8, (3, 64, 64))[0], quality=50)
    write_image(tmp_path / "c.jpg", noise(8, (3, 64, 64))[0], quality=95)
    assert (tmp_path / "b.jpg").stat().st_size < (tmp_path / "c.jpg").stat().st_size
    assert {layer[1:3] for layer in opened(tmp_path / "c.jpg").layer} == {(1, 1)}


@pytest.mark.parametrize(
    ("name", "changes", "error"),
    [
        ("a.bmp", {}, errors.InvalidArgument),
        ("a", {}, errors.InvalidArgument),
        ("none/a.png", {}, errors.InvalidArgument),
        ("a.jpg", {"bits": 16}, errors.InvalidArgument),
        ("a.png", {"bits": 12}, errors.InvalidArgument),
        ("a.jpg", {"quality": 0}, errors.InvalidArgument),
        ("a.jpg", {"srgb": torch.zeros(3, 1, 70000)}, errors.InvalidArgument),
        ("a.png", {"srgb": torch.zeros(2, 3, 4, 4)}, errors.InvalidArgument),
        ("a.png", {"srgb": torch.zeros(1, 4, 4)}, errors.InvalidTensor),
        ("a.png", {"srgb": torch.zeros(3, 4, 4, dtype=torch.uint8)}, errors.InvalidTensor),
        ("a.png", {"srgb": torch.full((3, 4, 4), torch.nan)}, errors.InvalidTensor),
        ("a.png", {"srgb": np.zeros((3, 4, 4))}, errors.InvalidTensor),
    ],
)
def test_refused_images_leave_no_file(tmp_path, name, changes, error):
    arguments = {"srgb": torch.zeros(3, 4, 4)} | changes
    with pytest.raises(error) as caught:
        write_image(tmp_path / name, **arguments)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        assert (temporary.parent, temporary.suffix) == (tmp_path, ".png")
        temporary.write_bytes(b"half")
        raise RuntimeError
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", lambda *_: (_ for _ in ()).throw(PermissionError(13, "denied")))
        with pytest.raises(errors.InvalidArgument, match="denied"):
            write_image(path, torch.zeros(3, 4, 4))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    write_image(path, torch.zeros(3, 4, 4))
    assert read_image(path).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_gray_and_transparency(tmp_path, bits, suffix, channels):
    codes = noise(bits, (channels, 4, 6))[1]
    codes = np.ascontiguousarray(codes[..., 0] if channels == 1 else codes)
    path = tmp_path / f"a{suffix}"
    if suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(codes))
    else:
        extra = {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
        photometric = "minisblack" if channels < 3 else "rgb"
        tifffile.imwrite(path, codes, photometric=photometric, planarconfig="contig" if channels > 1 else None, **extra)
    values = np.atleast_3d(codes).astype(float) / (2**bits - 1)
    if channels in (2, 4):
        values = values[..., :-1] * values[..., -1:] + (1 - values[..., -1:])
    expected = np.broadcast_to(values, (4, 6, 3)).transpose(2, 0, 1)
    np.testing.assert_allclose(read_image(path)[0].numpy(), expected, atol=1e-6)


def test_palettes_with_a_transparent_entry_and_separate_planes(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png", transparency=1)
    assert read_image(tmp_path / "p.png")[0, :, 0].T.tolist() == [[1, 0, 0], [1, 1, 1]]
    codes = noise(16)[1]
    tifffile.imwrite(tmp_path / "p.tif", codes.transpose(2, 0, 1), photometric="rgb", planarconfig="separate")
    np.testing.assert_allclose(read_image(tmp_path / "p.tif")[0] * 65535, codes.transpose(2, 0, 1), atol=0.01)


def test_files_of_other_programs(data):
    for name, size in (("kodak24/kodim01.png", (512, 768)), ("research-only/mcmaster18/1.tif", (500, 500))):
        with Image.open(data / name) as image:
            expected = np.asarray(image.convert("RGB"))
        result = read_image(data / name)
        assert tuple(result.shape) == (1, 3, *size)
        np.testing.assert_array_equal((result[0] * 255).round().numpy().transpose(1, 2, 0), expected)


def header(width, height):
    """A PNG that consists of a header alone."""
    body = b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def test_files_that_are_not_images(tmp_path):
    good = io.BytesIO()
    Image.fromarray(noise(8, (3, 40, 40))[1]).save(good, "JPEG")
    tifffile.imwrite(tmp_path / "float.tif", np.zeros((4, 4, 3), np.float32), photometric="rgb")
    tifffile.imwrite(tmp_path / "deep.tif", noise(16, (3, 40, 40))[1], photometric="rgb")
    cases = {
        "empty.png": b"",
        "text.png": b"not an image",
        "cut.jpg": good.getvalue()[:500],
        "cut.png": header(4, 4),
        "cut.tif": (tmp_path / "deep.tif").read_bytes()[:3000],
        "bomb.png": header(60000, 60000),
        "tiff.tif": b"II*\0\xff\xff\xff\xff",
    }
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    for name in (*cases, "float.tif", "none.png", ".", "n" * 300 + ".png"):
        with pytest.raises(errors.UnreadableFile) as caught:
            read_image(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_tiff_that_claims_too_much_is_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr("isptoolkit.io.image.MAX_PIXELS", 30)
    for name in ("a.tif", "a.png", "a.jpg"):
        write_image(tmp_path / name, noise(8)[0])
        with pytest.raises(errors.UnreadableFile, match="claims 7 x 5 pixels"):
            read_image(tmp_path / name)

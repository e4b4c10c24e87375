"""Photographs of all kinds: converted like littleCMS, rotated, or refused with the reason."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms

from isptoolkit import errors
from isptoolkit.io.photograph import read_photograph


def codes(height=12, width=20, channels=3, seed=0):
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def tensor_of(image):
    return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]


def wide_profile():
    """The sRGB profile with another red primary and another name."""
    from isptoolkit.io.image import _srgb_profile

    plain = bytearray(_srgb_profile())
    at = int.from_bytes(plain[plain.find(b"rXYZ") + 4 :][:4], "big")
    plain[at + 8 : at + 12] = (int(0.6 * 65536)).to_bytes(4, "big")
    name = plain.find("sRGB".encode("utf-16-be"))
    plain[name : name + 8] = "WIDE".encode("utf-16-be")
    return bytes(plain)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation, tmp_path):
    image = Image.fromarray(codes())
    exif = image.getexif()
    exif[274] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    flips = {1: [], 2: [0], 3: [3], 4: [1], 5: [5], 6: [4], 7: [6], 8: [2]}[orientation]
    expected = image
    for flip in flips:
        expected = expected.transpose(flip)
    assert torch.equal(read_photograph(tmp_path / "a.png"), tensor_of(expected))


def test_palettes_gray_and_transparency(tmp_path):
    palette = Image.fromarray(codes()).quantize(16)
    palette.save(tmp_path / "p.png")
    assert torch.equal(read_photograph(tmp_path / "p.png"), tensor_of(palette.convert("RGB")))
    gray = Image.fromarray(codes(channels=1))
    gray.save(tmp_path / "l.jpg", quality=100)
    assert read_photograph(tmp_path / "l.jpg").shape == (1, 3, 12, 20)
    rgba = codes(channels=4)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    alpha = rgba[..., 3:] / 255
    expected = (rgba[..., :3] / 255 * alpha + 1 - alpha).transpose(2, 0, 1)
    torch.testing.assert_close(
        read_photograph(tmp_path / "a.png")[0].double(), torch.from_numpy(expected), rtol=0, atol=1e-6
    )


def test_sixteen_bits_keep_their_depth(tmp_path):
    deep = np.random.default_rng(1).integers(0, 65536, (8, 9, 3), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb")
    expected = torch.from_numpy(deep.astype(np.float32) / 65535).permute(2, 0, 1)[None]
    torch.testing.assert_close(read_photograph(tmp_path / "a.tif"), expected)
    tifffile.imwrite(tmp_path / "b.tif", deep, photometric="rgb", extratags=[(274, 3, 1, 6, True)])
    torch.testing.assert_close(read_photograph(tmp_path / "b.tif"), torch.rot90(expected, 3, (2, 3)))
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    torch.testing.assert_close(read_photograph(tmp_path / "a.png"), expected)


def test_other_profiles_are_converted_and_srgb_is_left_alone(tmp_path):
    profile, image = wide_profile(), Image.fromarray(codes())
    image.save(tmp_path / "wide.png", icc_profile=profile)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    expected = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"))
    result = read_photograph(tmp_path / "wide.png")
    assert torch.equal(result, tensor_of(expected))
    assert not torch.equal(result, tensor_of(image))
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "srgb.png", icc_profile=plain)
    assert torch.equal(read_photograph(tmp_path / "srgb.png"), tensor_of(image))


def test_refused_files_state_the_reason(tmp_path):
    Image.fromarray(codes(channels=4), "CMYK").save(tmp_path / "cmyk.jpg")
    tifffile.imwrite(tmp_path / "float.tif", np.ones((8, 8, 3), np.float32), photometric="rgb")
    (tmp_path / "none.jpg").write_bytes(b"not an image")
    content = io.BytesIO()
    Image.fromarray(codes(64, 64)).save(content, "JPEG")
    (tmp_path / "half.jpg").write_bytes(content.getvalue()[: len(content.getvalue()) // 2])
    deep = np.full((8, 8, 3), 1000, np.uint16)
    profile = wide_profile()
    tag = (34675, 7, len(profile), profile, True)
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb", extratags=[tag])
    Image.fromarray(codes()).save(tmp_path / "broken.png", icc_profile=b"not a profile")
    reasons = {
        "cmyk.jpg": "CMYK without a profile",
        "float.tif": "8 or 16 bits|not a readable",
        "none.jpg": "not a readable photograph",
        "half.jpg": "not a readable photograph",
        "broken.png": "cannot be applied",
        "deep.tif": "more than 8 bits and the profile WIDE",
        "absent.jpg": "is not a file",
    }
    for name, reason in reasons.items():
        with pytest.raises(errors.UnreadableFile, match=reason):
            read_photograph(tmp_path / name)

"""sRGB pictures in and out: PNG, TIFF and JPEG, 8 or 16 bit, tagged as sRGB."""

import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..atomic import replacing
from ..errors import InvalidArgument, UnreadableFile
from ..spaces import SRGB

_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}
_ICC_TAG = 34675
"""TIFF tag of an embedded ICC profile (ICC.1:2022, annex B.4)."""
MAX_PIXELS = 1 << 30
"""A picture that claims more pixels than this is refused before it is decoded."""


def write_image(path: str | Path, srgb: Tensor, *, bits: int = 8, quality: int = 95) -> None:
    """Write a picture, clamped to [0, 1] and rounded to the nearest level; the file appears whole or not at all.

    Args:
        path: the suffix chooses PNG, TIFF or JPEG.
        srgb: `[1,3,H,W]` or `[3,H,W]`, encoded sRGB.
        bits: 8 or 16; JPEG has 8.
        quality: of a JPEG, 1 to 100.

    Raises:
        InvalidArgument: for an unknown suffix, depth or quality, a missing folder, or more than one picture.
    """
    import imagecodecs
    import tifffile
    from PIL import Image, ImageCms

    path = Path(path)
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise InvalidArgument(f"cannot write {path}: the suffix must be one of {', '.join(_FORMATS)}")
    if bits not in (8, 16) or (form == "JPEG" and bits != 8):
        raise InvalidArgument(
            f"cannot write {path}: {form} has {'8' if form == 'JPEG' else '8 or 16'} bits, not {bits}"
        )
    if not 1 <= quality <= 100:
        raise InvalidArgument(f"quality must be 1 to 100, got {quality}")
    picture = srgb if srgb.ndim == 4 else srgb[None]
    SRGB.check(picture)
    if len(picture) != 1:
        raise InvalidArgument(f"write_image writes one picture, got a batch of {len(picture)}")
    top = 2**bits - 1
    scaled = (picture[0].detach().cpu().double().clamp(0, 1) * top).round().permute(1, 2, 0).contiguous().numpy()
    levels = scaled.astype(np.uint8 if bits == 8 else np.uint16)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with replacing(path) as temporary:
        if bits == 8:
            options = {"quality": quality, "subsampling": 0} if form == "JPEG" else {}
            Image.fromarray(levels).save(temporary, form, icc_profile=profile, **options)
        elif form == "PNG":
            temporary.write_bytes(_tagged_srgb(bytes(imagecodecs.png_encode(levels))))
        else:
            tag = (_ICC_TAG, 7, len(profile), profile, True)
            tifffile.imwrite(temporary, levels, photometric="rgb", extratags=[tag])


def read_image(path: str | Path) -> Tensor:
    """Read a picture as `[1,3,H,W]` float32 in [0, 1]; grey is repeated, transparency composited on white.

    Raises:
        UnreadableFile: when it is missing, not a picture, damaged, or claims more than `MAX_PIXELS`.
    """
    import imagecodecs
    import tifffile
    from PIL import Image

    path = Path(path)
    if not path.is_file():
        raise UnreadableFile(f"{path} is not a file")
    try:
        with Image.open(path, formats=("PNG", "TIFF", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UnreadableFile(f"{path} claims {image.width} x {image.height} pixels, more than {MAX_PIXELS}")
            form = image.format
            levels = np.asarray(image.convert("RGBA" if "A" in image.getbands() else "RGB"))
        if _is_deep(path, form):
            levels = imagecodecs.png_decode(path.read_bytes()) if form == "PNG" else tifffile.imread(path)
    except UnreadableFile:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, imagecodecs.ImcdError) as error:
        raise UnreadableFile(f"{path} is not a readable PNG, TIFF or JPEG: {error}") from None
    values = torch.from_numpy(levels.astype(np.float32) / np.iinfo(levels.dtype).max)
    values = values[..., None] if values.ndim == 2 else values
    if values.shape[-1] in (2, 4):
        alpha = values[..., -1:]
        values = values[..., :-1] * alpha + 1 - alpha
    return values.expand(*values.shape[:2], 3).permute(2, 0, 1)[None].contiguous()


def _is_deep(path: Path, form: str | None) -> bool:
    """Whether the samples have 16 bits, which Pillow would reduce to 8."""
    import tifffile

    if form == "PNG":
        with path.open("rb") as stream:
            return stream.read(25)[24] == 16
    if form == "TIFF":
        with tifffile.TiffFile(path) as tiff:
            return tiff.pages[0].dtype == np.uint16  # type: ignore[union-attr]
    return False


def _tagged_srgb(png: bytes) -> bytes:
    """Insert the sRGB chunk (perceptual intent) after the header; PNG specification, third edition, 11.3.2.5."""
    body = b"sRGB\0"
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    return png[:33] + chunk + png[33:]

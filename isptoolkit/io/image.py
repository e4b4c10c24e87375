"""sRGB pictures in and out: PNG, TIFF and JPEG, 8 or 16 bit, tagged as sRGB."""

import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..atomic import replacing
from ..errors import InvalidArgument, InvalidTensor, UnreadableFile
from ..spaces import SRGB

_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}
_ICC_TAG = 34675
"""TIFF tag of an embedded ICC profile (ICC.1:2022, annex B.4)."""
_PNG_HEADER = 33
"""Bytes of the PNG signature and its IHDR chunk (PNG specification, third edition, 11.2.1)."""
_EPOCH = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
MAX_PIXELS = 178_956_970
"""A picture that claims more pixels than this is refused before it is decoded: where Pillow, too, sees a bomb."""


def write_image(path: str | Path, srgb: Tensor, *, bits: int = 8, quality: int = 95) -> None:
    """Write a picture, clamped to [0, 1] and rounded to the nearest level; the file appears whole or not at all.

    PNG and TIFF keep the levels exactly, `round(x * (2**bits - 1))`; JPEG is written without chroma subsampling. The
    same tensor gives the same bytes.

    Args:
        path: the suffix chooses PNG, TIFF or JPEG.
        srgb: `[1,3,H,W]` or `[3,H,W]`, encoded sRGB.
        bits: 8 or 16; JPEG has 8.
        quality: of a JPEG, 1 to 100.

    Raises:
        InvalidArgument: for an unknown suffix, depth or quality, a missing folder, or more than one picture.
        InvalidTensor: for another layout, or for NaN.
    """
    import imagecodecs
    import tifffile
    from PIL import Image

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
    levels = _levels(srgb, bits)
    profile = _srgb_profile()
    with replacing(path) as temporary:
        if bits == 8:
            options: dict[str, Any] = {"quality": quality, "subsampling": 0} if form == "JPEG" else {}
            Image.fromarray(levels).save(temporary, form, icc_profile=profile, **options)
        elif form == "PNG":
            temporary.write_bytes(_tagged_srgb(bytes(imagecodecs.png_encode(levels))))
        else:
            tag = (_ICC_TAG, 7, len(profile), profile, True)
            tifffile.imwrite(temporary, levels, photometric="rgb", extratags=[tag], metadata=None)


def read_image(path: str | Path) -> Tensor:
    """Read a picture as `[1,3,H,W]` float32 in [0, 1]; grey is repeated, transparency composited on white.

    The composite is taken on the encoded values, `value * alpha + 1 - alpha`, and alpha is dropped. Values are taken
    for sRGB whatever profile the file carries, and pictures are not rotated. Of several pages the first is read.

    Raises:
        UnreadableFile: when it is missing, not an 8- or 16-bit picture, damaged, or claims more than `MAX_PIXELS`.
    """
    from PIL import Image

    path = Path(path)
    if not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")
    damaged = (
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        KeyError,
        IndexError,
        RuntimeError,
        MemoryError,
        struct.error,
    )
    try:
        with path.open("rb") as stream:
            head = stream.read(25)
        if head[:2] in (b"II", b"MM"):
            levels = _tiff_levels(path)
        else:
            levels = _png_or_jpeg_levels(path, deep=head[12:16] == b"IHDR" and head[24:25] == b"\x10")
    except UnreadableFile:
        raise
    except (*damaged, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{path} is not a readable PNG, TIFF or JPEG: {' '.join(str(error).split())}") from None
    values = torch.from_numpy(levels.astype(np.float32) / np.iinfo(levels.dtype).max)
    values = values[..., None] if values.ndim == 2 else values
    if values.shape[-1] in (2, 4):
        alpha = values[..., -1:]
        values = values[..., :-1] * alpha + 1 - alpha
    return values.expand(*values.shape[:2], 3).permute(2, 0, 1)[None].contiguous()


def _levels(srgb: Tensor, bits: int) -> Any:
    """One picture as `[H,W,3]` levels."""
    picture = srgb[None] if isinstance(srgb, Tensor) and srgb.ndim == 3 else srgb
    SRGB.check(picture)
    if len(picture) != 1:
        raise InvalidArgument(f"write_image writes one picture, got a batch of {len(picture)}")
    if picture.isnan().any():
        raise InvalidTensor(f"cannot write a picture with {int(picture.isnan().sum())} values that are NaN")
    scaled = (picture[0].detach().cpu().double().clamp(0, 1) * (2**bits - 1)).round()
    return scaled.permute(1, 2, 0).contiguous().numpy().astype(np.uint8 if bits == 8 else np.uint16)


def _png_or_jpeg_levels(path: Path, deep: bool) -> Any:
    import imagecodecs
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            _refuse_bomb(path, image.width, image.height)
            if not deep:
                return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return imagecodecs.png_decode(path.read_bytes())  # Pillow would reduce 16 bits to 8


def _tiff_levels(path: Path) -> Any:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        _refuse_bomb(path, page.imagewidth, page.imagelength)
        planes = page.samplesperpixel
        colors = {"RGB": 3, "MINISBLACK": 1}.get(getattr(page.photometric, "name", ""))
        if page.dtype not in (np.uint8, np.uint16) or colors is None or planes not in (colors, colors + 1):
            raise UnreadableFile(
                f"{path} is a TIFF of {planes} x {page.dtype}, {getattr(page.photometric, 'name', page.photometric)}: "
                "only grey and RGB of 8 or 16 bits are read"
            )
        levels = page.asarray()
        return np.moveaxis(levels, 0, -1) if planes > 1 and page.planarconfig == 2 else levels


def _refuse_bomb(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableFile(f"{path} claims {width} x {height} pixels, more than {MAX_PIXELS}")


def _srgb_profile() -> bytes:
    """An sRGB ICC profile; its date of creation (ICC.1:2022, 7.2.8) is fixed, so that files do not differ by it."""
    from PIL import ImageCms

    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[:24] + _EPOCH + made[36:]


def _tagged_srgb(png: bytes) -> bytes:
    """Insert the sRGB chunk (perceptual intent) after the header; PNG specification, third edition, 11.3.2.5."""
    body = b"sRGB\0"
    chunk = struct.pack(">I", 1) + body + struct.pack(">I", zlib.crc32(body))
    return png[:_PNG_HEADER] + chunk + png[_PNG_HEADER:]

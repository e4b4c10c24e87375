"""Read and write sRGB images: PNG, TIFF, and JPEG, 8 or 16 bits, tagged as sRGB."""

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
from .exif import add_exif, exif_block, main_fields, read_exif
from .tiff_fields import Kind, field

_FORMATS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".jpg": "JPEG", ".jpeg": "JPEG"}
_ICC, _ORIENTATION = 34675, 274
"""TIFF tags: an embedded ICC profile (ICC.1:2022, annex B.4), and how to turn the image."""
_PNG_HEADER = 33
"""Bytes of the PNG signature and its IHDR chunk (PNG specification, third edition, 11.2.1)."""
_EPOCH = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
MAX_PIXELS = 178_956_970
"""Images with more pixels than this are refused before decoding, as Pillow refuses decompression bombs."""


def image_format(path: Path, bits: int) -> str:
    """The format of an image to be written, by the suffix of its path.

    Args:
        path: of the image.
        bits: per sample.

    Raises:
        InvalidArgument: for an unknown suffix, or a depth that the format does not have.

    >>> image_format(Path("a.tif"), bits=16)
    'TIFF'
    """
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise InvalidArgument(f"cannot write {path}: the suffix must be one of {', '.join(_FORMATS)}")
    if bits not in (8, 16) or (form == "JPEG" and bits != 8):
        raise InvalidArgument(
            f"cannot write {path}: {form} has {'8' if form == 'JPEG' else '8 or 16'} bits, not {bits}"
        )
    return form


def write_image(
    path: str | Path,
    srgb: Tensor,
    *,
    bits: int = 8,
    quality: int = 95,
    source: str | Path | None = None,
    orientation: int = 1,
) -> None:
    """Write an image, clamped to [0, 1] and rounded to the nearest code, atomically.

    PNG and TIFF store the codes `round(x * (2**bits - 1))` exactly; JPEG is written without chroma subsampling. Equal
    arguments produce equal bytes.

    Args:
        path: the suffix chooses PNG, TIFF, or JPEG.
        srgb: `[1,3,H,W]` or `[3,H,W]`, encoded sRGB.
        bits: 8 or 16 per sample; JPEG has 8.
        quality: JPEG quality, 1 to 100.
        source: the RAW file or photograph that was rendered; its camera, lens, time and exposure become the image's
            EXIF data.
        orientation: EXIF orientation to state, by which viewers turn the image: 1 for an upright image, which is not
            stated without a `source`; that of `source` for pixels in the order of its sensor.

    Raises:
        InvalidArgument: for an unknown suffix, depth, quality, or orientation, a missing folder, or more than one
            image.
        InvalidTensor: for another layout, or NaN.
        UnreadableFile: for a missing source.

    >>> write_image("a.webp", torch.zeros(3, 8, 8))
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: cannot write a.webp: the suffix must be one of .png, .tif, .tiff, .jpg, .jpeg
    """
    import imagecodecs
    import tifffile
    from PIL import Image

    path = Path(path)
    form = image_format(path, bits)
    if not 1 <= quality <= 100:
        raise InvalidArgument(f"quality must be 1 to 100, got {quality}")
    if orientation not in range(1, 9):
        raise InvalidArgument(f"an EXIF orientation is 1 to 8, got {orientation}")
    codes = _codes(srgb, bits)
    profile = _srgb_profile()
    exif = {} if source is None else read_exif(source)
    stated = exif_block(exif, orientation, codes.shape[:2]) if source is not None or orientation != 1 else b""
    with replacing(path) as temporary:
        if form == "TIFF":
            tags = [(_ICC, Kind.UNDEFINED, len(profile), profile, True), *main_fields(exif)]
            tags += [field(_ORIENTATION, Kind.SHORT, orientation)] if stated else []
            tifffile.imwrite(temporary, codes, photometric="rgb", extratags=tags, metadata=None, byteorder="<")
            if exif:
                add_exif(temporary, exif)
        elif bits == 8:
            options: dict[str, Any] = {"quality": quality, "subsampling": 0} if form == "JPEG" else {}
            options |= {"exif": b"Exif\0\0" + stated} if stated else {}
            Image.fromarray(codes).save(temporary, form, icc_profile=profile, **options)
        else:
            chunks = _chunk(b"sRGB", b"\0") + (_chunk(b"eXIf", stated) if stated else b"")
            png = bytes(imagecodecs.png_encode(codes))
            temporary.write_bytes(png[:_PNG_HEADER] + chunks + png[_PNG_HEADER:])


def read_image(path: str | Path) -> Tensor:
    """Read an image as `[1,3,H,W]` float32 sRGB in [0, 1].

    Gray is repeated. Transparency is composited on white in the encoded values, `value * alpha + 1 - alpha`. Values are
    assumed to be sRGB whatever profile the file has, and the image is not rotated. Of several pages, the first is read.

    Args:
        path: PNG, TIFF, or JPEG, 8 or 16 bits.

    Raises:
        UnreadableFile: if the file is missing, damaged, not an 8- or 16-bit image, or above `MAX_PIXELS` pixels.

    >>> read_image("missing.png")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.png is not a file
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
            codes = _tiff_codes(path)
        else:
            codes = _png_or_jpeg_codes(path, deep=head[12:16] == b"IHDR" and head[24:25] == b"\x10")
    except UnreadableFile:
        raise
    except (*damaged, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{path} is not a readable PNG, TIFF or JPEG: {' '.join(str(error).split())}") from None
    values = torch.from_numpy(codes.astype(np.float32) / np.iinfo(codes.dtype).max)
    values = values[..., None] if values.ndim == 2 else values
    if values.shape[-1] in (2, 4):
        alpha = values[..., -1:]
        values = values[..., :-1] * alpha + 1 - alpha
    return values.expand(*values.shape[:2], 3).permute(2, 0, 1)[None].contiguous()


def _codes(srgb: Tensor, bits: int) -> Any:
    """One image as `[H,W,3]` codes."""
    image = srgb[None] if isinstance(srgb, Tensor) and srgb.ndim == 3 else srgb
    SRGB.check(image)
    if len(image) != 1:
        raise InvalidArgument(f"write_image writes one image, got a batch of {len(image)}: write them one by one")
    if nans := int(image.isnan().sum()):
        raise InvalidTensor(f"write_image cannot write NaN: {nans} values of the image are NaN")
    scaled = (image[0].detach().cpu().double().clamp(0, 1) * (2**bits - 1)).round()
    return scaled.permute(1, 2, 0).contiguous().numpy().astype(np.uint8 if bits == 8 else np.uint16)


def _png_or_jpeg_codes(path: Path, deep: bool) -> Any:
    import imagecodecs
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            _refuse_bomb(path, image.width, image.height)
            if not deep:
                return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    return imagecodecs.png_decode(path.read_bytes())  # Pillow reduces 16 bits to 8


def _tiff_codes(path: Path) -> Any:
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        page: Any = tiff.pages[0]
        _refuse_bomb(path, page.imagewidth, page.imagelength)
        channels = page.samplesperpixel
        colors = {"RGB": 3, "MINISBLACK": 1}.get(getattr(page.photometric, "name", ""))
        if page.dtype not in (np.uint8, np.uint16) or colors is None or channels not in (colors, colors + 1):
            raise UnreadableFile(
                f"{path} is a TIFF of {channels} x {page.dtype}, "
                f"{getattr(page.photometric, 'name', page.photometric)}: "
                "only gray and RGB with 8 or 16 bits are supported"
            )
        codes = page.asarray()
        return np.moveaxis(codes, 0, -1) if channels > 1 and page.planarconfig == 2 else codes


def _refuse_bomb(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise UnreadableFile(f"{path} claims {width} x {height} pixels: at most {MAX_PIXELS} are read")


def _srgb_profile() -> bytes:
    """An sRGB ICC profile with a fixed creation date (ICC.1:2022, 7.2.8), so that equal images produce equal files."""
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile[:24] + _EPOCH + profile[36:]


def _chunk(name: bytes, body: bytes) -> bytes:
    """A PNG chunk (PNG specification, third edition, 5.3): sRGB holds the intent, 0 perceptual, eXIf the EXIF block."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

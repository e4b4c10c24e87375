"""Read photographs with any ICC profile, EXIF orientation, or palette as upright sRGB."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UnreadableFile
from ..geometry import upright
from .image import MAX_PIXELS, read_image

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION, _BITS_PER_SAMPLE = 274, 258
"""TIFF tags."""


def read_photograph(path: str | Path) -> Tensor:
    """Read a photograph as `[1,3,H,W]` float32 sRGB in [0, 1], rotated upright according to its EXIF orientation.

    8-bit JPEG, PNG and TIFF files with an ICC profile other than sRGB are converted (perceptual intent); palettes and
    gray become RGB; transparency is composited on white. Files that cannot be converted faithfully are refused.

    Args:
        path: JPEG, PNG, or TIFF.

    Raises:
        UnreadableFile: for a missing or damaged file, CMYK without a profile, floating-point samples, 16 bits with a
            profile other than sRGB, or more than `MAX_PIXELS` pixels.

    >>> read_photograph("missing.jpg")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.jpg is not a file
    """
    from PIL import Image, ImageOps

    path = Path(path)
    if not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")
    try:
        with Image.open(path, formats=("JPEG", "PNG", "TIFF")) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise UnreadableFile(
                    f"{path} claims {opened.width} x {opened.height} pixels: at most {MAX_PIXELS} are read"
                )
            profile: bytes | None = opened.info.get("icc_profile")
            deep = _bits(path, opened) != 8
            orientation = opened.getexif().get(_ORIENTATION, 1)
            image = None if deep else ImageOps.exif_transpose(opened)
    except UnreadableFile:
        raise
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, MemoryError, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{path} is not a readable photograph: {' '.join(str(error).split())}") from None
    foreign = None if profile is None or "sRGB" in _name_of(profile) else profile
    if image is None:
        if foreign is not None:
            raise UnreadableFile(
                f"{path} has more than 8 bits and the profile {_name_of(foreign)}: convert it to sRGB first"
            )
        return upright(read_image(path), orientation if orientation in range(1, 9) else 1).contiguous()
    if foreign is not None:
        image = _converted(path, image, foreign)
    elif image.mode == "CMYK":
        raise UnreadableFile(f"{path} is CMYK without a profile, so its colors are undefined: convert it to sRGB first")
    codes = np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"), np.float32) / 255
    if codes.shape[2] == 4:
        codes = codes[..., :3] * codes[..., 3:] + 1 - codes[..., 3:]
    return torch.from_numpy(np.ascontiguousarray(codes.transpose(2, 0, 1)))[None]


def _converted(path: Path, image: "Image.Image", profile: bytes) -> "Image.Image":
    from PIL import ImageCms

    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    base = image if image.mode in ("RGB", "CMYK", "L") else image.convert("RGB")
    try:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(base, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        raise UnreadableFile(f"{path}: its profile {_name_of(profile)} cannot be applied ({error})") from None
    if converted is None:
        raise UnreadableFile(f"{path}: its profile {_name_of(profile)} cannot be applied")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _bits(path: Path, image: "Image.Image") -> int:
    """Bits per sample of the file, at least 8: Pillow reports 16-bit color as 8 bits."""
    if image.format == "TIFF":
        depths: Any = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
        return int(max(8, *depths))
    if image.format == "PNG":
        with path.open("rb") as stream:
            head = stream.read(25)
        return int(max(8, *head[24:]))
    return 8


def _name_of(profile: bytes) -> str:
    from PIL import ImageCms

    try:
        return " ".join(ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).split())
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "(unreadable)"

"""The preview image that a camera renders and embeds in its RAW file."""

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UnreadableFile
from .image import MAX_PIXELS
from .libraw import opened


def read_embedded(path: str | Path) -> Tensor:
    """Read the largest preview that a RAW file embeds, not rotated.

    Args:
        path: any RAW file that LibRaw opens.

    Returns:
        `[1,3,h,w]` uint8 sRGB; the camera determines its size and framing.

    Raises:
        UnreadableFile: if the file has no preview, or it cannot be decoded.

    >>> read_embedded("missing.crw")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.crw is not a file
    """
    from PIL import Image

    try:
        with opened(Path(path)) as raw:
            preview = raw.extract_thumb()
        if preview.format.name == "BITMAP":
            codes = np.asarray(preview.data)
        else:
            with Image.open(io.BytesIO(bytes(preview.data)), formats=("JPEG",)) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise ValueError(f"{file.width} x {file.height} pixels")
                codes = np.array(file.convert("RGB"))
    except UnreadableFile:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{path} has no readable embedded preview ({error})") from None
    return torch.from_numpy(codes.copy()).permute(2, 0, 1)[None].contiguous()

"""The picture that a camera rendered itself and left in its RAW file."""

import io
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import UnreadableFile
from .image import MAX_PIXELS


def read_embedded(path: str | Path) -> Tensor:
    """The largest picture that a RAW file holds beside its mosaic, not rotated.

    Returns:
        `[1,3,h,w]` uint8 sRGB; its size and framing are the camera's choice.

    Raises:
        UnreadableFile: when there is none, or it cannot be decoded.
    """
    import rawpy
    from PIL import Image

    try:
        with Path(path).open("rb") as stream, rawpy.imread(stream) as raw:
            found = raw.extract_thumb()
        if found.format == rawpy.ThumbFormat.BITMAP:
            codes = np.asarray(found.data)
        else:
            with Image.open(io.BytesIO(bytes(found.data)), formats=("JPEG",)) as file:
                if file.width * file.height > MAX_PIXELS:
                    raise ValueError(f"{file.width} x {file.height} pixels")
                codes = np.array(file.convert("RGB"))
    except (rawpy.LibRawError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{path} holds no picture of the camera's own that can be read ({error})") from None
    return torch.from_numpy(codes.copy()).permute(2, 0, 1)[None].contiguous()

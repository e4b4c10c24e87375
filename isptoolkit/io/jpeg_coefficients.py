"""The quantized coefficients of a JPEG file."""

from pathlib import Path

import torch
from torch import Tensor

from ..errors import UnreadableFile, needs
from .image import MAX_PIXELS


def read_jpeg_coefficients(path: str | Path) -> tuple[Tensor, Tensor, Tensor]:
    """The whole numbers that a JPEG file holds for luma and both chroma components, `[1,rows,columns,8,8]` int64 each.

    Blocks count from the top left, rows within a block are vertical frequencies; `stages.Jpeg.like(path).project` takes
    what this gives. Needs the package jpeglib (`pip install "isptoolkit[jpeg]"`).

    Args:
        path: of a file of three components, baseline or progressive.

    Raises:
        MissingPackage: without jpeglib.
        UnreadableFile: for another file, or one of more than 178,956,970 pixels.

    Source: ITU-T T.81, clause A.3.
    """
    from PIL import Image

    with needs("jpeg", "reading the coefficients of a JPEG needs jpeglib"):
        import jpeglib
    try:
        with Image.open(path, formats=("JPEG",)) as file:
            (width, height), mode = file.size, file.mode
            file.load()  # a file cut short ends here
        if mode != "RGB" or width * height > MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels of mode {mode}, not three components of {MAX_PIXELS} at most")
        found = jpeglib.read_dct(str(path))
        y, blue, red = (torch.from_numpy(part.astype("int64"))[None] for part in (found.Y, found.Cb, found.Cr))
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{path} is no JPEG whose coefficients can be read: {error}") from None
    return y, blue, red

"""Read the quantized coefficients of a JPEG file."""

from pathlib import Path

import torch
from torch import Tensor

from ..errors import UnreadableFile, needs
from .image import MAX_PIXELS


def read_jpeg_coefficients(path: str | Path) -> tuple[Tensor, Tensor, Tensor]:
    """Read the quantized DCT coefficients of a JPEG file.

    `stages.Jpeg.like(path).project` accepts the result. Needs the package jpeglib (`pip install "isptoolkit[jpeg]"`).

    Args:
        path: a JPEG file of three components, baseline or progressive.

    Returns:
        Coefficients of Y, Cb, and Cr, `[1,rows,columns,8,8]` int64 each. Blocks start at the top left; rows within a
        block are vertical frequencies.

    Raises:
        MissingPackage: if jpeglib is not installed.
        UnreadableFile: if the file is not such a JPEG, or has more than 178,956,970 pixels.

    Source: ITU-T T.81, clause A.3.

    >>> import tempfile
    >>> from isptoolkit.io import write_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_image(f"{folder}/a.jpg", torch.zeros(3, 16, 24))
    ...     [tuple(part.shape) for part in read_jpeg_coefficients(f"{folder}/a.jpg")]
    [(1, 2, 3, 8, 8), (1, 2, 3, 8, 8), (1, 2, 3, 8, 8)]
    """
    from PIL import Image

    with needs("jpeg", "reading the coefficients of a JPEG needs jpeglib"):
        import jpeglib
    try:
        with Image.open(path, formats=("JPEG",)) as file:
            (width, height), mode = file.size, file.mode
            file.load()  # truncated files raise here
        if mode != "RGB" or width * height > MAX_PIXELS:
            raise ValueError(f"{width} x {height} pixels of mode {mode}, not RGB of at most {MAX_PIXELS} pixels")
        dct = jpeglib.read_dct(str(path))
        y, cb, cr = (torch.from_numpy(part.astype("int64"))[None] for part in (dct.Y, dct.Cb, dct.Cr))
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"{path} is not a JPEG with readable coefficients: {error}") from None
    return y, cb, cr

"""Headerless mosaics in: plain samples, whose geometry the caller states."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture
from ..color_profile import XYZ_FROM_SRGB, normalized_rows
from ..errors import InvalidArgument, MissingMetadata, UnreadableFile

_DTYPES = ("uint8", "uint16", "<u2", ">u2", "float32", "<f4", ">f4")


def read_mosaic(
    path: str | Path,
    *,
    width: int,
    height: int,
    cfa: str,
    black: float | Sequence[float],
    white: float,
    dtype: str = "uint16",
    gains: Sequence[float] | None = None,
    matrix: Sequence[Sequence[float]] | None = None,
    offset: int = 0,
    orientation: int = 1,
    camera: str = "",
) -> tuple[Tensor, Capture]:
    """Read a dump of `height` rows of `width` samples; little-endian unless `dtype` says otherwise.

    Args:
        path: the file; after `offset` bytes it holds exactly `width * height` samples.
        width: samples in a row.
        height: rows.
        cfa: letters of the top-left 2x2 pixels.
        black: black level in digital numbers, one or four (per site, row-major).
        white: digital number at saturation.
        dtype: uint8, uint16, <u2, >u2, float32, <f4 or >f4.
        gains: white-balance multipliers of R, G, B.
        matrix: XYZ (D65) to camera, 3x3.
        offset: bytes before the first sample.
        orientation: EXIF orientation, kept in the capture.
        camera: make and model, kept in the capture.

    Returns:
        `[1,1,H,W]` float32 in digital numbers, and its capture.

    Raises:
        UnreadableFile: when the file is missing, its size contradicts the geometry, or it holds NaN or infinity.
        MissingMetadata: without gains or matrix.
        InvalidArgument: for an unknown dtype or a size below one.
    """
    path = Path(path)
    if dtype not in _DTYPES:
        raise InvalidArgument(f"dtype must be one of {', '.join(_DTYPES)}, got {dtype!r}")
    if min(width, height) < 1 or offset < 0:
        raise InvalidArgument(f"width, height must be at least 1 and offset 0, got {width}, {height}, {offset}")
    if not path.is_file():
        raise UnreadableFile(f"{path} is not a file")
    sample = np.dtype(dtype).newbyteorder("<") if dtype[0] != ">" else np.dtype(dtype)
    wanted, found = offset + width * height * sample.itemsize, path.stat().st_size
    if wanted != found:
        raise UnreadableFile(
            f"{path} holds {found} bytes, but {width} x {height} of {dtype} at {offset} needs {wanted}"
        )
    missing = [f"{name}=" for name, value in (("gains", gains), ("matrix", matrix)) if value is None]
    if gains is None or matrix is None:
        raise MissingMetadata(
            f"{path} has no header to read white balance and colour from: pass {' and '.join(missing)}"
        )
    pixels = np.fromfile(path, sample, offset=offset).reshape(height, width).astype(np.float32)
    if not np.isfinite(pixels).all():
        raise UnreadableFile(f"{path} holds {int((~np.isfinite(pixels)).sum())} samples that are not finite")
    capture = Capture.of(
        cfa,
        black=black,
        white=white,
        gains=[gain / gains[1] for gain in gains],
        srgb_to_camera=normalized_rows(torch.as_tensor(matrix, dtype=torch.float64) @ XYZ_FROM_SRGB).tolist(),
        camera=camera,
        orientation=orientation,
    )
    return torch.from_numpy(pixels)[None, None], capture

"""Read headerless mosaics: plain samples whose geometry the caller states."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture
from ..errors import InvalidArgument, MissingMetadata, UnreadableFile
from .metadata import green_normalized, srgb_to_camera_of

_DTYPES = {"uint8": "u1", "uint16": "<u2", "<u2": "<u2", ">u2": ">u2", "float32": "<f4", "<f4": "<f4", ">f4": ">f4"}
MAX_SAMPLES = 1 << 29
"""Mosaics with more samples than this are refused."""


def read_mosaic(
    path: str | Path,
    *,
    width: int,
    height: int,
    cfa: str,
    black: float | Sequence[float],
    white: float,
    dtype: str = "uint16",
    gains: Sequence[float] | Tensor | None = None,
    matrix: Sequence[Sequence[float]] | Tensor | None = None,
    offset: int = 0,
    orientation: int = 1,
    camera: str = "",
) -> tuple[Tensor, Capture]:
    """Read a headerless dump of `height` rows of `width` samples, little-endian unless `dtype` states otherwise.

    Args:
        path: the file; after `offset` bytes it holds exactly `width * height` samples.
        width: samples per row.
        height: number of rows.
        cfa: letters of the top-left 2x2 pixels, row-major.
        black: black level in digital numbers, one value or four (per site, row-major).
        white: digital number at saturation.
        dtype: uint8, uint16, <u2, >u2, float32, <f4 or >f4.
        gains: white-balance multipliers of R, G, B.
        matrix: XYZ (D65) to camera, 3x3, like the DNG ColorMatrix.
        offset: number of bytes before the first sample.
        orientation: EXIF orientation, stored in the capture and not applied.
        camera: make and model, stored in the capture.

    Returns:
        `[1,1,H,W]` float32 in digital numbers, and its capture.

    Raises:
        UnreadableFile: if the file is missing, its size contradicts the geometry, or it holds NaN or infinity.
        MissingMetadata: without gains or matrix.
        InvalidArgument: for an unknown dtype, a size below one or above `MAX_SAMPLES`, or malformed gains or matrix.
        InvalidCapture: for an unknown CFA, or white not above black.

    >>> read_mosaic("a.raw", width=4, height=2, cfa="RGGB", black=0, white=1023)
    Traceback (most recent call last):
    ...
    isptoolkit.errors.MissingMetadata: a.raw has no header with white balance and color: pass gains= and matrix=
    """
    path = Path(path)
    if dtype not in _DTYPES:
        raise InvalidArgument(f"dtype must be one of {', '.join(_DTYPES)}, got {dtype!r}")
    if not all(isinstance(n, int) for n in (width, height, offset)) or min(width, height) < 1 or offset < 0:
        raise InvalidArgument(
            f"width and height must be whole numbers from 1 and offset from 0, got {width!r}, {height!r}, {offset!r}"
        )
    if width * height > MAX_SAMPLES:
        raise InvalidArgument(
            f"{width} x {height} samples are more than the limit of {MAX_SAMPLES}: check width and height"
        )
    missing = [f"{name}=" for name, value in (("gains", gains), ("matrix", matrix)) if value is None]
    if gains is None or matrix is None:
        raise MissingMetadata(f"{path} has no header with white balance and color: pass {' and '.join(missing)}")
    capture = Capture.of(
        cfa,
        black=black,
        white=white,
        gains=green_normalized(gains),
        srgb_to_camera=srgb_to_camera_of(matrix),
        camera=camera,
        orientation=orientation,
    )
    pixels = _samples(path, width, height, np.dtype(_DTYPES[dtype]), offset)
    return torch.from_numpy(pixels)[None, None], capture


def _samples(path: Path, width: int, height: int, sample: np.dtype[Any], offset: int) -> np.ndarray[Any, Any]:
    if not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")
    needed, size = offset + width * height * sample.itemsize, path.stat().st_size
    if needed != size:
        raise UnreadableFile(
            f"{path} holds {size} bytes, but {width} x {height} samples of {sample.name} at offset {offset} need "
            f"{needed}: check width, height, dtype, and offset"
        )
    try:
        pixels = np.fromfile(path, sample, offset=offset).reshape(height, width).astype(np.float32)
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path} cannot be read: {error}") from None
    if bad := int((~np.isfinite(pixels)).sum()):
        raise UnreadableFile(f"{path} holds {bad} samples that are not finite: check dtype and offset")
    return pixels

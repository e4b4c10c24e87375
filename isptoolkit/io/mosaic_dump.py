"""Read mosaics whose metadata the caller states: headerless dumps, .npy, PNG, and PGM."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import MONO, RGB, Capture
from ..display import enumerated
from ..errors import InvalidArgument, MissingMetadata, UnreadableFile
from .array_file import NETPBM_IMAGE, Header, array_header, read_array
from .dump_rows import Geometry, read_rows
from .metadata import green_normalized, srgb_to_camera_of

Array = np.ndarray[Any, Any]

MAX_SAMPLES = 1 << 29
"""Mosaics with more samples than this are refused."""


def read_mosaic(
    path: str | Path,
    *,
    width: int | None = None,
    height: int | None = None,
    cfa: str | None = None,
    black: float | Sequence[float] | None = None,
    white: float | None = None,
    dtype: str | None = None,
    gains: Sequence[float] | Tensor | None = None,
    matrix: Sequence[Sequence[float]] | Tensor | None = None,
    stride: int | None = None,
    offset: int | None = None,
    orientation: int = 1,
    camera: str = "",
) -> tuple[Tensor, Capture]:
    """Read samples whose metadata are stated here: from a headerless dump, or a .npy, PNG, PGM or PPM file.

    A dump holds `height` rows of `width` samples, or of R, G, B triples for `cfa="RGB"`. The others, recognized by
    their first bytes, state their geometry: `[H,W]`, or `[H,W,3]` for `cfa="RGB"`. PNG, PGM and PPM have 8 or 16 bits.
    With a stated width, a PGM or PPM file is a dump like any other, whose `offset` skips its header.

    Packed samples have one of these dtypes, each with its number of bits: `mipi10`, `mipi12`, `mipi14` (MIPI CSI-2: the
    upper bytes of 2 or 4 samples, then their lower bits); `lsb10`, `lsb12`, `lsb14` and `msb10`, `msb12`, `msb14` (a
    stream of bits that fills each byte from its least or its most significant bit, GenICam's `10p` and TIFF's order);
    `gev10`, `gev12` (GigE Vision's `Packed`: two samples in three bytes); `ipu10` (25 samples in 32 bytes).

    Args:
        path: the file.
        width: of a dump, in pixels.
        height: of a dump, in pixels.
        cfa: letters of the top-left 2x2 pixels, row-major; `RGB` for three planes, `MONO` for no color filters.
        black: black level in digital numbers, one value or four (per site, row-major).
        white: digital number at saturation.
        dtype: of a dump: uint8, uint16 (the default, little-endian like `<u2`), `>u2`, float32 (like `<f4`), `>f4`, or
            one of the packed ones.
        gains: white-balance multipliers of R, G, B; none for `MONO`.
        matrix: XYZ (D65) to camera, 3x3, like the DNG ColorMatrix; none for `MONO`.
        stride: of a dump: bytes from the start of a row to that of the next, if rows are padded; the last row may lack
            its padding.
        offset: of a dump: bytes before the first row, 0 by default.
        orientation: EXIF orientation, stored in the capture and not applied.
        camera: make and model, stored in the capture.

    Returns:
        `[1,1,H,W]` float32 in digital numbers, `[1,3,H,W]` for `RGB`, and its capture.

    Raises:
        UnreadableFile: if the file is missing, its size contradicts the geometry (the error names the layouts that
            would fit), or it holds NaN or infinity.
        MissingMetadata: if an argument is missing; names all that are.
        InvalidArgument: for an argument that does not apply to the file, an unknown dtype, a size below one or above
            `MAX_SAMPLES`, a stride shorter than a row, or malformed gains or matrix.
        InvalidCapture: for an unknown CFA, or white not above black.

    >>> read_mosaic("missing.raw", width=4, height=2, cfa="RGGB", black=0, white=1023)
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.raw is not a file
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")
    header = array_header(path)
    if header is not None and header.name == NETPBM_IMAGE and width is not None:
        header = None  # a dump with a header to skip
    size = {"width": width, "height": height}
    layout = {"dtype": dtype, "stride": stride, "offset": offset}
    colors = {"gains": gains, "matrix": matrix}
    needed: dict[str, Any] = {"cfa": cfa, "black": black, "white": white}
    if header is None:
        needed = size | needed
    else:
        _refuse(size | layout, f"{path} is a {header.name}, which states its geometry")
    if cfa == MONO:
        _refuse(colors, f"{path} is read as {MONO}, which has no colors")
    else:
        needed |= colors
    missing = [f"{name}=" for name, value in needed.items() if value is None]
    if missing or cfa is None or black is None or white is None:
        lacks = "has no header" if header is None else f"is a {header.name} without metadata of a mosaic"
        raise MissingMetadata(f"{path} {lacks}: pass {enumerated(missing)}")
    if isinstance(white, str):
        raise InvalidArgument(f"white must be a number, got {white!r}: {path} states no white level to start from")
    capture = Capture.of(
        cfa,
        black=black,
        white=white,
        gains=(1, 1, 1) if gains is None else green_normalized(gains),
        srgb_to_camera=np.eye(3).tolist() if matrix is None else srgb_to_camera_of(matrix),
        camera=camera,
        orientation=orientation,
    )
    if header is None:
        pixels = _dump(path, cfa, size, dtype or "uint16", stride, offset or 0)
    else:
        pixels = _array(path, cfa, header)
    if bad := int((~np.isfinite(pixels)).sum()):
        raise UnreadableFile(f"{path} holds {bad} samples that are not finite: check its dtype and offset")
    planes = np.ascontiguousarray(np.moveaxis(pixels.reshape(*pixels.shape[:2], -1), -1, 0))
    return torch.from_numpy(planes)[None], capture


def is_array_file(path: str | Path) -> bool:
    """Whether a file is a .npy, PNG, PGM or PPM, which `read_mosaic` reads without a geometry.

    Args:
        path: an existing file.

    Raises:
        UnreadableFile: if its header is damaged.
    """
    return array_header(Path(path)) is not None


def _dump(path: Path, cfa: str, size: dict[str, Any], dtype: str, stride: int | None, offset: int) -> Array:
    width, height = (_whole(name, value, 1) for name, value in size.items())
    samples = width * _planes(cfa)
    _check_count(height, samples)
    padded = None if stride is None else _whole("stride", stride, 1)
    pixels = read_rows(path, Geometry(height, samples, dtype, padded, _whole("offset", offset, 0)))
    return pixels.reshape(height, width, -1)


def _array(path: Path, cfa: str, header: Header) -> Array:
    planes = _planes(cfa)
    if len(header.shape) != (2 if planes == 1 else 3) or min(header.shape) < 1 or header.shape[2:] not in ((), (3,)):
        raise UnreadableFile(
            f"{path} holds an array of shape {header.shape}: {cfa} needs {'[H,W]' if planes == 1 else '[H,W,3]'}"
        )
    _check_count(header.shape[0], header.shape[1] * planes)
    return read_array(path, header)


def _planes(cfa: str) -> int:
    return 3 if cfa == RGB else 1


def _whole(name: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or value < least:
        raise InvalidArgument(f"{name} must be a whole number from {least}, got {value!r}")
    return value


def _check_count(rows: int, samples: int) -> None:
    if rows * samples > MAX_SAMPLES:
        raise InvalidArgument(f"{samples} x {rows} samples are more than the limit of {MAX_SAMPLES}: check the size")


def _refuse(arguments: dict[str, Any], reason: str) -> None:
    """Refuse arguments that do not apply to a file."""
    if passed := [f"{name}=" for name, value in arguments.items() if value is not None]:
        raise InvalidArgument(f"{reason}: leave out {enumerated(passed)}")

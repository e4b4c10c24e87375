"""The opcodes of DNG files: corrections that a camera leaves to the reader, as bytes and as values."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InvalidArgument, UnreadableFile
from ..stages import LensShadingMesh
from . import tiff

LISTS = {51008: 1, 51009: 2, 51022: 3}
"""The opcode list that each tag holds: for stored samples, after the levels, and after the demosaic."""
WARP_RECTILINEAR, WARP_FISHEYE, FIX_VIGNETTE_RADIAL, FIX_BAD_PIXELS_CONSTANT, FIX_BAD_PIXELS_LIST = 1, 2, 3, 4, 5
TRIM_BOUNDS, MAP_TABLE, MAP_POLYNOMIAL, GAIN_MAP, WARP_RECTILINEAR_2 = 6, 7, 8, 9, 14
NAMES = {
    WARP_RECTILINEAR: "WarpRectilinear",
    WARP_FISHEYE: "WarpFisheye",
    FIX_VIGNETTE_RADIAL: "FixVignetteRadial",
    FIX_BAD_PIXELS_CONSTANT: "FixBadPixelsConstant",
    FIX_BAD_PIXELS_LIST: "FixBadPixelsList",
    TRIM_BOUNDS: "TrimBounds",
    MAP_TABLE: "MapTable",
    MAP_POLYNOMIAL: "MapPolynomial",
    GAIN_MAP: "GainMap",
    10: "DeltaPerRow",
    11: "DeltaPerColumn",
    12: "ScalePerRow",
    13: "ScalePerColumn",
    WARP_RECTILINEAR_2: "WarpRectilinear2",
}
NEWEST = (1, 7, 1, 0)
"""The newest DNG version whose opcodes are known."""
_VERSION, _OPTIONAL = (1, 3, 0, 0), 1
_HEAD = struct.Struct(">I4BII")  # identity, version, flags, size of the body
_AREA = struct.Struct(">4i4I")  # top, left, bottom, right; first plane, planes; pitches
_GRID = struct.Struct(">2I4dI")  # points; spacing; origin; planes of the map
_VIGNETTE = struct.Struct(">7d")  # five coefficients; center in x and y
_CONSTANT = struct.Struct(">2I")  # value, Bayer phase
_LIST = struct.Struct(">3I")  # Bayer phase, points, rectangles
_MOST_OPCODES, _MOST_GAINS = 256, 1 << 20
_LARGEST_COEFFICIENT = 1e30
"""A bound on the coefficients of a vignette, so that their sum is finite in float32."""


@dataclass(frozen=True)
class Opcode:
    """One entry of an opcode list, with its parameters as bytes."""

    list: int
    code: int
    version: tuple[int, ...]
    flags: int
    body: bytes

    @property
    def optional(self) -> bool:
        """Whether the file allows a reader to skip it."""
        return bool(self.flags & _OPTIONAL)

    def __str__(self) -> str:
        name = NAMES.get(self.code, f"opcode {self.code}")
        return f"{name} in OpcodeList{self.list}, {'optional' if self.optional else 'required by the file'}"


@dataclass(frozen=True)
class GainMapValues:
    """The parameters of a GainMap.

    Args:
        area: top, left, bottom, right in pixels, the last two exclusive; None is the whole frame.
        planes: first plane and number of planes of the image.
        pitch: in rows and columns of the area.
        spacing: of the nodes, as fractions of the frame.
        origin: row and column of the first node, as fractions of the frame.
        gains: `[planes,rows,columns]`.
    """

    area: tuple[int, int, int, int] | None
    planes: tuple[int, int]
    pitch: tuple[int, int]
    spacing: tuple[float, float]
    origin: tuple[float, float]
    gains: "np.ndarray[tuple[int, int, int], np.dtype[np.float64]]"


def read_opcodes(path: str | Path) -> tuple[Opcode, ...]:
    """Read the three opcode lists of a DNG's RAW image, in the order of processing; empty if it has none.

    Args:
        path: any file, existing or not.

    Raises:
        UnreadableFile: for a list that is truncated.

    Source: DNG 1.6 specification, chapter 6; numbers are big-endian.

    >>> read_opcodes("missing.dng")
    ()
    """
    tags = tiff.main_tags(path)
    opcodes: list[Opcode] = []
    for tag, number in LISTS.items():
        if tag in tags:
            try:
                opcodes += _parsed(number, tags[tag])
            except (struct.error, ValueError) as error:
                raise unreadable(path, f"OpcodeList{number}", error) from None
    return tuple(opcodes)


def unreadable(path: str | Path, what: str, error: Exception) -> UnreadableFile:
    """The exception for opcodes of a file that contradict the specification."""
    return UnreadableFile(
        f"{path}: {what} cannot be read ({error}): render without corrections (--no-corrections on the command line)"
    )


def _parsed(number: int, content: Any) -> list[Opcode]:
    if not isinstance(content, bytes):
        raise ValueError(f"it holds {type(content).__name__} instead of bytes")
    (count,), at, opcodes = struct.unpack_from(">I", content), 4, []
    if count > _MOST_OPCODES:
        raise ValueError(f"it states {count} opcodes, as no camera writes")
    for _ in range(count):
        code, *version, flags, size = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        if size > len(content) - at:
            raise ValueError(f"an opcode states {size} bytes, but {len(content) - at} are left")
        opcodes.append(Opcode(number, code, tuple(version), flags, content[at : at + size]))
        at += size
    return opcodes


def gain_map_values(body: bytes) -> GainMapValues:
    """The parameters of a GainMap; raises `ValueError` for what the specification excludes."""
    *area, first, count, down, across = _AREA.unpack_from(body)
    rows, columns, *grid, depth = _GRID.unpack_from(body, _AREA.size)
    start, gains = _AREA.size + _GRID.size, rows * columns * depth
    if not 0 < gains <= _MOST_GAINS or len(body) != start + 4 * gains:
        raise ValueError(f"{rows} x {columns} points of {depth} planes in {len(body)} bytes")
    # An area without pixels stands for the whole frame.
    whole = area[0] >= area[2] or area[1] >= area[3]
    if min(count, down, across) < 1 or (whole and max(down, across) > 1):
        raise ValueError(f"{count} planes, pitch {down} x {across}, area {area}")
    # One point has no spacing, whatever the file states.
    spacing, origin = (
        tuple(value if n > 1 else unit for value, n in zip(pair, (rows, columns), strict=True))
        for pair, unit in ((grid[:2], 1.0), (grid[2:], 0.0))
    )
    if not (np.isfinite([*spacing, *origin]).all() and min(spacing) > 0):
        raise ValueError(f"spacing {spacing}, origin {origin}")
    values = np.frombuffer(body, ">f4", gains, start).reshape(rows, columns, depth)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError("not all gains are positive")
    mesh = values.astype(np.float64).transpose(2, 0, 1)
    return GainMapValues(
        None if whole else _four(area), (first, count), (down, across), _two(spacing), _two(origin), mesh
    )


def vignette_values(body: bytes) -> tuple[tuple[float, ...], tuple[float, float]]:
    """The coefficients k_0 to k_4 of a FixVignetteRadial, and its center in x and y as fractions of the frame."""
    _check_size(body, _VIGNETTE.size)
    *coefficients, x, y = _VIGNETTE.unpack(body)
    if not (np.abs(coefficients).max() < _LARGEST_COEFFICIENT and 0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f"coefficients {coefficients}, center {x}, {y}")
    return tuple(coefficients), (x, y)


def bad_constant_value(body: bytes) -> int:
    """The value that marks bad pixels in a FixBadPixelsConstant."""
    _check_size(body, _CONSTANT.size)
    constant, _ = _CONSTANT.unpack(body)
    return int(constant)


def bad_pixels(body: bytes) -> tuple["np.ndarray[Any, np.dtype[np.int64]]", "np.ndarray[Any, np.dtype[np.int64]]"]:
    """The points `[N,2]` (row, column) and rectangles `[M,4]` (top, left, bottom, right) of a FixBadPixelsList."""
    _, points, rectangles = _LIST.unpack_from(body)
    _check_size(body, _LIST.size + 8 * points + 16 * rectangles)
    numbers = np.frombuffer(body, ">i4", -1, _LIST.size).astype(np.int64)
    return numbers[: 2 * points].reshape(-1, 2), numbers[2 * points :].reshape(-1, 4)


def _check_size(body: bytes, size: int) -> None:
    if len(body) != size:
        raise ValueError(f"{len(body)} bytes instead of {size}")


def _two(values: Any) -> tuple[float, float]:
    first, second = values
    return first, second


def _four(values: Any) -> tuple[int, int, int, int]:
    first, second, third, fourth = values
    return first, second, third, fourth


def gain_map_opcodes(shading: LensShadingMesh, size: tuple[int, ...]) -> bytes:
    """Encode a mesh as a DNG opcode list: one GainMap for all sites, or one for each of the four.

    Args:
        shading: a stage of MOSAIC with a mesh `[1,h,w]` or `[4,h,w]`.
        size: rows and columns of the frame.

    Raises:
        InvalidArgument: for a batched mesh, or a mesh of another space.

    Source: DNG 1.6 specification, chapter 6, opcode GainMap; numbers are big-endian.

    >>> len(gain_map_opcodes(LensShadingMesh([[[1.0, 2.0], [1.5, 3.0]]]), (10, 20)))
    112
    """
    mesh = shading.mesh.detach().double().cpu()
    mesh = mesh[0] if mesh.ndim == 4 and len(mesh) == 1 else mesh
    if mesh.ndim != 3 or shading.takes.channels != 1:
        raise InvalidArgument(
            f"a GainMap holds one mesh of a mosaic, [1,h,w] or [4,h,w], got {list(shading.mesh.shape)} of "
            f"{shading.takes.name}"
        )
    parts = []
    for site, plane in enumerate(mesh):
        rows, columns = plane.shape
        pitch = 2 if len(mesh) == 4 else 1
        top, left = divmod(site, 2) if len(mesh) == 4 else (0, 0)
        spacing = [1 / max(n - 1, 1) for n in (rows, columns)]
        body = _AREA.pack(top, left, size[0], size[1], 0, 1, pitch, pitch)
        body += _GRID.pack(rows, columns, *spacing, 0.0, 0.0, 1) + plane.numpy().astype(">f4").tobytes()
        parts.append(_HEAD.pack(GAIN_MAP, *_VERSION, _OPTIONAL, len(body)) + body)
    return struct.pack(">I", len(parts)) + b"".join(parts)

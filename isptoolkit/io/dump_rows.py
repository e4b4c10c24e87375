"""Rows of samples in a headerless dump: where they are, and which layouts fit a file's size."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..display import enumerated
from ..errors import InvalidArgument, UnreadableFile
from .packing import PACKINGS

Array = np.ndarray[Any, Any]

_PLAIN = {"uint8": "u1", "uint16": "<u2", ">u2": ">u2", "float32": "<f4", ">f4": ">f4"}
_ALIASES = {"<u2": "uint16", "<f4": "float32"}
DTYPES = {
    "uint8": "one byte",
    "uint16": "two bytes, the lower one first",
    ">u2": "two bytes, the upper one first",
    "float32": "floating-point numbers, little-endian",
    ">f4": "floating-point numbers, big-endian",
    **{name: packing.about for name, packing in PACKINGS.items()},
}
"""A phrase about each layout of samples, by its name; two have another name besides."""
_PADDING, _HEADER = 256, 1 << 16
"""The longest padding of a row and the longest header, in bytes, that an error suggests."""


@dataclass(frozen=True)
class Geometry:
    """Where the samples of a dump are.

    Args:
        rows: number of rows.
        samples: of each row.
        dtype: one of `DTYPES`, `<u2`, or `<f4`.
        stride: bytes from the start of a row to that of the next; None if rows follow each other without padding.
        offset: bytes before the first row.

    Raises:
        InvalidArgument: for an unknown dtype, a negative offset, or a stride shorter than a row.
    """

    rows: int
    samples: int
    dtype: str
    stride: int | None
    offset: int

    def __post_init__(self) -> None:
        if self.dtype not in (*DTYPES, *_ALIASES):
            raise InvalidArgument(f"dtype must be one of {', '.join((*DTYPES, *_ALIASES))}, got {self.dtype!r}")
        if self.offset < 0:
            raise InvalidArgument(f"offset must be a number of bytes from 0, got {self.offset}")
        row = row_bytes(self.dtype, self.samples)
        if self.stride is not None and self.stride < row:
            raise InvalidArgument(
                f"stride must be at least the {row} bytes of {self.samples} samples of {self.dtype}, got {self.stride}"
            )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes in bytes that the samples may occupy; the last row may lack its padding.

        Without a stride, rows either start at whole bytes (whole groups of a packing) or continue inside one.
        """
        row = row_bytes(self.dtype, self.samples)
        if self.stride is None:
            return row * self.rows, row_bytes(self.dtype, self.samples * self.rows)
        return self.stride * self.rows, self.stride * (self.rows - 1) + row


def row_bytes(dtype: str, samples: int) -> int:
    """Bytes that `samples` samples occupy.

    >>> row_bytes("uint16", 6), row_bytes("mipi12", 6)
    (12, 9)
    """
    if dtype in PACKINGS:
        return PACKINGS[dtype].row_bytes(samples)
    return samples * _plain(dtype).itemsize


def read_rows(path: Path, geometry: Geometry) -> Array:
    """The samples of a dump, `[rows,samples]` float32.

    Args:
        path: an existing file.
        geometry: where its samples are.

    Raises:
        UnreadableFile: if the size of the file contradicts the geometry; says which layouts would fit.
    """
    size = path.stat().st_size - geometry.offset
    if size not in geometry.sizes:
        raise _misfit(path, size, geometry)
    try:
        data = np.fromfile(path, np.uint8, count=size, offset=geometry.offset)
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror or error}") from None
    if len(data) != size:
        raise UnreadableFile(f"{path} changed its size while it was read")
    rows, samples = geometry.rows, geometry.samples
    if geometry.stride is not None:
        data = np.pad(data, (0, geometry.stride * rows - size)) if size < geometry.stride * rows else data
        return _samples(data.reshape(rows, geometry.stride), samples, geometry.dtype)
    if size == geometry.sizes[0]:
        return _samples(data.reshape(rows, -1), samples, geometry.dtype)
    return _samples(data[None], rows * samples, geometry.dtype).reshape(rows, samples)


def _samples(rows: Array, samples: int, dtype: str) -> Array:
    if dtype in PACKINGS:
        return PACKINGS[dtype].unpack(rows, samples)
    row = rows[:, : row_bytes(dtype, samples)]
    return np.ascontiguousarray(row).view(_plain(dtype)).astype(np.float32)


def _plain(dtype: str) -> np.dtype[Any]:
    return np.dtype(_PLAIN[_ALIASES.get(dtype, dtype)])


def _misfit(path: Path, size: int, geometry: Geometry) -> UnreadableFile:
    """The error for a file whose samples occupy `size` bytes, with the arguments that would fit."""
    rows, samples = geometry.rows, geometry.samples
    stride = "" if geometry.stride is None else f" in rows of {geometry.stride} bytes"
    advice = _advice(size, geometry) or "check width, height, dtype, stride, and offset"
    return UnreadableFile(
        f"{path} holds {size + geometry.offset} bytes, but {samples} x {rows} samples of {geometry.dtype}{stride} at "
        f"offset {geometry.offset} need {geometry.sizes[0] + geometry.offset}: {advice}"
    )


def _advice(size: int, geometry: Geometry) -> str:
    rows, samples = geometry.rows, geometry.samples
    if exact := [name for name in DTYPES if size == row_bytes(name, samples) * rows]:
        bits = size * 8 / (rows * samples)
        return f"at exactly {bits:g} bits a sample, dtype={enumerated(exact, 'or')} fits"
    fits = []
    length, rest = divmod(size, rows)
    padding = {name: length - row_bytes(name, samples) for name in DTYPES}
    likely = {name: n for name, n in padding.items() if 0 < n <= _PADDING}
    if rest == 0 and likely:
        stated = _ALIASES.get(geometry.dtype, geometry.dtype)
        least = likely.get(stated, min(likely.values()))
        names = enumerated([name for name, n in likely.items() if n == least], "or")
        fits.append(f"stride={length} and dtype={names} fit rows with {least} bytes of padding")
    extra = size - geometry.sizes[0]
    if 0 < extra <= _HEADER:
        fits.append(f"offset={geometry.offset + extra} fits a header before the samples")
    return ", or ".join(fits)

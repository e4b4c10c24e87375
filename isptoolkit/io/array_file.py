"""Arrays of samples in files that state their geometry: NumPy's .npy, and PNG."""

import struct
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import UnreadableFile

_NUMPY = "NumPy array"
_NPY, _PNG = b"\x93NUMPY", b"\x89PNG\r\n\x1a\n"
_PNG_COLORS = {0: (), 2: (3,)}
"""Planes after height and width, by the color type of a PNG (PNG specification, third edition, 11.2.1)."""
_DEFLATE_RATIO = 1032
"""The most bytes to which one byte of a deflate stream expands (zlib technical details)."""
_EXACT = 1 << 24
"""Whole numbers up to this are exact in float32."""


class Header(NamedTuple):
    """What a file states about its array."""

    name: str
    """Of the format, for messages."""
    shape: tuple[int, ...]
    """Height, width, and the planes unless there is one."""
    dtype: np.dtype[Any]


def array_header(path: Path) -> Header | None:
    """The header of a .npy or PNG file, recognized by its first bytes; None for any other file.

    Args:
        path: an existing file.

    Raises:
        UnreadableFile: for a damaged header, a PNG with a palette, transparency, or fewer than 8 bits, and an array of
            another type than integer or floating-point numbers.
    """
    with path.open("rb") as stream:
        head = stream.read(26)
        if head.startswith(_PNG):
            return _png_header(path, head)
        if head.startswith(_NPY):
            stream.seek(0)
            return _npy_header(path, stream)
    return None


def read_array(path: Path, header: Header) -> "np.ndarray[Any, Any]":
    """The array of a .npy or PNG file as float32.

    Args:
        path: the file.
        header: from `array_header`.

    Raises:
        UnreadableFile: if the file is truncated or damaged, or holds integers that float32 cannot hold.
    """
    values = _read_npy(path) if header.name == _NUMPY else _read_png(path, header)
    if values.dtype.kind in "iu" and values.dtype.itemsize > 2 and values.size:
        low, high = int(values.min()), int(values.max())
        if max(-low, high) > _EXACT:
            raise UnreadableFile(f"{path} holds samples from {low} to {high}: at most {_EXACT} are exact in float32")
    return values.astype(np.float32)


def _png_header(path: Path, head: bytes) -> Header:
    if len(head) < 26 or head[12:16] != b"IHDR":
        raise UnreadableFile(f"{path} is a damaged PNG: it does not start with its size")
    width, height, bits, color = struct.unpack(">IIBB", head[16:26])
    if bits not in (8, 16) or color not in _PNG_COLORS:
        raise UnreadableFile(
            f"{path} is a PNG of color type {color} with {bits} bits: mosaics are gray, linear samples RGB, both with "
            "8 or 16 bits and without transparency"
        )
    return Header("PNG image", (height, width, *_PNG_COLORS[color]), np.dtype(f"u{bits // 8}"))


def _read_png(path: Path, header: Header) -> "np.ndarray[Any, Any]":
    import imagecodecs

    data = path.read_bytes()
    needed = int(np.prod(header.shape, dtype=object)) * header.dtype.itemsize
    if needed > _DEFLATE_RATIO * len(data):
        raise UnreadableFile(f"{path} is truncated: {len(data)} bytes of PNG cannot expand to {needed}")
    try:
        values: np.ndarray[Any, Any] = imagecodecs.png_decode(data)
    except (imagecodecs.PngError, ValueError) as error:
        raise UnreadableFile(f"{path} is a damaged or truncated PNG: {' '.join(str(error).split())}") from None
    if values.shape != header.shape or values.dtype != header.dtype:
        raise UnreadableFile(f"{path} is a PNG with transparency: mosaics and linear samples have none")
    return values


def _npy_header(path: Path, stream: Any) -> Header:
    form = np.lib.format
    try:
        version = form.read_magic(stream)
        read = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}[version]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, _, dtype = read(stream)
    except (ValueError, KeyError, OSError, EOFError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise UnreadableFile(f"{path} is a damaged .npy file: {' '.join(str(error).split())[:200]}") from None
    if dtype.kind not in "iuf":
        raise UnreadableFile(f"{path} holds an array of {dtype}: save integer or floating-point samples")
    size, needed = path.stat().st_size, stream.tell() + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if size != needed:
        raise UnreadableFile(f"{path} holds {size} bytes, but its array of shape {tuple(shape)} needs {needed}")
    return Header(_NUMPY, tuple(shape), dtype)


def _read_npy(path: Path) -> "np.ndarray[Any, Any]":
    try:
        values: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UnreadableFile(f"{path} is a damaged .npy file: {error}") from None
    return values

"""Arrays of samples in files that state their geometry: NumPy's .npy, PNG, and PGM or PPM."""

import re
import struct
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import UnreadableFile

_NUMPY_ARRAY, _PNG_IMAGE, NETPBM_IMAGE = "NumPy array", "PNG image", "PGM or PPM image"
_NPY, _PNG = b"\x93NUMPY", b"\x89PNG\r\n\x1a\n"
_PNG_COLORS = {0: (), 2: (3,)}
"""Planes after height and width, by the color type of a PNG (PNG specification, third edition, 11.2.1)."""
_DEFLATE_RATIO = 1032
"""The most bytes to which one byte of a deflate stream expands (zlib technical details)."""
_NETPBM = re.compile(rb"P([56])" + 3 * rb"(?:\s|#[^\n]*\n)+([0-9]{1,10})" + rb"\s")
"""Kind, width, height and largest value of a PGM or PPM (Netpbm documentation, pgm and ppm)."""
_HEAD = 4096
"""Bytes that hold the header of a PNG, PGM or PPM."""
_EXACT = 1 << 24
"""Whole numbers up to this are exact in float32."""


class Header(NamedTuple):
    """What a file states about its array."""

    name: str
    """Of the format, for messages."""
    shape: tuple[int, ...]
    """Height, width, and the planes unless there is one."""
    dtype: np.dtype[Any]
    offset: int = 0
    """Bytes before the first sample, where samples are not compressed."""


def array_header(path: Path) -> Header | None:
    """The header of a .npy, PNG, PGM or PPM file, recognized by its first bytes; None for any other file.

    Args:
        path: an existing file.

    Raises:
        UnreadableFile: for a damaged header, a file of another size than it states, a PNG with a palette, transparency,
            or fewer than 8 bits, and an array of another type than integer or floating-point numbers.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEAD)
        if head.startswith(_PNG):
            return _png_header(path, head)
        if head.startswith(_NPY):
            stream.seek(0)
            return _npy_header(path, stream)
        if match := _NETPBM.match(head):
            return _netpbm_header(path, match)
    return None


def read_array(path: Path, header: Header) -> "np.ndarray[Any, Any]":
    """The array of such a file as float32.

    Args:
        path: the file.
        header: from `array_header`.

    Raises:
        UnreadableFile: if the file is truncated or damaged, or holds integers that float32 cannot hold.
    """
    values = _READERS[header.name](path, header)
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
    return Header(_PNG_IMAGE, (height, width, *_PNG_COLORS[color]), np.dtype(f"u{bits // 8}"))


def _read_png(path: Path, header: Header) -> "np.ndarray[Any, Any]":
    import imagecodecs

    data = path.read_bytes()
    needed = _count(header) * header.dtype.itemsize
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
    return _complete(path, Header(_NUMPY_ARRAY, tuple(shape), dtype, stream.tell()))


def _read_npy(path: Path, _: Header) -> "np.ndarray[Any, Any]":
    try:
        values: np.ndarray[Any, Any] = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise UnreadableFile(f"{path} is a damaged .npy file: {error}") from None
    return values


def _netpbm_header(path: Path, match: "re.Match[bytes]") -> Header:
    kind, width, height, largest = map(int, match.groups())
    if not 0 < largest < 1 << 16:
        raise UnreadableFile(f"{path} is a damaged PGM or PPM: its largest value is {largest}, not 1 to 65535")
    planes = (3,) if kind == 6 else ()
    dtype = np.dtype("u1" if largest < 256 else ">u2")
    return _complete(path, Header(NETPBM_IMAGE, (height, width, *planes), dtype, match.end()))


def _read_netpbm(path: Path, header: Header) -> "np.ndarray[Any, Any]":
    try:
        return np.fromfile(path, header.dtype, offset=header.offset).reshape(header.shape)
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{path} cannot be read: {error}") from None


def _complete(path: Path, header: Header) -> Header:
    """The header, if the file has exactly the size that it states."""
    size, needed = path.stat().st_size, header.offset + _count(header) * header.dtype.itemsize
    if size != needed:
        raise UnreadableFile(f"{path} holds {size} bytes, but its array of shape {header.shape} needs {needed}")
    return header


def _count(header: Header) -> int:
    return int(np.prod(header.shape, dtype=object))


_READERS = {_NUMPY_ARRAY: _read_npy, _PNG_IMAGE: _read_png, NETPBM_IMAGE: _read_netpbm}

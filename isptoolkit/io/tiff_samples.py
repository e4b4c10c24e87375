"""Decode the strips and tiles of a TIFF-based file that LibRaw does not decode or decodes with a loss."""

import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import UnreadableFile
from .completeness import JPEG, LOSSY_JPEG, NONE, jpeg_frame, segment_shape, stored_bytes
from .signatures import compression_name
from .tiff import Tiff
from .tiff_directory import Directory

Array = np.ndarray[Any, Any]

_JPEG_XL = (52546, 50002)
_DEFLATE, _LZW, _PACKBITS, _ZSTD = (8, 32946), 5, 32773, 50000
COMPRESSIONS = (NONE, JPEG, LOSSY_JPEG, _LZW, *_DEFLATE, _PACKBITS, _ZSTD, *_JPEG_XL)
"""Compressions that are decoded here."""
_PREDICTOR, TABLE, ROW_FIELDS, COLUMN_FIELDS = 317, 50712, 50975, 52547
_DIFFERENCES = {2: 1, 34892: 2, 34893: 4}
_FLOAT_DIFFERENCES = {3: 1, 34894: 2, 34895: 4}
"""Predictors of whole and of floating-point numbers, and the distance of the samples that they subtract, in pixels."""


def read_samples(path: Path, tiff: Tiff, content: bytes) -> Array:
    """Decode the stored frame of the RAW image; LinearizationTable is applied.

    Args:
        path: of the file, for error messages.
        tiff: structure of the file; its strips and tiles are complete.
        content: all bytes of the file.

    Returns:
        `[H,W]` or `[H,W,samples]`, uint16, or float32 for floating-point numbers and for more than 16 bits.

    Raises:
        UnreadableFile: for damaged samples, or an unsupported compression, predictor, or number of bits.

    Source: TIFF 6.0, sections 13 and 14; TIFF Technical Note 3; DNG 1.6 specification, chapter 3.
    """
    main = tiff.main
    if main.compression not in COMPRESSIONS:
        raise UnreadableFile(f"{path} is compressed with {compression_name(main.compression)}, which is not decoded")
    rows, columns = main.segment
    down, across = -(-main.height // rows), -(-main.width // columns)
    is_wide = main.is_float or main.bits > 16
    frame: Array = np.zeros((main.height, main.width, main.samples), np.float32 if is_wide else np.uint16)
    for index in range(down * across * (main.samples if main.is_planar else 1)):
        try:
            start = main.offsets[index]
            count = stored_bytes(main, index) if main.compression == NONE else main.byte_counts[index]
            values = _segment(main, index, content[start : start + count], tiff.order)
        except (RuntimeError, ValueError, IndexError, zlib.error) as error:
            raise UnreadableFile(f"{path} is damaged: its samples cannot be decoded ({error})") from None
        plane, place = divmod(index, down * across)
        top, left = place // across * rows, place % across * columns
        target = frame[
            top : top + rows, left : left + columns, slice(plane, plane + 1) if main.is_planar else slice(None)
        ]
        target[...] = values[: target.shape[0], : target.shape[1]]
    if bad := int((~np.isfinite(frame)).sum()) if main.is_float else 0:
        raise UnreadableFile(f"{path} holds {bad} samples that are not finite numbers")
    frame = deinterleaved(main, frame)
    if TABLE in main.tags and not is_wide:
        table = np.atleast_1d(main.tags[TABLE]).astype(np.uint16)
        frame = table[np.minimum(frame, len(table) - 1)]
    return frame[..., 0] if main.samples == 1 else frame


def deinterleaved(main: Directory, frame: Array) -> Array:
    """Put rows and columns in order that are stored in fields: with RowInterleaveFactor 2, even rows come first.

    Args:
        main: directory of the image.
        frame: `[H,W,...]`.

    Source: DNG 1.6 specification, RowInterleaveFactor (50975).

    >>> deinterleaved(Directory({50975: 2}), np.array([[0], [2], [4], [1], [3]])).ravel().tolist()
    [0, 1, 2, 3, 4]
    """
    for axis, code in ((0, ROW_FIELDS), (1, COLUMN_FIELDS)):
        fields = main.number(code, 1)
        if 1 < fields <= frame.shape[axis]:
            places = np.concatenate([np.arange(first, frame.shape[axis], fields) for first in range(fields)])
            frame = np.take(frame, np.argsort(places), axis)
    return frame


def _segment(main: Directory, index: int, coded: bytes, order: Literal["<", ">"]) -> Array:
    """The samples of one strip or tile, `[rows,columns,samples]`."""
    rows, columns, samples = shape = segment_shape(main, index)
    if main.compression in _JPEG_XL:
        return _jpeg_xl(main, coded, shape)
    if main.compression in (JPEG, LOSSY_JPEG):
        return _jpeg(coded, shape)
    size = stored_bytes(main, index)
    raw = _decompressed(main.compression, coded, size, size // rows * main.segment[0])
    if len(raw) < size:
        raise ValueError(f"{len(raw)} of {size} bytes")
    predictor = main.number(_PREDICTOR, 1) if main.compression != NONE else 1
    lines = np.frombuffer(raw, np.uint8, size).reshape(rows, -1)
    if main.is_float:
        if predictor in _FLOAT_DIFFERENCES:
            lines = _merged(lines, samples * _FLOAT_DIFFERENCES[predictor], main.bits // 8)
            order = ">"
        elif predictor != 1:
            raise ValueError(f"predictor {predictor}")
        return _floats(lines, main.bits, order).reshape(shape)
    values = _integers(lines, main.bits, order, columns * samples)
    if predictor in _DIFFERENCES:
        step = samples * _DIFFERENCES[predictor]
        values = values.reshape(rows, -1, step).cumsum(1, dtype=values.dtype)
    elif predictor != 1:
        raise ValueError(f"predictor {predictor}")
    return values.reshape(shape)


def _jpeg_xl(main: Directory, coded: bytes, shape: tuple[int, int, int]) -> Array:
    """Decode into memory of the expected size, so that the stream's own size is not trusted."""
    import imagecodecs

    dtype = {(True, 16): np.float16, (True, 32): np.float32, (False, 8): np.uint8}.get(
        (main.is_float, main.bits), np.uint16
    )
    values: Array = np.zeros(shape if shape[2] > 1 else shape[:2], dtype)
    imagecodecs.jpegxl_decode(coded, out=values)
    return values.reshape(shape)


def _jpeg(coded: bytes, shape: tuple[int, int, int]) -> Array:
    """Decode a JPEG stream; width, height, and components of a lossless one need not match, only their product."""
    import imagecodecs

    frame, size = jpeg_frame(coded), int(np.prod(shape))
    if frame is None or not size <= frame.samples <= 4 * size:
        raise ValueError(f"a JPEG stream of {0 if frame is None else frame.samples} samples, not of {size}")
    if frame.is_lossless:
        return np.asarray(imagecodecs.jpegsof3_decode(coded)).reshape(-1)[:size].reshape(shape)
    values = np.asarray(imagecodecs.jpeg8_decode(coded))
    return values.reshape(*values.shape[:2], -1)[: shape[0], : shape[1], : shape[2]].reshape(shape)


def _decompressed(compression: int, coded: bytes, size: int, most: int) -> bytes:
    """The bytes of a strip or tile: `size`, fewer where the data end before, or `most` if the last strip is padded."""
    import imagecodecs

    if compression == NONE:
        return coded[:size]
    if compression in _DEFLATE:
        stream = zlib.decompressobj()
        raw = stream.decompress(coded, most + 1)
        if not stream.eof:  # its checksum is read only at its end
            raise ValueError("a Deflate stream without its end")
        return raw
    decoders = {
        _LZW: imagecodecs.lzw_decode,
        _PACKBITS: imagecodecs.packbits_decode,
        _ZSTD: imagecodecs.zstd_decode,
    }
    return bytes(decoders[compression](coded, out=size))


def _merged(lines: Array, step: int, size: int) -> Array:
    """Undo the floating-point predictor: bytes are differences, and the most significant bytes of a row come first."""
    rows = len(lines)
    planes = lines.reshape(rows, -1, step).cumsum(1, dtype=np.uint8).reshape(rows, size, -1)
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).reshape(rows, -1)


def _floats(lines: Array, bits: int, order: Literal["<", ">"]) -> Array:
    if bits == 24:
        import imagecodecs

        return np.asarray(imagecodecs.float24_decode(lines.tobytes(), byteorder=order))
    if bits not in (16, 32, 64):
        raise ValueError(f"floating-point numbers of {bits} bits")
    return np.frombuffer(lines.tobytes(), f"{order}f{bits // 8}")


def _integers(lines: Array, bits: int, order: str, columns: int) -> Array:
    if bits in (8, 16, 32):
        values = np.frombuffer(lines.tobytes(), f"{order}u{bits // 8}")
        return values.astype(values.dtype.newbyteorder("="))
    if not 8 < bits < 16:
        raise ValueError(f"samples of {bits} bits")
    import imagecodecs

    return np.asarray(imagecodecs.packints_decode(lines.tobytes(), np.uint16, bits, runlen=columns))

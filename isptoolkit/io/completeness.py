"""Whether a TIFF-based RAW file holds every byte of the samples that its tags state."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import UnreadableFile
from .tiff import Tiff
from .tiff_directory import Directory

NONE, OLD_JPEG, JPEG, LOSSY_JPEG = 1, 6, 7, 34892
"""Compression tags: uncompressed; JPEG of CR2; lossless or lossy JPEG of DNG."""
_JPEG_START, _JPEG_ENDS = b"\xff\xd8", (b"\xff\xd9", b"\xd9\xff")
"""The end marker also with swapped bytes, as Kodak's DC120 writes it."""
_FRAMES, _LOSSLESS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}, 0xC3
"""JPEG markers that start a frame (ITU-T T.81, table B.1), and that of a lossless one."""
_PADDING = 64
"""Zero bytes that may follow the samples of a strip without an end marker."""
_MOST_SAMPLES = 1024
"""Samples that a byte of JPEG may hold: a subsampled block of 768 takes at least three bytes."""


def check_complete(path: str | Path, tiff: Tiff, content: bytes) -> None:
    """Check that the strips or tiles of the RAW image lie in the file and are not empty.

    - Every strip and tile, as stated by its offset and byte count, lies within the file. For uncompressed DNG and plain
      TIFF, the byte count follows from the size of the image.
    - The strips or tiles of a DNG or plain TIFF cover the image.
    - Compressed ones are not all zeros; JPEG streams are not cut short by zeros, and those
      of DNG have enough samples.

    An uncompressed frame of zeros is valid: a dark frame.

    Args:
        path: of the file, for error messages.
        tiff: structure of the file.
        content: all bytes of the file.

    Raises:
        UnreadableFile: for a truncated or hollow file, with the first strip or tile concerned.

    Source: TIFF 6.0, sections 3 and 15; DNG 1.6 specification, chapter 3; ITU-T T.81, annex B.

    >>> main = Directory({273: 900, 279: 100})
    >>> check_complete("a.nef", Tiff((main,), main, {}, "<", False), b"")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: a.nef is truncated: strip 1 of 1 ends at byte 1000, but the file has 0
    """
    main = tiff.main
    name = "tile" if main.is_tiled else "strip"
    offsets, counts = main.offsets, main.byte_counts
    is_exact = tiff.is_dng or tiff.is_plain  # other files state the size of the sensor or of the finished picture
    if is_exact:
        _check_covered(path, main, name)
    for index, offset in enumerate(offsets):
        count = counts[index] if index < len(counts) else 0
        if is_exact and main.compression == NONE:
            count = stored_bytes(main, index)
        where = f"{name} {index + 1} of {len(offsets)}"
        if offset + count > len(content):
            raise UnreadableFile(
                f"{path} is truncated: {where} ends at byte {offset + count}, but the file has {len(content)}"
            )
        if main.compression != NONE and count:
            _check_coded(path, main, index, content[offset : offset + count], where, is_exact)


def stored_bytes(main: Directory, index: int) -> int:
    """Bytes of an uncompressed strip or tile; each row starts on a byte.

    Args:
        main: directory of the image.
        index: of the strip or tile, over all planes.

    Source: TIFF 6.0, sections 3 and 15.

    >>> stored_bytes(Directory({256: 3, 257: 4, 258: 12, 278: 3}), 1)
    5
    """
    rows, columns, samples = segment_shape(main, index)
    return int(rows * ((columns * samples * main.bits + 7) // 8))


def segment_shape(main: Directory, index: int) -> tuple[int, int, int]:
    """Rows, columns, and samples per pixel that a strip or tile holds; the last strip has the rest of the rows.

    Args:
        main: directory of the image.
        index: of the strip or tile, over all planes.

    >>> segment_shape(Directory({256: 3, 257: 4, 278: 3}), 1)
    (1, 3, 1)
    """
    rows, columns = main.segment
    samples = 1 if main.is_planar else main.samples
    if not main.is_tiled:
        row = index % _ceiling(main.height, rows) * rows
        rows = min(rows, main.height - row)
    return rows, columns, samples


def _check_covered(path: str | Path, main: Directory, name: str) -> None:
    rows, columns = main.segment
    if not all((main.width, main.height, rows, columns)):
        raise UnreadableFile(f"{path} is damaged: it does not state the size of its RAW image")
    needed = _ceiling(main.height, rows) * _ceiling(main.width, columns) * (main.samples if main.is_planar else 1)
    if len(main.offsets) < needed:
        raise UnreadableFile(f"{path} is damaged: it states {len(main.offsets)} of {needed} {name}s of its RAW image")
    if main.compression != NONE and sum(map(bool, main.byte_counts[:needed])) < needed:
        raise UnreadableFile(f"{path} is damaged: it does not state the bytes of all {needed} {name}s of its RAW image")


def _check_coded(path: str | Path, main: Directory, index: int, coded: bytes, where: str, is_exact: bool) -> None:
    """Check the bytes of a compressed strip or tile."""
    if not any(coded[:_PADDING]) and not np.frombuffer(coded, np.uint8).any():
        raise UnreadableFile(f"{path} is hollow: {where} holds only zeros instead of compressed samples")
    if main.compression not in (OLD_JPEG, JPEG, LOSSY_JPEG):
        return
    rest = coded.rstrip(b"\0")
    if len(coded) - len(rest) > _PADDING and rest[-2:] not in _JPEG_ENDS:
        raise UnreadableFile(
            f"{path} is hollow: {where} ends with {len(coded) - len(rest)} zeros, not with a JPEG marker"
        )
    if not is_exact:
        return
    rows, columns, each = segment_shape(main, index)
    below = main.height - index // _ceiling(main.width, columns) % _ceiling(main.height, rows) * rows
    frame, needed = jpeg_frame(coded), min(rows, below) * min(columns, main.width) * each
    if frame is None:
        raise UnreadableFile(f"{path} is damaged: {where} is not a JPEG stream")
    if needed > _MOST_SAMPLES * len(coded):
        raise UnreadableFile(f"{path} is damaged: {where} cannot hold {needed} samples in {len(coded)} bytes")
    if frame.samples < needed:
        raise UnreadableFile(f"{path} is damaged: {where} is a JPEG stream of {frame.samples} samples, not of {needed}")


@dataclass(frozen=True)
class JpegFrame:
    """The frame of a JPEG stream.

    Args:
        samples: number of samples over all components.
        is_lossless: whether it is coded without a loss (SOF3).
    """

    samples: int
    is_lossless: bool


def jpeg_frame(coded: bytes) -> JpegFrame | None:
    """The frame that the header of a JPEG stream states; None if it is not a JPEG stream.

    Args:
        coded: the stream.

    Source: ITU-T T.81, annex B.2.

    >>> jpeg_frame(bytes.fromhex("ffd8 ffc3 000b 0e 0002 0003 01 001100"))
    JpegFrame(samples=6, is_lossless=True)
    """
    if coded[:2] != _JPEG_START:
        return None
    at = 2
    while at + 4 <= len(coded):
        start, marker, length = struct.unpack_from(">BBH", coded, at)
        if start != 0xFF or length < 2:
            return None
        if marker == 0xFF:
            at += 1
        elif marker in _FRAMES and at + 10 <= len(coded):
            height, width, components = struct.unpack_from(">HHB", coded, at + 5)
            return JpegFrame(height * width * components, marker == _LOSSLESS)
        else:
            at += 2 + length
    return None


def _ceiling(whole: int, part: int) -> int:
    return -(-whole // part) if part else 0

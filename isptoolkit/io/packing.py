"""Packed samples: layouts in which samples of 10, 12, or 14 bits share bytes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

_BLOCK = 1 << 18
"""Samples unpacked at a time, so that they stay in the cache."""


class Piece(NamedTuple):
    """Bits of one byte that belong to one sample."""

    byte: int
    """Index of the byte in its group."""
    shift: int
    """Bits of the byte below these."""
    bits: int
    up: int
    """Bits of the sample below these."""


@dataclass(frozen=True)
class Packing:
    """How a group of samples shares a group of bytes.

    Args:
        about: a phrase about the layout.
        bits: of each sample.
        size: bytes of a group.
        pieces: of each sample of a group, the bits that make it up.
        stream: whether a row may end inside a group, at any byte; otherwise, it is filled up to whole groups.
    """

    about: str
    bits: int
    size: int
    pieces: tuple[tuple[Piece, ...], ...]
    stream: bool = False

    def row_bytes(self, samples: int) -> int:
        """Bytes that a row of `samples` samples occupies.

        >>> PACKINGS["mipi10"].row_bytes(6), PACKINGS["lsb10"].row_bytes(6)
        (10, 8)
        """
        if self.stream:
            return -(-samples * self.bits // 8)
        return -(-samples // len(self.pieces)) * self.size

    def unpack(self, rows: Array, samples: int) -> Array:
        """Unpack rows into `[H,samples]` float32.

        Args:
            rows: `[H,N]` uint8, where N is at least `row_bytes(samples)`; the bytes after those are ignored.
            samples: of each row.

        >>> PACKINGS["mipi10"].unpack(np.array([[1, 2, 3, 255, 0b11100100]], np.uint8), 4)
        array([[   4.,    9.,   14., 1023.]], dtype=float32)
        """
        height, count = len(rows), len(self.pieces)
        groups = -(-samples // count)
        unpacked = np.empty((height, samples), np.float32)
        step = max(1, _BLOCK // (groups * count))
        for top in range(0, height, step):
            block = rows[top : top + step, : groups * self.size]
            if block.shape[1] < groups * self.size:
                block = np.pad(block, ((0, 0), (0, groups * self.size - block.shape[1])))
            grouped = block.reshape(len(block), groups, self.size)
            values = np.empty((len(block), groups, count), np.uint16)
            for index, pieces in enumerate(self.pieces):
                values[..., index] = sum(_part(grouped[..., piece.byte], piece) for piece in pieces)
            unpacked[top : top + step] = values.reshape(len(block), -1)[:, :samples]
        return unpacked


def _part(column: Array, piece: Piece) -> Array:
    """What one piece contributes to a sample."""
    if piece.shift:
        column = column >> np.uint8(piece.shift)
    if piece.shift + piece.bits < 8:
        column = column & np.uint8((1 << piece.bits) - 1)
    return column.astype(np.uint16) << np.uint16(piece.up)


def _from_lsb(offset: int, bits: int) -> Iterator[Piece]:
    """The pieces of a sample at a bit offset of a stream that fills each byte from its least significant bit."""
    done = 0
    while done < bits:
        byte, shift = divmod(offset + done, 8)
        taken = min(8 - shift, bits - done)
        yield Piece(byte, shift, taken, done)
        done += taken


def _from_msb(offset: int, bits: int) -> Iterator[Piece]:
    """The pieces of a sample at a bit offset of a stream that fills each byte from its most significant bit."""
    left = bits
    while left:
        byte, used = divmod(offset + bits - left, 8)
        taken = min(8 - used, left)
        left -= taken
        yield Piece(byte, 8 - used - taken, taken, left)


def _lsb(about: str, bits: int, count: int, size: int | None = None) -> Packing:
    pieces = tuple(tuple(_from_lsb(index * bits, bits)) for index in range(count))
    return Packing(about, bits, size or bits * count // 8, pieces, stream=size is None)


def _msb(about: str, bits: int, count: int) -> Packing:
    pieces = tuple(tuple(_from_msb(index * bits, bits)) for index in range(count))
    return Packing(about, bits, bits * count // 8, pieces, stream=True)


def _mipi(about: str, bits: int, count: int) -> Packing:
    """The upper 8 bits of each sample, then the lower bits of all of them as a stream from the least significant."""
    low = bits - 8
    pieces = ((Piece(index, 0, 8, low), *_from_lsb(8 * count + low * index, low)) for index in range(count))
    return Packing(about, bits, bits * count // 8, tuple(pieces))


def _gev(about: str, bits: int) -> Packing:
    """Two samples in three bytes: the outer ones hold the upper 8 bits, the middle one the lower bits of both."""
    low = bits - 8
    first, second = (Piece(0, 0, 8, low), Piece(1, 0, low, 0)), (Piece(2, 0, 8, low), Piece(1, 4, low, 0))
    return Packing(about, bits, 3, (first, second))


PACKINGS = {
    "mipi10": _mipi("MIPI RAW10: four upper bytes, then one with their lower bits", 10, 4),
    "mipi12": _mipi("MIPI RAW12: two upper bytes, then one with their lower bits", 12, 2),
    "mipi14": _mipi("MIPI RAW14: four upper bytes, then three with their lower bits", 14, 4),
    "lsb10": _lsb("bits from the least significant, as in GenICam BayerRG10p", 10, 4),
    "lsb12": _lsb("bits from the least significant, as in GenICam BayerRG12p", 12, 2),
    "lsb14": _lsb("bits from the least significant, as in GenICam BayerRG14p", 14, 4),
    "msb10": _msb("bits from the most significant, as in TIFF", 10, 4),
    "msb12": _msb("bits from the most significant, as in TIFF", 12, 2),
    "msb14": _msb("bits from the most significant, as in TIFF", 14, 4),
    "gev10": _gev("GigE Vision BayerRG10Packed: two samples in three bytes", 10),
    "gev12": _gev("GigE Vision BayerRG12Packed: two samples in three bytes", 12),
    "ipu10": _lsb("Intel IPU3: 25 samples in 32 bytes", 10, 25, 32),
}
"""The layouts by name.

Sources: for `mipi` and `ipu`, the Linux kernel documentation of V4L2 (pixfmt-srggb10p, -12p, -14p, srggb10-ipu3), where
they are called SRGGB10P and so on, in libcamera SRGGB10_CSI2P; for `msb`, its pixfmt-y10b; for `gev`, Basler's user's
manual of the racer GigE, 9.2.3.
"""

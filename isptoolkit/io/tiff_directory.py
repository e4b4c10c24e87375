"""One image file directory (IFD) of a TIFF-based file."""

from dataclasses import dataclass
from typing import Any

import numpy as np

_SUB_IFDS = 330
_TILES, _TILE_BYTES, _STRIPS, _STRIP_BYTES, _PANASONIC = 324, 325, 273, 279, 280
"""Tags of offsets and byte counts; Panasonic states no StripOffsets, but the offset of its samples in another tag."""
_NOWHERE = ((), (0,), (0xFFFFFFFF,))


@dataclass(frozen=True)
class Directory:
    """One image file directory: the tags of an image and the place of its samples.

    Args:
        tags: values by code: a number, a tuple of numbers (an array of more than 1024), text, or bytes; rational
            numbers as alternating numerators and denominators.
    """

    tags: dict[int, Any]

    @property
    def subfile_type(self) -> int:
        """NewSubFileType: 0 for the main image, odd for a reduced one."""
        return self.number(254)

    @property
    def width(self) -> int:
        """ImageWidth, 0 if not stated."""
        return self.number(256)

    @property
    def height(self) -> int:
        """ImageLength, 0 if not stated."""
        return self.number(257)

    @property
    def photometric(self) -> int | None:
        """PhotometricInterpretation, None if not stated."""
        return self.number(262) if 262 in self.tags else None

    @property
    def compression(self) -> int:
        """Compression, 1 (none) if not stated."""
        return self.number(259, 1)

    @property
    def samples(self) -> int:
        """SamplesPerPixel, 1 if not stated."""
        return self.number(277, 1)

    @property
    def bits(self) -> int:
        """BitsPerSample of the first sample, 1 if not stated."""
        return self.number(258, 1)

    @property
    def is_float(self) -> bool:
        """Whether SampleFormat states floating-point numbers."""
        return self.number(339, 1) == 3

    @property
    def is_planar(self) -> bool:
        """Whether PlanarConfiguration states one plane after the other."""
        return self.number(284, 1) == 2

    @property
    def is_tiled(self) -> bool:
        """Whether the samples are stored in tiles, not strips."""
        return _TILES in self.tags

    @property
    def offsets(self) -> tuple[int, ...]:
        """Position of each strip or tile in the file."""
        if self.is_tiled:
            return self.numbers(_TILES)
        strips = self.numbers(_STRIPS)
        return self.numbers(_PANASONIC) if strips in _NOWHERE and _PANASONIC in self.tags else strips

    @property
    def byte_counts(self) -> tuple[int, ...]:
        """Bytes of each strip or tile."""
        return self.numbers(_TILE_BYTES if self.is_tiled else _STRIP_BYTES)

    @property
    def children(self) -> tuple[int, ...]:
        """Positions of the sub-directories."""
        return self.numbers(_SUB_IFDS)

    @property
    def segment(self) -> tuple[int, int]:
        """Rows and columns of a strip or tile."""
        if self.is_tiled:
            return self.number(323), self.number(322)
        return min(self.number(278, self.height), self.height), self.width

    def number(self, code: int, default: int = 0) -> int:
        """The first whole number of a tag.

        Args:
            code: of the tag.
            default: where the tag is missing or of another type.
        """
        return next(iter(self.numbers(code)), default)

    def numbers(self, code: int) -> tuple[int, ...]:
        """The whole numbers of a tag; none where the tag is missing or of another type.

        Args:
            code: of the tag.
        """
        value = self.tags.get(code, ())
        values = np.atleast_1d(value) if not isinstance(value, (str, bytes)) else np.array(())
        return tuple(values.tolist()) if values.dtype.kind in "iu" else ()

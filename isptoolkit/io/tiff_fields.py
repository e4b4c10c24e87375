"""Encode the fields of TIFF directories."""

from enum import IntEnum
from fractions import Fraction
from typing import Any, TypeAlias

from ..errors import InvalidArgument

Field: TypeAlias = tuple[int, int, int, Any, bool]
"""Code, type, count, value, and whether only the first page has it: an entry of tifffile's `extratags`."""


class Kind(IntEnum):
    """The type of a field's values (TIFF 6.0, section 2)."""

    BYTE = 1
    ASCII = 2
    SHORT = 3
    LONG = 4
    RATIONAL = 5
    UNDEFINED = 7
    SRATIONAL = 10
    DOUBLE = 12


_LARGEST = 2**31 - 1
"""The largest numerator and denominator that RATIONAL and SRATIONAL share."""


def field(code: int, kind: Kind, *values: float) -> Field:
    """A field of numbers.

    Args:
        code: of the tag.
        kind: type of the values.
        values: at least one.

    Raises:
        InvalidArgument: for a fraction of 2**31 or more.

    >>> field(50714, Kind.RATIONAL, 63.98, 64)
    (50714, <Kind.RATIONAL: 5>, 2, (3199, 50, 64, 1), True)
    """
    if kind in (Kind.RATIONAL, Kind.SRATIONAL):
        parts = [part for value in values for part in rational(value).as_integer_ratio()]
        return (code, kind, len(values), tuple(parts), True)
    if kind == Kind.BYTE:
        return (code, kind, len(values), bytes(int(value) for value in values), True)
    return (code, kind, len(values), values if len(values) > 1 else values[0], True)


def text(code: int, content: str) -> Field:
    """A field of text, in UTF-8.

    Args:
        code: of the tag.
        content: without the closing null character.

    >>> text(271, "Canon")[3]
    b'Canon'
    """
    return (code, Kind.ASCII, 0, content.encode(), True)


def rational(value: float | Fraction) -> Fraction:
    """The fraction nearest to a number whose numerator and denominator fit 31 bits.

    Args:
        value: below 2**31 in magnitude.

    Raises:
        InvalidArgument: for a larger number.

    >>> rational(0.1), rational(1 / 3)
    (Fraction(1, 10), Fraction(1, 3))
    """
    exact = Fraction(value)
    if abs(exact) >= _LARGEST:
        raise InvalidArgument(f"a fraction of a TIFF file is below {_LARGEST}, got {float(value):g}")
    return exact.limit_denominator(_LARGEST // (abs(int(exact)) + 1))

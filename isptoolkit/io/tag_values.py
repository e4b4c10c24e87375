"""Values of TIFF tags as numbers and text."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


class Rationals(tuple[int, ...]):
    """The alternating numerators and denominators of a tag of type RATIONAL or SRATIONAL."""


def numbers(value: Any, count: int) -> Array | None:
    """The numbers of a tag, plain or alternating numerators and denominators; None for another count or if not finite.

    Args:
        value: value of the tag.
        count: how many numbers the tag holds.

    >>> numbers((1, 2, 3, 4), 2).tolist(), numbers((1, 2), 2).tolist()
    ([0.5, 0.75], [1.0, 2.0])
    """
    try:
        flat = np.asarray(value, dtype=np.float64).flatten()
    except (TypeError, ValueError):
        return None
    if flat.size == 2 * count:
        top, below = flat[::2], flat[1::2]
        with np.errstate(all="ignore"):  # what overflows is not finite
            flat = top / np.where(below, below, np.nan)
    return flat if flat.size == count and np.isfinite(flat).all() else None


def text(value: Any) -> str:
    """The text of an ASCII or BYTE tag, up to its first NUL, without blanks around it; empty for other values.

    >>> text(b"com.acme\\0")
    'com.acme'
    """
    plain = value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else ""
    return plain.partition("\0")[0].strip()

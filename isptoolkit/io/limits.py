"""Limits on the size of RAW files, checked before memory is taken for them."""

import os
from pathlib import Path

from ..errors import UnreadableFile

MAX_BYTES = 1 << 32
"""Files with more bytes than this are refused."""
MAX_SAMPLES = 1 << 29
"""Files with more samples than this are refused."""


def read_content(path: Path) -> bytes:
    """All bytes of a file.

    Args:
        path: of the file.

    Raises:
        UnreadableFile: if the file is missing, empty, not readable, or larger than `MAX_BYTES`.

    >>> read_content(Path("missing.dng"))
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    if not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")
    try:
        size = path.stat().st_size
        if size == 0:
            raise UnreadableFile(f"{path} is empty")
        if size > MAX_BYTES:
            raise UnreadableFile(f"{path} has {size} bytes: at most {MAX_BYTES} are read")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror or error}") from None


def check_size(path: Path, rows: int, columns: int, samples: int = 1) -> None:
    """Refuse an image that is too large, before memory is taken for it.

    Args:
        path: of the file, for error messages.
        rows: of the stored frame.
        columns: of the stored frame.
        samples: per pixel.

    Raises:
        UnreadableFile: for an empty image, or more than `MAX_SAMPLES` samples.

    >>> check_size(Path("a.dng"), 1 << 20, 1 << 20)
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: a.dng claims 1048576 x 1048576 pixels: at most 536870912 samples are read
    """
    if min(rows, columns, samples) < 1:
        raise UnreadableFile(f"{path} is damaged: its RAW image has {columns} x {rows} pixels of {samples} samples")
    if rows * columns * samples > MAX_SAMPLES:
        raise UnreadableFile(f"{path} claims {columns} x {rows} pixels: at most {MAX_SAMPLES} samples are read")

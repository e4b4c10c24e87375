"""The structure of TIFF-based files: their directories and tags."""

import struct
from pathlib import Path
from typing import Any

_RAW = (32803, 34892)
"""PhotometricInterpretation of a mosaic and of linear samples."""


def tiff_tags(path: str | Path) -> dict[int, Any]:
    """Read the tags of a TIFF-based file by code; empty if the file is not TIFF-based.

    Tags of the directory with the RAW samples take precedence over those of the first directory.

    Args:
        path: any file, existing or not.

    >>> tiff_tags("missing.dng")
    {}
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as tiff:
            first: Any = tiff.pages[0]
            others = [] if first.subifds is None else list(first.pages)
            raw = [page for page in (first, *others) if page.photometric in _RAW]
            return {tag.code: tag.value for page in (first, *raw[:1]) for tag in page.tags}
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, KeyError, TypeError, struct.error):
        return {}

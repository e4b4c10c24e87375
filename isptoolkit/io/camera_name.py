"""The make and model of the camera that wrote a RAW file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tag_values import text

_MAKE, _MODEL = 271, 272
CIFF = b"HEAPCCDR"
"""Bytes 6 to 13 of a Canon CRW file."""
_QUICKTAKE = {b"qktk": "Apple QuickTake 100", b"qktn": "Apple QuickTake 150"}


def camera_name(path: Path, tags: Mapping[int, Any]) -> str:
    """Make and model from the TIFF tags, the CIFF heap, or the QuickTake signature; empty if there are none.

    Args:
        path: of the file.
        tags: values by tag code; empty if the file is not TIFF-based.

    >>> camera_name(Path("a.nef"), {271: "NIKON CORPORATION", 272: "NIKON D750"})
    'NIKON D750'
    """
    make, model = (text(tags.get(code)) for code in (_MAKE, _MODEL))
    if make or model:
        return model if set(make.lower().split()) & set(model.lower().split()[:1]) else f"{make} {model}".strip()
    with path.open("rb") as stream:
        head = stream.read(14)
    if head[6:14] != CIFF:
        return _QUICKTAKE.get(head[:4], "")
    _, marker, rest = path.read_bytes().partition(b"Canon\0Canon ")
    return "Canon " + rest[:64].split(b"\0")[0].decode("ascii", "replace") if marker else "Canon"

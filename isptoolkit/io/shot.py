"""How a RAW file was shot: lens, ISO, exposure time, aperture and date."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .libraw_facts import LibRawFacts
from .tag_values import numbers, text

_LENS_MAKE, _LENS_MODEL, _EXPOSURE_TIME, _F_NUMBER, _ISO, _INDEX = 42035, 42036, 33434, 33437, 34855, 34866
_DATE_TIME_ORIGINAL, _DATE_TIME = 36867, 306
"""Exif 2.32; TIFF/EP files have these tags in the first directory."""
_ISO_LIMIT = 65535
"""An ISO that the tag cannot hold: RecommendedExposureIndex states it."""


def shot_of(tags: Mapping[int, Any], libraw: LibRawFacts | None) -> dict[str, Any]:
    """`lens`, `iso`, `exposure_time` in seconds, `aperture` as f-number, and `date`; None where they are not stated.

    The EXIF tags count first, even if they are zero or empty, which is not stated; then what LibRaw reads.

    Args:
        tags: EXIF tags by code.
        libraw: what LibRaw states.

    >>> shot_of({_ISO: 100, _EXPOSURE_TIME: (1, 250), _DATE_TIME_ORIGINAL: "2021:04:08 14:51:12"}, None)
    {'lens': None, 'iso': 100, 'exposure_time': 0.004, 'aperture': None, 'date': '2021-04-08 14:51:12'}
    """
    iso = _number(tags, _ISO)
    date = tags.get(_DATE_TIME_ORIGINAL, tags.get(_DATE_TIME))
    stated: dict[str, Any] = {
        "lens": _lens(tags) if _LENS_MODEL in tags else None,
        "iso": _number(tags, _INDEX) if iso == _ISO_LIMIT else iso,
        "exposure_time": _number(tags, _EXPOSURE_TIME),
        "aperture": _number(tags, _F_NUMBER),
        "date": None if date is None else text(date).replace(":", "-", 2),
    }
    if libraw is not None:
        known = {
            "lens": libraw.lens.strip(),
            "iso": libraw.iso,
            "exposure_time": libraw.shutter,
            "aperture": libraw.aperture,
            "date": "" if libraw.time is None else str(libraw.time),
        }
        stated = {name: known[name] if value is None else value for name, value in stated.items()}
    shot = {name: value or None for name, value in stated.items()}
    return shot | {"iso": None if shot["iso"] is None else round(shot["iso"])}


def _lens(tags: Mapping[int, Any]) -> str:
    make, model = text(tags.get(_LENS_MAKE)), text(tags.get(_LENS_MODEL))
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


def _number(tags: Mapping[int, Any], code: int) -> float | None:
    """A tag's number, 0 if it is malformed; None if the tag is missing."""
    if code not in tags:
        return None
    value = np.atleast_1d(tags[code])[:1] if code in (_ISO, _INDEX) else tags[code]  # ISO may be several whole numbers
    stated = numbers(value, 1)
    return 0.0 if stated is None else max(0.0, float(stated[0]))

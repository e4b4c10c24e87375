"""How a RAW file was shot: lens, ISO, exposure time, aperture and date."""

from typing import Any

from .exif import Exif


def shot_of(exif: Exif) -> dict[str, Any]:
    """`lens` with its make, `iso`, `exposure_time` in seconds, `aperture` as f-number, and `date`; None if not stated.

    Args:
        exif: as `read_exif` returns it.

    >>> from fractions import Fraction
    >>> shot_of({"iso": 100, "exposure_time": Fraction(1, 250), "date": "2021:04:08 14:51:12"})
    {'lens': None, 'iso': 100, 'exposure_time': 0.004, 'aperture': None, 'date': '2021-04-08 14:51:12'}
    """
    make, lens, date = (str(exif.get(name, "")) for name in ("lens_make", "lens", "date"))
    seconds, aperture = (exif.get(name) for name in ("exposure_time", "aperture"))
    return {
        "lens": (lens if not lens or lens.lower().startswith(make.lower()) else f"{make} {lens}") or None,
        "iso": exif.get("iso"),
        "exposure_time": None if seconds is None else float(seconds),
        "aperture": None if aperture is None else float(aperture),
        "date": date.replace(":", "-", 2) or None,
    }

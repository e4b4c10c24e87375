"""Read capture metadata from DNG tags, and list defects of the tags."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .color_profile import TEMPERATURES, ColorProfile

NEUTRAL, NOISE, VERSION = 50728, 51041, 50706
_MATRICES = {50721: "ColorMatrix1", 50722: "ColorMatrix2", 50964: "ForwardMatrix1", 50965: "ForwardMatrix2"}
_ILLUMINANTS = (50778, 50779)


def fractions(value: Any) -> list[float]:
    """The values of a RATIONAL or SRATIONAL tag, which tifffile returns as alternating numerators and denominators.

    Args:
        value: value of the tag.

    >>> fractions((1, 2, 3, 4))
    [0.5, 0.75]
    """
    flat = np.asarray(value, dtype=float).flatten()
    top, below = flat[::2], flat[1::2]
    values: list[float] = (top / np.where(below, below, np.nan)).tolist()
    return values


def neutral_of(tags: Mapping[int, Any]) -> list[float] | None:
    """AsShotNeutral `[3]`; None unless it is three positive numbers.

    Args:
        tags: values by tag code, as `isptoolkit.io.tiff.tiff_tags` returns them.

    >>> neutral_of({NEUTRAL: (1, 2, 1, 1, 2, 3)})
    [0.5, 1.0, 0.6666666666666666]
    """
    if NEUTRAL not in tags or np.size(tags[NEUTRAL]) != 6:
        return None
    values = fractions(tags[NEUTRAL])
    return values if all(np.isfinite(value) and value > 0 for value in values) else None


def noise_of(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    """Shot and read noise variance of NoiseProfile; None if malformed or absent.

    If the tag has one pair per color, the pair of green is returned.

    Args:
        tags: values by tag code, as `isptoolkit.io.tiff.tiff_tags` returns them.

    >>> noise_of({NOISE: (1e-3, 1e-6)})
    (0.001, 1e-06)
    """
    values = np.asarray(tags.get(NOISE, ()), dtype=float).flatten()
    if values.size not in (2, 6, 8) or not (np.isfinite(values).all() and (values >= 0).all()):
        return None
    shot, read = values[:2] if values.size == 2 else values[2:4]
    return float(shot), float(read)


def problems_of(tags: Mapping[int, Any]) -> list[str]:
    """Defects that would mislead a raw converter, a phrase each; empty if the file is not a DNG.

    Args:
        tags: values by tag code, as `isptoolkit.io.tiff.tiff_tags` returns them.

    >>> problems_of({VERSION: (1, 4, 0, 0), NOISE: (-1.0, 0.0)})
    ['no usable ColorMatrix1', 'NoiseProfile is malformed']
    """
    if VERSION not in tags:
        return []
    problems = []
    for code, name in _MATRICES.items():
        if code in tags and not any(fractions(tags[code])):
            problems.append(f"{name} is all zeros")
    if ColorProfile.from_tags(tags) is None:
        problems.append("no usable ColorMatrix1")
    first, second = (TEMPERATURES.get(int(tags.get(code, 0))) for code in _ILLUMINANTS)
    if first and second and first > second:
        problems.append(f"the illuminants are swapped ({first:.0f} K first, {second:.0f} K second)")
    if NEUTRAL in tags and neutral_of(tags) is None:
        problems.append("AsShotNeutral is not three positive numbers")
    if NOISE in tags and noise_of(tags) is None:
        problems.append("NoiseProfile is malformed")
    return problems

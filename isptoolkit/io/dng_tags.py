"""Read capture metadata from DNG tags, and list defects of the tags."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .color_profile import MATRIX_TAGS, TEMPERATURES, ColorProfile, count_of, matrix_defect, tag_name
from .tag_values import numbers

NEUTRAL, NOISE, VERSION, EXPOSURE, EXPOSURE_OFFSET = 50728, 51041, 50706, 50730, 51109
CROP_ORIGIN, CROP_SIZE, ACTIVE_AREA = 50719, 50720, 50829
"""DNG 1.6 specification, chapter 4."""
_LONGEST = 1 << 31
"""Longer sides of a crop are malformed."""
_MOST_STOPS = 64
"""Twice as many fit the exponent of float32, of which a gain leaves half to the samples."""
_ILLUMINANTS, _DEFAULT_SCALE = (50778, 50779), 50718


def neutral_of(tags: Mapping[int, Any]) -> list[float] | None:
    """AsShotNeutral `[3]`; None unless it is three positive numbers.

    Args:
        tags: values by tag code.

    >>> neutral_of({NEUTRAL: (1, 2, 1, 1, 2, 3)})
    [0.5, 1.0, 0.6666666666666666]
    """
    values = numbers(tags.get(NEUTRAL, ()), 3)
    if values is None or not (values > 0).all():
        return None
    neutral: list[float] = values.tolist()
    return neutral


def noise_of(tags: Mapping[int, Any]) -> tuple[float, float] | None:
    """Shot and read noise variance of NoiseProfile; None if malformed or absent.

    If the tag has one pair per color, the pair of green is returned.

    Args:
        tags: values by tag code.

    >>> noise_of({NOISE: (1e-3, 1e-6)})
    (0.001, 1e-06)
    """
    size = np.size(tags.get(NOISE, ()))
    values = numbers(tags[NOISE], size) if size in (2, 6, 8) else None
    if values is None or not (values >= 0).all():
        return None
    shot, read = values[:2] if size == 2 else values[2:4]
    return float(shot), float(read)


def exposure_of(tags: Mapping[int, Any]) -> float | None:
    """Stops by which a rendering brightens the image: BaselineExposure plus BaselineExposureOffset; None if not stated.

    More stops than floating-point gains hold do not count.

    Args:
        tags: values by tag code.

    >>> exposure_of({EXPOSURE: (1, 4), EXPOSURE_OFFSET: (1, 2)})
    0.75
    """
    stops = [numbers(tags[code], 1) for code in (EXPOSURE, EXPOSURE_OFFSET) if code in tags]
    stated = [float(value[0]) for value in stops if value is not None]
    return sum(stated) if stated and abs(sum(stated)) <= _MOST_STOPS else None


def crop_of(tags: Mapping[int, Any], top: int, left: int) -> tuple[int, int, int, int] | None:
    """DefaultCropOrigin and DefaultCropSize as top, left, height and width in a frame; None if they are not stated.

    Args:
        tags: values by tag code, of the directory of the RAW image.
        top: rows of the frame's top below the top of the active area.
        left: columns of its left side right of that of the active area.

    >>> crop_of({CROP_ORIGIN: (8, 4), CROP_SIZE: (640, 480)}, 0, 0)
    (4, 8, 480, 640)
    """
    origin, size = numbers(tags.get(CROP_ORIGIN, (0, 0)), 2), numbers(tags.get(CROP_SIZE, ()), 2)
    if origin is None or size is None or max(np.abs(origin).max(), np.abs(size).max()) > _LONGEST:
        return None
    (x, y), (width, height) = np.round(origin).astype(int).tolist(), np.round(size).astype(int).tolist()
    return y - top, x - left, height, width


def problems_of(tags: Mapping[int, Any], *, is_color: bool = True) -> list[str]:
    """Defects that would mislead a raw converter, a phrase each; empty if the file is not a DNG.

    Args:
        tags: values by tag code.
        is_color: whether the file needs a color matrix.

    >>> problems_of({VERSION: (1, 4, 0, 0), NOISE: (-1.0, 0.0)})
    ['no usable ColorMatrix1', 'NoiseProfile is malformed']
    """
    if VERSION not in tags:
        return []
    problems = []
    for field, code in MATRIX_TAGS.items():
        if code in tags and (defect := matrix_defect(numbers(tags[code], count_of(field)))):
            problems.append(f"{tag_name(field)} {defect}")
    if is_color and ColorProfile.from_tags(tags) is None:
        problems.append("no usable ColorMatrix1")
    lights = [numbers(tags.get(code, 0), 1) for code in _ILLUMINANTS]
    first, second = (None if light is None else TEMPERATURES.get(int(light[0])) for light in lights)
    if first and second and first > second:
        problems.append(f"the illuminants are swapped ({first:.0f} K first, {second:.0f} K second)")
    if NEUTRAL in tags and neutral_of(tags) is None:
        problems.append("AsShotNeutral is not three positive numbers")
    if NOISE in tags and noise_of(tags) is None:
        problems.append("NoiseProfile is malformed")
    scale = numbers(tags.get(_DEFAULT_SCALE, (1, 1)), 2)
    if scale is None or scale[0] != scale[1]:
        problems.append("pixels are not square (DefaultScale): renderings are not stretched")
    if EXPOSURE in tags and numbers(tags[EXPOSURE], 1) is None:
        problems.append("BaselineExposure is undefined")
    elif EXPOSURE in tags and exposure_of(tags) is None:
        problems.append(f"BaselineExposure is more than {_MOST_STOPS} stops")
    return problems

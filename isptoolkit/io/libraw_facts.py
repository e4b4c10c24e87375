"""The metadata of a RAW file as LibRaw states them."""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LibRawFacts:
    """The metadata of a RAW file as LibRaw states them.

    Args:
        black: black levels of the colors R, G, B, and second G, in digital numbers.
        pattern: rows and columns of the color filter array; None without one, or if LibRaw did not decode the samples.
        sites: the colors (0 to 3, in this order) of the top-left 2x2 pixels of the visible area, row-major; empty
            without such a pattern.
        letters: of these four pixels.
        white: saturation level in digital numbers.
        balance: as-shot multipliers of the four colors; equal ones where the file states none.
        matrix: `[3][3]` XYZ (D65) to camera; None if LibRaw does not know the camera.
        flip: rotation, in LibRaw's codes: 1 mirror, 2 upside down, 4 transpose, in any sum.
        crop: top, left, height and width of the camera's own picture in the visible area; None if LibRaw knows none.
    """

    black: tuple[float, ...]
    pattern: tuple[int, int] | None
    sites: tuple[int, ...]
    letters: str
    white: float
    balance: tuple[float, ...]
    matrix: list[list[float]] | None
    flip: int
    crop: tuple[int, int, int, int] | None


def libraw_facts(raw: Any, *, is_decoded: bool) -> LibRawFacts:
    """Collect the metadata of an open file.

    Args:
        raw: the `rawpy.RawPy` of the open file.
        is_decoded: whether LibRaw has decoded its samples; reading the pattern would decode them.
    """
    sizes = raw.sizes
    matrix = raw.rgb_xyz_matrix[:3].astype(float)
    pattern = raw.raw_pattern if is_decoded and raw.num_colors > 1 else None
    is_bayer = pattern is not None and pattern.shape == (2, 2)
    corner = [(row, column) for row in (0, 1) for column in (0, 1)] if is_bayer else []
    names = raw.color_desc.decode("ascii", "replace")
    sites = tuple(int(raw.raw_color(sizes.top_margin + row, sizes.left_margin + column)) for row, column in corner)
    return LibRawFacts(
        black=tuple(float(level) for level in raw.black_level_per_channel),
        pattern=None if pattern is None else (int(pattern.shape[0]), int(pattern.shape[1])),
        sites=sites,
        letters="".join(names[site : site + 1] or "?" for site in sites),
        white=float(raw.white_level),
        balance=tuple(float(value) for value in raw.camera_whitebalance),
        matrix=matrix.tolist() if np.isfinite(matrix).all() and matrix.any() else None,
        flip=int(sizes.flip),
        crop=_crop_of(sizes),
    )


def _crop_of(sizes: Any) -> tuple[int, int, int, int] | None:
    top, left = sizes.crop_top_margin - sizes.top_margin, sizes.crop_left_margin - sizes.left_margin
    return (top, left, sizes.crop_height, sizes.crop_width) if sizes.crop_height and sizes.crop_width else None

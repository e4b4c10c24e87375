"""DNG files written tag by tag with tifffile, for tests of the reader."""

from fractions import Fraction

import numpy as np
import tifffile

COLOR = (0.6, 0.1, -0.05, -0.3, 1.1, 0.25, 0.0, 0.2, 0.6)
"""A color matrix, XYZ to camera."""
NEUTRAL = (0.5, 1, 0.625)
BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 10, 12
"""TIFF types."""
MOSAIC, LINEAR = 32803, 34892
"""PhotometricInterpretation."""


def tag(code, kind, *values):
    """A tag for `write`; numbers of RATIONAL tags are stored as the nearest fractions with six digits."""
    if kind == ASCII:
        return (code, kind, 0, values[0], True)
    if kind == BYTE:
        return (code, kind, len(values), bytes(values), True)
    if kind in (RATIONAL, SRATIONAL):
        exact = [Fraction(value).limit_denominator(10**6) for value in values]
        return (code, kind, len(values), tuple(part for f in exact for part in (f.numerator, f.denominator)), True)
    return (code, kind, len(values), tuple(values) if len(values) > 1 else values[0], True)


def camera_tags(neutral=NEUTRAL, color=COLOR):
    """What every DNG of a color camera states."""
    return [
        tag(50706, BYTE, 1, 4, 0, 0),
        tag(50721, SRATIONAL, *color),
        tag(50778, SHORT, 21),
        tag(50728, RATIONAL, *neutral),
    ]


def write(path, pixels, *tags, cfa=(0, 1, 1, 2), camera=None, **options):
    """Write `[H,W]` as a mosaic (as gray LinearRaw without `cfa`) or `[H,W,3]` as LinearRaw; returns the path."""
    mosaic = pixels.ndim == 2 and cfa is not None
    own = camera_tags() if camera is None else camera
    pattern = [tag(33421, SHORT, 2, 2), tag(33422, BYTE, *cfa)] if mosaic else []
    stated = {entry[0]: entry for entry in (*own, *pattern, *tags)}
    is_gray = pixels.ndim == 2 and not mosaic
    settings = {"photometric": 1 if is_gray else MOSAIC if mosaic else LINEAR, "rowsperstrip": len(pixels)}
    settings |= {"planarconfig": "contig"} if pixels.ndim == 3 else {}
    with tifffile.TiffWriter(path, byteorder="<") as file:
        file.write(pixels, metadata=None, extratags=[stated[code] for code in sorted(stated)], **settings | options)
    if is_gray:  # which tifffile refuses to write as LinearRaw
        with tifffile.TiffFile(path, mode="r+") as file:
            file.pages[0].tags[262].overwrite(LINEAR)
    return path


def samples(*shape, low=100, high=1000, seed=0):
    return np.random.default_rng(seed).integers(low, high, shape).astype(np.uint16)

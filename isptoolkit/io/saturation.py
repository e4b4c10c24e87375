"""The level at which a sensor saturates, from the histogram of its samples."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_LOWEST = 0.75
"""Blown samples lie above this share of the range: LibRaw's threshold (`adjust_maximum_thr`) for the same decision."""
# Chosen, not taken from a source: widths are shares of the range from black to white.
_SHARP, _BROAD, _BELOW = 0.001, 0.0125, 0.025
"""Width of a pile of equal samples, of a pile that noise spreads, and of the stretch below that it is compared with."""
_ABOVE_SHARP, _ABOVE_BROAD = 0.75, 1.5
"""A pile holds at least this multiple of the samples in the stretch below."""
_SMALLEST, _LARGEST, _HOT = 2e-4, 0.99, 1e-4
"""The share of all samples that a pile holds at least and at most, and that hot pixels are at most."""


def ceiling_of(samples: Array, black: float, white: float) -> float | None:
    """Find the level at which blown samples pile up; None where nothing is blown.

    A blown area leaves a pile at the upper end of the histogram. One color is enough if the pile is sharp and
    samples lie just below it. A pile that noise spreads counts only where all colors but one have it at the same level,
    because a bright patch of one color leaves a similar pile. The lowest pile is returned, so that a white level
    at the ceiling saturates every color.

    Args:
        samples: `[H,W]` mosaic or `[H,W,3]`, in digital numbers.
        black: lowest black level.
        white: stated white level.

    Returns:
        A level between three quarters of the way from black to white and `white`, or None.

    >>> ramp = np.tile(np.arange(0.0, 1000.0), (100, 1))
    >>> ceiling_of(ramp, 0, 1023) is None
    True
    >>> ceiling_of(np.minimum(ramp, 900), 0, 1023)
    900.0
    """
    if samples.ndim == 3:
        sites = [samples[..., plane].reshape(-1) for plane in range(samples.shape[2])]
    else:
        sites = [samples[row::2, column::2].reshape(-1) for row in (0, 1) for column in (0, 1)]
    span = white - black
    lowest = black + _LOWEST * span
    sharp = [_pile(site, _SHARP * span, _BELOW * span) for site in sites]
    levels = [level for _, level, share in sharp if lowest <= level <= white and _ABOVE_SHARP <= share < np.inf]
    if levels:
        return min(levels)
    broad = [_pile(site, _BROAD * span, _BELOW * span) for site in sites]
    levels = [level for _, level, share in broad if lowest <= level <= white and share >= _ABOVE_BROAD]
    if len(levels) < len(sites) - 1 or max(levels) - min(levels) > _BROAD * span:
        return None
    return white if max(top for top, *_ in broad) >= white else min(levels)


def _pile(samples: Array, width: float, below: float) -> tuple[float, float, float]:
    """The upper end of the histogram: its highest level, its median, and its count as a multiple of what lies below.

    The count is zero where too few or nearly all samples are there.
    """
    hot = int(len(samples) * _HOT)
    top = float(np.partition(samples, -1 - hot)[-1 - hot])
    pile = samples[samples > top - width]
    beneath = int(((samples > top - width - below) & (samples <= top - width)).sum())
    if not max(16, _SMALLEST * len(samples)) <= len(pile) <= _LARGEST * len(samples):
        return top, top, 0.0
    return top, float(np.median(pile)), len(pile) / beneath if beneath else np.inf

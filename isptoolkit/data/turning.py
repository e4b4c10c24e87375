"""Rotate and mirror a mosaic and its target into the eight orientations, keeping the CFA RGGB."""

import numpy as np
from torch import Tensor

from ..capture import Capture
from ..errors import InvalidArgument
from ..geometry import crop, flip, rotate

PHASE = "RGGB"
"""Every patch begins with this 2x2 cell, whatever the camera's CFA."""
MARGIN = 2
"""Rows and columns that a crop needs beyond its patch: flips cost one of each, and crops stay even."""


def turned(
    sensor: Tensor, capture: Capture, target: Tensor, turns: int, mirrored: bool, height: int, width: int
) -> tuple[Tensor, Capture, Tensor]:
    """Rotate by quarter turns, mirror, then crop to the first `height` x `width` pixels that begin with RGGB.

    A mirrored mosaic begins with another site: RGGB becomes GRBG. Cropping its first column restores RGGB, and the
    target is cropped in the same way, so that `mosaic(turned target) = turned mosaic` for every CFA and orientation.
    (Published programs mirror packed RAW, which shifts every site by a pixel against the image.)

    Args:
        sensor: `[B,1,H,W]`, with any CFA.
        capture: metadata of the mosaic.
        target: `[B,C,H,W]`, aligned with the mosaic.
        turns: number of quarter turns, counterclockwise.
        mirrored: whether to mirror left to right, after the turns.
        height: height of the result, less than that of the rotated mosaic.
        width: width of the result, less than that of the rotated mosaic.

    Raises:
        InvalidSize: for a result that does not fit the mosaic.

    Source: Bayer unification by cropping and Bayer-preserving augmentation of Liu et al.

    >>> import torch
    >>> x = torch.arange(16.0).view(1, 1, 4, 4)
    >>> turned(x, Capture.of("RGGB"), x, 0, True, 2, 2)[0].tolist()
    [[[[2.0, 1.0], [6.0, 5.0]]]]
    """
    sensor, capture = rotate(sensor, capture, turns)
    target = target.rot90(turns, (-2, -1))
    if mirrored:
        sensor, capture = flip(sensor, capture, horizontal=True)
        target = target.flip(-1)
    return phased(sensor, capture, target, height, width)


def turned_at_random(
    rng: np.random.Generator, sensor: Tensor, capture: Capture, target: Tensor, patch: int
) -> tuple[Tensor, Capture, Tensor]:
    """Crop a square patch in one of the eight orientations, drawn with equal probability.

    A mosaic without a margin of two pixels, such as a whole tile, is not rotated, because a flip would cost it a row or
    a column. If its CFA is not RGGB, it is mirrored so that it begins with RGGB, always in the same way.

    Args:
        rng: random number generator that draws the orientation.
        sensor: `[B,1,H,W]`, at least as large as the patch.
        capture: metadata of the mosaic.
        target: `[B,C,H,W]`, aligned with the mosaic.
        patch: height and width of the result in pixels.

    Raises:
        InvalidArgument: for an odd patch as large as the mosaic.
        InvalidSize: for a patch that does not fit the mosaic.

    >>> import torch
    >>> x = torch.zeros(1, 1, 6, 6)
    >>> turned_at_random(np.random.default_rng(0), x, Capture.of("BGGR"), x, 4)[1].cfa
    'RGGB'
    """
    if min(sensor.shape[-2:]) < patch + MARGIN:
        return _mirrored(*crop(sensor, capture, 0, 0, patch, patch), target[..., :patch, :patch])
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    return turned(sensor, capture, target, turns, mirrored, patch, patch)


def phased(sensor: Tensor, capture: Capture, target: Tensor, height: int, width: int) -> tuple[Tensor, Capture, Tensor]:
    """Crop the first `height` x `width` pixels that begin with RGGB from a mosaic and its target.

    Args:
        sensor: `[B,1,H,W]`, with any CFA.
        capture: metadata of the mosaic.
        target: `[B,C,H,W]`, aligned with the mosaic.
        height: height of the result in pixels.
        width: width of the result in pixels.

    Raises:
        InvalidSize: for a result that does not fit the mosaic.

    >>> import torch
    >>> x = torch.arange(9.0).view(1, 1, 3, 3)
    >>> phased(x, Capture.of("GRBG"), x, 2, 2)[0].tolist()
    [[[[1.0, 2.0], [4.0, 5.0]]]]
    """
    for top in (0, 1):
        for left in (0, 1):
            part, cropped = crop(sensor, capture, top, left, height, width)
            if cropped.cfa == PHASE:
                return part, cropped, target[..., top : top + height, left : left + width]
    raise InvalidArgument(f"the CFA {capture.cfa} has no 2x2 cell {PHASE}")


def _mirrored(sensor: Tensor, capture: Capture, target: Tensor) -> tuple[Tensor, Capture, Tensor]:
    """Mirror a mosaic of even size and its target so that the mosaic begins with RGGB."""
    for vertical in (False, True):
        for horizontal in (False, True):
            part, flipped = flip(sensor, capture, horizontal=horizontal, vertical=vertical)
            if flipped.cfa == PHASE:
                axes = [axis for axis, mirror in ((-2, vertical), (-1, horizontal)) if mirror]
                return part, flipped, target.flip(axes)
    raise InvalidArgument(
        f"no mirror image of {list(sensor.shape[-2:])} pixels of {capture.cfa} begins with {PHASE}: crop it to an "
        "even size"
    )

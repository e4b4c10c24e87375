"""The eight orientations of a mosaic and its picture, cropped so that every patch begins with the same site."""

import numpy as np
from torch import Tensor

from ..capture import Capture
from ..errors import InvalidArgument
from ..geometry import crop, flip, rotate

PHASE = "RGGB"
"""Every patch begins with this cell, whatever the camera's phase."""
MARGIN = 2
"""Rows and columns that a region has to have beyond its patch: turning costs one of each, and regions stay even."""


def turned(
    sensor: Tensor, capture: Capture, target: Tensor, turns: int, mirrored: bool, height: int, width: int
) -> tuple[Tensor, Capture, Tensor]:
    """Rotate by quarter turns, mirror, then crop to the first `height` x `width` pixels that begin with RGGB.

    A mirrored mosaic begins with another site: RGGB becomes GRBG. Cropping its first column brings RGGB back, and the
    picture is cropped alike, so that `mosaic(turned picture) = turned mosaic` for every phase and orientation.
    (Published programs mirror RAW as four planes, which moves every site by a pixel against the picture.)

    Args:
        sensor: `[B,1,H,W]`, of any phase.
        capture: of the same.
        target: `[B,C,H,W]`, pixel by pixel of the same.
        turns: quarter turns, counter-clockwise.
        mirrored: left to right, after the turns.
        height: of the result, below that of the turned mosaic.
        width: of the result, below that of the turned mosaic.

    Raises:
        InvalidSize: for a result that the mosaic has no room for.

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
    """A square patch in one of the eight orientations, each as likely.

    A region without the margin of two pixels, such as a whole tile, is not turned: a flip would cost it a row or a
    column. Of another phase than RGGB it is mirrored so that it begins with RGGB, always in the same way.

    Args:
        rng: draws the orientation.
        sensor: `[B,1,H,W]`, at least as large as the patch.
        capture: of the same.
        target: `[B,C,H,W]`, pixel by pixel of the same.
        patch: height and width of the result.

    Raises:
        InvalidArgument: for an odd patch as large as the mosaic.
        InvalidSize: for a patch that the mosaic has no room for.
    """
    if min(sensor.shape[-2:]) < patch + MARGIN:
        return _mirrored(*crop(sensor, capture, 0, 0, patch, patch), target[..., :patch, :patch])
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    return turned(sensor, capture, target, turns, mirrored, patch, patch)


def phased(sensor: Tensor, capture: Capture, target: Tensor, height: int, width: int) -> tuple[Tensor, Capture, Tensor]:
    """The first `height` x `width` pixels that begin with the wanted phase, of both."""
    for top in (0, 1):
        for left in (0, 1):
            part, described = crop(sensor, capture, top, left, height, width)
            if described.cfa == PHASE:
                return part, described, target[..., top : top + height, left : left + width]
    raise InvalidArgument(f"a mosaic {capture.cfa} has no cell {PHASE}")


def _mirrored(sensor: Tensor, capture: Capture, target: Tensor) -> tuple[Tensor, Capture, Tensor]:
    """The one of the four mirror images of even size that begins with the wanted phase, of both."""
    for vertical in (False, True):
        for horizontal in (False, True):
            part, described = flip(sensor, capture, horizontal=horizontal, vertical=vertical)
            if described.cfa == PHASE:
                axes = [axis for axis, wanted in ((-2, vertical), (-1, horizontal)) if wanted]
                return part, described, target.flip(axes)
    raise InvalidArgument(f"no mirror image of {list(sensor.shape[-2:])} pixels of {capture.cfa} begins with {PHASE}")

"""A tensor of any space as an image that a screen can show."""

from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import BAYER, Capture
from ..spaces import DIGITAL, MOSAIC, PACKED, SENSOR, SRGB, Space
from ..stages import SRGBCurve
from ..stages.cfa import cell_colors, pack, site_masks

Pixels: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""`[h,w]` or `[h,w,3]`."""


def visible(x: Tensor, space: Space, capture: Capture, side: int, *, filters: bool = False) -> Pixels:
    """The first sample of `x` as an sRGB image, averaged down to at most about `side` pixels.

    Linear spaces are encoded with the sRGB curve. A mosaic is shown as the color of its 2x2 cells, or, with `filters`,
    as single pixels in the color of their filters.

    Args:
        x: `[B,C,H,W]` in `space`.
        space: SENSOR and LINEAR_RAW count digital numbers, other spaces have white at 1. Spaces with neither 3 nor 4
            channels, and samples without color filters, are shown by their first channel, in gray.
        capture: of the same samples.
        side: length of the longer side, in pixels; the image is at most half as long again.
        filters: show each sample of a mosaic in its filter's color.

    Returns:
        `[h,w,3]` float64 in [0, 1].

    >>> from isptoolkit import LINEAR
    >>> visible(torch.full((1, 3, 4, 6), 0.5), LINEAR, Capture.of("RGGB"), 3).shape
    (2, 3, 3)
    """
    x, capture = x[:1].detach(), capture[0].to(x.device, torch.float64)
    if space in DIGITAL:
        black = capture.black.mean().to(x.dtype)
        x = (x - black) / (capture.white.to(x.dtype) - black)
    if space in (SENSOR, MOSAIC) and capture.cfa in BAYER:
        if filters:
            x = x * site_masks(capture.cfa, x)
        elif min(x.shape[2:]) > 1:
            x, space = pack(x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2].contiguous()), PACKED
    if space == PACKED:
        x = cell_colors(x, capture.cfa)
    x = x if x.shape[1] == 3 else x[:, :1].expand(-1, 3, -1, -1)
    step = pooling(x, side)
    x = (F.avg_pool2d(x, step) if step > 1 else x).double()
    if space != SRGB:
        x = SRGBCurve().forward(x.clamp(0, 1), capture)
    image: Pixels = x[0].nan_to_num(0.0).clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    return image


def pooling(x: Tensor, side: int) -> int:
    """How many pixels of `x` `[B,C,H,W]` are pooled into one, in each direction, for an image of about `side` pixels.

    >>> pooling(torch.zeros(1, 1, 600, 500), 200)
    3
    """
    height, width = x.shape[2:]
    return max(1, min(round(max(height, width) / side), height, width))

"""Spaces: the kinds of image tensors that flow between stages."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .errors import InvalidArgument, InvalidTensor


@dataclass(frozen=True)
class Space:
    """A kind of floating-point image tensor, `[B, channels, H / downscale, W / downscale]`.

    Spaces compare by value, and the set is open: `Space("xyz", 3)` defines another.

    Args:
        name: used in messages and graphs.
        channels: per pixel.
        downscale: sensor pixels that one pixel of this space spans in each direction.

    Raises:
        InvalidArgument: for an empty name or for counts below one.

    >>> Space("lab", 3)
    Space(name='lab', channels=3, downscale=1)
    """

    name: str
    channels: int
    downscale: int = 1

    def __post_init__(self) -> None:
        if not self.name or self.channels < 1 or self.downscale < 1:
            raise InvalidArgument(f"a space needs a name and counts of at least 1, got {self!r}")

    def check(self, x: Tensor) -> None:
        """Raise `InvalidTensor` unless `x` has this space's layout; its values do not matter.

        >>> import torch
        >>> SRGB.check(torch.zeros(1, 4, 2, 2))
        Traceback (most recent call last):
        ...
        isptoolkit.errors.InvalidTensor: srgb is [B, 3, H, W], got 4 channels in shape (1, 4, 2, 2)
        """
        if not isinstance(x, Tensor):
            raise InvalidTensor(f"{self.name} takes a torch.Tensor, got {type(x).__name__}")
        layout = f"{self.name} is [B, {self.channels}, H, W]"
        if x.ndim != 4:
            raise InvalidTensor(f"{layout}, got {x.ndim} dimensions in shape {tuple(x.shape)}")
        if x.shape[1] != self.channels:
            raise InvalidTensor(f"{layout}, got {x.shape[1]} channels in shape {tuple(x.shape)}")
        if not x.is_floating_point():
            raise InvalidTensor(f"{self.name} is floating point, got {x.dtype}: convert it, e.g. with x.float()")
        if 0 in x.shape:
            raise InvalidTensor(f"{layout} with at least one pixel, got shape {tuple(x.shape)}")


SENSOR = Space("sensor", 1)
"""`[B,1,H,W]` the mosaic in raw digital numbers."""
LINEAR_RAW = Space("linear-raw", 3)
"""`[B,3,H,W]` camera RGB in raw digital numbers, before white balance: what a DNG file calls LinearRaw."""
MOSAIC = Space("mosaic", 1)
"""`[B,1,H,W]` the mosaic, linear, black at 0 and white at 1."""
PACKED = Space("packed", 4, downscale=2)
"""`[B,4,H/2,W/2]` the four sites of each 2x2 cell of the mosaic, row-major."""
CAMERA = Space("camera", 3)
"""`[B,3,H,W]` linear, in the camera's own primaries."""
LINEAR = Space("linear", 3)
"""`[B,3,H,W]` linear, sRGB (Rec. 709) primaries, D65 white at 1."""
SRGB = Space("srgb", 3)
"""`[B,3,H,W]` encoded for display, nominal range [0, 1]."""

DIGITAL = (SENSOR, LINEAR_RAW)
"""The spaces that count digital numbers; in all others white is at 1."""


def resample_mask(mask: Tensor, source: Space, target: Space) -> Tensor:
    """Carry a `[B,1,h,w]` bool mask from the pixel grid of `source` to that of `target`.

    A coarser pixel is true only where every finer pixel under it is.

    >>> import torch
    >>> resample_mask(torch.tensor([[[[True, False], [True, True]]]]), MOSAIC, PACKED)
    tensor([[[[False]]]])
    """
    if target.downscale > source.downscale:
        step = target.downscale // source.downscale
        return mask.unfold(2, step, step).unfold(3, step, step).flatten(-2).all(-1)
    step = source.downscale // target.downscale
    return mask.repeat_interleave(step, 2).repeat_interleave(step, 3) if step > 1 else mask


XYZ_FROM_SRGB = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    dtype=torch.float64,
)
"""Linear sRGB to XYZ: primaries of IEC 61966-2-1 and D65 = (0.95047, 1, 1.08883), to seven digits as tabulated by
Lindbloom; the digits equal those in UPI's code."""

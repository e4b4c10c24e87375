"""Adaptive instance normalization: replace the mean and deviation of each channel by those of a style."""

import torch
from torch import Tensor

from ..errors import InvalidTensor
from ..kernels import usable
from ..kernels.derivatives import with_reference

EPSILON = 1e-5
"""Added to the variance by default."""


def adain(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float = EPSILON) -> Tensor:
    """`y = scale (x - mean) / sqrt(variance + epsilon) + shift`, mean and unbiased variance over the plane.

    Args:
        x: `[B,C,H,W]` features.
        scale: `[B,C]` deviations of the style.
        shift: `[B,C]` means of the style.
        epsilon: keeps constant planes, as in a black image, from becoming NaN; 0 is allowed.

    Raises:
        InvalidTensor: if the shapes do not match.

    Source: Huang and Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", ICCV 2017,
    equation 8.

    >>> x = torch.tensor([1.0, 2.0, 3.0]).view(1, 1, 1, 3)
    >>> adain(x, torch.tensor([[2.0]]), torch.tensor([[10.0]]), 0.0).flatten()
    tensor([ 8., 10., 12.])
    """
    if x.ndim != 4 or not x.shape[:2] == scale.shape == shift.shape:
        raise InvalidTensor(
            f"adain takes [B,C,H,W], [B,C] and [B,C], got {list(x.shape)}, {list(scale.shape)} and {list(shift.shape)}"
        )
    if usable(x):
        from ..kernels.blocks import adain as kernel

        output: Tensor = kernel(x, scale.float(), shift.float(), epsilon)[0]
        return with_reference(output, lambda x, scale, shift: _definition(x, scale, shift, epsilon), x, scale, shift)
    return _definition(x, scale, shift, epsilon)


def _definition(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    centered = x - mean
    variance = centered.square().sum((2, 3), keepdim=True) / max(x.shape[2] * x.shape[3] - 1, 1)
    return scale[..., None, None] * centered / torch.sqrt(variance + epsilon) + shift[..., None, None]

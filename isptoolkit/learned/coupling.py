"""Affine coupling: one half of the channels scaled and shifted by functions of the other."""

import torch
from torch import Tensor

from ..errors import InvalidArgument, InvalidTensor
from ..kernels import usable


def couple(x: Tensor, h: Tensor, t: Tensor, limit: float = 0.8) -> Tensor:
    """`y = x exp(s) + t` with `s = limit (2 sigmoid(h) - 1)`, or `s = h` where the limit is 0.

    Args:
        x: any shape.
        h: of the same shape; what a network makes of the other half.
        t: of the same shape; the same.
        limit: bound of the logarithm of the scale, so that the factor lies in `exp(-limit) ... exp(limit)`.

    Raises:
        InvalidTensor: when the shapes differ.
        InvalidArgument: for a limit below 0 or no number.

    Source: Dinh et al., "Density estimation using Real NVP", ICLR 2017, equation 8; the bounded scale is that of
    Xing et al., "Invertible image signal processing", CVPR 2021.

    >>> couple(torch.tensor([2.0]), torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([3.])
    """
    _check(x, h, t, limit)
    return _kernel(x, h, t, limit, False) if usable(x) else x * torch.exp(log_scale(h, limit)) + t


def uncouple(y: Tensor, h: Tensor, t: Tensor, limit: float = 0.8) -> Tensor:
    """The inverse of `couple` in x: `x = (y - t) exp(-s)`, exact to rounding.

    >>> h, t = torch.tensor([1.5]), torch.tensor([-3.0])
    >>> round(uncouple(couple(torch.tensor([2.0]), h, t), h, t).item(), 5)
    2.0
    """
    _check(y, h, t, limit)
    return _kernel(y, h, t, limit, True) if usable(y) else (y - t) * torch.exp(-log_scale(h, limit))


def log_scale(h: Tensor, limit: float = 0.8) -> Tensor:
    """The logarithm s of the scale; its sum is the logarithm of the coupling's Jacobian determinant."""
    return limit * torch.tanh(h / 2) if limit else h


def _kernel(x: Tensor, h: Tensor, t: Tensor, limit: float, inverse: bool) -> Tensor:
    from ..kernels.blocks import coupling

    made: Tensor = coupling(x, h, t, limit, inverse)
    return made


def _check(x: Tensor, h: Tensor, t: Tensor, limit: float) -> None:
    if not x.shape == h.shape == t.shape or not x.dtype == h.dtype == t.dtype:
        shapes = ", ".join(f"{list(value.shape)} {value.dtype}" for value in (x, h, t))
        raise InvalidTensor(f"coupling takes three tensors of one shape and dtype, got {shapes}")
    if not 0 <= limit < float("inf"):
        raise InvalidArgument(f"coupling: the limit must be 0 or a positive number, got {limit}")

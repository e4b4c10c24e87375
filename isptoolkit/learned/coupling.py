"""Affine coupling: scale and shift one group of channels by functions of the other."""

import torch
from torch import Tensor

from ..errors import InvalidArgument, InvalidTensor
from ..kernels import usable
from ..kernels.derivatives import with_reference


def couple(x: Tensor, h: Tensor, t: Tensor, limit: float = 0.8) -> Tensor:
    """`y = x exp(s) + t` with `s = limit (2 sigmoid(h) - 1)`, or `s = h` if the limit is 0.

    Args:
        x: any shape.
        h: like x; a network's output for the other group.
        t: like x; a network's output for the other group.
        limit: bound of the log-scale, so that the factor lies in `exp(-limit) ... exp(limit)`.

    Raises:
        InvalidTensor: if the shapes or dtypes differ.
        InvalidArgument: for a limit that is negative or not finite.

    Source: Dinh et al., "Density estimation using Real NVP", ICLR 2017, equation 8; the bounded scale is that of
    Xing et al., "Invertible image signal processing", CVPR 2021.

    >>> couple(torch.tensor([2.0]), torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([3.])
    """
    _check(x, h, t, limit)
    return _kernel(x, h, t, limit, False) if usable(x) else _couple(x, h, t, limit)


def uncouple(y: Tensor, h: Tensor, t: Tensor, limit: float = 0.8) -> Tensor:
    """The inverse of `couple` in x: `x = (y - t) exp(-s)`, exact up to rounding.

    Args:
        y: the output of `couple`.
        h: as for `couple`.
        t: as for `couple`.
        limit: as for `couple`.

    Raises:
        InvalidTensor: if the shapes or dtypes differ.
        InvalidArgument: for a limit that is negative or not finite.

    >>> h, t = torch.tensor([1.5]), torch.tensor([-3.0])
    >>> round(uncouple(couple(torch.tensor([2.0]), h, t), h, t).item(), 5)
    2.0
    """
    _check(y, h, t, limit)
    return _kernel(y, h, t, limit, True) if usable(y) else _uncouple(y, h, t, limit)


def log_scale(h: Tensor, limit: float = 0.8) -> Tensor:
    """The log-scale s(h); its sum is the logarithm of the coupling's Jacobian determinant."""
    return limit * torch.tanh(h / 2) if limit else h


def _kernel(x: Tensor, h: Tensor, t: Tensor, limit: float, inverse: bool) -> Tensor:
    from ..kernels.blocks import coupling

    output: Tensor = coupling(x, h, t, limit, inverse)
    definition = _uncouple if inverse else _couple
    return with_reference(output, lambda x, h, t: definition(x, h, t, limit), x, h, t)


def _couple(x: Tensor, h: Tensor, t: Tensor, limit: float) -> Tensor:
    return x * torch.exp(log_scale(h, limit)) + t


def _uncouple(y: Tensor, h: Tensor, t: Tensor, limit: float) -> Tensor:
    return (y - t) * torch.exp(-log_scale(h, limit))


def _check(x: Tensor, h: Tensor, t: Tensor, limit: float) -> None:
    if not x.shape == h.shape == t.shape or not x.dtype == h.dtype == t.dtype:
        shapes = ", ".join(f"{list(value.shape)} {value.dtype}" for value in (x, h, t))
        raise InvalidTensor(f"coupling needs three tensors of equal shape and dtype, got {shapes}")
    if not 0 <= limit < float("inf"):
        raise InvalidArgument(f"coupling: limit must be finite and not negative, got {limit}")

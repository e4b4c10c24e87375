"""AdaIN and affine coupling as torch operators."""

import ctypes
from collections.abc import Sequence
from ctypes import c_double, c_float, c_int32, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from . import cuda
from .native import call, fresh, threads
from .operators import operator


class Adain(ctypes.Structure):
    """`isp_adain` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("x", "scale", "shift", "y", "mean", "inverse_deviation")),
        *((name, c_int64) for name in ("planes", "pixels")),
        ("epsilon", c_double),
        ("threads", c_int32),
    )


class AdainGradient(ctypes.Structure):
    """`isp_adain_gradient` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("x", "scale", "mean", "inverse_deviation", "grad_y")),
        *((name, c_void_p) for name in ("grad_x", "grad_scale", "grad_shift")),
        *((name, c_int64) for name in ("planes", "pixels")),
        ("threads", c_int32),
    )


class Coupling(ctypes.Structure):
    """`isp_coupling` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("x", "h", "t", "y")),
        ("count", c_int64),
        ("limit", c_float),
        ("inverse", c_int32),
        ("threads", c_int32),
    )


class CouplingGradient(ctypes.Structure):
    """`isp_coupling_gradient` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("grad_y", "unscaled", "h", "grad_x", "grad_h", "grad_t")),
        ("count", c_int64),
        ("limit", c_float),
        ("inverse", c_int32),
        ("threads", c_int32),
    )


def _like(*values: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.empty(value.shape, dtype=value.dtype, device=value.device) for value in values)


def _save_adain(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs[:2], *output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _adain_backward(ctx: Any, grad_y: Tensor, *_: Any) -> Sequence[Tensor | None]:
    x, scale, mean, inverse = ctx.saved_tensors
    return (*adain_gradient(x, scale, mean, inverse, grad_y), None)


def _save_coupling(ctx: Any, inputs: Any, output: Any) -> None:
    x, h, _, ctx.limit, ctx.inverse = inputs
    ctx.save_for_backward(output if ctx.inverse else x, h)


def _coupling_backward(ctx: Any, grad_y: Tensor) -> Sequence[Tensor | None]:
    unscaled, h = ctx.saved_tensors
    return (*coupling_gradient(grad_y, unscaled, h, ctx.limit, ctx.inverse), None, None)


@operator(
    lambda x, scale, shift, epsilon: _like(x, scale[..., None].expand(-1, -1, 2), scale),
    save=_save_adain,
    backward=_adain_backward,
)
def adain(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """AdaIN `[B,C,H,W]`; with the mean as an unevaluated sum `[B,C,2]`, and the inverse deviation `[B,C]`.

    `y = scale (x - mean) / sqrt(variance + epsilon) + shift`, with mean and variance of each plane.

    Args:
        x: `[B,C,H,W]`.
        scale: `[B,C]` float32.
        shift: `[B,C]` float32.
        epsilon: added to the variance, which is unbiased.
    """
    x, scale, shift = x.contiguous(), scale.contiguous(), shift.contiguous()
    y = fresh(x.shape, x.dtype, x.device)
    mean, inverse = scale.new_empty(*scale.shape, 2), torch.empty_like(scale)
    planes, pixels = x.shape[0] * x.shape[1], x.shape[2] * x.shape[3]
    if x.is_cuda:
        cuda.adain(x, scale, shift, y, mean, inverse, epsilon)
    else:
        arrays = (value.data_ptr() for value in (x, scale, shift, y, mean, inverse))
        call("isp_adain_apply", Adain(*arrays, planes, pixels, epsilon, threads(x.numel())))
    return y, mean, inverse


@operator(lambda x, scale, mean, inverse, grad_y: _like(x, scale, scale))
def adain_gradient(
    x: Tensor, scale: Tensor, mean: Tensor, inverse: Tensor, grad_y: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `adain` with respect to x, scale and shift."""
    x, grad_y, scale = x.contiguous(), grad_y.contiguous(), scale.contiguous()
    grad_x = fresh(x.shape, x.dtype, x.device)
    grad_scale, grad_shift = torch.empty_like(scale), torch.empty_like(scale)
    planes, pixels = x.shape[0] * x.shape[1], x.shape[2] * x.shape[3]
    if x.is_cuda:
        cuda.adain_gradient(x, scale, mean, inverse, grad_y, grad_x, grad_scale, grad_shift)
    else:
        arrays = (value.data_ptr() for value in (x, scale, mean, inverse, grad_y, grad_x, grad_scale, grad_shift))
        call("isp_adain_back", AdainGradient(*arrays, planes, pixels, threads(x.numel())))
    return grad_x, grad_scale, grad_shift


@operator(lambda x, h, t, limit, inverse: _like(x)[0], save=_save_coupling, backward=_coupling_backward)
def coupling(x: Tensor, h: Tensor, t: Tensor, limit: float, inverse: bool) -> Tensor:
    """`x exp(s) + t`, or its inverse in x; `s = limit tanh(h / 2)`, or `s = h` if the limit is 0. One shape for all."""
    x, h, t = x.contiguous(), h.contiguous(), t.contiguous()
    y = fresh(x.shape, x.dtype, x.device)
    if x.is_cuda:
        cuda.coupling(x, h, t, y, limit, inverse)
    else:
        arrays = (value.data_ptr() for value in (x, h, t, y))
        call("isp_coupling_apply", Coupling(*arrays, x.numel(), limit, inverse, threads(x.numel())))
    return y


@operator(lambda grad_y, unscaled, h, limit, inverse: _like(h, h, h))
def coupling_gradient(
    grad_y: Tensor, unscaled: Tensor, h: Tensor, limit: float, inverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `coupling` with respect to x, h and t.

    Args:
        grad_y: the gradient of the output.
        unscaled: the input x of the forward direction, or the output of the inverse.
        h: as in the forward pass.
        limit: as in the forward pass.
        inverse: as in the forward pass.
    """
    grad_y, unscaled, h = grad_y.contiguous(), unscaled.contiguous(), h.contiguous()
    grad_x, grad_h, grad_t = (fresh(h.shape, h.dtype, h.device) for _ in range(3))
    if h.is_cuda:
        cuda.coupling_gradient(grad_y, unscaled, h, grad_x, grad_h, grad_t, limit, inverse)
    else:
        arrays = (value.data_ptr() for value in (grad_y, unscaled, h, grad_x, grad_h, grad_t))
        call("isp_coupling_back", CouplingGradient(*arrays, h.numel(), limit, inverse, threads(h.numel())))
    return grad_x, grad_h, grad_t

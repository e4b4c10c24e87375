"""AdaIN and coupling as operators of torch."""

import ctypes
from collections.abc import Sequence
from ctypes import c_double, c_float, c_int32, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from . import cuda
from .native import call, fresh, threads


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
        *((name, c_void_p) for name in ("x", "scale", "mean", "inverse_deviation", "by_y")),
        *((name, c_void_p) for name in ("by_x", "by_scale", "by_shift")),
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
        *((name, c_void_p) for name in ("by_y", "plain", "h", "by_x", "by_h", "by_t")),
        ("count", c_int64),
        ("limit", c_float),
        ("inverse", c_int32),
        ("threads", c_int32),
    )


@torch.library.custom_op("isptoolkit::adain", mutates_args=())
def adain(x: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> tuple[Tensor, Tensor, Tensor]:
    """Each plane normalized, scaled and shifted, `[B,C,H,W]`; its mean as a sum, `[B,C,2]`; one over its deviation.

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


@torch.library.custom_op("isptoolkit::adain_gradient", mutates_args=())
def adain_gradient(
    x: Tensor, scale: Tensor, mean: Tensor, inverse: Tensor, by_y: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of `adain`: the gradients by x, scale and shift."""
    x, by_y, scale = x.contiguous(), by_y.contiguous(), scale.contiguous()
    by_x = fresh(x.shape, x.dtype, x.device)
    by_scale, by_shift = torch.empty_like(scale), torch.empty_like(scale)
    planes, pixels = x.shape[0] * x.shape[1], x.shape[2] * x.shape[3]
    if x.is_cuda:
        cuda.adain_gradient(x, scale, mean, inverse, by_y, by_x, by_scale, by_shift)
    else:
        arrays = (value.data_ptr() for value in (x, scale, mean, inverse, by_y, by_x, by_scale, by_shift))
        call("isp_adain_back", AdainGradient(*arrays, planes, pixels, threads(x.numel())))
    return by_x, by_scale, by_shift


@torch.library.custom_op("isptoolkit::coupling", mutates_args=())
def coupling(x: Tensor, h: Tensor, t: Tensor, limit: float, inverse: bool) -> Tensor:
    """`x exp(s) + t`, or its inverse in x, with `s = limit tanh(h / 2)`, or h where the limit is 0; of one shape."""
    x, h, t = x.contiguous(), h.contiguous(), t.contiguous()
    y = fresh(x.shape, x.dtype, x.device)
    if x.is_cuda:
        cuda.coupling(x, h, t, y, limit, inverse)
    else:
        arrays = (value.data_ptr() for value in (x, h, t, y))
        call("isp_coupling_apply", Coupling(*arrays, x.numel(), limit, inverse, threads(x.numel())))
    return y


@torch.library.custom_op("isptoolkit::coupling_gradient", mutates_args=())
def coupling_gradient(
    by_y: Tensor, plain: Tensor, h: Tensor, limit: float, inverse: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Of `coupling`: the gradients by x, h and t; `plain` is x, or backwards the result."""
    by_y, plain, h = by_y.contiguous(), plain.contiguous(), h.contiguous()
    by_x, by_h, by_t = (fresh(h.shape, h.dtype, h.device) for _ in range(3))
    if h.is_cuda:
        cuda.coupling_gradient(by_y, plain, h, by_x, by_h, by_t, limit, inverse)
    else:
        arrays = (value.data_ptr() for value in (by_y, plain, h, by_x, by_h, by_t))
        call("isp_coupling_back", CouplingGradient(*arrays, h.numel(), limit, inverse, threads(h.numel())))
    return by_x, by_h, by_t


def _like(*values: Tensor) -> tuple[Tensor, ...]:
    return tuple(torch.empty(value.shape, dtype=value.dtype, device=value.device) for value in values)


adain.register_fake(lambda x, scale, shift, epsilon: _like(x, scale[..., None].expand(-1, -1, 2), scale))
adain_gradient.register_fake(lambda x, scale, mean, inverse, by_y: _like(x, scale, scale))
coupling.register_fake(lambda x, h, t, limit, inverse: _like(x)[0])
coupling_gradient.register_fake(lambda by_y, plain, h, limit, inverse: _like(h, h, h))


def _keep_adain(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs[:2], *output[1:])
    ctx.mark_non_differentiable(*output[1:])


def _adain_backward(ctx: Any, by_y: Tensor, *_: Any) -> Sequence[Tensor | None]:
    return (*adain_gradient(*ctx.saved_tensors, by_y), None)


def _keep_coupling(ctx: Any, inputs: Any, output: Any) -> None:
    x, h, _, ctx.limit, ctx.inverse = inputs
    ctx.save_for_backward(output if ctx.inverse else x, h)


def _coupling_backward(ctx: Any, by_y: Tensor) -> Sequence[Tensor | None]:
    return (*coupling_gradient(by_y, *ctx.saved_tensors, ctx.limit, ctx.inverse), None, None)


adain.register_autograd(_adain_backward, setup_context=_keep_adain)
coupling.register_autograd(_coupling_backward, setup_context=_keep_coupling)

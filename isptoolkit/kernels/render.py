"""One pass over memory through point-wise programs and a linear demosaic, as torch operators."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import cuda
from .demosaic import demosaic_adjoint
from .launch import launch_args, run
from .native import GradientArgs, call, fresh, rows
from .operators import operator
from .steps import DemosaicMethod

_NO_CHANNELS = (0, 0, 0, 0)


def _fake_develop(x: Tensor, coefficients: Tensor, program: Sequence[int]) -> Tensor:
    return torch.empty(x.shape, dtype=x.dtype, device=x.device)


def _save_develop(ctx: Any, inputs: Any, output: Any) -> None:
    x, coefficients, ctx.program = inputs
    ctx.needs_coefficients = coefficients.requires_grad
    ctx.save_for_backward(x, coefficients)


def _develop_backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor, Tensor, None]:
    x, coefficients = ctx.saved_tensors
    grad_x, grad_coefficients = develop_gradient(x, coefficients, ctx.program, grad_y, ctx.needs_coefficients)
    return grad_x, grad_coefficients, None


def _fake_gradient(
    x: Tensor, coefficients: Tensor, program: Sequence[int], grad_y: Tensor, needs_coefficients: bool
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(grad_y, memory_format=torch.contiguous_format), torch.empty_like(coefficients)


def _fake_render(
    x: Tensor,
    coefficients: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
    dtype: torch.dtype,
) -> Tensor:
    return torch.empty(x.shape[0], 3, *x.shape[2:], dtype=dtype, device=x.device)


def _save_render(ctx: Any, inputs: Any, output: Any) -> None:
    x, coefficients, ctx.before, ctx.after, ctx.channels, ctx.method, _ = inputs
    ctx.needs_coefficients = coefficients.requires_grad
    ctx.save_for_backward(x, coefficients)


def _render_backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:
    x, coefficients = ctx.saved_tensors
    needs_coefficients, x = ctx.needs_coefficients, x.to(grad_y.dtype)
    grad_image, grad_after = grad_y, torch.zeros_like(coefficients)
    if ctx.after:
        image = render(x, coefficients, ctx.before, [], ctx.channels, ctx.method, grad_y.dtype)
        grad_image, grad_after = develop_gradient(image, coefficients, ctx.after, grad_y, needs_coefficients)
    grad_x, grad_before = demosaic_adjoint(grad_image, ctx.channels, ctx.method), torch.zeros_like(coefficients)
    if ctx.before:
        grad_x, grad_before = develop_gradient(x, coefficients, ctx.before, grad_x, needs_coefficients)
    return grad_x, grad_before + grad_after, None, None, None, None, None


@operator(_fake_develop, save=_save_develop, backward=_develop_backward)
def develop(x: Tensor, coefficients: Tensor, program: Sequence[int]) -> Tensor:
    """Run a program of point-wise steps: `[B,C,H,W]` to `[B,C,H,W]`.

    Args:
        x: floating point, C at most 4.
        coefficients: `[B,N]` or `[1,N]` float32, of all steps.
        program: the encoded steps, see `isptoolkit.kernels.steps.encode_program`.
    """
    y = fresh(x.shape, x.dtype, x.device)
    run(x, coefficients, program, (), _NO_CHANNELS, DemosaicMethod.NONE, y)
    return y


@operator(_fake_gradient)
def develop_gradient(
    x: Tensor, coefficients: Tensor, program: Sequence[int], grad_y: Tensor, needs_coefficients: bool
) -> tuple[Tensor, Tensor]:
    """Gradients of `develop` with respect to `x` and `coefficients` (zeros unless `needs_coefficients`)."""
    grad_x, grad_coefficients = fresh(grad_y.shape, grad_y.dtype, x.device), torch.zeros_like(coefficients)
    if x.is_cuda:
        sums = grad_coefficients if needs_coefficients else None
        cuda.run_gradient(x, coefficients, program, grad_y.contiguous(), grad_x, sums)
        return grad_x, grad_coefficients
    x, grad_y, coefficients = rows(x), grad_y.contiguous(), coefficients.contiguous()
    launch = launch_args(x, grad_x, coefficients, program, (), _NO_CHANNELS, DemosaicMethod.NONE)
    args = GradientArgs(launch, grad_y.data_ptr(), grad_x.data_ptr(), 0, coefficients.shape[1])
    if needs_coefficients:
        parts = torch.zeros(launch.threads, *coefficients.shape, dtype=torch.float64)
        args.grad_coefficients = parts.data_ptr()
        call("isp_run_gradient", args)
        return grad_x, parts.sum(0).to(coefficients.dtype)
    call("isp_run_gradient", args)
    return grad_x, grad_coefficients


@operator(_fake_render, save=_save_render, backward=_render_backward)
def render(
    x: Tensor,
    coefficients: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
    dtype: torch.dtype,
) -> Tensor:
    """Run a program on a mosaic, a linear demosaic, and a program on the three planes: `[B,1,H,W]` to `[B,3,H,W]`.

    Args:
        x: floating point, uint16 or uint8.
        coefficients: `[B,N]` or `[1,N]` float32, of all steps.
        before: the program that runs on the mosaic.
        after: the program that runs on the three planes.
        channels: R 0, G 1, B 2: the channels of the 2x2 sites, row-major.
        method: a `DemosaicMethod`.
        dtype: of the output; 1.0 becomes the largest code of uint8 and uint16.
    """
    y = fresh((x.shape[0], 3, *x.shape[2:]), dtype, x.device)
    run(x, coefficients, before, after, channels, method, y)
    return y

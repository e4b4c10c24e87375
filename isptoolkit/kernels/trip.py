"""One pass over memory through point-wise steps and a linear demosaic, as operators of torch."""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from . import cuda
from .demosaic import demosaic_adjoint
from .native import STREAMED, TYPES, Channels, Steps, Trip, TripGradient, call, fresh, rows, threads
from .steps import WORDS


@torch.library.custom_op("isptoolkit::develop", mutates_args=())
def develop(x: Tensor, numbers: Tensor, steps: Sequence[int]) -> Tensor:
    """Point-wise steps: `[B,C,H,W]` floating point to the same.

    Args:
        x: C is at most 4.
        numbers: `[B,N]` or `[1,N]` float32, of all steps.
        steps: five words each, see `isptoolkit.kernels.steps.words`.
    """
    y = fresh(x.shape, x.dtype, x.device)
    run(x, numbers, steps, (), (0, 0, 0, 0), 0, y)
    return y


@torch.library.custom_op("isptoolkit::develop_gradient", mutates_args=())
def develop_gradient(
    x: Tensor, numbers: Tensor, steps: Sequence[int], by_output: Tensor, by_numbers: bool
) -> tuple[Tensor, Tensor]:
    """Of `develop`: the gradients by `x` and by `numbers` (zeros unless `by_numbers`)."""
    by_x, sums = fresh(by_output.shape, by_output.dtype, x.device), torch.zeros_like(numbers)
    if x.is_cuda:
        cuda.run_gradient(x, numbers, steps, by_output.contiguous(), by_x, sums if by_numbers else None)
        return by_x, sums
    x, by_output, numbers = rows(x), by_output.contiguous(), numbers.contiguous()
    words = (ctypes.c_int32 * len(steps))(*steps)
    trip = _trip(x, by_x, numbers, words, None, (0, 0, 0, 0), 0)
    parts = torch.zeros(trip.threads, *numbers.shape, dtype=torch.float64) if by_numbers else None
    job = TripGradient(trip, by_output.data_ptr(), by_x.data_ptr(), parts.data_ptr() if parts is not None else 0)
    job.count = numbers.shape[1]
    call("isp_run_gradient", job)
    return by_x, sums if parts is None else parts.sum(0).to(numbers.dtype)


@torch.library.custom_op("isptoolkit::render", mutates_args=())
def render(
    x: Tensor,
    numbers: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
    dtype: torch.dtype,
) -> Tensor:
    """Steps on the mosaic, a linear demosaic, steps on the three planes: `[B,1,H,W]` to `[B,3,H,W]`.

    Args:
        x: floating point, uint16 or uint8.
        numbers: `[B,N]` or `[1,N]` float32, of all steps.
        before: steps on the mosaic.
        after: steps on the planes.
        channels: R 0, G 1, B 2 of the sites of the 2x2 cell, row-major.
        method: 1 bilinear, 2 Malvar-He-Cutler.
        dtype: of the output: floating point as it is, uint8 and uint16 with 1 as their largest value.
    """
    y = fresh((x.shape[0], 3, *x.shape[2:]), dtype, x.device)
    run(x, numbers, before, after, channels, method, y)
    return y


def run(
    x: Tensor,
    numbers: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
    out: Tensor,
) -> None:
    """Any trip, into an existing dense tensor; no autograd."""
    if x.is_cuda:
        cuda.run(x, numbers, before, after, channels, method, out)
        return
    x, numbers = rows(x), numbers.contiguous()
    first, second = ((ctypes.c_int32 * len(words))(*words) for words in (before, after))
    trip = _trip(x, out, numbers, first, second, channels, method)
    call("isp_run", trip)


def _trip(
    x: Tensor, out: Tensor, numbers: Tensor, before: Any, after: Any, channels: Sequence[int], method: int
) -> Trip:
    batch, planes, height, width = x.shape
    strides = x.stride() if x.numel() else (0, 0, 0, 0)
    return Trip(
        input=x.data_ptr(),
        output=out.data_ptr(),
        numbers=numbers.data_ptr(),
        before=Steps(before, len(before) // WORDS),
        after=Steps(after, len(after or ()) // WORDS),
        batch=batch,
        planes=planes,
        height=height,
        width=width,
        input_batch=strides[0],
        input_plane=strides[1],
        input_row=strides[2],
        numbers_stride=numbers.shape[1] if numbers.shape[0] > 1 else 0,
        input_type=TYPES[x.dtype],
        output_type=TYPES[out.dtype],
        demosaic=method,
        threads=threads(out.numel()),
        streaming=out.numel() * out.itemsize >= STREAMED,
        channels=Channels(*channels),
    )


@develop.register_fake
def _(x: Tensor, numbers: Tensor, steps: Sequence[int]) -> Tensor:
    return torch.empty(x.shape, dtype=x.dtype, device=x.device)


@develop_gradient.register_fake
def _(x: Tensor, numbers: Tensor, steps: Sequence[int], by_output: Tensor, by_numbers: bool) -> tuple[Tensor, Tensor]:
    return torch.empty_like(by_output, memory_format=torch.contiguous_format), torch.empty_like(numbers)


@render.register_fake
def _(
    x: Tensor,
    numbers: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
    dtype: torch.dtype,
) -> Tensor:
    return torch.empty(x.shape[0], 3, *x.shape[2:], dtype=dtype, device=x.device)


def _keep_develop(ctx: Any, inputs: Any, output: Any) -> None:
    x, numbers, steps = inputs
    ctx.save_for_backward(x, numbers)
    ctx.steps = steps


def _develop_backward(ctx: Any, by_output: Tensor) -> tuple[Tensor, Tensor, None]:
    x, numbers = ctx.saved_tensors
    by_x, by_numbers = develop_gradient(x, numbers, ctx.steps, by_output, ctx.needs_input_grad[1])
    return by_x, by_numbers, None


def _keep_render(ctx: Any, inputs: Any, output: Any) -> None:
    x, numbers, ctx.before, ctx.after, ctx.channels, ctx.method, _ = inputs
    ctx.save_for_backward(x, numbers)


def _render_backward(ctx: Any, by_output: Tensor) -> tuple[Tensor | None, ...]:
    x, numbers = ctx.saved_tensors
    wanted, plain = ctx.needs_input_grad[1], x.to(by_output.dtype)
    by_planes, late = by_output, torch.zeros_like(numbers)
    if ctx.after:
        planes = render(plain, numbers, ctx.before, [], ctx.channels, ctx.method, by_output.dtype)
        by_planes, late = develop_gradient(planes, numbers, ctx.after, by_output, wanted)
    by_x, early = demosaic_adjoint(by_planes, ctx.channels, ctx.method), torch.zeros_like(numbers)
    if ctx.before:
        by_x, early = develop_gradient(plain, numbers, ctx.before, by_x, wanted)
    return by_x, early + late, None, None, None, None, None


develop.register_autograd(_develop_backward, setup_context=_keep_develop)
render.register_autograd(_render_backward, setup_context=_keep_render)

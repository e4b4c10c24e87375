"""One launch of a kernel: programs before and after a demosaic, into an existing tensor."""

import ctypes
from collections.abc import Sequence

from torch import Tensor

from . import cuda
from .native import STREAMED, TYPES, Channels, LaunchArgs, Program, call, rows, threads
from .steps import STEP_SIZE


def run(
    x: Tensor,
    coefficients: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
    out: Tensor,
) -> None:
    """Run programs and demosaic into an existing dense tensor, without autograd.

    Arguments are those of `isptoolkit.kernels.render.render`.
    """
    if x.is_cuda:
        cuda.run(x, coefficients, before, after, channels, method, out)
        return
    x, coefficients = rows(x), coefficients.contiguous()
    call("isp_run", launch_args(x, out, coefficients, before, after, channels, method))


def launch_args(
    x: Tensor,
    out: Tensor,
    coefficients: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
) -> LaunchArgs:
    """The structure that the CPU library reads; arguments as for `isptoolkit.kernels.render.render`."""
    batch, planes, height, width = x.shape
    strides = x.stride() if x.numel() else (0, 0, 0, 0)
    return LaunchArgs(
        input=x.data_ptr(),
        output=out.data_ptr(),
        coefficients=coefficients.data_ptr(),
        before=_program(before),
        after=_program(after),
        batch=batch,
        planes=planes,
        height=height,
        width=width,
        input_batch=strides[0],
        input_plane=strides[1],
        input_row=strides[2],
        coefficients_stride=coefficients.shape[1] if coefficients.shape[0] > 1 else 0,
        input_type=TYPES[x.dtype],
        output_type=TYPES[out.dtype],
        demosaic=method,
        threads=threads(out.numel()),
        streaming=out.numel() * out.itemsize >= STREAMED,
        channels=Channels(*channels),
    )


def _program(steps: Sequence[int]) -> Program:
    # The structure keeps a reference to the array, so the pointer stays valid.
    return Program((ctypes.c_int32 * len(steps))(*steps), len(steps) // STEP_SIZE)

"""The 8x8 DCT, quantization and inverse DCT of a JPEG component as an operator of torch."""

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int32, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from . import cuda
from .native import call, fresh, threads


class Jpeg(ctypes.Structure):
    """`isp_jpeg` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("x", "table", "y")),
        *((name, c_int64) for name in ("planes", "height", "width", "table_stride")),
        ("threads", c_int32),
    )


class JpegGradient(ctypes.Structure):
    """`isp_jpeg_gradient` in csrc/cpu.h."""

    _fields_ = (
        ("jpeg", Jpeg),
        *((name, c_void_p) for name in ("slopes", "by_y", "by_x", "by_table")),
        ("slope_count", c_int32),
    )


class JpegPlanes(ctypes.Structure):
    """`isp_jpeg_planes` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("image", "y", "blue", "red")),
        *((name, c_int64) for name in ("batch", "height", "width", "luma_height", "luma_width")),
        *((name, c_int64) for name in ("chroma_height", "chroma_width")),
        *((name, c_int32) for name in ("down", "across", "threads")),
        ("scale", c_float),
    )


@torch.library.custom_op("isptoolkit::jpeg_blocks", mutates_args=())
def jpeg_blocks(x: Tensor, table: Tensor, slopes: Tensor) -> Tensor:
    """Samples 0 to 255 through libjpeg's integers and back: `[N,H,W]` to the same.

    Args:
        x: height and width are multiples of 8; rounded to whole samples.
        table: `[N,64]` or `[1,64]` float32, entries from 1, rows of vertical frequency.
        slopes: `[K]` float32: the gradient sees rounding with the slope `1 + sum slopes[n] cos(2 pi (n + 1) d)` at the
            distance d from the nearest level; none is the straight-through estimator.
    """
    x, table = x.contiguous(), table.contiguous()
    y = fresh(x.shape, x.dtype, x.device)
    if x.is_cuda:
        cuda.jpeg_blocks(x, table, y)
    else:
        call("isp_jpeg_blocks", _job(x, table, y))
    return y


@torch.library.custom_op("isptoolkit::jpeg_blocks_gradient", mutates_args=())
def jpeg_blocks_gradient(x: Tensor, table: Tensor, slopes: Tensor, by_y: Tensor) -> tuple[Tensor, Tensor]:
    """Of `jpeg_blocks`: the gradients by the samples and by the table."""
    x, table, slopes, by_y = x.contiguous(), table.contiguous(), slopes.contiguous(), by_y.contiguous()
    by_x = fresh(x.shape, x.dtype, x.device)
    if x.is_cuda:
        sums = torch.zeros(table.shape, dtype=torch.float64, device=x.device)
        cuda.jpeg_blocks_gradient(x, table, slopes, by_y, by_x, sums)
        return by_x, sums.to(table.dtype)
    job = _job(x, table, by_x)
    parts = torch.zeros(job.threads, *table.shape, dtype=torch.float64)
    arrays = (value.data_ptr() for value in (slopes, by_y, by_x, parts))
    call("isp_jpeg_back", JpegGradient(job, *arrays, slopes.numel()))
    return by_x, parts.sum(0).to(table.dtype)


def _job(x: Tensor, table: Tensor, y: Tensor) -> Jpeg:
    stride = 64 if table.shape[0] > 1 else 0
    return Jpeg(x.data_ptr(), table.data_ptr(), y.data_ptr(), *x.shape, stride, threads(x.numel()))


def _like(value: Tensor) -> Tensor:
    return torch.empty(value.shape, dtype=value.dtype, device=value.device)


jpeg_blocks.register_fake(lambda x, table, slopes: _like(x))
jpeg_blocks_gradient.register_fake(lambda x, table, slopes, by_y: (_like(x), _like(table)))


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, by_y: Tensor) -> Sequence[Tensor | None]:
    return (*jpeg_blocks_gradient(*ctx.saved_tensors, by_y), None)


jpeg_blocks.register_autograd(_backward, setup_context=_keep)


def _blocks_of(count: int) -> int:
    return -(-count // 8) * 8


def _sizes(height: int, width: int, down: int, across: int) -> tuple[int, int, int, int]:
    """Of luma and of chroma."""
    return _blocks_of(height), _blocks_of(width), _blocks_of(-(-height // down)), _blocks_of(-(-width // across))


@torch.library.custom_op("isptoolkit::jpeg_split", mutates_args=())
def jpeg_split(picture: Tensor, down: int, across: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """`[B,3,H,W]` times `scale` to luma and chroma planes of whole blocks, libjpeg's integers; CPU, no gradient."""
    picture = picture.contiguous()
    batch, _, height, width = picture.shape
    sizes = _sizes(height, width, down, across)
    y, blue, red = (fresh((batch, *size), picture.dtype, picture.device) for size in (sizes[:2], sizes[2:], sizes[2:]))
    arrays = (value.data_ptr() for value in (picture, y, blue, red))
    team = threads(picture.numel())
    call("isp_jpeg_split", JpegPlanes(*arrays, batch, height, width, *sizes, down, across, team, scale))
    return y, blue, red


@torch.library.custom_op("isptoolkit::jpeg_join", mutates_args=())
def jpeg_join(
    y: Tensor, blue: Tensor, red: Tensor, height: int, width: int, down: int, across: int, scale: float
) -> Tensor:
    """The opposite of `jpeg_split`."""
    y, blue, red = y.contiguous(), blue.contiguous(), red.contiguous()
    codes = fresh((len(y), 3, height, width), y.dtype, y.device)
    arrays = (value.data_ptr() for value in (codes, y, blue, red))
    sizes = _sizes(height, width, down, across)
    team = threads(codes.numel())
    call("isp_jpeg_join", JpegPlanes(*arrays, len(y), height, width, *sizes, down, across, team, scale))
    return codes


@jpeg_split.register_fake
def _(picture: Tensor, down: int, across: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    sizes = _sizes(picture.shape[2], picture.shape[3], down, across)
    y, blue, red = (picture.new_empty(len(picture), *size) for size in (sizes[:2], sizes[2:], sizes[2:]))
    return y, blue, red


@jpeg_join.register_fake
def _(y: Tensor, blue: Tensor, red: Tensor, height: int, width: int, down: int, across: int, scale: float) -> Tensor:
    return y.new_empty(len(y), 3, height, width)

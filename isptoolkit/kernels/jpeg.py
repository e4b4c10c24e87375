"""The DCT, quantization and inverse DCT of JPEG, and its chroma subsampling, as torch operators."""

import ctypes
from collections.abc import Sequence
from ctypes import c_float, c_int32, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from . import cuda
from .native import call, fresh, threads
from .operators import operator


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
        *((name, c_void_p) for name in ("slopes", "grad_y", "grad_x", "grad_table")),
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


def _like(value: Tensor) -> Tensor:
    return torch.empty(value.shape, dtype=value.dtype, device=value.device)


def _save(ctx: Any, inputs: Any, output: Any) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad_y: Tensor) -> Sequence[Tensor | None]:
    x, table, slopes = ctx.saved_tensors
    return (*jpeg_blocks_gradient(x, table, slopes, grad_y), None)


@operator(lambda x, table, slopes: _like(x), save=_save, backward=_backward)
def jpeg_blocks(x: Tensor, table: Tensor, slopes: Tensor) -> Tensor:
    """Compress and decompress samples in libjpeg's integer arithmetic: `[N,H,W]` to `[N,H,W]`.

    Args:
        x: 0 to 255, rounded to integers; height and width are multiples of 8.
        table: `[N,64]` or `[1,64]` float32, entries of at least 1, rows of vertical frequency.
        slopes: `[K]` float32: the gradient of rounding is `1 + sum slopes[n] cos(2 pi (n + 1) d)` at distance d from
            the nearest integer; an empty tensor is the straight-through estimator.
    """
    x, table = x.contiguous(), table.contiguous()
    y = fresh(x.shape, x.dtype, x.device)
    if x.is_cuda:
        cuda.jpeg_blocks(x, table, y)
    else:
        call("isp_jpeg_blocks", _jpeg_args(x, table, y))
    return y


@operator(lambda x, table, slopes, grad_y: (_like(x), _like(table)))
def jpeg_blocks_gradient(x: Tensor, table: Tensor, slopes: Tensor, grad_y: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of `jpeg_blocks` with respect to the samples and the table."""
    x, table, slopes, grad_y = x.contiguous(), table.contiguous(), slopes.contiguous(), grad_y.contiguous()
    grad_x = fresh(x.shape, x.dtype, x.device)
    if x.is_cuda:
        sums = torch.zeros(table.shape, dtype=torch.float64, device=x.device)
        cuda.jpeg_blocks_gradient(x, table, slopes, grad_y, grad_x, sums)
        return grad_x, sums.to(table.dtype)
    args = _jpeg_args(x, table, grad_x)
    parts = torch.zeros(args.threads, *table.shape, dtype=torch.float64)
    arrays = (value.data_ptr() for value in (slopes, grad_y, grad_x, parts))
    call("isp_jpeg_back", JpegGradient(args, *arrays, slopes.numel()))
    return grad_x, parts.sum(0).to(table.dtype)


def _jpeg_args(x: Tensor, table: Tensor, y: Tensor) -> Jpeg:
    stride = 64 if table.shape[0] > 1 else 0
    return Jpeg(x.data_ptr(), table.data_ptr(), y.data_ptr(), *x.shape, stride, threads(x.numel()))


def _blocks_of(count: int) -> int:
    return -(-count // 8) * 8


def _sizes(height: int, width: int, down: int, across: int) -> tuple[int, int, int, int]:
    """Height and width of the luma plane, then of the chroma planes, in whole blocks."""
    return _blocks_of(height), _blocks_of(width), _blocks_of(-(-height // down)), _blocks_of(-(-width // across))


def _fake_split(image: Tensor, down: int, across: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    sizes = _sizes(image.shape[2], image.shape[3], down, across)
    y, blue, red = (image.new_empty(len(image), *size) for size in (sizes[:2], sizes[2:], sizes[2:]))
    return y, blue, red


def _fake_join(
    y: Tensor, blue: Tensor, red: Tensor, height: int, width: int, down: int, across: int, scale: float
) -> Tensor:
    return y.new_empty(len(y), 3, height, width)


@operator(_fake_split, devices=("CPU",))
def jpeg_split(image: Tensor, down: int, across: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """Convert RGB to Y, Cb and Cr planes of whole blocks in libjpeg's integer arithmetic; CPU only, no gradient.

    Args:
        image: `[B,3,H,W]`, multiplied by `scale` and rounded to codes from 0 to 255.
        down: rows of pixels per chroma sample.
        across: columns of pixels per chroma sample.
        scale: the code of 1.0.
    """
    image = image.contiguous()
    batch, _, height, width = image.shape
    sizes = _sizes(height, width, down, across)
    y, blue, red = (fresh((batch, *size), image.dtype, image.device) for size in (sizes[:2], sizes[2:], sizes[2:]))
    arrays = (value.data_ptr() for value in (image, y, blue, red))
    team = threads(image.numel())
    call("isp_jpeg_split", JpegPlanes(*arrays, batch, height, width, *sizes, down, across, team, scale))
    return y, blue, red


@operator(_fake_join, devices=("CPU",))
def jpeg_join(
    y: Tensor, blue: Tensor, red: Tensor, height: int, width: int, down: int, across: int, scale: float
) -> Tensor:
    """Convert Y, Cb and Cr planes to RGB in libjpeg's integer arithmetic, the inverse of `jpeg_split` up to chroma.

    Args:
        y: `[B,H',W']`, whole blocks.
        blue: Cb, subsampled by `down` and `across`, whole blocks.
        red: Cr, subsampled by `down` and `across`, whole blocks.
        height: of the image.
        width: of the image.
        down: rows of pixels per chroma sample.
        across: columns of pixels per chroma sample.
        scale: the code of 1.0.
    """
    y, blue, red = y.contiguous(), blue.contiguous(), red.contiguous()
    image = fresh((len(y), 3, height, width), y.dtype, y.device)
    arrays = (value.data_ptr() for value in (image, y, blue, red))
    sizes = _sizes(height, width, down, across)
    team = threads(image.numel())
    call("isp_jpeg_join", JpegPlanes(*arrays, len(y), height, width, *sizes, down, across, team, scale))
    return image

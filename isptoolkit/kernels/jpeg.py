"""JPEG of an image, and of the blocks of one component, as torch operators."""

import ctypes
from collections.abc import Sequence
from ctypes import c_int32, c_int64, c_void_p
from typing import Any

import torch
from torch import Tensor

from . import cuda
from .native import call, fresh, threads
from .operators import operator

JPEG_ROWS, JPEG_COLUMNS = 56, 256
"""Scratch memory of JPEG of an image: `ISP_JPEG_ROWS` and `ISP_JPEG_COLUMNS` in csrc/cpu.h."""


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


class JpegImage(ctypes.Structure):
    """`isp_jpeg_image` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("image", "tables", "output", "scratch")),
        *((name, c_int64) for name in ("batch", "height", "width", "table_stride", "scratch_size")),
        *((name, c_int32) for name in ("down", "across", "threads")),
    )


class JpegImageGradient(ctypes.Structure):
    """`isp_jpeg_image_gradient` in csrc/cpu.h."""

    _fields_ = (
        ("jpeg", JpegImage),
        *((name, c_void_p) for name in ("slopes", "grad_y", "grad_x", "grad_tables")),
        ("slope_count", c_int32),
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


def _save_image(ctx: Any, inputs: Any, output: Any) -> None:
    image, tables, slopes, ctx.down, ctx.across = inputs
    ctx.save_for_backward(image, tables, slopes, output)


def _image_backward(ctx: Any, grad_y: Tensor) -> Sequence[Tensor | None]:
    image, tables, slopes, output = ctx.saved_tensors
    needs_tables = bool(ctx.needs_input_grad[2])
    grads = jpeg_image_gradient(image, tables, slopes, output, grad_y, ctx.down, ctx.across, needs_tables)
    return (*grads, None, None, None)


@operator(lambda image, tables, slopes, down, across: _like(image), save=_save_image, backward=_image_backward)
def jpeg_image(image: Tensor, tables: Tensor, slopes: Tensor, down: int, across: int) -> Tensor:
    """Compress and decompress an image in libjpeg's integer arithmetic: `[B,3,H,W]` to `[B,3,H,W]`, 0 to 1.

    Args:
        image: RGB.
        tables: `[B,2,64]` or `[1,2,64]` float32, of luma and chroma, entries of at least 1, rows of vertical frequency.
        slopes: `[K]` float32, as `jpeg_blocks` takes them.
        down: rows of pixels per chroma sample, 1 or 2.
        across: columns of pixels per chroma sample, 1 or 2.
    """
    image, tables = image.contiguous(), tables.contiguous()
    output = fresh(image.shape, image.dtype, image.device)
    if not image.numel():
        return output
    if image.is_cuda:
        luma, chroma = _split_planes(image, down, across)
        decoded = torch.empty_like(luma), torch.empty_like(chroma)
        for codes, table, samples in zip((luma, chroma), _tables_of_planes(tables), decoded, strict=True):
            cuda.jpeg_blocks(_flat(codes), table, _flat(samples))
        cuda.jpeg_join(*decoded, output, down, across)
    else:
        args, _scratch = _image_args(image, tables, output, down, across)
        call("isp_jpeg_image_apply", args)
    return output


@operator(lambda image, tables, *_: (_like(image), _like(tables)))
def jpeg_image_gradient(
    image: Tensor,
    tables: Tensor,
    slopes: Tensor,
    output: Tensor,
    grad_y: Tensor,
    down: int,
    across: int,
    needs_tables: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of `jpeg_image`, which returned `output`, with respect to the image and the tables.

    Where the output is clamped, a gradient that points out of range is zero. That of the tables is zero unless
    `needs_tables`.
    """
    image, tables, slopes, output, grad_y = (x.contiguous() for x in (image, tables, slopes, output, grad_y))
    grad_x = fresh(image.shape, image.dtype, image.device)
    if image.is_cuda:
        return grad_x, _image_gradient_on_cuda(
            image, tables, slopes, output, grad_y, grad_x, down, across, needs_tables
        )
    args, _scratch = _image_args(image, tables, output, down, across)
    parts = torch.zeros(args.threads if needs_tables else 1, *tables.shape, dtype=torch.float64)
    sums = parts.data_ptr() if needs_tables else 0
    arrays = slopes.data_ptr(), grad_y.data_ptr(), grad_x.data_ptr(), sums
    call("isp_jpeg_image_back", JpegImageGradient(args, *arrays, slopes.numel()))
    return grad_x, parts.sum(0).to(tables.dtype)


def _image_args(image: Tensor, tables: Tensor, output: Tensor, down: int, across: int) -> tuple[JpegImage, Tensor]:
    """The arguments, and the scratch memory that they point to."""
    batch, _, height, width = image.shape
    team, size = threads(image.numel()), JPEG_ROWS * -(-width // JPEG_COLUMNS) * JPEG_COLUMNS
    scratch = torch.empty(team * size)
    arrays = (value.data_ptr() for value in (image, tables, output, scratch))
    stride = 128 if len(tables) > 1 else 0
    return JpegImage(*arrays, batch, height, width, stride, size, down, across, team), scratch


def _split_planes(image: Tensor, down: int, across: int) -> tuple[Tensor, Tensor]:
    """Luma `[B,h,w]` and chroma (Cb, Cr) `[2,B,h',w']` of an image on a GPU, in whole 8x8 blocks, uint8."""
    luma, chroma = _planes_like(image, down, across, torch.uint8)
    cuda.jpeg_split(image, luma, chroma, down, across)
    return luma, chroma


def _planes_like(image: Tensor, down: int, across: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    batch, _, height, width = image.shape
    luma = -(-height // 8) * 8, -(-width // 8) * 8
    chroma = -(-height // (8 * down)) * 8, -(-width // (8 * across)) * 8
    return image.new_empty(batch, *luma, dtype=dtype), image.new_empty(2, batch, *chroma, dtype=dtype)


def _flat(planes: Tensor) -> Tensor:
    return planes.flatten(0, -3)


def _tables_of_planes(tables: Tensor) -> tuple[Tensor, Tensor]:
    """The tables of luma `[B,h,w]` and of chroma `[2,B,h,w]`, one or one per plane."""
    luma, chroma = (table.contiguous() for table in tables.unbind(1))
    return luma, chroma.repeat(2, 1) if len(chroma) > 1 else chroma


def _image_gradient_on_cuda(
    image: Tensor,
    tables: Tensor,
    slopes: Tensor,
    output: Tensor,
    grad_y: Tensor,
    grad_x: Tensor,
    down: int,
    across: int,
    needs_tables: bool,
) -> Tensor:
    """Write the gradient of the image into `grad_x`, and return that of the tables."""
    grads = _planes_like(image, down, across, torch.float32)
    cuda.jpeg_join_gradient(grad_y, output, *grads, down, across)
    sums = torch.zeros(2, len(tables), 64, dtype=torch.float64, device=image.device)
    # With a straight-through estimator, the gradient of the blocks is the identity.
    if needs_tables or slopes.numel():
        decoded, grads = grads, _planes_like(image, down, across, torch.float32)
        parts = zip(_split_planes(image, down, across), _tables_of_planes(tables), decoded, grads, sums, strict=True)
        for codes, table, before, after, total in parts:
            added = torch.zeros_like(table, dtype=torch.float64)
            arguments = table, slopes, _flat(before), _flat(after), added if needs_tables else None
            cuda.jpeg_blocks_gradient(_flat(codes), *arguments)
            total += added.view(-1, *total.shape).sum(0)
    cuda.jpeg_split_gradient(*grads, grad_x, down, across)
    return sums.transpose(0, 1).to(tables.dtype)

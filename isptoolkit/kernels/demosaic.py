"""Demosaicing, sampling, packing and unpacking as torch operators; each is linear and registers its adjoint."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from . import cuda
from .launch import run
from .native import RING_ROWS, ROW_MARGINS, Adjoint, Channels, Sampling, call, fresh, rows, threads
from .operators import Kernel, operator


def _linear(shape: Callable[[Tensor], Sequence[int]], adjoint: str) -> Callable[[Kernel], Kernel]:
    """Register a linear operator whose backward is the operator named `adjoint`; a decorator."""

    def fake(x: Tensor, *_: Any) -> Tensor:
        return x.new_empty(x.shape[0], *shape(x))

    def save(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.arguments = inputs[1:]

    def backward(ctx: Any, grad_y: Tensor) -> Sequence[Tensor | None]:
        return globals()[adjoint](grad_y, *ctx.arguments), *(None for _ in ctx.arguments)

    return operator(fake, save=save, backward=backward)


@_linear(lambda x: (1, *x.shape[2:]), adjoint="demosaic")
def demosaic_adjoint(image: Tensor, channels: Sequence[int], method: int) -> Tensor:
    """The adjoint of a linear demosaic: `[B,3,H,W]` to `[B,1,H,W]`.

    Args:
        image: the gradient of the demosaic's output.
        channels: R 0, G 1, B 2: the channels of the 2x2 sites, row-major.
        method: a `DemosaicMethod`.
    """
    image = image.contiguous()
    batch, _, height, width = image.shape
    out = fresh((batch, 1, height, width), image.dtype, image.device)
    if image.is_cuda:
        cuda.demosaic_adjoint(image, channels, method, out)
        return out
    team = threads(image.numel())
    scratch = torch.empty(team * (6 * RING_ROWS + 1) * (width + ROW_MARGINS))
    args = Adjoint(image.data_ptr(), out.data_ptr(), scratch.data_ptr(), batch, height, width, method, team)
    args.channels = Channels(*channels)
    call("isp_demosaic_adjoint", args)
    return out


@_linear(lambda x: (3, *x.shape[2:]), adjoint="demosaic_adjoint")
def demosaic(plane: Tensor, channels: Sequence[int], method: int) -> Tensor:
    """Demosaic a mosaic linearly: `[B,1,H,W]` to `[B,3,H,W]`.

    Args:
        plane: the mosaic.
        channels: R 0, G 1, B 2: the channels of the 2x2 sites, row-major.
        method: a `DemosaicMethod`.
    """
    out = fresh((plane.shape[0], 3, *plane.shape[2:]), plane.dtype, plane.device)
    run(plane, torch.zeros(1, 1, device=plane.device), (), (), channels, method, out)
    return out


@_linear(lambda x: (1, *x.shape[2:]), adjoint="mosaic_adjoint")
def mosaic(image: Tensor, channels: Sequence[int]) -> Tensor:
    """Sample the channel that each pixel's site sees: `[B,3,H,W]` to `[B,1,H,W]`."""
    return _sampled("isp_mosaic", image, (1, *image.shape[2:]), image.shape[2:], channels)


@_linear(lambda x: (3, *x.shape[2:]), adjoint="mosaic")
def mosaic_adjoint(plane: Tensor, channels: Sequence[int]) -> Tensor:
    """Put each sample in the channel that its site sees, zero in the others: `[B,1,H,W]` to `[B,3,H,W]`."""
    return _sampled("isp_mosaic_adjoint", plane, (3, *plane.shape[2:]), plane.shape[2:], channels)


@_linear(lambda x: (4, x.shape[2] // 2, x.shape[3] // 2), adjoint="unpack")
def pack(plane: Tensor) -> Tensor:
    """Pack the four sites of each 2x2 cell as channels: `[B,1,H,W]` to `[B,4,H/2,W/2]`."""
    height, width = plane.shape[2:]
    return _sampled("isp_pack", plane, (4, height // 2, width // 2), plane.shape[2:], (0, 0, 0, 0))


@_linear(lambda x: (1, 2 * x.shape[2], 2 * x.shape[3]), adjoint="pack")
def unpack(packed: Tensor) -> Tensor:
    """Put four channels back on the sites of each 2x2 cell: `[B,4,h,w]` to `[B,1,2h,2w]`."""
    height, width = (2 * n for n in packed.shape[2:])
    return _sampled("isp_unpack", packed, (1, height, width), (height, width), (0, 0, 0, 0))


def _sampled(name: str, x: Tensor, shape: Sequence[int], mosaic: Sequence[int], channels: Sequence[int]) -> Tensor:
    x = rows(x)
    out = fresh((x.shape[0], *shape), x.dtype, x.device)
    if x.is_cuda:
        cuda.sample(name, x, channels, mosaic, out)
        return out
    batch, plane, row, _ = x.stride()
    args = Sampling(x.data_ptr(), out.data_ptr(), x.shape[0], *mosaic, batch, plane, row, threads(out.numel()))
    args.channels = Channels(*channels)
    call(name, args)
    return out

"""Color conversion and chroma subsampling between an image and the components of a JPEG, as in libjpeg."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ...kernels.derivatives import differentiating, with_derivative

SUBSAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}
"""Rows and columns of pixels per chroma sample."""

# In units of 2^-16, rounded as in libjpeg.
_LUMA, _BLUE, _RED = (19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329)
_RED_OF_CR, _BLUE_OF_CB, _GREEN_OF_CB, _GREEN_OF_CR = 91881, 116130, -22554, -46802
_HALF = 1 << 15


def split(x: Tensor, factors: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Convert an image `[B,3,H,W]`, 0 to 1, to Y, Cb and Cr planes of whole 8x8 blocks, `[B,h,w]` each, 0 to 255.

    The values are libjpeg's integers, with edges padded as in libjpeg; the gradient is that of `real_split`.

    Args:
        x: the image.
        factors: rows and columns of pixels per chroma sample.
    """
    planes = integer_split(x.detach() * 255, factors)
    if differentiating(x):
        real = real_split(x * 255, factors)
        planes = [with_derivative(*pair) for pair in zip(planes, real, strict=True)]
    y, blue, red = planes
    return y, blue, red


def join(planes: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """Convert Y, Cb and Cr planes to an image `[B,3,H,W]`, 0 to 1, with triangular upsampling of chroma.

    The gradient is that of `real_join`, except at the clamp, where it is zero if it points out of range.

    Args:
        planes: Y, Cb and Cr in libjpeg's integers, as from `split`.
        size: height and width of the image.
        factors: rows and columns of pixels per chroma sample.
    """
    image = _integer_join([plane.detach() for plane in planes], size, factors) / 255
    if not differentiating(*planes):
        return image
    limited: Tensor = _Limit.apply(linear_join(planes, size, factors) / 255, image)  # type: ignore[no-untyped-call]
    return with_derivative(image, limited)


class _Limit(torch.autograd.Function):
    """The identity of `x`, with the derivative of the clamp to the range of the output."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, output: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(inputs[1])
        ctx.save_for_forward(inputs[1])

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> Any:
        return _inward(grad_y, *ctx.saved_tensors), None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Tensor:
        return -_inward(-tangent, *ctx.saved_tensors)


def _inward(grad: Tensor, output: Tensor) -> Tensor:
    """The gradient, zero where a step along its negative leaves the range 0 to 1 of the output."""
    return grad.masked_fill(((output >= 1) & (grad < 0)) | ((output <= 0) & (grad > 0)), 0)


def real_split(codes: Tensor, factors: tuple[int, int], gray: float = 128.0) -> list[Tensor]:
    """Convert codes `[B,3,H,W]` to Y, Cb and Cr planes of whole blocks in real numbers; an affine map.

    Args:
        codes: RGB, 0 to 255.
        factors: rows and columns of pixels per chroma sample.
        gray: the chroma value of gray.
    """
    mix = codes.new_tensor([_LUMA, _BLUE, _RED]) / (1 << 16)
    y, blue, red = torch.einsum("kc,bchw->kbhw", mix, codes)
    size = codes.shape[2:]
    chroma = [_pad_rows(F.avg_pool2d(_pad_to_cells(c, size, factors), factors)) + gray for c in (blue, red)]
    return [_pad_rows(_pad_to_cells(y, size, (1, 1))), *chroma]


def real_join(planes: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """Convert Y, Cb and Cr planes to codes `[B,3,H,W]` in real numbers, clamped to 0 ... 255.

    Args:
        planes: Y, Cb and Cr of whole blocks, 0 to 255.
        size: height and width of the image.
        factors: rows and columns of pixels per chroma sample.
    """
    return linear_join(planes, size, factors).clamp(0, 255)


def linear_join(planes: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """`real_join` without the clamp; an affine map.

    Args:
        planes: Y, Cb and Cr of whole blocks, 0 to 255.
        size: height and width of the image.
        factors: rows and columns of pixels per chroma sample.
    """
    y, blue, red = (_crop(plane, size, f) for plane, f in zip(planes, ((1, 1), factors, factors), strict=True))
    blue, red = (_triangles(c - 128, factors)[:, : size[0], : size[1]] for c in (blue, red))
    scale = 1 / (1 << 16)
    green = scale * (_GREEN_OF_CB * blue + _GREEN_OF_CR * red)
    return torch.stack([y + scale * _RED_OF_CR * red, y + green, y + scale * _BLUE_OF_CB * blue], 1)


def integer_split(codes: Tensor, factors: tuple[int, int]) -> list[Tensor]:
    """Convert codes `[B,3,H,W]`, 0 to 255, to Y, Cb and Cr in libjpeg's integers; keeps the dtype."""
    r, g, b = codes.nan_to_num(0).clamp(0, 255).round().to(torch.int32).unbind(1)
    size = codes.shape[2:]
    y = (_LUMA[0] * r + _LUMA[1] * g + _LUMA[2] * b + _HALF) >> 16
    planes = [_pad_rows(_pad_to_cells(y, size, (1, 1)))]
    for mix in (_BLUE, _RED):
        chroma = (mix[0] * r + mix[1] * g + mix[2] * b + (128 << 16) + _HALF - 1) >> 16
        planes.append(_pad_rows(_mean(_pad_to_cells(chroma, size, factors), factors)))
    return [plane.to(codes.dtype) for plane in planes]


def _mean(plane: Tensor, factors: tuple[int, int]) -> Tensor:
    """The mean of each cell; the rounding alternates along the row, as in libjpeg."""
    rows, columns = factors
    if columns == 1:
        return plane
    total = sum(plane[:, i::rows, j::columns] for i in range(rows) for j in range(columns))
    bias = torch.arange(plane.shape[2] // columns, device=plane.device, dtype=plane.dtype) % 2 + rows - 1
    mean: Tensor = (total + bias) >> (rows * columns // 2)
    return mean


def _integer_join(planes: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    y, blue, red = (
        _crop(plane, size, f).to(torch.int32) for plane, f in zip(planes, ((1, 1), factors, factors), strict=True)
    )
    blue, red = (_integer_triangles(c, factors)[:, : size[0], : size[1]] - 128 for c in (blue, red))
    channels = (
        y + ((_RED_OF_CR * red + _HALF) >> 16),
        y + ((_GREEN_OF_CB * blue + _GREEN_OF_CR * red + _HALF) >> 16),
        y + ((_BLUE_OF_CB * blue + _HALF) >> 16),
    )
    return torch.stack(channels, 1).clamp(0, 255).to(planes[0].dtype)


def _pad_to_cells(plane: Tensor, size: Sequence[int], factors: tuple[int, int]) -> Tensor:
    """Repeat the last row and column up to whole cells vertically and whole blocks of cells horizontally."""
    down, across = -size[0] % factors[0], -size[1] % (8 * factors[1])
    return _pad(plane, down, across)


def _pad_rows(plane: Tensor) -> Tensor:
    return _pad(plane, -plane.shape[1] % 8, 0)


def _pad(plane: Tensor, down: int, across: int) -> Tensor:
    height, width = plane.shape[1:]
    if down:
        plane = plane[:, torch.arange(height + down, device=plane.device).clamp(max=height - 1)]
    if across:
        plane = plane[..., torch.arange(width + across, device=plane.device).clamp(max=width - 1)]
    return plane


def _crop(plane: Tensor, size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """Remove the padding of a plane."""
    return plane[:, : -(-size[0] // factors[0]), : -(-size[1] // factors[1])]


def _neighbors(plane: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The previous and the next sample of each; the ends are repeated."""
    count = plane.shape[dim]
    places = torch.arange(count, device=plane.device)
    before, after = (places - 1).clamp(min=0), (places + 1).clamp(max=count - 1)
    return plane.index_select(dim, before), plane.index_select(dim, after)


def _interleaved(first: Tensor, second: Tensor, dim: int) -> Tensor:
    return torch.stack((first, second), dim + 1).flatten(dim, dim + 1)


def _triangles(plane: Tensor, factors: tuple[int, int]) -> Tensor:
    """Upsample by 2: each output is 3/4 of the nearer and 1/4 of the farther sample."""
    if factors == (1, 1):
        return plane
    if plane.shape[2] <= 2:  # libjpeg replicates samples in planes this narrow
        return plane.repeat_interleave(factors[0], 1).repeat_interleave(2, 2)
    for dim in (1, 2) if factors[0] == 2 else (2,):
        before, after = _neighbors(plane, dim)
        plane = _interleaved(0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after, dim)
    return plane


def _integer_triangles(plane: Tensor, factors: tuple[int, int]) -> Tensor:
    if factors == (1, 1) or plane.shape[2] <= 2:
        return _triangles(plane, factors)
    bits, low, high = 2, 1, 2
    if factors[0] == 2:
        before, after = _neighbors(plane, 1)
        plane = _interleaved(3 * plane + before, 3 * plane + after, 1)
        bits, low, high = 4, 8, 7
    before, after = _neighbors(plane, 2)
    return _interleaved((3 * plane + before + low) >> bits, (3 * plane + after + high) >> bits, 2)

"""Between a picture and the components of a JPEG: color conversion and chroma sampling, as libjpeg does both."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..kernels import usable

SUBSAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}
"""Rows and columns of the picture for one of chroma."""

# In 2^-16, as libjpeg rounds them.
_LUMA, _BLUE, _RED = (19595, 38470, 7471), (-11059, -21709, 32768), (32768, -27439, -5329)
_RED_OF_CR, _BLUE_OF_CB, _GREEN_OF_CB, _GREEN_OF_CR = 91881, 116130, -22554, -46802
_HALF = 1 << 15


def split(codes: Tensor, factors: tuple[int, int]) -> list[Tensor]:
    """Codes 0 to 255 `[B,3,H,W]` to luma and two chroma planes of whole 8x8 blocks, three `[B,h,w]`.

    The values are libjpeg's integers, edges repeated as it repeats them; the gradient is that of `real_split`.
    """
    if _has_kernel(codes):
        from ..kernels.jpeg import jpeg_split as kernel

        whole = list(kernel(codes.detach(), *factors))
    else:
        whole = _whole_split(codes.detach(), factors)
    return _valued(whole, lambda: real_split(codes, factors), codes)


def join(planes: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """The opposite, chroma up-sampled by triangles: codes `[B,3,H,W]`; the gradient is that of `real_join`."""
    plain = [plane.detach() for plane in planes]
    if _has_kernel(planes[0]):
        from ..kernels.jpeg import jpeg_join as kernel

        whole: Tensor = kernel(*plain, *size, *factors)
    else:
        whole = _whole_join(plain, size, factors)
    return _valued([whole], lambda: [real_join(planes, size, factors)], *planes)[0]


def _has_kernel(x: Tensor) -> bool:
    return x.device.type == "cpu" and usable(x)


def _valued(values: list[Tensor], real: Callable[[], list[Tensor]], *inputs: Tensor) -> list[Tensor]:
    """These values, with the gradient of the real ones."""
    if not (torch.is_grad_enabled() and any(x.requires_grad for x in inputs)):
        return values
    return [value + (soft - soft.detach()) for value, soft in zip(values, real(), strict=True)]


def real_split(codes: Tensor, factors: tuple[int, int]) -> list[Tensor]:
    """`split` without rounding: a linear map."""
    mix = codes.new_tensor([_LUMA, _BLUE, _RED]) / (1 << 16)
    y, blue, red = torch.einsum("kc,bchw->kbhw", mix, codes)
    size = codes.shape[2:]
    chroma = [_rows_of_blocks(F.avg_pool2d(_repeated(c, size, factors), factors)) + 128 for c in (blue, red)]
    return [_rows_of_blocks(_repeated(y, size, (1, 1))), *chroma]


def real_join(planes: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """`join` without rounding: linear but for the final clamp to 0 ... 255."""
    y, blue, red = (_sized(plane, size, f) for plane, f in zip(planes, ((1, 1), factors, factors), strict=True))
    blue, red = (_triangles(c - 128, factors)[:, : size[0], : size[1]] for c in (blue, red))
    scale = 1 / (1 << 16)
    green = scale * (_GREEN_OF_CB * blue + _GREEN_OF_CR * red)
    return torch.stack([y + scale * _RED_OF_CR * red, y + green, y + scale * _BLUE_OF_CB * blue], 1).clamp(0, 255)


def _whole_split(codes: Tensor, factors: tuple[int, int]) -> list[Tensor]:
    r, g, b = codes.nan_to_num(0).clamp(0, 255).round().to(torch.int32).unbind(1)
    size = codes.shape[2:]
    y = (_LUMA[0] * r + _LUMA[1] * g + _LUMA[2] * b + _HALF) >> 16
    planes = [_rows_of_blocks(_repeated(y, size, (1, 1)))]
    for mix in (_BLUE, _RED):
        chroma = (mix[0] * r + mix[1] * g + mix[2] * b + (128 << 16) + _HALF - 1) >> 16
        planes.append(_rows_of_blocks(_mean(_repeated(chroma, size, factors), factors)))
    return [plane.to(codes.dtype) for plane in planes]


def _mean(plane: Tensor, factors: tuple[int, int]) -> Tensor:
    """Of each cell; the rounding alternates along the row."""
    rows, columns = factors
    if columns == 1:
        return plane
    total = sum(plane[:, i::rows, j::columns] for i in range(rows) for j in range(columns))
    bias = torch.arange(plane.shape[2] // columns, device=plane.device, dtype=plane.dtype) % 2 + rows - 1
    mean: Tensor = (total + bias) >> (rows * columns // 2)
    return mean


def _whole_join(planes: Sequence[Tensor], size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    y, blue, red = (
        _sized(plane, size, f).to(torch.int32) for plane, f in zip(planes, ((1, 1), factors, factors), strict=True)
    )
    blue, red = (_whole_triangles(c, factors)[:, : size[0], : size[1]] - 128 for c in (blue, red))
    channels = (
        y + ((_RED_OF_CR * red + _HALF) >> 16),
        y + ((_GREEN_OF_CB * blue + _GREEN_OF_CR * red + _HALF) >> 16),
        y + ((_BLUE_OF_CB * blue + _HALF) >> 16),
    )
    return torch.stack(channels, 1).clamp(0, 255).to(planes[0].dtype)


def _repeated(plane: Tensor, size: Sequence[int], factors: tuple[int, int]) -> Tensor:
    """To whole cells down and whole blocks of cells across, by repeating the last row and column."""
    down, across = -size[0] % factors[0], -size[1] % (8 * factors[1])
    return _grown(plane, down, across)


def _rows_of_blocks(plane: Tensor) -> Tensor:
    return _grown(plane, -plane.shape[1] % 8, 0)


def _grown(plane: Tensor, down: int, across: int) -> Tensor:
    height, width = plane.shape[1:]
    if down:
        plane = plane[:, torch.arange(height + down, device=plane.device).clamp(max=height - 1)]
    if across:
        plane = plane[..., torch.arange(width + across, device=plane.device).clamp(max=width - 1)]
    return plane


def _sized(plane: Tensor, size: tuple[int, int], factors: tuple[int, int]) -> Tensor:
    """Without what was repeated."""
    return plane[:, : -(-size[0] // factors[0]), : -(-size[1] // factors[1])]


def _neighbors(plane: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The samples before and after each, those at the ends repeated."""
    count = plane.shape[dim]
    places = torch.arange(count, device=plane.device)
    before, after = (places - 1).clamp(min=0), (places + 1).clamp(max=count - 1)
    return plane.index_select(dim, before), plane.index_select(dim, after)


def _interleaved(first: Tensor, second: Tensor, dim: int) -> Tensor:
    return torch.stack((first, second), dim + 1).flatten(dim, dim + 1)


def _triangles(plane: Tensor, factors: tuple[int, int]) -> Tensor:
    """Twice as many samples, each 3/4 of the nearer and 1/4 of the farther one."""
    if factors == (1, 1):
        return plane
    if plane.shape[2] <= 2:  # libjpeg repeats samples of planes so narrow
        return plane.repeat_interleave(factors[0], 1).repeat_interleave(2, 2)
    for dim in (1, 2) if factors[0] == 2 else (2,):
        before, after = _neighbors(plane, dim)
        plane = _interleaved(0.75 * plane + 0.25 * before, 0.75 * plane + 0.25 * after, dim)
    return plane


def _whole_triangles(plane: Tensor, factors: tuple[int, int]) -> Tensor:
    if factors == (1, 1) or plane.shape[2] <= 2:
        return _triangles(plane, factors)
    bits, low, high = 2, 1, 2
    if factors[0] == 2:
        before, after = _neighbors(plane, 1)
        plane = _interleaved(3 * plane + before, 3 * plane + after, 1)
        bits, low, high = 4, 8, 7
    before, after = _neighbors(plane, 2)
    return _interleaved((3 * plane + before + low) >> bits, (3 * plane + after + high) >> bits, 2)

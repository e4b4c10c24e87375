"""JPEG of an image: color conversion, chroma subsampling, blocks, and back, in libjpeg's integer arithmetic."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ...errors import InvalidTensor
from ...kernels import usable
from ...kernels.derivatives import with_reference
from .blocks import check_table, jpeg_blocks
from .planes import join, split


def jpeg_image(x: Tensor, tables: Tensor, factors: tuple[int, int], slopes: Sequence[float] | Tensor = ()) -> Tensor:
    """Compress and decompress an image: `join(jpeg_blocks(split(x)))`, bit for bit the pixels of libjpeg.

    The gradient is that of the chain in real numbers, with the derivative of `jpeg_blocks` for rounding, and zero where
    the output is clamped and a step along the negative gradient leaves its range.

    Args:
        x: `[B,3,H,W]`, 0 to 1, rounded to 8-bit codes.
        tables: `[B,2,8,8]` or `[1,2,8,8]` integer entries from 1 to 65535, of luma and chroma.
        factors: rows and columns of pixels per chroma sample.
        slopes: weights of the derivative of rounding, as `jpeg_blocks` takes them.

    Raises:
        InvalidTensor: for tensors of other shapes.
        InvalidArgument: for entries below 1.

    >>> tables = torch.full((1, 2, 8, 8), 8.0)
    >>> image = torch.full((1, 3, 5, 7), 100 / 255)
    >>> torch.equal(jpeg_image(image, tables, (2, 2)), image)
    True
    """
    if x.ndim != 4 or x.shape[1] != 3 or not x.is_floating_point() or not x.numel():
        raise InvalidTensor(f"jpeg_image takes a floating-point image [B,3,H,W], got {list(x.shape)} {x.dtype}")
    if tables.ndim != 4 or tables.shape[1:] != (2, 8, 8) or len(tables) not in (1, len(x)):
        raise InvalidTensor(f"jpeg_image: tables of {len(x)} images are [{len(x)},2,8,8], got {list(tables.shape)}")
    weights = torch.as_tensor(slopes, dtype=torch.float32, device=x.device).reshape(-1)
    if not usable(x):
        return _definition(x, tables, factors, weights)
    from ...kernels.jpeg import jpeg_image as kernel

    check_table(tables)
    output: Tensor = kernel(x, tables.flatten(2).float(), weights, *factors)
    return with_reference(output, lambda x, tables: _definition(x, tables, factors, weights), x, tables)


def _definition(x: Tensor, tables: Tensor, factors: tuple[int, int], slopes: Tensor) -> Tensor:
    luma, chroma = tables.unbind(1)
    planes = zip(split(x, factors), (luma, chroma, chroma), strict=True)
    return join([jpeg_blocks(plane, table, slopes) for plane, table in planes], (x.shape[2], x.shape[3]), factors)

"""Projection onto the set of images that compress to given JPEG coefficients."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ...errors import InvalidArgument
from .blocks import integer_dct, quantize, quantized_dct, real_dct
from .planes import integer_split, real_split

Coefficients: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Quantized coefficients of luma, Cb and Cr, integers `[B,rows,columns,8,8]` each."""

_ATTEMPTS, _CANDIDATES = 300, 256


def jpeg_coefficients(x: Tensor, tables: Tensor, factors: tuple[int, int]) -> Coefficients:
    """The quantized coefficients that libjpeg writes for an image.

    Args:
        x: `[B,3,H,W]`, 0 to 1.
        tables: `[B,2,8,8]` or `[1,2,8,8]`, of luma and chroma.
        factors: rows and columns of pixels per chroma sample.
    """
    luma, chroma = tables.unbind(1)
    planes = zip(integer_split(x * 255, factors), (luma, chroma, chroma), strict=True)
    y, blue, red = (quantized_dct(plane, table) for plane, table in planes)
    return y, blue, red


def project(x: Tensor, target: Coefficients, tables: Tensor, factors: tuple[int, int]) -> Tensor:
    """The image of 8-bit codes nearest to `x` with the target coefficients, or close to them if none is found.

    Each unit of the file (8x8 pixels, or 16 where chroma is subsampled) is a separate problem. Without rounding to
    codes it is convex, `min |y - x|^2` with each coefficient within half a step of its target, and solved by
    accelerated gradient ascent on the dual. In units where rounding to codes changes a coefficient, a random search
    tries nearby codes.

    Args:
        x: `[B,3,H,W]`, 0 to 1.
        target: quantized coefficients.
        tables: `[B,2,8,8]` or `[1,2,8,8]`, of luma and chroma.
        factors: rows and columns of pixels per chroma sample.
    """
    output = x.clone()
    for pixels, blocks in _regions(x.shape[2:], factors):
        tile, grid = _tiles(x[pixels], factors)
        parts = (target[0][blocks[0]], target[1][blocks[1]], target[2][blocks[1]])
        own = [_blocks_of_tiles(part, grid) for part in parts]
        steps = tables.expand(len(x), 2, 8, 8).repeat_interleave(grid[0] * grid[1], 0)
        nearest = _nearest(tile, own, steps, factors)
        output[pixels] = _untiled(_search(tile, nearest, own, steps, factors), grid)
    return output


def check_coefficients(target: Coefficients, x: Tensor, factors: tuple[int, int]) -> None:
    """Check that coefficients fit an image.

    Raises:
        InvalidArgument: for coefficients of another size, or not integers.
    """
    height, width = x.shape[2:]
    small = (-(-height // factors[0]), -(-width // factors[1]))
    for name, part, (rows, columns) in zip(
        ("luma", "blue", "red"), target, ((height, width), small, small), strict=True
    ):
        shape = (len(x), -(-rows // 8), -(-columns // 8), 8, 8)
        if tuple(part.shape) != shape or part.is_floating_point():
            raise InvalidArgument(
                f"Jpeg.project: {name} of {height} x {width} pixels needs integer coefficients {list(shape)}, got "
                f"{list(part.shape)} {part.dtype}"
            )


def _nearest(
    x: Tensor, target: Sequence[Tensor], tables: Tensor, factors: tuple[int, int], iterations: int = 150
) -> Tensor:
    """Solve the convex problem of every tile, without rounding to codes."""
    luma, chroma = (table[:, None, None].to(x.dtype) / 255 for table in tables.unbind(1))
    cell = (factors[0] * factors[1]) ** 0.5
    scales = (1.0, cell, cell)  # normalizes the mean of a cell
    middle = [scale * value * step for scale, value, step in zip(scales, target, (luma, chroma, chroma), strict=True)]
    half = [0.499 * scale * step for scale, step in zip(scales, (luma, chroma, chroma), strict=True)]

    def transform(y: Tensor) -> list[Tensor]:
        return [
            scale * real_dct(plane - 128 / 255)
            for scale, plane in zip(scales, real_split(y, factors, 128 / 255), strict=True)
        ]

    adjoint: Callable[[list[Tensor]], tuple[Tensor]] = torch.func.vjp(transform, x)[1]
    step_size = 1 / _largest_eigenvalue(lambda v: _linear_part(transform, v), adjoint, x)
    dual = [torch.zeros_like(part) for part in middle]
    ahead, momentum = dual, 1.0
    for _ in range(iterations):
        y = (x - adjoint(ahead)[0]).clamp(0, 1)
        before, dual = dual, []
        for a, m, c, h in zip(ahead, transform(y), middle, half, strict=True):
            v = a + step_size * m
            dual.append(v - step_size * torch.maximum(torch.minimum(v / step_size, c + h), c - h))
        after = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = [now + (momentum - 1) / after * (now - old) for now, old in zip(dual, before, strict=True)]
        momentum = after
    return (x - adjoint(dual)[0]).clamp(0, 1)


def _linear_part(affine: Callable[[Tensor], list[Tensor]], v: Tensor) -> list[Tensor]:
    """The linear part of an affine map."""
    return [a - b for a, b in zip(affine(v), affine(torch.zeros_like(v)), strict=True)]


def _largest_eigenvalue(
    linear: Callable[[Tensor], list[Tensor]], adjoint: Callable[[list[Tensor]], tuple[Tensor]], like: Tensor
) -> float:
    """An upper bound of the largest eigenvalue of `adjoint(linear(v))`, by power iteration."""
    v = torch.rand(like[:1].shape, generator=torch.Generator().manual_seed(0)).to(like).expand_as(like)
    for _ in range(20):
        v = adjoint(linear(v))[0]
        norm = float(v[0].norm())
        v = v / norm
    return 1.05 * norm


def _search(x: Tensor, nearest: Tensor, target: Sequence[Tensor], tables: Tensor, factors: tuple[int, int]) -> Tensor:
    """Codes of each tile with the target coefficients, or as close to them as the search gets.

    Every attempt descends the squared excess over the cells, shrunk by a random margin: by a random factor with random
    rounding, or by one code in some of the pixels with the largest gradient. The best of several candidates is accepted
    if it does not increase the excess.
    """
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(x)

    codes = (x * 255).round()
    outside = _excess(codes, target, tables, factors, 0.0)[1] > 0
    codes[outside] = (nearest[outside] * 255).round()
    open_tiles = torch.nonzero(_excess(codes, target, tables, factors, 0.0)[1])[:, 0]
    for attempt in range(_ATTEMPTS):
        if not len(open_tiles):
            break
        copies = max(1, _CANDIDATES // len(open_tiles))
        current = codes[open_tiles].repeat(copies, 1, 1, 1)
        own = [part[open_tiles].repeat(copies, 1, 1, 1, 1) for part in target]
        table = tables[open_tiles].repeat(copies, 1, 1, 1)
        margin = 0.3 * random(len(open_tiles), 1, 1, 1, 1).repeat(copies, 1, 1, 1, 1)
        excess, before = _excess(current, own, table, factors, margin)
        step, dither = _adjoint(excess, current.shape, factors), random(*current.shape) - 0.5
        if attempt % 2:
            change = dither - 4 * random(len(current), 1, 1, 1) * step
        else:
            largest = step.abs() >= step.abs().flatten(1).topk(8).values[:, -1:, None, None]
            change = -step.sign() * (largest & (dither < -0.2))
        candidates = (current + change).round().clamp(0, 255)
        after, best = _excess(candidates, own, table, factors, margin)[1].view(copies, -1).min(0)
        accepted = after <= before[: len(open_tiles)]
        codes[open_tiles[accepted]] = candidates.view(copies, len(open_tiles), *candidates.shape[1:])[
            best, torch.arange(len(open_tiles))
        ][accepted]
        open_tiles = open_tiles[
            _excess(codes[open_tiles], [part[open_tiles] for part in target], tables[open_tiles], factors, 0.0)[1] > 0
        ]
    return codes / 255


def _adjoint(parts: list[Tensor], shape: torch.Size, factors: tuple[int, int]) -> Tensor:
    """The adjoint of color conversion, subsampling and DCT: coefficients to codes."""
    zero = torch.zeros(shape, dtype=parts[0].dtype, device=parts[0].device)
    output: tuple[Tensor] = torch.func.vjp(lambda v: [real_dct(plane) for plane in real_split(v, factors, 0.0)], zero)[
        1
    ](parts)
    return output[0]


def _excess(
    codes: Tensor, target: Sequence[Tensor], tables: Tensor, factors: tuple[int, int], margin: float | Tensor
) -> tuple[list[Tensor], Tensor]:
    """The excess of coefficients over their cells, shrunk by a margin, and the sum of its squares per tile."""
    luma, chroma = tables.unbind(1)
    parts, cost = [], codes.new_zeros(len(codes))
    for plane, value, table in zip(integer_split(codes, factors), target, (luma, chroma, chroma), strict=True):
        scaled = integer_dct(plane)
        step = table[:, None, None].to(codes.dtype)
        off = scaled.to(codes.dtype) / 8 - value * step
        inside = (0.5 - margin) * step
        beyond = off - torch.maximum(torch.minimum(off, inside), -inside)
        # Halves round away from zero, so exactly half a step can be another integer.
        beyond = torch.where((quantize(scaled, table) != value) & (beyond == 0), 1e-3 * off.sign(), beyond)
        parts.append(beyond)
        cost = cost + (beyond / step).square().sum((1, 2, 3, 4))
    return parts, cost


def _regions(
    size: Sequence[int], factors: tuple[int, int]
) -> Iterator[tuple[tuple[slice, ...], tuple[tuple[slice, ...], tuple[slice, ...]]]]:
    """Slices of pixels and of luma and chroma blocks: whole tiles, and those that the right and bottom edges cut."""
    down, across = (
        [(a, b) for a, b in ((0, n // (8 * f) * 8 * f), (n // (8 * f) * 8 * f, n)) if b > a]
        for n, f in zip(size, factors, strict=True)
    )
    every = slice(None)
    for top, bottom in down:
        for left, right in across:
            pixels = (every, every, slice(top, bottom), slice(left, right))
            luma = (every, slice(top // 8, -(-bottom // 8)), slice(left // 8, -(-right // 8)))
            rows, columns = 8 * factors[0], 8 * factors[1]
            chroma = (every, slice(top // rows, -(-bottom // rows)), slice(left // columns, -(-right // columns)))
            yield pixels, (luma, chroma)


def _tiles(x: Tensor, factors: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
    """Cut an image into units of the file: `[B,3,H,W]` to `[B * rows * columns,3,h,w]`; and rows and columns."""
    height, width = (min(n, 8 * f) for n, f in zip(x.shape[2:], factors, strict=True))
    rows, columns = x.shape[2] // height, x.shape[3] // width
    tile = x.reshape(len(x), 3, rows, height, columns, width).permute(0, 2, 4, 1, 3, 5)
    return tile.reshape(-1, 3, height, width), (rows, columns)


def _untiled(tile: Tensor, grid: tuple[int, int]) -> Tensor:
    """The inverse of `_tiles`."""
    rows, columns = grid
    x = tile.reshape(-1, rows, columns, *tile.shape[1:]).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(len(x), 3, rows * tile.shape[2], columns * tile.shape[3])


def _blocks_of_tiles(blocks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Group blocks by tile: `[B,rows * r,columns * c,8,8]` to `[B * rows * columns,r,c,8,8]`."""
    rows, columns = grid
    down, across = blocks.shape[1] // rows, blocks.shape[2] // columns
    output = blocks.reshape(len(blocks), rows, down, columns, across, 8, 8).transpose(2, 3)
    return output.reshape(-1, down, across, 8, 8)

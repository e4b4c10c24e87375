"""The picture nearest to another one among all that a JPEG file can have been made of."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ...errors import InvalidArgument
from .blocks import coefficients, levels, real_coefficients, whole_steps
from .planes import real_split, whole_split

Levels: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Quantized coefficients of luma and both chroma components, three `[B,rows,columns,8,8]` of whole numbers."""

_ATTEMPTS, _CANDIDATES = 300, 256


def quantized(x: Tensor, tables: Tensor, factors: tuple[int, int]) -> Levels:
    """The levels that libjpeg writes for a picture `[B,3,H,W]`, 0 to 1."""
    luma, chroma = tables.unbind(1)
    planes = zip(whole_split(x * 255, factors), (luma, chroma, chroma), strict=True)
    y, blue, red = (levels(plane, table) for plane, table in planes)
    return y, blue, red


def project(x: Tensor, wanted: Levels, tables: Tensor, factors: tuple[int, int]) -> Tensor:
    """The picture of 8-bit codes nearest to `x` whose levels are the wanted ones, as near as was found.

    Every unit of the file (8x8 pixels, or 16 where chroma is sampled) is a problem of its own. Without rounding it is
    convex, `min |y - x|^2` with each coefficient within half a step of its level, and solved by accelerated gradient
    ascent on its dual; a random search then looks, in the units that rounding to codes has led out, for codes close by.
    """
    made = x.clone()
    for pixels, blocks in _regions(x.shape[2:], factors):
        tile, grid = _tiles(x[pixels], factors)
        parts = (wanted[0][blocks[0]], wanted[1][blocks[1]], wanted[2][blocks[1]])
        own = [_blocks_of_tiles(part, grid) for part in parts]
        steps = tables.expand(len(x), 2, 8, 8).repeat_interleave(grid[0] * grid[1], 0)
        nearest = _nearest(tile, own, steps, factors)
        made[pixels] = _untiled(_search(tile, nearest, own, steps, factors), grid)
    return made


def check_levels(wanted: Levels, x: Tensor, factors: tuple[int, int]) -> None:
    """Raises `InvalidArgument` for levels of another picture's size."""
    height, width = x.shape[2:]
    small = (-(-height // factors[0]), -(-width // factors[1]))
    for name, part, (rows, columns) in zip(
        ("luma", "blue", "red"), wanted, ((height, width), small, small), strict=True
    ):
        shape = (len(x), -(-rows // 8), -(-columns // 8), 8, 8)
        if tuple(part.shape) != shape or part.is_floating_point():
            raise InvalidArgument(
                f"Jpeg.project: {name} of {height} x {width} pixels has whole levels {list(shape)}, got "
                f"{list(part.shape)} {part.dtype}"
            )


def _nearest(
    x: Tensor, wanted: Sequence[Tensor], tables: Tensor, factors: tuple[int, int], iterations: int = 150
) -> Tensor:
    """The convex problem, tile by tile."""
    luma, chroma = (table[:, None, None].to(x.dtype) / 255 for table in tables.unbind(1))
    cell = (factors[0] * factors[1]) ** 0.5
    scales = (1.0, cell, cell)  # the mean of a cell has so much smaller a norm
    middle = [scale * level * step for scale, level, step in zip(scales, wanted, (luma, chroma, chroma), strict=True)]
    half = [0.499 * scale * step for scale, step in zip(scales, (luma, chroma, chroma), strict=True)]

    def measured(y: Tensor) -> list[Tensor]:
        return [
            scale * real_coefficients(plane - 128 / 255)
            for scale, plane in zip(scales, real_split(y, factors, 128 / 255), strict=True)
        ]

    transposed: Callable[[list[Tensor]], tuple[Tensor]] = torch.func.vjp(measured, x)[1]
    rate = 1 / _largest_eigenvalue(lambda v: _shifted(measured, v), transposed, x)
    dual = [torch.zeros_like(part) for part in middle]
    ahead, momentum = dual, 1.0
    for _ in range(iterations):
        y = (x - transposed(ahead)[0]).clamp(0, 1)
        before, dual = dual, []
        for a, m, c, h in zip(ahead, measured(y), middle, half, strict=True):
            v = a + rate * m
            dual.append(v - rate * torch.maximum(torch.minimum(v / rate, c + h), c - h))
        after = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = [now + (momentum - 1) / after * (now - old) for now, old in zip(dual, before, strict=True)]
        momentum = after
    return (x - transposed(dual)[0]).clamp(0, 1)


def _shifted(measured: Callable[[Tensor], list[Tensor]], v: Tensor) -> list[Tensor]:
    """The linear part."""
    return [a - b for a, b in zip(measured(v), measured(torch.zeros_like(v)), strict=True)]


def _largest_eigenvalue(
    there: Callable[[Tensor], list[Tensor]], back: Callable[[list[Tensor]], tuple[Tensor]], like: Tensor
) -> float:
    v = torch.rand(like[:1].shape, generator=torch.Generator().manual_seed(0)).to(like).expand_as(like)
    for _ in range(20):
        v = back(there(v))[0]
        size = float(v[0].norm())
        v = v / size
    return 1.05 * size


def _search(x: Tensor, nearest: Tensor, wanted: Sequence[Tensor], tables: Tensor, factors: tuple[int, int]) -> Tensor:
    """Codes of each tile whose levels are the wanted ones, or that come nearest to them.

    Every attempt goes down the slope of what exceeds the cells, less a random margin: by a random factor with each code
    rounded up or down at random, or by one in some of the codes that matter most. The best of several is kept where it
    leads no further from cells with that margin.
    """
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator).to(x)

    codes = (x * 255).round()
    outside = _excess(codes, wanted, tables, factors, 0.0)[1] > 0
    codes[outside] = (nearest[outside] * 255).round()
    left = torch.nonzero(_excess(codes, wanted, tables, factors, 0.0)[1])[:, 0]
    for attempt in range(_ATTEMPTS):
        if not len(left):
            break
        copies = max(1, _CANDIDATES // len(left))
        now = codes[left].repeat(copies, 1, 1, 1)
        own = [part[left].repeat(copies, 1, 1, 1, 1) for part in wanted]
        table = tables[left].repeat(copies, 1, 1, 1)
        margin = 0.3 * random(len(left), 1, 1, 1, 1).repeat(copies, 1, 1, 1, 1)
        excess, before = _excess(now, own, table, factors, margin)
        step, dither = _transposed(excess, now.shape, factors), random(*now.shape) - 0.5
        if attempt % 2:
            change = dither - 4 * random(len(now), 1, 1, 1) * step
        else:
            first = step.abs() >= step.abs().flatten(1).topk(8).values[:, -1:, None, None]
            change = -step.sign() * (first & (dither < -0.2))
        tried = (now + change).round().clamp(0, 255)
        after, best = _excess(tried, own, table, factors, margin)[1].view(copies, -1).min(0)
        taken = after <= before[: len(left)]
        codes[left[taken]] = tried.view(copies, len(left), *tried.shape[1:])[best, torch.arange(len(left))][taken]
        left = left[_excess(codes[left], [part[left] for part in wanted], tables[left], factors, 0.0)[1] > 0]
    return codes / 255


def _transposed(parts: list[Tensor], shape: torch.Size, factors: tuple[int, int]) -> Tensor:
    zero = torch.zeros(shape, dtype=parts[0].dtype, device=parts[0].device)
    made: tuple[Tensor] = torch.func.vjp(
        lambda v: [real_coefficients(plane) for plane in real_split(v, factors, 0.0)], zero
    )[1](parts)
    return made[0]


def _excess(
    codes: Tensor, wanted: Sequence[Tensor], tables: Tensor, factors: tuple[int, int], margin: float | Tensor
) -> tuple[list[Tensor], Tensor]:
    """How far coefficients lie beyond their cells, less a margin, in digital numbers, and the squares' sum by tile."""
    luma, chroma = tables.unbind(1)
    parts, cost = [], codes.new_zeros(len(codes))
    for plane, level, table in zip(whole_split(codes, factors), wanted, (luma, chroma, chroma), strict=True):
        eighths = coefficients(plane)
        step = table[:, None, None].to(codes.dtype)
        off = eighths.to(codes.dtype) / 8 - level * step
        inside = (0.5 - margin) * step
        beyond = off - torch.maximum(torch.minimum(off, inside), -inside)
        # Halves go away from zero: just half a step from a level can be another one.
        beyond = torch.where((whole_steps(eighths, table) != level) & (beyond == 0), 1e-3 * off.sign(), beyond)
        parts.append(beyond)
        cost = cost + (beyond / step).square().sum((1, 2, 3, 4))
    return parts, cost


def _regions(
    size: Sequence[int], factors: tuple[int, int]
) -> Iterator[tuple[tuple[slice, ...], tuple[tuple[slice, ...], tuple[slice, ...]]]]:
    """Whole tiles, and those that the right and lower edges cut: pixels, and the blocks of luma and chroma."""
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
    """`[B,3,H,W]` to `[B * rows * columns,3,h,w]`."""
    height, width = (min(n, 8 * f) for n, f in zip(x.shape[2:], factors, strict=True))
    rows, columns = x.shape[2] // height, x.shape[3] // width
    tile = x.reshape(len(x), 3, rows, height, columns, width).permute(0, 2, 4, 1, 3, 5)
    return tile.reshape(-1, 3, height, width), (rows, columns)


def _untiled(tile: Tensor, grid: tuple[int, int]) -> Tensor:
    rows, columns = grid
    x = tile.reshape(-1, rows, columns, *tile.shape[1:]).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(len(x), 3, rows * tile.shape[2], columns * tile.shape[3])


def _blocks_of_tiles(blocks: Tensor, grid: tuple[int, int]) -> Tensor:
    """`[B,rows * r,columns * c,8,8]` to `[B * rows * columns,r,c,8,8]`."""
    rows, columns = grid
    down, across = blocks.shape[1] // rows, blocks.shape[2] // columns
    made = blocks.reshape(len(blocks), rows, down, columns, across, 8, 8).transpose(2, 3)
    return made.reshape(-1, down, across, 8, 8)

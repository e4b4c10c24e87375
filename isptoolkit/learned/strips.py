"""Process large feature maps strip by strip, with the same results, to save memory.

A network whose layers use statistics of the whole map (attention over channels, instance normalization) cannot run tile
by tile: every tile would have its own statistics. Its layers run in two passes over strips instead: the first
accumulates the statistics, the second uses them. Only the maps between layers are stored whole, not the several times
wider ones inside the layers.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

LIMIT = 1 << 18
"""Largest number of pixels of a map that is processed at once without gradients."""
_GRAIN = 16


def large(x: Tensor) -> bool:
    """Whether a map `[B,C,H,W]` is processed in strips."""
    inference = not torch.is_grad_enabled() and not torch.compiler.is_compiling()
    return inference and x.shape[2] * x.shape[3] > LIMIT and x.shape[2] > _GRAIN


def strips(x: Tensor, halo: int) -> Iterator[tuple[Tensor, slice]]:
    """Cut a map into strips of rows with a halo; yields each strip and the slice of its own rows.

    Strips and their halos start at multiples of 16 rows; at the top and bottom the halo ends with the map.

    Args:
        x: `[B,C,H,W]`.
        halo: rows needed above and below each strip.

    >>> [(len(part[0, 0]), own) for part, own in strips(torch.zeros(1, 1, 48, 1 << 16), 3)]
    [(32, slice(0, 16, None)), (48, slice(16, 32, None)), (32, slice(16, 32, None))]
    """
    height, width = x.shape[2:]
    halo = -(-halo // _GRAIN) * _GRAIN
    rows = max(LIMIT // width // _GRAIN * _GRAIN, halo, _GRAIN)
    for top in range(0, height, rows):
        above, bottom = max(top - halo, 0), min(top + rows, height)
        yield x[:, :, above : bottom + halo], slice(top - above, bottom - above)


def in_strips(
    work: Callable[[Tensor], Tensor], x: Tensor, halo: int, down: int = 1, into: Tensor | None = None
) -> Tensor:
    """Compute `work(x)` strip by strip.

    Args:
        work: a function of maps `[B,C,h,W]` of any height, whose outputs depend on at most `halo` rows above and below.
        x: `[B,C,H,W]`.
        halo: in rows of x.
        down: 1 or 2, the factor by which `work` divides height and width, rounding up.
        into: receives the result; may be x itself.

    >>> x = torch.rand(1, 1, 64, 1 << 16)
    >>> blurred = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    >>> torch.equal(in_strips(blurred, x, 1), blurred(x))
    True
    """
    top, pending = 0, None
    for part, own in strips(x, halo):
        output = work(part)[:, :, own.start // down : -(-own.stop // down)]
        if into is None:
            into = output.new_empty(*output.shape[:2], -(-x.shape[2] // down), output.shape[3])
        # Written one strip late, because the next strip still reads these rows of x.
        if pending is not None:
            into[:, :, top : top + pending.shape[2]] = pending
            top += pending.shape[2]
        pending = output
    if into is None or pending is None:
        return work(x)
    into[:, :, top:] = pending
    return into

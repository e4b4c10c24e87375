"""Maps of features too large to be worked on at once: strip by strip, with equal values.

A network whose layers look at statistics of the whole map (attention over channels, instance normalization) cannot be
run tile by tile: every tile would have its own statistics. Its layers are run in two passes over strips instead: the
first adds the statistics up, the second uses them. Only whole maps between layers are kept, not the several times wider
ones inside them.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

LIMIT = 1 << 18
"""Pixels of a map that is worked on at once when no gradient is asked for."""
_GRAIN = 16


def large(x: Tensor) -> bool:
    """Whether a map `[B,C,H,W]` is worked on in strips."""
    free = not torch.is_grad_enabled() and not torch.compiler.is_compiling()
    return free and x.shape[2] * x.shape[3] > LIMIT and x.shape[2] > _GRAIN


def strips(x: Tensor, halo: int) -> Iterator[tuple[Tensor, slice]]:
    """Strips of rows, each with as many rows above and below it as there are up to `halo`, and its own rows in them.

    Strips begin at multiples of 16 rows, and so do their halos.

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
    """`work(x)`, for work that looks at most `halo` rows far and divides height and width by `down`, rounded up.

    Args:
        work: on maps `[B,C,h,W]` of any height.
        x: `[B,C,H,W]`.
        halo: in rows of x.
        down: 1 or 2.
        into: where to write the result; may be x itself.

    >>> x = torch.rand(1, 1, 64, 1 << 16)
    >>> blurred = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    >>> torch.equal(in_strips(blurred, x, 1), blurred(x))
    True
    """
    top, waiting = 0, None
    for part, own in strips(x, halo):
        made = work(part)[:, :, own.start // down : -(-own.stop // down)]
        if into is None:
            into = made.new_empty(*made.shape[:2], -(-x.shape[2] // down), made.shape[3])
        # The next strip still looks at what this one was made of.
        if waiting is not None:
            into[:, :, top : top + waiting.shape[2]] = waiting
            top += waiting.shape[2]
        waiting = made
    if into is None or waiting is None:
        return work(x)
    into[:, :, top:] = waiting
    return into

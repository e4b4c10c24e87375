"""Bad pixels: replace them by the mean of the nearest good pixels of the same color."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..capture import BAYER, MONO, Capture
from ..contract import Contract
from ..errors import InvalidArgument, InvalidSize
from ..spaces import SENSOR, Space
from ..stage import Quantity, Stage
from .eager import is_eager

Ring = tuple[tuple[int, int], ...]
"""Offsets, in rows and columns, of the pixels of one color at one distance."""


def same_color_rings(cfa: str, site: int, radius: int) -> tuple[Ring, ...]:
    """Offsets from a site to the pixels of its color, nearest first, grouped by distance.

    Args:
        cfa: a Bayer phase, or `"MONO"`, which has one color.
        site: 0 to 3, row-major.
        radius: largest offset in rows and columns.

    >>> same_color_rings("RGGB", 0, 2)[0]
    ((-2, 0), (0, -2), (0, 2), (2, 0))
    >>> same_color_rings("RGGB", 1, 1)
    (((-1, -1), (-1, 1), (1, -1), (1, 1)),)
    """
    letters = "MMMM" if cfa == MONO else cfa
    rings: dict[int, list[tuple[int, int]]] = {}
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            other = (site // 2 + down) % 2 * 2 + (site + right) % 2
            if (down or right) and letters[other] == letters[site]:
                rings.setdefault(down**2 + right**2, []).append((down, right))
    return tuple(tuple(rings[distance]) for distance in sorted(rings))


def _sites_by_rings(cfa: str, radius: int) -> Iterator[tuple[tuple[Ring, ...], list[float]]]:
    """The rings of each kind of site, with 1 for the sites that have them and 0 for the others."""
    rings = [same_color_rings(cfa, site, radius) for site in range(4)]
    for kind in dict.fromkeys(rings):
        yield kind, [float(each == kind) for each in rings]


class BadPixelList(Stage):
    """Replace listed pixels by the mean of the nearest good pixels of their color; the inverse is the identity.

    `y(p) = mean of x(q)` over the good pixels q of the color of p, at the smallest distance, up to 4 rows and columns,
    at which there is one; a pixel without any keeps its value, as do pixels that are not listed. What a bad pixel held
    is lost: `in_domain` is False there.

    Args:
        points: `[N,2]` row and column of each bad pixel, counted from the top left pixel of the frame.
        space: where it is applied; one channel.

    Raises:
        InvalidArgument: for other shapes, negative positions, or a space of several channels.
        InvalidSize: in `forward`, for a pixel outside the frame.

    Source: DNG 1.6 specification, opcode FixBadPixelsList, which leaves the interpolation to the reader.

    >>> x = torch.tensor([[1.0, 9, 2, 9], [9, 9, 9, 9], [99, 9, 3, 9], [9, 9, 9, 9]])
    >>> BadPixelList([[2, 0]])(x[None, None], Capture.of("RGGB"))[0, 0, 2]
    tensor([2., 9., 3., 9.])
    """

    contract = Contract(round_trip=0.0, re_render=0.0, reach=None, neutral=True)
    layouts = (*BAYER, MONO)
    points: Tensor

    def __init__(self, points: Quantity, space: Space = SENSOR) -> None:
        super().__init__()
        _check_one_channel(self, space)
        self.takes = self.gives = self.space = space
        places = torch.as_tensor(points)
        if places.ndim != 2 or places.shape[-1] != 2 or not len(places) or places.is_complex() or (places < 0).any():
            raise InvalidArgument(
                f"BadPixelList: points must be rows and columns [N,2] of at least 0, got shape {tuple(places.shape)}"
                + (f" with minimum {places.min().item()}" if places.numel() else "")
            )
        # Integers, so that a change of precision does not move pixels.
        self.hold("points", torch.unique(places.long(), dim=0), (None, 2))
        row, column = self.points.amax(0).tolist()
        self._last = (int(row), int(column))

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        self._check_size(x)
        batch = torch.arange(len(x), device=x.device).repeat_interleave(len(self.points))
        rows, columns = self.points.repeat(len(x), 1).unbind(1)
        return _repaired(x, self.in_domain(x, capture), (batch, rows, columns), capture.cfa, radius=4)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where no pixel is replaced."""
        self._check_size(x)
        good = torch.ones(x.shape[-2:], dtype=torch.bool, device=x.device)
        good[self.points.unbind(1)] = False
        return good.expand_as(x)

    def _check_size(self, x: Tensor) -> None:
        height, width = x.shape[-2:]
        if self._last[0] >= height or self._last[1] >= width:
            raise InvalidSize(
                f"BadPixelList: its pixels reach row {self._last[0]} and column {self._last[1]}, outside a frame of "
                f"{height} x {width}: pass the whole frame"
            )


class BadPixelConstant(Stage):
    """Replace pixels of one value by the mean of the nearest good pixels of their color; the inverse is the identity.

    `y(p) = mean of x(q)` over the pixels q of the color of p with `x(q) != constant`, at the smallest distance, up to 2
    rows and columns, at which there is one; a pixel without any keeps its value, as do all others. What a bad pixel
    should have held is lost: `in_domain` is False there.

    Args:
        constant: the value that marks bad pixels, scalar or `[B]`.
        space: where it is applied; one channel.

    Raises:
        InvalidArgument: for another shape, or a space of several channels.

    Source: DNG 1.6 specification, opcode FixBadPixelsConstant, which leaves the interpolation to the reader.

    >>> x = torch.tensor([[1.0, 9, 2, 9], [9, 9, 9, 9], [0, 9, 3, 9], [9, 9, 9, 9]])
    >>> BadPixelConstant(0.0)(x[None, None], Capture.of("RGGB"))[0, 0, 2]
    tensor([2., 9., 3., 9.])
    """

    contract = Contract(round_trip=0.0, re_render=0.0, reach=2, period=2, neutral=True)
    layouts = (*BAYER, MONO)
    constant: Tensor

    def __init__(self, constant: Quantity, space: Space = SENSOR) -> None:
        super().__init__()
        _check_one_channel(self, space)
        self.takes = self.gives = self.space = space
        self.hold("constant", constant, ())

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        good = self.in_domain(x, capture)
        # Compiled programs have fixed shapes: they visit every pixel, and replace the bad ones.
        batch, rows, columns = (~good[:, 0]).nonzero(as_tuple=True) if is_eager() else _everywhere(x)
        return _repaired(x, good, (batch, rows, columns), capture.cfa, radius=2)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where no pixel is replaced."""
        return x != self.constant.to(x.dtype).reshape(-1, 1, 1, 1)


def _check_one_channel(stage: Stage, space: Space) -> None:
    if space.channels != 1:
        raise InvalidArgument(
            f"{type(stage).__name__}: space must have one channel, got {space.name} with {space.channels}"
        )


def _everywhere(x: Tensor) -> tuple[Tensor, ...]:
    """Sample, row and column of every pixel."""
    axes = (torch.arange(size, device=x.device) for size in (len(x), *x.shape[-2:]))
    return tuple(index.flatten() for index in torch.meshgrid(*axes, indexing="ij"))


def _repaired(x: Tensor, good: Tensor, places: tuple[Tensor, Tensor, Tensor], cfa: str, radius: int) -> Tensor:
    """Samples whose bad pixels are the mean of the nearest good ones of their color, up to `radius` rows and columns.

    Args:
        x: `[B,1,H,W]`.
        good: `[B,1,H,W]` bool.
        places: sample, row and column of all bad pixels, and perhaps of others.
        cfa: a Bayer phase or `"MONO"`.
        radius: largest distance in rows and columns.
    """
    batch, rows, columns = places
    height, width = x.shape[-2:]
    values = x[batch, 0, rows, columns]
    for rings, sites in _sites_by_rings(cfa, radius):
        pending = (torch.tensor(sites, device=x.device)[rows % 2 * 2 + columns % 2] > 0) & ~good[
            batch, 0, rows, columns
        ]
        for ring in rings:
            total, count = torch.zeros_like(values), torch.zeros_like(values)
            for down, right in ring:
                row, column = rows + down, columns + right
                is_inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
                place = batch, 0, row.clamp(0, height - 1), column.clamp(0, width - 1)
                is_usable = is_inside & good[place]
                total = total + torch.where(is_usable, x[place], 0)
                count = count + is_usable.to(x.dtype)
            values = torch.where(pending & (count > 0), total / count.clamp(min=1), values)
            pending = pending & (count == 0)
    y = x.clone()
    y[batch, 0, rows, columns] = values
    return y

"""Bad pixels: replace them by the mean of the nearest good pixels of the same color."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import BAYER, MONO, Capture
from ..contract import Contract
from ..errors import InvalidArgument, InvalidSize
from ..spaces import SENSOR, Space
from ..stage import Quantity, Stage
from .cfa import site_plane

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
        rows, columns = self._places(x)
        bad = self._mask(x)
        values = x[:, 0, rows, columns]
        for rings, sites in _sites_by_rings(capture.cfa, radius=4):
            pending = torch.tensor(sites, device=x.device)[rows % 2 * 2 + columns % 2] > 0
            for ring in rings:
                total, count = torch.zeros_like(values), torch.zeros_like(values)
                for down, right in ring:
                    row, column = rows + down, columns + right
                    inside = (row >= 0) & (row < x.shape[-2]) & (column >= 0) & (column < x.shape[-1])
                    row, column = row.clamp(0, x.shape[-2] - 1), column.clamp(0, x.shape[-1] - 1)
                    good = inside & ~bad[row, column]
                    total = total + torch.where(good, x[:, 0, row, column], 0)
                    count = count + good.to(x.dtype)
                values = torch.where(pending & (count > 0), total / count.clamp(min=1), values)
                pending = pending & (count[0] == 0)
        y = x.clone()
        y[:, 0, rows, columns] = values
        return y

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where no pixel is replaced."""
        return ~self._mask(x).expand_as(x)

    def _places(self, x: Tensor) -> tuple[Tensor, Tensor]:
        height, width = x.shape[-2:]
        if self._last[0] >= height or self._last[1] >= width:
            raise InvalidSize(
                f"BadPixelList: its pixels reach row {self._last[0]} and column {self._last[1]}, outside a frame of "
                f"{height} x {width}: pass the whole frame"
            )
        rows, columns = self.points.unbind(1)
        return rows, columns

    def _mask(self, x: Tensor) -> Tensor:
        """`[H,W]` bool: which pixels are bad."""
        bad = torch.zeros(x.shape[-2:], dtype=torch.bool, device=x.device)
        bad[self._places(x)] = True
        return bad


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
        height, width = x.shape[-2:]
        good = self.in_domain(x, capture)
        framed, usable = (F.pad(plane, (2, 2, 2, 2)) for plane in (torch.where(good, x, 0), good.to(x.dtype)))
        sums: dict[Ring, tuple[Tensor, Tensor]] = {}
        y = x
        for rings, sites in _sites_by_rings(capture.cfa, radius=2):
            pending = ~good & (site_plane(x.new_tensor(sites), height, width) > 0)
            for ring in rings:
                if ring not in sums:
                    total, count = torch.zeros_like(x), torch.zeros_like(x)
                    for down, right in ring:
                        window = slice(2 + down, 2 + down + height), slice(2 + right, 2 + right + width)
                        total, count = total + framed[..., *window], count + usable[..., *window]
                    sums[ring] = total / count.clamp(min=1), count
                mean, count = sums[ring]
                y = torch.where(pending & (count > 0), mean, y)
                pending = pending & (count == 0)
        return y

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

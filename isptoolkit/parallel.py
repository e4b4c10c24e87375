"""Parallel branches between an invertible split and its join."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from .capture import Capture, shared_layouts
from .contract import Contract
from .errors import InvalidArgument, SpaceMismatch
from .spaces import Space, resample_mask
from .stage import Stage


class Split(nn.Module, ABC):
    """An exactly invertible step from one tensor to several, such as luma and chroma, or the bands of a wavelet.

    Attributes:
        takes: the space that is split.
        gives: the spaces of the parts, in order.
    """

    takes: Space
    gives: tuple[Space, ...]

    @abstractmethod
    def forward(self, x: Tensor, capture: Capture) -> tuple[Tensor, ...]:
        """Split a tensor into its parts."""

    @abstractmethod
    def inverse(self, parts: Sequence[Tensor], capture: Capture) -> Tensor:
        """Join the parts; exact."""


class ChannelSplit(Split):
    """Split into consecutive groups of channels: `sizes=(1, 2)` splits YCbCr into luma and chroma.

    Args:
        takes: the space that is split.
        sizes: channels of each part, adding up to those of `takes`.

    Raises:
        InvalidArgument: for sizes that do not add up, or are not positive.

    >>> from isptoolkit import SRGB
    >>> [space.name for space in ChannelSplit(SRGB, (1, 2)).gives]
    ['srgb[0:1]', 'srgb[1:3]']
    """

    def __init__(self, takes: Space, sizes: Sequence[int]) -> None:
        super().__init__()
        if min(sizes, default=0) < 1 or sum(sizes) != takes.channels:
            raise InvalidArgument(f"sizes must be positive and add up to {takes.channels} channels, got {tuple(sizes)}")
        self.takes, self.sizes = takes, tuple(sizes)
        ends = [sum(self.sizes[: i + 1]) for i in range(len(self.sizes))]
        self.gives = tuple(
            Space(f"{takes.name}[{end - size}:{end}]", size, takes.downscale)
            for size, end in zip(self.sizes, ends, strict=True)
        )

    def forward(self, x: Tensor, capture: Capture) -> tuple[Tensor, ...]:
        self.takes.check(x)
        return torch.split(x, list(self.sizes), 1)

    def inverse(self, parts: Sequence[Tensor], capture: Capture) -> Tensor:
        return torch.cat(list(parts), 1)


class Parallel(Stage):
    """Branches between an invertible split and its join; itself a stage.

    Args:
        split: divides the input into parts.
        join: the split whose inverse joins the results; by default `split`.
        branches: one stage per part, by name, in the order of the parts.

    Attributes:
        contract: the worst of the branches, since parts do not influence one another.

    Raises:
        SpaceMismatch: for a branch that does not fit its part of the split or of the join.
        InvalidArgument: if the number of branches is not that of the parts.

    >>> from isptoolkit import Capture, Space, stages
    >>> ycbcr = Space("ycbcr", 3)
    >>> split = ChannelSplit(ycbcr, (1, 2))
    >>> luma, chroma = split.gives
    >>> stage = Parallel(split, luma=stages.Gain(2.0, space=luma), chroma=stages.Gain(1.0, space=chroma))
    >>> stage(torch.ones(1, 3, 1, 1), Capture.of("RGGB")).flatten()
    tensor([2., 1., 1.])
    """

    def __init__(self, split: Split, join: Split | None = None, **branches: Stage) -> None:
        super().__init__()
        ends = (join or split).gives
        if not len(split.gives) == len(ends) == len(branches):
            raise InvalidArgument(f"{len(split.gives)} parts, {len(branches)} branches, {len(ends)} parts to join")
        for (name, branch), start, end in zip(branches.items(), split.gives, ends, strict=True):
            if (branch.takes, branch.gives) != (start, end):
                raise SpaceMismatch(
                    f"branch {name} must lead from {start!r} to {end!r}, but leads {branch.takes!r} to {branch.gives!r}"
                )
        self.split, self.join = split, join
        self.branches = nn.ModuleDict(branches)
        self.takes, self.gives = split.takes, (join or split).takes
        self.layouts = shared_layouts([branch.layouts for branch in branches.values()])
        self.contract = _worst([branch.contract for branch in branches.values()])

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        parts = self.split(x, capture)
        outputs = [stage.forward(part, capture) for stage, part in zip(self.stages(), parts, strict=True)]
        return (self.join or self.split).inverse(outputs, capture)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        parts = (self.join or self.split)(y, capture)
        recovered = [stage.inverse(part, capture) for stage, part in zip(self.stages(), parts, strict=True)]
        return self.split.inverse(recovered, capture)

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        mask = torch.ones_like(x[:, :1], dtype=torch.bool)
        for stage, part in zip(self.stages(), self.split(x, capture), strict=True):
            mask = mask & resample_mask(stage.in_domain(part, capture), stage.takes, self.takes)
        return mask

    def stages(self) -> list[Stage]:
        """The branches, in the order of the parts."""
        return [cast(Stage, branch) for branch in self.branches.values()]

    @property
    def has_domain(self) -> bool:
        return any(stage.has_domain for stage in self.stages())

    @property
    def two_way(self) -> bool:
        return all(stage.two_way for stage in self.stages())


def _worst(contracts: list[Contract]) -> Contract:
    def largest(values: list[float | None]) -> float | None:
        return None if None in values else max(value for value in values if value is not None)

    reaches = [c.reach for c in contracts]
    return Contract(
        round_trip=largest([c.round_trip for c in contracts]),
        re_render=largest([c.re_render for c in contracts]),
        condition=max(c.condition for c in contracts),
        reach=None if None in reaches else max(reach for reach in reaches if reach is not None),
        period=math.lcm(*(c.period for c in contracts)),
        differentiable=all(c.differentiable for c in contracts),
    )

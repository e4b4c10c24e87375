"""Tiling: full frames through memory-hungry stages, tile by tile, with equal values."""

from collections.abc import Callable

from torch import Tensor

from .capture import Capture
from .errors import InvalidArgument
from .spaces import MOSAIC, PACKED, SENSOR
from .stage import Stage


class Tiled(Stage):
    """A stage applied tile by tile, each with a margin of the stage's reach.

    The output equals that for the whole frame, to rounding, but needs the memory of a tile. Both spaces of the stage
    must have the size of the image.

    Args:
        stage: with a finite `contract.reach` that holds for its inverse as well.
        tile: height and width of a tile without its margin.

    Raises:
        InvalidArgument: for a stage without a finite reach, a stage of a mosaic, or a tile below 8 pixels.

    >>> import torch
    >>> from isptoolkit.stages import SRGBCurve
    >>> x = torch.rand(1, 3, 20, 30)
    >>> whole, tiled = (stage(x, Capture.of("RGGB")) for stage in (SRGBCurve(), Tiled(SRGBCurve(), tile=8)))
    >>> torch.allclose(whole, tiled)
    True
    """

    def __init__(self, stage: Stage, tile: int = 512) -> None:
        super().__init__()
        if stage.contract.reach is None:
            raise InvalidArgument(f"Tiled: {type(stage).__name__} may depend on the whole frame")
        if {stage.takes, stage.gives} & {SENSOR, MOSAIC, PACKED} or tile < 8:
            raise InvalidArgument(
                f"Tiled takes stages between full-size images and tiles of at least 8 pixels, got {tile}"
            )
        self.stage, self.tile = stage, tile
        self.takes, self.gives, self.contract = stage.takes, stage.gives, stage.contract
        self.layouts = stage.layouts

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return self._each(self.stage.forward, x, capture, self.gives.channels)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return self._each(self.stage.inverse, y, capture, self.takes.channels)

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        return self.stage.in_domain(x, capture)

    @property
    def has_domain(self) -> bool:
        return self.stage.has_domain

    @property
    def two_way(self) -> bool:
        return self.stage.two_way

    def _each(self, apply: Callable[[Tensor, Capture], Tensor], x: Tensor, capture: Capture, channels: int) -> Tensor:
        height, width = x.shape[2:]
        margin = self.contract.reach or 0
        if height <= self.tile and width <= self.tile:
            return apply(x, capture)
        output = x.new_empty(x.shape[0], channels, height, width)
        for top in range(0, height, self.tile):
            for left in range(0, width, self.tile):
                down, across = min(top + self.tile, height), min(left + self.tile, width)
                above, before = max(top - margin, 0), max(left - margin, 0)
                part = apply(x[..., above : down + margin, before : across + margin], capture)
                output[..., top:down, left:across] = part[
                    ..., top - above : down - above, left - before : across - before
                ]
        return output

"""Classical cameras with one part learned: what a graph of stages that can be swapped is for.

`flow`: matrix, curve and tone of `classic()` swapped by a normalizing flow. `residual`: the whole of it, and a flow
that begins as the identity behind it. `demosaic`: its demosaic swapped by a small network. All stay two-way, so that
the way back is the inverse of what was learned.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isptoolkit import CAMERA, SRGB, Pipeline, presets, stages
from isptoolkit.data import Batch
from isptoolkit.errors import InvalidArgument
from isptoolkit.learned import ResidualDemosaic

from .invisp import ENCODED, InvISP


@dataclass(frozen=True)
class Config:
    """Which part is learned.

    Args:
        part: `flow`, `residual` or `demosaic`, see above.
        blocks: of the flow.
        growth: channels that each convolution of a dense block adds.
    """

    part: str = "residual"
    blocks: int = 2
    growth: int = 16

    def __post_init__(self) -> None:
        if self.part not in ("flow", "residual", "demosaic"):
            raise InvalidArgument(f"hybrids: the part is flow, residual or demosaic, got {self.part!r}")


def build(config: Config | None = None) -> Pipeline:
    """From sensor to sRGB and back.

    >>> build(Config("flow")).names
    ('levels', 'balance', 'highlights', 'demosaic', 'gamma', 'render')
    """
    config = config or Config()
    classic = presets.classic()
    if config.part == "demosaic":
        return classic.span("levels", "tone").swap("demosaic", ResidualDemosaic())
    if config.part == "residual":
        chain = classic.span("levels", "tone")
        return Pipeline(
            **dict(chain.items()), render=InvISP(config.blocks, config.growth, start="identity", takes=SRGB)
        )
    gamma = stages.PowerCurve(gamma=2.2, takes=CAMERA, gives=ENCODED)
    before = classic.span("levels", "demosaic")
    return Pipeline(**dict(before.items()), gamma=gamma, render=InvISP(config.blocks, config.growth, start="identity"))


class Objective(nn.Module):
    """Mean absolute errors of the picture, and of what goes into the flow, back from the true picture.

    Of a learned demosaic the picture alone: the way back takes samples, whatever was learned.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        self.pipeline = build(self.config)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its parts."""
        if self.config.part == "demosaic":
            error = (self.pipeline(batch.sensor, batch.capture) - batch.target).abs().mean()
            return error, {"rgb": error.detach()}
        names = self.pipeline.names
        with torch.no_grad():
            seen = self.pipeline.span(names[0], names[-2])(batch.sensor, batch.capture)
        flow = self.pipeline["render"]
        there = (flow(seen, batch.capture) - batch.target).abs().mean()
        back = (flow.inverse(batch.target, batch.capture) - seen).abs().mean()
        return there + back, {"rgb": there, "raw": back}

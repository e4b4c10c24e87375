"""Classical cameras with one learned part: what a graph of swappable stages is for.

`flow` replaces the matrix, curve and tone of `classic()` by a normalizing flow, `residual` appends an
identity-initialized flow, `demosaic` replaces the demosaic by a small network. All stay two-way: RAW is recovered by
the inverse of what was learned.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from isptoolkit import CAMERA, SRGB, Pipeline, Stage, presets, stages
from isptoolkit.data import FIVEK, Batch
from isptoolkit.errors import InvalidArgument
from isptoolkit.learned import ResidualDemosaic
from isptoolkit.train import Candidate, Card, Recipe, Task
from isptoolkit.train import Objective as BaseObjective

from .invisp_network import ENCODED, InvISP


@dataclass(frozen=True)
class Config:
    """Which part is learned.

    Args:
        part: `flow` replaces matrix, curve and tone by a normalizing flow; `residual` appends an identity-initialized
            flow; `demosaic` replaces the demosaic by a small network.
        blocks: of the flow.
        growth: channels that each convolution of a dense block adds.

    Raises:
        InvalidArgument: for another part.
    """

    part: str = "residual"
    blocks: int = 2
    growth: int = 16

    def __post_init__(self) -> None:
        if self.part not in ("flow", "residual", "demosaic"):
            raise InvalidArgument(f"hybrids: the part is flow, residual or demosaic, got {self.part!r}")


def build(config: Config | None = None) -> Pipeline:
    """The camera from sensor to sRGB, two-way.

    Args:
        config: of the recipe.

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


class Objective(BaseObjective):
    """Mean absolute errors of the sRGB image, and of the flow's input as recovered from the true image.

    With a learned demosaic, only the error of the image: its inverse takes samples, whatever was learned.

    Args:
        config: of the recipe.
    """

    stage: Pipeline

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(build(config))
        self.config = config or Config()

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its parts."""
        if self.config.part == "demosaic":
            error = (self.stage(batch.sensor, batch.capture) - batch.target).abs().mean()
            return error, {"rgb": error.detach()}
        names = self.stage.names
        with torch.no_grad():
            x = self.stage.span(names[0], names[-2])(batch.sensor, batch.capture)
        flow = self.stage["render"]
        rgb_error = (flow(x, batch.capture) - batch.target).abs().mean()
        raw_error = (flow.inverse(batch.target, batch.capture) - x).abs().mean()
        return rgb_error + raw_error, {"rgb": rgb_error, "raw": raw_error}


def _camera(pipeline: Stage) -> Pipeline:
    return pipeline if isinstance(pipeline, Pipeline) else Pipeline(camera=pipeline)


def _candidate(part: str, text: str, lr: float, cost: float) -> Candidate[Config]:
    return Candidate(f"hybrid-{part}", text, Config(part), Config(part), lr=lr, cost=cost)


RECIPE = Recipe(
    name="hybrids",
    title="Hybrids",
    source=None,
    tasks=(Task.RENDER, Task.REVERSE, Task.DEMOSAIC),
    config=Config,
    published=Config(),
    small=Config(blocks=1, growth=8),
    parameters=None,
    build=build,
    objective=Objective,
    layouts=FIVEK,
    camera=_camera,
    candidates=(
        _candidate("flow", "classic() with a flow in place of matrix, curve and tone", 5e-4, 12.0),
        _candidate("residual", "classic() followed by an identity-initialized flow", 5e-4, 12.0),
        _candidate(
            "demosaic", "classic() with Malvar's demosaic and a small network in place of its demosaic", 1e-3, 0.55
        ),
    ),
    card=Card(
        what="`classic()` with a flow that replaces its matrix, curve and tone stages, or an identity-initialized flow "
        "after them; or with a small network in place of its demosaic, which keeps every sample, so the inverse is "
        "unchanged.",
        data="none published; the hybrids are this project's own.",
        limits="files without gains and a color matrix, which the classical part needs.",
    ),
)

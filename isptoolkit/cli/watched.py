"""Pipelines that report their progress, stage by stage."""

from collections.abc import Callable

from torch import Tensor

from ..capture import Capture
from ..pipeline import Pipeline
from ..stage import Stage


class Watched(Stage):
    """A stage that calls back before and after `forward`.

    Args:
        stage: what does the work.
        on_start: called before it runs.
        on_end: called after it has run.
    """

    def __init__(self, stage: Stage, on_start: Callable[[], None], on_end: Callable[[], None]) -> None:
        super().__init__()
        self.stage, self.on_start, self.on_end = stage, on_start, on_end
        self.takes, self.gives, self.contract = stage.takes, stage.gives, stage.contract
        self.layouts = stage.layouts

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        self.on_start()
        output = self.stage.forward(x, capture)
        self.on_end()
        return output


def watched(pipeline: Pipeline, on_start: Callable[[str], None], on_end: Callable[[], None]) -> Pipeline:
    """A pipeline that renders as `pipeline` does, and calls back around each stage.

    Args:
        pipeline: what to render with; it is not modified.
        on_start: called with the name of each stage before it runs.
        on_end: called after each stage.

    >>> from isptoolkit import presets
    >>> pipeline = watched(presets.classic().span("matrix", "curve"), print, lambda: None)
    >>> import torch
    >>> image = pipeline(torch.zeros(1, 3, 2, 2), Capture.of("RGGB"))
    matrix
    exposure
    clip
    curve
    """

    def wrap(name: str, stage: Stage) -> Watched:
        return Watched(stage, lambda: on_start(name), on_end)

    return Pipeline(**{name: wrap(name, stage) for name, stage in pipeline.items()})

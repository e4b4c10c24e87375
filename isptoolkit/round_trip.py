"""How much of a capture survives rendering and its inverse, stage by stage."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .capture import Capture
from .errors import OneWay
from .pipeline import Pipeline
from .spaces import SENSOR, Space, resample_mask

_PERCENTILES = (50.0, 99.0, 100.0)


@dataclass(frozen=True)
class StageError:
    """Error of the recovered input of one stage, in digital numbers.

    Attributes:
        stage: the name of the stage.
        space: the space of its input, where the error is measured.
        on_domain: median, 99th percentile and maximum over the pixels that no stage from here on clips.
        everywhere: the same over all pixels.
        alive: share of the pixels in `on_domain`.
    """

    stage: str
    space: str
    on_domain: tuple[float, float, float]
    everywhere: tuple[float, float, float]
    alive: float


@dataclass(frozen=True)
class RoundTrip:
    """What `measure` found: one row per stage, the first being the whole trip back to the pipeline's input.

    Attributes:
        rows: in pipeline order.
        digital_numbers: digital numbers between black and white, the unit of errors outside SENSOR.
    """

    rows: tuple[StageError, ...]
    digital_numbers: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def measure(pipeline: Pipeline, x: Tensor, capture: Capture) -> RoundTrip:
    """Render `x`, go all the way back, and compare the recovered input of every stage with the true one.

    Args:
        pipeline: all of its stages have inverses.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.

    Raises:
        OneWay: when a stage has no inverse; names it.
    """
    for name, stage in pipeline.items():
        if not stage.two_way:
            raise OneWay(f"stage {name} ({type(stage).__name__}) has no inverse: take a span without it")
    values = pipeline.trace(x, capture)
    inputs = dict(zip(pipeline.names, [x, *values.values()], strict=False))
    recovered = pipeline.trace_inverse(values[pipeline.names[-1]], capture)
    unit = float((capture.white - capture.black.mean(-1)).mean())
    rows: list[StageError] = []
    alive: Tensor | None = None
    space: Space = pipeline.gives
    for name in reversed(pipeline.names):
        stage = pipeline[name]
        here = stage.in_domain(inputs[name], capture)
        alive = here if alive is None else here & resample_mask(alive, space, stage.takes)
        space = stage.takes
        error = (recovered[name] - inputs[name]).abs().amax(1, keepdim=True)
        error = error if space == SENSOR else error * unit
        rows.append(StageError(name, space.name, _spread(error[alive]), _spread(error), float(alive.double().mean())))
    return RoundTrip(tuple(reversed(rows)), unit)


def _spread(error: Tensor) -> tuple[float, float, float]:
    values = error.flatten().double().cpu().numpy()
    if not len(values):
        return (0.0, 0.0, 0.0)
    ranks = [round((len(values) - 1) * p / 100) for p in _PERCENTILES]
    low, high, top = (float(value) for value in np.partition(values, ranks)[ranks])
    return (low, high, top)


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio of two images in [0, 1], in decibels: `-10 log10 mean((a - b)^2)`.

    >>> round(psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1)), 3)
    20.0
    """
    return float(-10 * torch.log10((a.double() - b.double()).square().mean()))

"""How much of a capture survives rendering and its inverse, stage by stage."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ..capture import Capture
from ..errors import OneWay
from ..pipeline import Pipeline
from ..spaces import SENSOR, Space, resample_mask

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


@dataclass(frozen=True)
class Journey:
    """Every value on the way there and back.

    Attributes:
        inputs: the true input of every stage, by name, in pipeline order.
        output: what the last stage gave.
        recovered: the recovered input of every stage, by name.
    """

    inputs: dict[str, Tensor]
    output: Tensor
    recovered: dict[str, Tensor]


def travel(pipeline: Pipeline, x: Tensor, capture: Capture) -> Journey:
    """Render `x` and go all the way back.

    Raises:
        OneWay: when a stage has no inverse; names it.
    """
    for name, stage in pipeline.items():
        if not stage.two_way:
            raise OneWay(f"stage {name} ({type(stage).__name__}) has no inverse: take a span without it")
    values = pipeline.trace(x, capture)
    output = values[pipeline.names[-1]]
    inputs = dict(zip(pipeline.names, [x, *values.values()][:-1], strict=True))
    return Journey(inputs, output, pipeline.trace_inverse(output, capture))


def measure(
    pipeline: Pipeline,
    x: Tensor,
    capture: Capture,
    *,
    stages: Collection[str] | None = None,
    journey: Journey | None = None,
) -> RoundTrip:
    """Render `x`, go all the way back, and compare the recovered input of every stage with the true one.

    Args:
        pipeline: all of its stages have inverses.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.
        stages: names of the stages to give a row; all of them by default.
        journey: what `travel` gave for the same arguments, where it is at hand.

    Raises:
        OneWay: when a stage has no inverse; names it.
    """
    there = travel(pipeline, x, capture) if journey is None else journey
    unit = float((capture.white - capture.black.mean(-1)).mean())
    rows: list[StageError] = []
    alive: Tensor | None = None
    space: Space = pipeline.gives
    for name in reversed(pipeline.names):
        stage, before = pipeline[name], there.inputs[name]
        here = stage.in_domain(before, capture)
        alive = here if alive is None else here & resample_mask(alive, space, stage.takes)
        space = stage.takes
        if stages is None or name in stages:
            error = _error(there.recovered[name], before, 1.0 if space == SENSOR else unit)
            inside = _spread(error[alive])
            rows.append(StageError(name, space.name, inside, _spread(error), float(alive.double().mean())))
    return RoundTrip(tuple(reversed(rows)), unit)


def _error(recovered: Tensor, before: Tensor, unit: float) -> Tensor:
    difference = (recovered - before).detach().abs_()
    return (difference.amax(1, keepdim=True) if difference.shape[1] > 1 else difference).mul_(unit)


def _spread(error: Tensor) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum; `error` may be reordered."""
    kept = error if error.dtype in (torch.float32, torch.float64) else error.float()
    values = kept.flatten().cpu().numpy()
    if not len(values):
        return (0.0, 0.0, 0.0)
    ranks = [round((len(values) - 1) * p / 100) for p in _PERCENTILES]
    values.partition(ranks)
    low, high, top = (float(value) for value in values[ranks])
    return (low, high, top)


def number(value: float) -> str:
    """Two significant digits, without an exponent where that stays short.

    >>> number(551.7), number(0.2604), number(3.1e-7), number(0.0)
    ('552', '0.26', '3.1e-07', '0')
    """
    return f"{value:.0f}" if 100 <= abs(value) < 1e6 else f"{value:.2g}"


def percent(share: float) -> str:
    """A share in percent that is never rounded to none or to all.

    >>> percent(0.99999), percent(0.00001), percent(0.9904), percent(1.0)
    ('>99.99%', '<0.01%', '99.04%', '100%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    return "<0.01%" if share < 0.0001 else ">99.99%" if share > 0.9999 else f"{share:.2%}"

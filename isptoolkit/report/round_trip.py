"""How much of a capture survives rendering and its inverse, stage by stage."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from ..capture import Capture
from ..errors import OneWay
from ..pipeline import Pipeline
from ..spaces import DIGITAL, Space, resample_mask

_PERCENTILES = (50.0, 99.0, 100.0)


@dataclass(frozen=True)
class StageError:
    """Error of the recovered input of one stage, in digital numbers.

    Attributes:
        stage: the name of the stage.
        space: the space of its input, where the error is measured.
        on_domain: median, 99th percentile and maximum over the pixels that neither this stage nor a later one clips.
        everywhere: median, 99th percentile and maximum over all pixels.
        alive: share of the pixels that `on_domain` covers.
    """

    stage: str
    space: str
    on_domain: tuple[float, float, float]
    everywhere: tuple[float, float, float]
    alive: float


@dataclass(frozen=True)
class RoundTrip:
    """The errors of one round trip through a pipeline.

    Attributes:
        rows: one per stage in pipeline order; the first is the error at the pipeline's input.
        digital_numbers: digital numbers between black and white, the unit of errors outside SENSOR and LINEAR_RAW.
    """

    rows: tuple[StageError, ...]
    digital_numbers: float

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Journey:
    """Every intermediate value of a rendering and of its inverse.

    Attributes:
        inputs: the true input of every stage, by name, in pipeline order.
        output: the output of the last stage.
        recovered: the recovered input of every stage, by name.
    """

    inputs: dict[str, Tensor]
    output: Tensor
    recovered: dict[str, Tensor]


def travel(pipeline: Pipeline, x: Tensor, capture: Capture) -> Journey:
    """Render `x`, then invert the rendering stage by stage.

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


def survivors(pipeline: Pipeline, journey: Journey, capture: Capture) -> dict[str, Tensor]:
    """The pixels of every stage's input that neither this stage nor a later one clips.

    Args:
        pipeline: the one that `journey` went through.
        journey: the result of `travel`.
        capture: of the same samples.

    Returns:
        `[B,1,H,W]` bool on the pixel grid of each stage's input, by name, last stage first.
    """
    masks: dict[str, Tensor] = {}
    alive: Tensor | None = None
    space: Space = pipeline.gives
    for name, stage in reversed(pipeline.items()):
        inside = stage.in_domain(journey.inputs[name], capture)
        alive = inside if alive is None else inside & resample_mask(alive, space, stage.takes)
        space, masks[name] = stage.takes, alive
    return masks


def error_map(recovered: Tensor, target: Tensor, space: Space, digital_numbers: float) -> Tensor:
    """The largest error of any channel at each pixel, in digital numbers.

    Args:
        recovered: `[B,C,H,W]` in `space`.
        target: `[B,C,H,W]`, the true values.
        space: values of SENSOR and LINEAR_RAW are digital numbers already.
        digital_numbers: digital numbers between black and white.

    Returns:
        `[B,1,H,W]`.
    """
    difference = (recovered - target).detach().abs_()
    worst = difference.amax(1, keepdim=True) if difference.shape[1] > 1 else difference
    return worst if space in DIGITAL else worst.mul_(digital_numbers)


def measure(
    pipeline: Pipeline,
    x: Tensor,
    capture: Capture,
    *,
    stages: Collection[str] | None = None,
    journey: Journey | None = None,
    masks: dict[str, Tensor] | None = None,
) -> RoundTrip:
    """Render `x`, invert the rendering, and compare the recovered input of every stage with the true one.

    Args:
        pipeline: all of its stages have inverses.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.
        stages: names of the stages to report; all of them by default.
        journey: the result of `travel` for the same arguments, if you already have it.
        masks: the result of `survivors` for that journey, if you already have it.

    Raises:
        OneWay: when a stage has no inverse; names it.
    """
    journey = travel(pipeline, x, capture) if journey is None else journey
    masks = survivors(pipeline, journey, capture) if masks is None else masks
    unit = float((capture.white - capture.black.mean(-1)).mean())
    rows: list[StageError] = []
    for name, stage in pipeline.items():
        if stages is None or name in stages:
            error = error_map(journey.recovered[name], journey.inputs[name], stage.takes, unit)
            alive = masks[name]
            share = float(alive.double().mean())
            rows.append(StageError(name, stage.takes.name, _spread(error[alive]), _spread(error), share))
    return RoundTrip(tuple(rows), unit)


def _spread(error: Tensor) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum; `error` may be reordered."""
    wide = error if error.dtype in (torch.float32, torch.float64) else error.float()
    values = wide.flatten().cpu().numpy()
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
    """A share in percent, never rounded to 0% or 100%.

    >>> percent(0.99999), percent(0.00001), percent(0.9904), percent(1.0)
    ('>99.99%', '<0.01%', '99.04%', '100%')
    """
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    return "<0.01%" if share < 0.0001 else ">99.99%" if share > 0.9999 else f"{share:.2%}"

"""What a report page states of each stage: its contract, its errors, its histogram, and the graph."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..capture import Capture
from ..pipeline import Pipeline
from ..spaces import DIGITAL, Space
from ..stage import Stage
from ..wrappers import Pair
from .explain import class_name, flatten, verdict
from .graph import branches, series
from .page_pixels import channel_names
from .round_trip import StageError, measure, survivors, travel

_BINS, _STRIP = 96, 128


@dataclass(frozen=True)
class Passage:
    """One stage and what went through it.

    Attributes:
        name: of the stage; those of nested pipelines are joined by " › ".
        stage: the stage itself.
        before: its true input.
        after: its true output.
        recovered: its input as the inverses of the later stages recover it; None without an inverse.
        alive: where neither this stage nor a later one clips; None without an inverse.
        errors: of `recovered`; None without an inverse.
    """

    name: str
    stage: Stage
    before: Tensor
    after: Tensor
    recovered: Tensor | None = None
    alive: Tensor | None = None
    errors: StageError | None = None


def passages(pipeline: Pipeline, x: Tensor, capture: Capture) -> list[Passage]:
    """Render `x` and invert the rendering; where a stage has no inverse, earlier stages start over from its true input.

    Args:
        pipeline: nested pipelines are flattened.
        x: `[1,C,H,W]` in the space that the pipeline takes.
        capture: of the same sample.
    """
    done: list[Passage] = []
    for part in _spans([(name.replace(".", " › "), stage) for name, stage in flatten(pipeline)]):
        if not part[0][1].two_way:
            name, stage = part[0]
            done.append(Passage(name, stage, x, Pipeline(**dict(part)).forward(x, capture)))
        else:
            span = Pipeline(**dict(part))
            journey = travel(span, x, capture)
            masks = survivors(span, journey, capture)
            trip = measure(span, x, capture, journey=journey, masks=masks)
            outputs = [*list(journey.inputs.values())[1:], journey.output]
            for (name, stage), after, errors in zip(part, outputs, trip.rows, strict=True):
                before, recovered = journey.inputs[name], journey.recovered[name]
                done.append(Passage(name, stage, before, after, recovered, masks[name], errors))
        x = done[-1].after
    return done


def _spans(stages: list[tuple[str, Stage]]) -> Iterator[list[tuple[str, Stage]]]:
    """Runs of stages with inverses, and single ones without."""
    run: list[tuple[str, Stage]] = []
    for name, stage in stages:
        if stage.two_way:
            run.append((name, stage))
            continue
        yield from ([run] if run else [])
        yield [(name, stage)]
        run = []
    yield from ([run] if run else [])


def stage_facts(passage: Passage, capture: Capture) -> dict[str, Any]:
    """One stage's numbers, as plain data."""
    stage, errors = passage.stage, passage.errors
    inside = stage.in_domain(passage.before, capture)
    return {
        "name": passage.name,
        "kind": class_name(stage),
        "takes": stage.takes.name,
        "gives": stage.gives.name,
        "verdict": verdict(stage),
        "roundTrip": bound(stage.contract.round_trip) if stage.two_way else "no inverse",
        "reRender": bound(stage.contract.re_render) if stage.two_way else "no inverse",
        "measured": _alone(passage, inside, capture),
        "clipped": 1 - float(inside.double().mean()),
        "alive": None if errors is None else errors.alive,
        "onDomain": None if errors is None else finite(errors.on_domain),
        "everywhere": None if errors is None else finite(errors.everywhere),
    }


def bound(value: float | None) -> str:
    """A bound of a contract in words."""
    return "no promise" if value is None else "exact" if value == 0 else f"within {value:.3g}"


def finite(values: tuple[float, ...]) -> list[float | None]:
    """Numbers for JSON, which has no infinity: None instead."""
    return [value if math.isfinite(value) else None for value in values]


def _alone(passage: Passage, inside: Tensor, capture: Capture) -> dict[str, Any] | None:
    """The round trip of this stage alone, as the law checker judges it, in the units of its input."""
    from ..testing.laws import NO_PIXEL, trips

    stage = passage.stage
    if not stage.two_way:
        return None
    findings = [
        finding
        for strip in _strips(passage.before, stage)
        for finding in trips(stage, strip, capture)
        if finding.law.startswith("round trip") and finding.detail != NO_PIXEL
    ]
    if findings:
        closest = max(findings, key=lambda finding: (not finding.held, finding.measured - finding.allowed))
        worst, allowed = finite((closest.measured, closest.allowed))
        return {"worst": worst, "allowed": allowed, "held": closest.held}
    error = (stage.inverse(passage.after, capture) - passage.before).abs().amax(1, keepdim=True)[inside]
    return {"worst": finite((float(error.max()),))[0] if error.numel() else None, "allowed": None, "held": None}


def _strips(x: Tensor, stage: Stage) -> Iterator[Tensor]:
    """Rows that fit the processor's cache, where crops commute with the stage; else all rows at once."""
    period = stage.contract.period
    rows = x.shape[2] if stage.contract.reach is None else max(1, _STRIP // period) * period
    tops = list(range(0, x.shape[2] - rows // 2, rows)) or [0]
    for top, bottom in zip(tops, [*tops[1:], x.shape[2]], strict=True):
        yield x[:, :, top:bottom].contiguous()


def histogram(x: Tensor, recovered: Tensor | None, space: Space, cfa: str) -> dict[str, Any]:
    """Counts of all values by color, and those of the recovered values, between the 0.05 and the 99.95 percentile.

    Args:
        x: `[1,C,H,W]` in `space`.
        recovered: `[1,C,H,W]` or None.
        space: of both; the samples of a mosaic are counted by the color of their filters.
        cfa: of the capture.

    Returns:
        The `low` and `high` ends of the axis, the share `beyond` them, and `channels` of `name`, `counts`, `recovered`.
    """
    flat = x.flatten()[:: max(1, x.numel() // 50_000)].float()
    flat = flat[flat.isfinite()]
    low, high = flat.quantile(torch.tensor([0.0005, 0.9995]).to(flat)).tolist() if flat.numel() else (0.0, 0.0)
    bins = max(1, min(_BINS, int(high - low))) if space in DIGITAL else _BINS
    high = max(high, low + 1e-6 * max(1.0, abs(low)))
    groups, others = _by_color(x, space, cfa), {} if recovered is None else _by_color(recovered, space, cfa)
    counts = {name: _counts(values, bins, low, high) for name, values in groups.items()}
    channels = [
        {
            "name": name,
            "counts": counts[name],
            "recovered": _counts(others[name], bins, low, high) if others else None,
        }
        for name in groups
    ]
    inside = sum(map(sum, counts.values()))
    return {"low": low, "high": high, "beyond": 1 - inside / x.numel(), "channels": channels}


def _by_color(x: Tensor, space: Space, cfa: str) -> dict[str, list[Tensor]]:
    names = channel_names(space, cfa)
    parts = [(name, x[0, i]) for i, name in enumerate(names)]
    if names == [""]:
        parts = [(letter, x[0, 0, i // 2 :: 2, i % 2 :: 2]) for i, letter in enumerate(cfa)]
    colors: dict[str, list[Tensor]] = {}
    for name, values in sorted(parts, key=lambda part: "RGB".find(part[0])):
        colors.setdefault(name, []).append(values)
    return colors


def _counts(parts: list[Tensor], bins: int, low: float, high: float) -> list[int]:
    numbers = [part.float().nan_to_num(torch.inf, torch.inf, -torch.inf) for part in parts if part.numel()]
    counts = sum(torch.histc(part, bins, low, high) for part in numbers)
    return [int(count) for count in torch.as_tensor(counts).expand(bins).tolist()]


def graph(stage: Stage, name: str = "", path: str = "") -> dict[str, Any]:
    """The graph as nested data: `series` of stages, or `branches` side by side; `path` names the section of a stage."""
    node: dict[str, Any] = {
        "name": name,
        "path": path,
        "kind": class_name(stage),
        "verdict": verdict(stage),
        "promise": bound(stage.contract.round_trip) if stage.two_way else "no inverse",
        "takes": stage.takes.name,
        "gives": stage.gives.name,
    }
    parts, sides = series(stage), branches(stage)
    if parts is not None:
        prefix = f"{path} › " if path else ""
        node["series"] = [graph(part, key, prefix + key) for key, part in parts]
    elif isinstance(stage, Pair):
        node["branches"] = [graph(stage.there, "forward"), graph(stage.back, "inverse")]
    elif sides:
        node["branches"] = [graph(part, key) for key, part in sides]
    return node

"""One image of a whole round trip: every stage forward and inverse, error maps and histograms."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..atomic import check_target, replacing
from ..capture import BAYER, Capture
from ..pipeline import Pipeline
from ..spaces import DIGITAL, Space
from ..stages.cfa import pack, site_channels
from .round_trip import Journey, RoundTrip, error_map, measure, number, percent, survivors, travel
from .visible import Pixels, pooling, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg")
_THUMBNAIL, _CELL, _DPI = 256, 2.9, 90
_GAP, _TITLE, _TOP, _TICKS = 0.22, 0.3, 0.55, 0.3
"""Inches: between columns, above each image, above the first row, below each histogram."""
_DECADES = 3
_INK, _PAPER, _MUTED, _DEAD = "#1c1f24", "#ffffff", "#6b7280", "#9aa3b2"
_CHANNELS = ("#d1495b", "#3a7d44", "#2e5eaa")


def contact_sheet(
    pipeline: Pipeline, x: Tensor, capture: Capture, path: str | Path, *, journey: Journey | None = None
) -> None:
    """Draw the first sample: one row per stage with its output, the recovered input, the error map and a histogram.

    Linear spaces are shown through the sRGB curve, mosaics as the color of their 2x2 cells. Error maps are in digital
    numbers on a logarithmic scale that all rows share. Pixels that the stage or a later one clips are gray; the title
    above a map states the largest error of the others.

    Args:
        pipeline: every stage has an inverse.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.
        path: ends in .png or .svg.
        journey: the result of `travel` for one sample `x`, if you already have it.

    Raises:
        InvalidArgument: for another suffix, or a path that cannot be written to.
        OneWay: when a stage has no inverse.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    path = Path(path)
    check_target(path, SUFFIXES)
    x, capture = x[:1].detach(), capture[0]
    with torch.no_grad():
        journey = travel(pipeline, x, capture) if journey is None else journey
        masks = survivors(pipeline, journey, capture)
        trip = measure(pipeline, x, capture, journey=journey, masks=masks)
    scale = _scale(trip)
    outputs = [*list(journey.inputs.values())[1:], journey.output]
    height = _CELL * min(max(x.shape[2] / x.shape[3], 0.35), 1.5)
    lines = len(pipeline.names) + 1
    width = 4 * (_CELL + _GAP) + _GAP + 0.25 * _CELL
    figure = Figure(figsize=(width, _TOP + lines * (height + _TITLE + _TICKS)), facecolor=_PAPER)
    FigureCanvasAgg(figure)
    title = f"{' '.join(capture.camera) or 'unnamed camera'} · {x.shape[3]} x {x.shape[2]} · {capture.cfa}"
    figure.text(_GAP / width, 1 - 0.27 / figure.get_figheight(), title, fontsize=15, color=_INK, va="center")
    rows = [_row(figure, line, height) for line in range(lines)]
    _image(rows[0][0], visible(x, pipeline.takes, capture, _THUMBNAIL), f"input: {pipeline.takes.name}")
    for blank in rows[0][1:3]:
        blank.axis("off")
    rows[0][1].text(0, 1, _summary(trip), va="top", fontsize=10, color=_INK, linespacing=1.45)
    _legend(rows[0][2], scale)
    _histogram(rows[0][3], x, pipeline.takes, capture)
    for row, errors, (name, stage), output in zip(rows[1:], trip.rows, pipeline.items(), outputs, strict=True):
        before, recovered = journey.inputs[name], journey.recovered[name]
        change = stage.gives.name if stage.takes == stage.gives else f"{stage.takes.name} → {stage.gives.name}"
        _image(row[0], visible(output, stage.gives, capture, _THUMBNAIL), f"{name}: {change}")
        _image(row[1], visible(recovered, stage.takes, capture, _THUMBNAIL), f"recovered {stage.takes.name}")
        error = error_map(recovered, before, stage.takes, trip.digital_numbers)
        _error_image(row[2], error, masks[name], errors.on_domain[2], scale)
        _histogram(row[3], output, stage.gives, capture)
    with replacing(path) as temporary:
        kind = path.suffix.lower()[1:]
        options = {"metadata": {"Date": None}} if kind == "svg" else {"pil_kwargs": {"compress_level": 4}}
        figure.savefig(temporary, format=kind, dpi=_DPI, **options)


def _row(figure: "Figure", line: int, height: float) -> "list[Axes]":
    """Four axes: three images and a wider histogram."""
    width, total = figure.get_figwidth(), figure.get_figheight()
    bottom = total - _TOP - line * (height + _TITLE + _TICKS) - _TITLE - height
    places = [_GAP + column * (_CELL + _GAP) for column in range(4)]
    return [
        figure.add_axes((left / width, bottom / total, _CELL * (1.25 if i == 3 else 1) / width, height / total))
        for i, left in enumerate(places)
    ]


def _scale(trip: RoundTrip) -> tuple[float, float]:
    """Whole decades that end above the largest error on the domain."""
    top = max(row.on_domain[2] for row in trip.rows)
    decade = math.ceil(math.log10(top)) if 0 < top < math.inf else 0
    return 10.0 ** (decade - _DECADES), 10.0**decade


def _legend(axis: "Axes", scale: tuple[float, float]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    place = axis.inset_axes((0.0, 0.62, 1.0, 0.09))
    bar = axis.figure.colorbar(ScalarMappable(LogNorm(*scale), "magma"), cax=place, orientation="horizontal")
    axis.text(0, 0.8, "error in digital numbers", fontsize=10, color=_INK, transform=axis.transAxes)
    bar.ax.tick_params(labelsize=8, colors=_MUTED)
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    swatch = {"boxstyle": "square,pad=0.3", "facecolor": _DEAD, "edgecolor": "none"}
    axis.text(0.03, 0.24, "   ", fontsize=8, bbox=swatch, transform=axis.transAxes, va="center")
    axis.text(0.13, 0.24, "clipped here or later", fontsize=10, color=_INK, transform=axis.transAxes, va="center")


def _image(axis: "Axes", image: Pixels, title: str) -> None:
    axis.imshow(image, interpolation="nearest", aspect="auto")
    axis.set_title(title, fontsize=11, color=_INK, loc="left")
    axis.axis("off")


def _error_image(axis: "Axes", error: Tensor, alive: Tensor, worst: float, scale: tuple[float, float]) -> None:
    """The largest error of the unclipped pixels under each pixel of the map, grayer where more are clipped."""
    from matplotlib.colors import LogNorm, to_rgb

    step = pooling(error, _THUMBNAIL)
    kept, lost = error.double() * alive, (~alive).double()
    peak = F.max_pool2d(kept, step) if step > 1 else kept
    lost = F.avg_pool2d(lost, step) if step > 1 else lost
    shown = peak[0, 0].nan_to_num(scale[1]).clamp_min(scale[0]).numpy()
    axis.imshow(shown, norm=LogNorm(*scale, clip=True), cmap="magma", interpolation="nearest", aspect="auto")
    gray = np.empty((*lost.shape[2:], 4))
    gray[..., :3], gray[..., 3] = to_rgb(_DEAD), lost[0, 0].sqrt()
    axis.imshow(gray, interpolation="nearest", aspect="auto")
    share = 1 - float(alive.double().mean())
    clipped = f" · {percent(share)} clipped" if share else ""
    axis.set_title(f"max {number(worst)} DN{clipped}", fontsize=11, color=_INK, loc="left")
    axis.axis("off")


def _histogram(axis: "Axes", x: Tensor, space: Space, capture: Capture) -> None:
    mosaic = capture.cfa in BAYER and x.shape[1] == 1 and min(x.shape[2:]) > 1
    channels = pack(x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2])[0] if mosaic else x[0]
    colors = [_MUTED] * len(channels)
    if len(channels) == 3:
        colors = list(_CHANNELS)
    elif len(channels) == 4 and capture.cfa in BAYER:
        colors = [_CHANNELS[c] for c in site_channels(capture.cfa)]
    values = channels.flatten(1).double().numpy()
    values = np.where(np.isfinite(values), values, 0.0)
    low, high = np.quantile(values[:, :: max(1, values.shape[1] // 100_000)], (0.0005, 0.9995))
    bins = max(1, min(120, int(high - low))) if space in DIGITAL else 120
    edges = np.linspace(low, max(high, low + 1e-6), bins + 1)
    for channel, color in zip(values, colors, strict=True):
        outline, counts = np.repeat(edges, 2)[1:-1], np.repeat(np.histogram(channel, edges)[0], 2)
        axis.fill_between(outline, counts, color=color, alpha=0.16, linewidth=0)
        axis.plot(outline, counts, color=color, linewidth=1.1)
    axis.margins(x=0.02)
    axis.set_yscale("function", functions=(np.sqrt, np.square))
    axis.set_ylim(bottom=0)
    axis.set_title(f"{space.name} values", fontsize=11, color=_INK, loc="left")
    axis.tick_params(labelsize=8, colors=_MUTED)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.spines["bottom"].set_color(_MUTED)
    axis.yaxis.set_visible(False)


def _summary(trip: RoundTrip) -> str:
    row = trip.rows[0]
    inside, outside = ([number(value) for value in spread] for spread in (row.on_domain, row.everywhere))
    return (
        "error at the input, in digital numbers\n\n"
        f"over the {percent(row.alive)} that no stage clips\n"
        f"median {inside[0]}, 99 % {inside[1]}, max {inside[2]}\n\n"
        f"over all pixels\nmedian {outside[0]}, 99 % {outside[1]}, max {outside[2]}"
    )

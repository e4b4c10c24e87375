"""One picture of a whole round trip: every stage forward and back, error maps and histograms."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..atomic import check_target, replacing
from ..capture import Capture
from ..pipeline import Pipeline
from ..spaces import MOSAIC, PACKED, SENSOR, SRGB, Space
from ..stages import SRGBCurve
from ..stages.cfa import cell_colors, pack, site_channels
from .round_trip import RoundTrip, measure, number, percent, travel

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SUFFIXES = (".png", ".svg")
_THUMBNAIL, _CELL, _DPI = 320, 2.9, 110
_DECADES = 3
_INK, _PAPER, _MUTED, _DEAD = "#1c1f24", "#ffffff", "#6b7280", "#9aa3b2"
_CHANNELS = ("#d1495b", "#3a7d44", "#2e5eaa")


def contact_sheet(pipeline: Pipeline, x: Tensor, capture: Capture, path: str | Path) -> None:
    """Draw the first sample: one row per stage with its output, the recovered input, the error map and histograms.

    Linear spaces are shown through the sRGB curve; mosaics as the picture of their 2x2 cells. Error maps are in digital
    numbers on a logarithmic scale that all rows share; pixels that the stage itself clips are grey.

    Args:
        pipeline: every stage has an inverse.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.
        path: where to write, .png or .svg.

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
        journey = travel(pipeline, x, capture)
        trip = measure(pipeline, x, capture, journey=journey)
    scale = _scale(trip)
    results = dict(zip(pipeline.names, [*list(journey.inputs.values())[1:], journey.output], strict=True))
    height = _CELL * min(max(x.shape[2] / x.shape[3], 0.35), 1.5)
    rows = len(pipeline.names) + 1
    figure = Figure(figsize=(4.25 * _CELL + 0.8, (height + 0.42) * rows + 0.7), facecolor=_PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    title = f"{' '.join(capture.camera) or 'camera not named'} · {x.shape[3]} x {x.shape[2]} · {capture.cfa}"
    figure.suptitle(title, fontsize=15, color=_INK)
    axes = figure.subplots(rows, 4, squeeze=False, gridspec_kw={"width_ratios": [1, 1, 1, 1.25]})
    _picture(axes[0][0], _visible(x, pipeline.takes, capture), f"input: {pipeline.takes.name}")
    for blank in axes[0][1:3]:
        blank.axis("off")
    axes[0][1].text(0, 1, _summary(trip), va="top", fontsize=10, color=_INK, linespacing=1.45)
    _legend(axes[0][2], scale)
    _histogram(axes[0][3], x, pipeline.takes, capture)
    for row, worst, (name, result) in zip(axes[1:], trip.rows, results.items(), strict=True):
        stage, before, back = pipeline[name], journey.inputs[name], journey.recovered[name]
        change = stage.gives.name if stage.takes == stage.gives else f"{stage.takes.name} → {stage.gives.name}"
        _picture(row[0], _visible(result, stage.gives, capture), f"{name}: {change}")
        _picture(row[1], _visible(back, stage.takes, capture), f"back: {stage.takes.name}")
        error = (back - before).abs().amax(1, keepdim=True) * (1.0 if stage.takes == SENSOR else trip.digital_numbers)
        _error_map(row[2], error, stage.in_domain(before, capture), worst.on_domain[2], scale)
        _histogram(row[3], result, stage.gives, capture)
    with replacing(path) as temporary:
        kind = path.suffix.lower()[1:]
        figure.savefig(temporary, format=kind, dpi=_DPI, metadata={"Date": None} if kind == "svg" else None)


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
    axis.text(0.13, 0.24, "clipped by this stage", fontsize=10, color=_INK, transform=axis.transAxes, va="center")


def _visible(x: Tensor, space: Space, capture: Capture) -> np.ndarray[Any, Any]:
    """A sample of any space as an `[h,w,3]` picture in [0, 1]."""
    x = x.double()
    if space == SENSOR:
        black = capture.black.mean().double()
        x = (x - black) / (capture.white.double() - black)
    if space in (SENSOR, MOSAIC):
        x = pack(x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2])
        space = PACKED
    if space == PACKED:
        x = cell_colors(x, capture.cfa)
    x = x if x.shape[1] == 3 else x[:, :1].expand(-1, 3, -1, -1)
    step = max(1, round(max(x.shape[2:]) / _THUMBNAIL))
    x = F.avg_pool2d(x, step) if step > 1 else x
    if space != SRGB:
        x = SRGBCurve().forward(x.clamp(0, 1), capture.to(torch.float64))
    shown: np.ndarray[Any, Any] = x[0].clamp(0, 1).permute(1, 2, 0).detach().numpy()
    return shown


def _picture(axis: "Axes", image: np.ndarray[Any, Any], title: str) -> None:
    axis.imshow(image, interpolation="nearest")
    axis.set_title(title, fontsize=11, color=_INK, loc="left")
    axis.axis("off")


def _error_map(axis: "Axes", error: Tensor, alive: Tensor, worst: float, scale: tuple[float, float]) -> None:
    from matplotlib.colors import LogNorm, to_rgb

    step = max(1, round(max(error.shape[2:]) / _THUMBNAIL))
    peak = F.max_pool2d(error.double(), step) if step > 1 else error.double()
    share = F.avg_pool2d((~alive).double(), step) if step > 1 else (~alive).double()
    shown = peak[0, 0].nan_to_num(scale[1]).clamp_min(scale[0]).numpy()
    axis.imshow(shown, norm=LogNorm(*scale, clip=True), cmap="magma", interpolation="nearest")
    grey = np.empty((*share.shape[2:], 4))
    grey[..., :3], grey[..., 3] = to_rgb(_DEAD), share[0, 0] > 0
    axis.imshow(grey, interpolation="nearest")
    lost = 1 - float(alive.double().mean())
    clipped = f", {percent(lost)} clipped" if lost else ""
    axis.set_title(f"max {number(worst)} DN{clipped}", fontsize=11, color=_INK, loc="left")
    axis.axis("off")


def _histogram(axis: "Axes", x: Tensor, space: Space, capture: Capture) -> None:
    planes = pack(x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2])[0] if x.shape[1] == 1 else x[0]
    sites = [_CHANNELS[c] for c in site_channels(capture.cfa)]
    colors = {3: list(_CHANNELS), 4: sites}.get(len(planes), [_MUTED] * len(planes))
    values = planes.flatten(1).double().numpy()
    values = np.where(np.isfinite(values), values, 0.0)
    low, high = np.quantile(values[:, :: max(1, values.shape[1] // 100_000)], (0.0005, 0.9995))
    bins = max(1, min(120, int(high - low))) if space == SENSOR else 120
    edges = np.linspace(low, max(high, low + 1e-6), bins + 1)
    for plane, color in zip(values, colors, strict=True):
        counts, _ = np.histogram(plane, edges)
        axis.stairs(counts, edges, color=color, alpha=0.16, fill=True, linewidth=0)
        axis.stairs(counts, edges, color=color, linewidth=1.1)
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
        "back at the input, in digital numbers\n\n"
        f"on the domain ({percent(row.alive)} of the pixels)\n"
        f"    median {inside[0]}, 99 % {inside[1]}, max {inside[2]}\n"
        f"all pixels\n    median {outside[0]}, 99 % {outside[1]}, max {outside[2]}"
    )

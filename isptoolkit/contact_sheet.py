"""One picture of a whole round trip: every stage forward and back, error maps and histograms."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .atomic import replacing
from .capture import Capture
from .pipeline import Pipeline
from .round_trip import StageError, measure
from .spaces import MOSAIC, PACKED, SENSOR, SRGB, Space
from .stages import SRGBCurve
from .stages.cfa import pack, site_channels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_THUMBNAIL = 320
_ERROR_RANGE = (1e-6, 1e2)
_INK, _PAPER, _MUTED = "#1c1f24", "#ffffff", "#6b7280"
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
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    trip = measure(pipeline, x, capture)
    values = pipeline.trace(x, capture)
    inputs = dict(zip(pipeline.names, [x, *values.values()], strict=False))
    recovered = pipeline.trace_inverse(values[pipeline.names[-1]], capture)
    rows = len(pipeline.names) + 1
    figure = Figure(figsize=(10.5, 2.55 * rows + 0.6), facecolor=_PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(
        f"{x.shape[3]} x {x.shape[2]} · {capture.cfa} · {' '.join(capture.camera) or 'camera not named'}",
        fontsize=15,
        color=_INK,
    )
    axes = figure.subplots(rows, 4, squeeze=False, gridspec_kw={"width_ratios": [1, 1, 1, 1.25]})
    _picture(axes[0][0], _visible(x, pipeline.takes, capture), f"input: {pipeline.takes.name}")
    for blank in axes[0][1:3]:
        blank.axis("off")
    axes[0][1].text(0, 1, _summary(trip.rows[0]), va="top", fontsize=9.5, color=_INK, linespacing=1.4)
    _histogram(axes[0][3], x, pipeline.takes, capture)
    for row, (name, result) in zip(axes[1:], values.items(), strict=True):
        stage, before = pipeline[name], inputs[name]
        _picture(row[0], _visible(result, stage.gives, capture), f"{name}: {stage.takes.name} → {stage.gives.name}")
        _picture(row[1], _visible(recovered[name], stage.takes, capture), f"back: {stage.takes.name}")
        unit = 1.0 if stage.takes == SENSOR else trip.digital_numbers
        error = (recovered[name] - before).abs().amax(1, keepdim=True)[:1] * unit
        worst = trip.rows[pipeline.names.index(name)]
        _error_map(row[2], error, stage.in_domain(before, capture)[:1], worst.on_domain[2])
        _histogram(row[3], result, stage.gives, capture)
    bar = figure.colorbar(
        ScalarMappable(LogNorm(*_ERROR_RANGE), "magma"),
        ax=axes[0][2],
        orientation="horizontal",
        location="bottom",
        fraction=0.08,
    )
    bar.set_label("error in digital numbers; grey: clipped here", fontsize=8, color=_MUTED)
    bar.ax.tick_params(labelsize=7, colors=_MUTED)
    bar.outline.set_visible(False)
    with replacing(Path(path)) as temporary:
        figure.savefig(temporary, dpi=80)


def _visible(x: Tensor, space: Space, capture: Capture) -> np.ndarray[Any, Any]:
    """The first sample of any space as an `[h,w,3]` picture in [0, 1]."""
    capture = capture[0]
    x = x[:1].double()
    if space == SENSOR:
        black = capture.black.mean().double()
        x = (x - black) / (capture.white.double() - black)
    if space in (SENSOR, MOSAIC):
        x = pack(x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2])
        space = PACKED
    if space == PACKED:
        letters = site_channels(capture.cfa)
        planes = [torch.stack([x[:, site] for site in range(4) if letters[site] == c]).mean(0) for c in range(3)]
        x = torch.stack(planes, 1)
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


def _error_map(axis: "Axes", error: Tensor, alive: Tensor, worst: float) -> None:
    from matplotlib.colors import LogNorm

    step = max(1, round(max(error.shape[2:]) / _THUMBNAIL))
    peak = F.max_pool2d(error.double(), step) if step > 1 else error.double()
    dead = F.max_pool2d((~alive).double(), step) if step > 1 else (~alive).double()
    axis.imshow(peak[0, 0].clamp_min(_ERROR_RANGE[0]).numpy(), norm=LogNorm(*_ERROR_RANGE, clip=True), cmap="magma")
    grey = np.zeros((*dead.shape[2:], 4))
    grey[..., :3], grey[..., 3] = 0.6, dead[0, 0].numpy()
    axis.imshow(grey, interpolation="nearest")
    lost = 1 - float(alive.double().mean())
    title = f"max {worst:.1e} DN" + (f", {lost:.1%} clipped" if lost else "")
    axis.set_title(title, fontsize=10, color=_INK, loc="left")
    axis.axis("off")


def _histogram(axis: "Axes", x: Tensor, space: Space, capture: Capture) -> None:
    if x.shape[1] == 1:
        planes = pack(x[:1, :, : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2])[0]
        colors = [_CHANNELS[c] for c in site_channels(capture.cfa)]
    else:
        planes, colors = (
            x[0],
            list(_CHANNELS) if x.shape[1] == 3 else [_CHANNELS[c] for c in site_channels(capture.cfa)],
        )
    values = planes.flatten(1).detach().double().numpy()
    low, high = np.quantile(values, (0.0005, 0.9995))
    edges = np.linspace(low, max(high, low + 1e-6), 120)
    for plane, color in zip(values, colors, strict=True):
        counts, _ = np.histogram(plane, edges)
        axis.fill_between(edges[:-1], counts, step="post", color=color, alpha=0.22, linewidth=0)
        axis.step(edges[:-1], counts, where="post", color=color, linewidth=1.0)
    axis.set_yscale("symlog", linthresh=10)
    axis.set_title(f"{space.name} values", fontsize=10, color=_INK, loc="left")
    axis.tick_params(labelsize=7, colors=_MUTED)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)
    axis.set_yticks([])


def _summary(row: StageError) -> str:
    return (
        "back at the input,\nin digital numbers:\n\n"
        f"on-domain ({row.alive:.2%})\n  median {row.on_domain[0]:.1e}, max {row.on_domain[2]:.1e}\n"
        f"all pixels\n  median {row.everywhere[0]:.1e}, max {row.everywhere[2]:.1e}\n\n"
        "columns: output, input\nrecovered, error, values"
    )

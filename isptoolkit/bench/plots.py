"""Results as pictures: size, speed and quality, and how each entrant has learned."""

import itertools
from pathlib import Path
from typing import Any

from ..atomic import replacing
from ..train.log import steps_of
from .table import rows_of

_LABEL = (110.0, 14.0)
"""Room of a name, in dots."""


def draw_plots(results: dict[str, Any], out: Path) -> None:
    """Write `quality.png` and, where something was trained, `learning.png` into the folder of the results.

    Args:
        results: of `isptoolkit.bench.run.run`.
        out: their folder, with the training logs.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="seconds for a picture", ylabel="RAW PSNR in dB")
    places = []
    for name, figures, _ in rows_of(results):
        if "raw PSNR" in figures:
            places.append((name, figures["seconds"], figures["raw PSNR"]))
            axes.scatter(*places[-1][1:], s=20 + 40 * (figures.get("parameters", 0) / 1e5) ** 0.5, alpha=0.7)
    axes.set_title("the area of a point grows with the number of parameters", fontsize=9)
    axes.grid(alpha=0.3)
    axes.margins(x=0.18)
    _label(axes, places)
    _save(figure, out / "quality.png")
    curves = {name: learning_curve(out / "entrants" / name / "training" / "log.jsonl") for name in results["entrants"]}
    curves = {name: curve for name, curve in curves.items() if len(curve) > 1}
    if not curves:
        return
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(yscale="log", xlabel="share of the steps", ylabel="loss, a running mean")
    axes.set_prop_cycle(color=[colormaps["tab20"](number) for number in range(20)])
    for name, curve in curves.items():
        axes.plot([point / (len(curve) - 1) for point in range(len(curve))], curve, label=name, linewidth=1.4)
    figure.legend(loc="outside right upper", fontsize=8)
    axes.grid(alpha=0.3)
    axes.set_title("losses of different recipes cannot be compared", fontsize=9)
    _save(figure, out / "learning.png")


def _label(axes: Any, places: list[tuple[str, float, float]]) -> None:
    """Names beside their points, each below those that it would cover."""
    axes.figure.draw_without_rendering()  # fixes where points are
    taken: list[tuple[float, float]] = []
    for name, x, y in places:
        right, up = axes.transData.transform((x, y))
        below = up
        while any(abs(right - other) < _LABEL[0] and abs(below - height) < _LABEL[1] for other, height in taken):
            below -= _LABEL[1]
        taken.append((right, below))
        axes.annotate(
            name, (x, y), (6, 4 + (below - up) * 72 / axes.figure.dpi), textcoords="offset points", fontsize=8
        )


def learning_curve(path: Path) -> list[float]:
    """The loss, a mean for each of at most a hundred parts of at least eight steps; nothing where there is no log."""
    if not path.is_file():
        return []
    losses = [line["loss"] for line in steps_of(path)]
    count = min(100, max(2, len(losses) // 8))
    edges = [round(part * len(losses) / count) for part in range(count + 1)]
    parts = [losses[a:b] for a, b in itertools.pairwise(edges) if b > a]
    return [value for part in parts if (value := sum(part) / len(part)) > 0]


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)

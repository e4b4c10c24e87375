"""Results as pictures: size, speed and quality, and how each entrant has learned."""

import itertools
from pathlib import Path
from typing import Any

from ..atomic import replacing
from ..train.log import steps_of
from .table import rows_of

_POINTS = 100


def draw_plots(results: dict[str, Any], out: Path) -> None:
    """Write `quality.png` and, where something was trained, `learning.png` into the folder of the results.

    Args:
        results: of `isptoolkit.bench.run.run`.
        out: their folder, with the training logs.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="seconds for a picture", ylabel="RAW PSNR in dB")
    for name, figures, _ in rows_of(results):
        if "raw PSNR" in figures:
            place = figures["seconds"], figures["raw PSNR"]
            axes.scatter(*place, s=20 + 40 * max(figures.get("parameters", 0) / 1e5, 0) ** 0.5, alpha=0.7)
            axes.annotate(name, place, (6, 4), textcoords="offset points", fontsize=8)
    axes.margins(x=0.18)
    axes.set_title("the area of a point grows with the number of parameters", fontsize=9)
    axes.grid(alpha=0.3)
    _save(figure, out / "quality.png")
    curves = {name: learning_curve(out / "entrants" / name / "training" / "log.jsonl") for name in results["entrants"]}
    if not any(curves.values()):
        return
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(yscale="log", xlabel="share of the steps", ylabel="loss, a running mean")
    for name, curve in curves.items():
        if len(curve) > 1:
            axes.plot([point / (len(curve) - 1) for point in range(len(curve))], curve, label=name, linewidth=1.2)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    axes.set_title("losses of different recipes cannot be compared", fontsize=9)
    _save(figure, out / "learning.png")


def learning_curve(path: Path) -> list[float]:
    """The loss, a mean for each hundredth of the run; nothing where there is no log."""
    if not path.is_file():
        return []
    losses = [line["loss"] for line in steps_of(path)]
    edges = [round(part * len(losses) / _POINTS) for part in range(_POINTS + 1)]
    parts = [losses[a:b] for a, b in itertools.pairwise(edges) if b > a]
    return [value for part in parts if (value := sum(part) / len(part)) > 0]


def _save(figure: Any, path: Path) -> None:
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)

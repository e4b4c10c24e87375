"""Plot results: size, speed, and quality, and the learning curves."""

import itertools
from pathlib import Path
from typing import Any

from ...atomic import replacing
from ...train.log import steps_of
from ..results import folder_of
from .table import rows_of

_LABEL = (110.0, 14.0)
"""Width and height of a label in pixels."""


def draw_plots(results: dict[str, Any], out: Path) -> None:
    """Write `quality.png` and, if an entrant was trained, `learning.png` to the folder of the results.

    Args:
        results: content of `results.json`.
        out: folder of the results, with the training logs.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="seconds per image", ylabel="RAW PSNR in dB")
    points = []
    for name, figures, _ in rows_of(results):
        if "raw PSNR" in figures:
            x, y = figures["seconds"].mean, figures["raw PSNR"]
            points.append((name, x, y.mean))
            count = figures["parameters"].mean if "parameters" in figures else 0.0
            axes.scatter(x, y.mean, s=20 + 40 * (count / 1e5) ** 0.5, alpha=0.7)
            if y.deviation is not None:
                axes.errorbar(x, y.mean, y.deviation, color="0.4", linewidth=1, capsize=2, zorder=0)
    bars = f"; bars: one standard deviation over seeds {_listed(results)}" if len(results["seeds"]) > 1 else ""
    axes.set_title(f"area of a point: number of parameters{bars}", fontsize=9)
    axes.grid(alpha=0.3)
    axes.margins(x=0.18)
    _label(axes, points)
    _save(figure, out / "quality.png")
    curves = {name: curves_of(out, name, row) for name, row in results["entrants"].items()}
    curves = {name: curve for name, curve in curves.items() if curve}
    if not curves:
        return
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot(yscale="log", xlabel="share of the steps", ylabel="loss, running mean")
    for number, (name, runs) in enumerate(curves.items()):
        for seed, curve in enumerate(runs):
            share = [point / (len(curve) - 1) for point in range(len(curve))]
            style = {"label": name, "linewidth": 1.4} if not seed else {"linewidth": 0.7, "alpha": 0.6}
            axes.plot(share, curve, color=colormaps["tab20"](number % 20), **style)
    figure.legend(loc="outside right upper", fontsize=8)
    axes.grid(alpha=0.3)
    axes.set_title("losses of different recipes are not comparable", fontsize=9)
    _save(figure, out / "learning.png")


def _label(axes: Any, points: list[tuple[str, float, float]]) -> None:
    """Write names beside their points, each below the names that it would cover."""
    axes.figure.draw_without_rendering()  # settles the positions of points
    taken: list[tuple[float, float]] = []
    for name, x, y in points:
        right, up = axes.transData.transform((x, y))
        below = up
        while any(abs(right - other) < _LABEL[0] and abs(below - height) < _LABEL[1] for other, height in taken):
            below -= _LABEL[1]
        taken.append((right, below))
        axes.annotate(
            name, (x, y), (6, 4 + (below - up) * 72 / axes.figure.dpi), textcoords="offset points", fontsize=8
        )


def curves_of(out: Path, name: str, row: dict[str, Any]) -> list[list[float]]:
    """The learning curves of an entrant, one for each seed with at least two points.

    Args:
        out: folder of the results.
        name: name of the entrant.
        row: entry of the entrant in `results["entrants"]`.
    """
    logs = [folder_of(out, name, int(seed)) / "training" / "log.jsonl" for seed in row["runs"]]
    return [curve for log in logs if len(curve := learning_curve(log)) > 1]


def _listed(results: dict[str, Any]) -> str:
    return ", ".join(f"{seed}" for seed in results["seeds"])


def learning_curve(path: Path) -> list[float]:
    """The training loss, averaged over at most a hundred intervals of at least eight steps; empty without a log.

    Args:
        path: the training log, `log.jsonl`.

    >>> learning_curve(Path("missing.jsonl"))
    []
    """
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

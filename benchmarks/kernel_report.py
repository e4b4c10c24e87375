"""Tables, targets and the plot of `benchmarks.kernels`."""

import math
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
TARGET_SIZE = "12"
LARGE = 64 << 20
"""Bytes of an image that no cache holds."""
_COLORS = ("#2e5eaa", "#d1495b", "#3a7d44", "#b07a10", "#6a7290", "#7d4fa8", "#1b9aaa", "#444444", "#c77dff")


def bandwidths(rows: list[Row]) -> dict[int, float]:
    """Bytes per millisecond that the fastest copy of a large image moved, for each number of threads."""
    rates: dict[int, float] = {}
    for row in rows:
        if row["name"] == "copy" and row["bytes"] >= LARGE:
            rates[row["threads"]] = max(rates.get(row["threads"], 0), row["bytes"] / row["ms"])
    return rates


def text_table(rows: list[Row], rates: dict[int, float]) -> str:
    """One line per entrant, image and thread count.

    `x copy` is the time relative to a copy of the same size in the same run. `x roof` is the time relative to the
    roofline: that in which the fastest copy of a large image (`rates`) would move the bytes that this operation has to
    move. Small images stay in the caches, which are faster.
    """
    header = (
        f"{'task':<9} {'entrant':<38} {'size':>8} {'batch':>5} {'threads':>7} {'ms':>10} {'x copy':>8} {'x roof':>8}"
    )
    copies = {_key(row): row["ms"] for row in rows if row["name"] == "copy"}
    lines = [header]
    for row in rows:
        ratios = (copies.get(_key(row)), row.get("bytes", 0) / rates.get(row["threads"], math.inf))
        copy, roof = (f"{row['ms'] / limit:8.2f}" if limit else " " * 8 for limit in ratios)
        taken = f"{row['ms']:.{2 if row['ms'] >= 1 else 4}f}"
        place = f"{row['size']:>8} {row['batch']:>5} {row['threads']:>7}"
        lines.append(f"{row['task']:<9} {row['name']:<38} {place} {taken:>10} {copy} {roof}")
    return "\n".join(lines)


def _key(row: Row) -> tuple[Any, ...]:
    return row["task"], row["size"], row["batch"], row["threads"]


def targets(rows: list[Row]) -> list[dict[str, str]]:
    """The performance targets at 12 megapixels on two threads, with the measured values."""
    at = {(r["task"], r["name"]): r["ms"] for r in rows if r["size"] == TARGET_SIZE and r["threads"] == 2}
    chain, fresh, malvar = (
        ("chain", "isptoolkit, out="),
        ("chain", "isptoolkit"),
        ("demosaic", "isptoolkit Malvar, out="),
    )
    bilinear, render = ("demosaic", "isptoolkit bilinear, out="), ("render", "isptoolkit, out=")
    results = [
        _at_most(at, "chain into an existing tensor / copy", chain, ("chain", "copy"), 1.10),
        _at_most(at, "chain into a new tensor / clone", fresh, ("chain", "clone"), 0.6),
        _at_most(
            at, "backward of the chain / forward, both into new tensors", ("chain", "isptoolkit, backward"), fresh, 2.0
        ),
        _at_least(at, "eager torch / chain, both into new tensors", ("chain", "torch eager"), fresh, 40),
        _at_least(at, "eager torch / chain into an existing tensor", ("chain", "torch eager"), chain, 40),
        _at_least(at, "torch.compile / chain, both into new tensors", ("chain", "torch.compile"), fresh, 5),
        _at_least(at, "torch.compile / chain into an existing tensor", ("chain", "torch.compile"), chain, 5),
        _at_most(at, "Malvar into an existing tensor / copy of the same bytes", malvar, ("demosaic", "copy"), 1.16),
        _at_most(
            at,
            "Malvar between a square root and its inverse / copy",
            ("demosaic", "isptoolkit Malvar in square root, out="),
            ("demosaic", "copy"),
            1.5,
        ),
        _at_most(at, "MonotoneCurve / copy", ("curves", "isptoolkit MonotoneCurve"), ("curves", "copy"), 1.4),
        _at_least(at, "OpenCV bilinear uint16 / Malvar", ("demosaic", "OpenCV bilinear uint16"), malvar, 2),
        _at_least(at, "kornia bilinear / bilinear", ("demosaic", "kornia bilinear"), bilinear, 100),
        _at_least(at, "colour-demosaicing Malvar / Malvar", ("demosaic", "colour-demosaicing Malvar"), malvar, 100),
        _at_least(at, "LibRaw bilinear / render", ("render", "LibRaw bilinear"), render, 8),
        _at_least(at, "OpenCV bilinear + numpy curve / render", ("render", "OpenCV bilinear + numpy curve"), render, 1),
    ]
    small = {row["name"]: row["ms"] for row in rows if row["task"] == "overhead"}
    if small:
        cost = small["isptoolkit"] - small["kernel alone"]
        results.append(_judged("ms of a 64 x 64 call beside its kernel", cost, 0.1, cost <= 0.1, "at most"))
    for task, name in (chain, malvar, render):
        slope = _slope(rows, task, name)
        if slope is not None:
            title = f"log-log slope of time against pixels, {task}"
            results.append(_judged(title, slope, 1.05, slope <= 1.05, "at most"))
    return [target for target in results if target]


def _at_most(at: dict[Any, float], what: str, one: Any, other: Any, limit: float) -> dict[str, str]:
    if one not in at or other not in at:
        return {}
    ratio = at[one] / at[other]
    return _judged(what, ratio, limit, ratio <= limit, "at most")


def _at_least(at: dict[Any, float], what: str, one: Any, other: Any, limit: float) -> dict[str, str]:
    if one not in at or other not in at:
        return {}
    ratio = at[one] / at[other]
    return _judged(what, ratio, limit, ratio >= limit, "at least")


def _judged(what: str, value: float, limit: float, met: bool, bound: str) -> dict[str, str]:
    return {"met": "met" if met else "missed", "what": what, "found": f"{value:.3g}", "target": f"{bound} {limit:g}"}


def _slope(rows: list[Row], task: str, name: str) -> float | None:
    points = [
        (math.log(float(r["size"])), math.log(r["ms"]))
        for r in rows
        if (r["task"], r["name"], r["threads"]) == (task, name, 2) and _megapixels(r) >= 1
    ]
    return float(np.polyfit(*zip(*points, strict=True), 1)[0]) if len(points) > 2 else None


def _megapixels(row: Row) -> float:
    height, _, width = row["size"].partition("x")
    return int(height) * int(width) / 1e6 if width else float(height)


def draw(rows: list[Row], path: Path) -> None:
    """Plot the time of every entrant by size (left), and the peers' times relative to isptoolkit's (right)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in rows if row["batch"] == 1]
    threads = max(row["threads"] for row in rows)
    tasks = [task for task in ("chain", "demosaic", "render") if any(row["task"] == task for row in rows)]
    figure = Figure(figsize=(12, 3.6 * len(tasks)), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(tasks), 2, squeeze=False)
    for (left, right), task in zip(axes, tasks, strict=True):
        mine = [row for row in rows if row["task"] == task and row["threads"] == threads]
        names = list(dict.fromkeys(row["name"] for row in mine))
        for name, color in zip(names, _COLORS, strict=False):
            points = [(_megapixels(row), row["ms"]) for row in mine if row["name"] == name]
            ours = name.startswith("isptoolkit")
            left.plot(
                *zip(*points, strict=True),
                color=color,
                label=name,
                linewidth=2.4 if ours else 1.2,
                marker="o",
                markersize=3,
            )
        left.set(xscale="log", yscale="log", xlabel="megapixels", ylabel="ms", title=f"{task}, {threads} threads")
        left.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
        size = min(map(_megapixels, mine), key=lambda megapixels: abs(megapixels - float(TARGET_SIZE)))
        here = {row["name"]: row["ms"] for row in mine if _megapixels(row) == size}
        ours = next(name for name in here if name.startswith("isptoolkit"))
        peers = [name for name in here if not name.startswith("isptoolkit")]
        ratios = [here[name] / here[ours] for name in peers]
        bars = right.barh(
            peers, ratios, color=["#9aa3b2" if name in ("copy", "clone") else "#2e5eaa" for name in peers]
        )
        right.bar_label(bars, [f"{ratio:.3g} x" for ratio in ratios], fontsize=8, padding=3)
        right.set(xscale="log", title=f"others / {ours}, {size:g} MP")
        right.axvline(1, color="#444444", linewidth=0.8)
        right.margins(x=0.25)
        for axis in (left, right):
            axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)

"""The graph of a stage as text and as a picture."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

from ..atomic import check_target, replacing
from ..errors import InvalidArgument
from ..parallel import Parallel
from ..pipeline import Pipeline
from ..stage import Inverse, Pair, Stage
from .explain import class_name, verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = {
    "exact": ("#dcefe4", "#2f7d55"),
    "bound": ("#fbeccb", "#b07a10"),
    "no promise": ("#e7e9f1", "#6a7290"),
    "one-way": ("#f8dcd8", "#b4402f"),
}
"""Fill and edge of a box by what its contract promises."""
MEANINGS = {
    "exact": "exact inverse",
    "bound": "inverse within a bound",
    "no promise": "inverse without promise",
    "one-way": "no inverse",
}

_INK, _LINE = "#22252e", "#7c8294"
# Inches.
_ROW, _GAP, _STUB, _BOX, _HEAD, _PAD, _LEADING, _MARGIN = 11.0, 0.85, 0.4, 0.78, 0.4, 0.16, 0.5, 0.3


def draw(stage: Stage, path: str | FilePath | None = None) -> str:
    """The graph as text; with a path, also as a picture: SVG or PNG by its suffix.

    Stages are colored by what their contracts promise of the inverse; the spaces stand on the edges.

    Raises:
        InvalidArgument: for another suffix, or a path that cannot be written to.

    >>> from isptoolkit.stages import Clip, Gain
    >>> from isptoolkit import LINEAR
    >>> print(draw(Pipeline(gain=Gain(2.0, space=LINEAR), clip=Clip(space=LINEAR))))
    linear
      | gain  Gain  exact
    linear
      | clip  Clip  exact
    linear
    """
    if path is not None:
        _picture(stage, FilePath(path))
    return "\n".join([stage.takes.name, *_lines(stage)])


def _lines(stage: Stage, name: str = "") -> Iterator[str]:
    parts = _series(stage)
    if parts is not None:
        width = max(len(key) for key, _ in parts)
        for key, part in parts:
            yield f"  | {key:{width}}  {class_name(part)}  {_promise(part)}"
            if _is_group(part):
                yield from (f"    |   {line}" for line in _inner(part))
            yield part.gives.name
        return
    yield f"  | {name}{class_name(stage)}  {_promise(stage)}"
    yield from (f"    |   {line}" for line in _inner(stage))
    yield stage.gives.name


def _inner(stage: Stage) -> Iterator[str]:
    if _series(stage) is not None:
        yield stage.takes.name
        yield from _lines(stage)
    for key, branch in _branches(stage):
        yield f"{key}:"
        yield from (f"  {line}" for line in [branch.takes.name, *_lines(branch)])


def _series(stage: Stage) -> list[tuple[str, Stage]] | None:
    if isinstance(stage, Pipeline):
        return [(name, stage[name]) for name in stage.names]
    if isinstance(stage, Inverse) and isinstance(stage.stage, Pipeline):
        return [(name, stage.stage[name].inv) for name in reversed(stage.stage.names)]
    return None


def _branches(stage: Stage) -> list[tuple[str, Stage]]:
    if isinstance(stage, Parallel):
        return list(stage.branches.items())  # type: ignore[arg-type]
    if isinstance(stage, Inverse) and isinstance(stage.stage, Parallel):
        return [(name, part.inv) for name, part in stage.stage.branches.items()]  # type: ignore[misc]
    return [("there", stage.there), ("back", stage.back)] if isinstance(stage, Pair) else []


def _is_group(stage: Stage) -> bool:
    return _series(stage) is not None or bool(_branches(stage))


def _promise(stage: Stage) -> str:
    said = verdict(stage)
    return f"within {stage.contract.round_trip:.3g}" if said == "bound" else said


@dataclass
class _Block:
    """A stage with the room that it takes; `rows` of a series, `branches` of stages side by side."""

    name: str
    stage: Stage
    width: float = 0.0
    height: float = _BOX
    rows: "list[list[_Block]]" = field(default_factory=list)
    branches: "list[_Block]" = field(default_factory=list)


def _block(name: str, stage: Stage, limit: float) -> _Block:
    texts = (len(name) * 0.098, len(class_name(stage)) * 0.076, len(_promise(stage)) * 0.072)
    block = _Block(name, stage, max(1.15, max(texts) + 0.3))
    series = _series(stage)
    if series is not None:
        block.rows = _wrapped([_block(key, part, limit - 2 * _STUB) for key, part in series], limit - 2 * _STUB)
        block.width = max(block.width, max(_row_width(row) for row in block.rows) + 2 * _STUB)
        inside = sum(_row_height(row) for row in block.rows) + _LEADING * (len(block.rows) - 1)
        block.height = inside + 2 * _HEAD
    elif branches := _branches(stage):
        block.branches = [_block(key, part, limit - 2 * _GAP) for key, part in branches]
        block.width = max(block.width, max(b.width for b in block.branches) + 2 * (_GAP + _PAD))
        block.height = sum(b.height for b in block.branches) + _PAD * (len(branches) - 1) + 2 * _HEAD
    return block


def _wrapped(blocks: list[_Block], limit: float) -> list[list[_Block]]:
    """As few rows as the limit allows, of about equal width."""
    rows = _filled(blocks, limit)
    while limit > _BOX and len(narrower := _filled(blocks, limit := limit - 0.25)) == len(rows):
        rows = narrower
    return rows


def _filled(blocks: list[_Block], limit: float) -> list[list[_Block]]:
    rows: list[list[_Block]] = [[]]
    for block in blocks:
        if rows[-1] and _row_width([*rows[-1], block]) > limit:
            rows.append([])
        rows[-1].append(block)
    return rows


def _row_width(row: list[_Block]) -> float:
    return sum(block.width for block in row) + _GAP * (len(row) - 1)


def _row_height(row: list[_Block]) -> float:
    return max(block.height for block in row)


def _picture(stage: Stage, path: FilePath) -> None:
    if path.suffix.lower() not in (".svg", ".png"):
        raise InvalidArgument(f"a graph is drawn as .svg or .png, got {path.name!r}")
    check_target(path)
    from matplotlib.figure import Figure

    series = _series(stage) or [(class_name(stage), stage)]
    rows = _wrapped([_block(name, part, _ROW) for name, part in series], _ROW)
    width = max(max(_row_width(row) for row in rows) + 2 * (_GAP + _MARGIN), 7.0)
    height = sum(_row_height(row) for row in rows) + _LEADING * (len(rows) - 1) + 2 * _MARGIN + 0.45
    figure = Figure(figsize=(width, height), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    left = _MARGIN + _GAP
    _draw_rows(axes, rows, left, _MARGIN, (_MARGIN, None), (width - _MARGIN, None), labels=True)
    _legend(axes, _MARGIN, height - 0.32)
    with replacing(path) as temporary:
        kind = path.suffix.lower()[1:]
        figure.savefig(temporary, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else None)


def _draw_rows(
    axes: "Axes",
    rows: list[list[_Block]],
    left: float,
    top: float,
    start: tuple[float, float | None],
    end: tuple[float, float | None],
    *,
    labels: bool,
) -> None:
    """Rows of boxes between two ports of the frame; a port without height has that of its row."""
    y = top
    for number, row in enumerate(rows):
        x, middle = left, y + _row_height(row) / 2
        if number == 0:
            port, bend = middle if start[1] is None else start[1], start[0] + 0.09
            corners = [(start[0], port), (bend, port), (bend, middle), (x, middle)]
            _arrow(axes, corners, row[0].stage.takes.name if labels else "")
        for i, block in enumerate(row):
            _draw_block(axes, block, x, middle)
            x += block.width
            if i < len(row) - 1:
                _arrow(axes, [(x, middle), (x + _GAP, middle)], block.stage.gives.name)
                x += _GAP
        below = y + _row_height(row)
        if number < len(rows) - 1:
            turn, between = end[0] - 0.2, below + _LEADING / 2
            following = below + _LEADING + _row_height(rows[number + 1]) / 2
            back = left - 0.2
            corners = [(x, middle), (turn, middle), (turn, between), (back, between), (back, following)]
            _arrow(axes, [*corners, (left, following)])
            _label(axes, (back + turn) / 2, between, row[-1].stage.gives.name, boxed=True)
        else:
            port = middle if end[1] is None else end[1]
            tip = x + _GAP if labels else end[0]
            corners = [(x, middle), (tip - 0.09, middle), (tip - 0.09, port), (tip, port)]
            _arrow(axes, corners, row[-1].stage.gives.name if labels else "")
        y = below + _LEADING


def _draw_block(axes: "Axes", block: _Block, x: float, middle: float) -> None:
    from matplotlib.patches import FancyBboxPatch

    fill, edge = COLORS[verdict(block.stage)]
    group = bool(block.rows or block.branches)
    top = middle - block.height / 2
    box = FancyBboxPatch(
        (x, top), block.width, block.height, boxstyle="round,pad=0,rounding_size=0.09",
        facecolor="#fafbfd" if group else fill, edgecolor=edge, linewidth=1.3, linestyle=(0, (5, 2)) if group else "-",
    )  # fmt: skip
    axes.add_patch(box)
    kind, promise, center = class_name(block.stage), _promise(block.stage), x + block.width / 2
    if not group:
        axes.text(center, middle - 0.21, block.name, size=10, weight="bold", color=_INK, ha="center", va="center")
        axes.text(center, middle + 0.03, kind, size=8.5, color=_INK, ha="center", va="center")
        axes.text(center, middle + 0.24, promise, size=7.5, color=edge, ha="center", va="center")
        return
    axes.text(x + 0.14, top + 0.2, block.name, size=10, weight="bold", color=_INK, va="center")
    foot = top + block.height - 0.18
    axes.text(x + 0.14, foot, f"{kind}, {promise}", size=7.5, color=edge, va="center")
    if block.rows:
        spare = (block.width - max(_row_width(row) for row in block.rows)) / 2
        ports = (x, middle), (x + block.width, middle)
        _draw_rows(axes, block.rows, x + spare, top + _HEAD, *ports, labels=False)
        return
    y = top + _HEAD
    opposite = isinstance(block.stage, Pair)
    for branch in block.branches:
        line = y + branch.height / 2
        inner = center - branch.width / 2
        outer, far = inner + branch.width, x + block.width
        lead = [(x, middle), (x + _PAD, line), (inner, line)]
        trail = [(outer, line), (far - _PAD, line), (far, middle)]
        backward = opposite and branch.name == "back"
        first, last = branch.stage.takes.name, branch.stage.gives.name
        for points, name, at in (
            (lead, last if backward else first, x + _PAD + _GAP / 2),
            (trail, first if backward else last, far - _PAD - _GAP / 2),
        ):
            _arrow(axes, points[::-1] if backward else points)
            _label(axes, at, line - 0.1, name)
        _draw_block(axes, branch, inner, line)
        y += branch.height + _PAD


def _arrow(axes: "Axes", points: list[tuple[float, float]], label: str = "") -> None:
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    line = FancyArrowPatch(
        path=Path(points), arrowstyle="-|>", mutation_scale=9, color=_LINE, linewidth=1.1, joinstyle="round"
    )
    axes.add_patch(line)
    if label:
        _label(axes, (points[0][0] + points[-1][0]) / 2, points[0][1] - 0.1, label)


def _label(axes: "Axes", x: float, y: float, text: str, *, boxed: bool = False) -> None:
    back = {"facecolor": "white", "edgecolor": "none", "pad": 1.5} if boxed else None
    where = "center" if boxed else "baseline"
    axes.text(x, y, text, size=8, color=_INK, style="italic", ha="center", va=where, bbox=back)


def _legend(axes: "Axes", x: float, y: float) -> None:
    from matplotlib.patches import Rectangle

    for key, (fill, edge) in COLORS.items():
        axes.add_patch(Rectangle((x, y - 0.07), 0.2, 0.14, facecolor=fill, edgecolor=edge, linewidth=1))
        axes.text(x + 0.28, y, MEANINGS[key], size=7.5, color=_INK, va="center")
        x += 0.5 + 0.062 * len(MEANINGS[key])

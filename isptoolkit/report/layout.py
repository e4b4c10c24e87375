"""The graph of a stage laid out on a page: boxes, arrows and labels, in points."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ..stage import Stage
from ..wrappers import Pair
from .explain import class_name, verdict
from .graph import COLORS, MEANINGS, branches, promise, series

INK, LINE = "#22252e", "#7c8294"
# Points, 72 to the inch.
_ROW, _GAP, _STUB, _BOX, _HEAD, _PAD, _LEADING, _MARGIN = 792.0, 61.0, 29.0, 56.0, 29.0, 12.0, 36.0, 22.0
_PROMISE = 7.5
# Widths of a character, in units of the type size: ordinary and bold.
_WIDTH, _BOLD = 0.6, 0.68

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A rectangle with its top-left corner at `(x, y)`; without a border where `edge` is empty."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    edge: str = ""
    dashed: bool = False


@dataclass(frozen=True)
class Arrow:
    """A polyline that ends in an arrowhead."""

    points: tuple[Point, ...]

    @property
    def head(self) -> tuple[Point, Point, Point]:
        """The triangle at the end: its tip, then the two corners of its base."""
        (x0, y0), (x, y) = self.points[-2:]
        length = ((x - x0) ** 2 + (y - y0) ** 2) ** 0.5 or 1.0
        dx, dy = (x - x0) / length, (y - y0) / length
        return (x, y), (x - 6 * dx + 2.6 * dy, y - 6 * dy - 2.6 * dx), (x - 6 * dx - 2.6 * dy, y - 6 * dy + 2.6 * dx)


@dataclass(frozen=True)
class Label:
    """A line of text, centered vertically on `y`; horizontally on `x`, or starting there."""

    x: float
    y: float
    text: str
    size: float
    color: str = INK
    bold: bool = False
    italic: bool = False
    centered: bool = True


Shape: TypeAlias = Box | Arrow | Label


@dataclass(frozen=True)
class Page:
    """Shapes in drawing order, and the size of the page that holds them."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


@dataclass
class _Block:
    """A stage and the room that it takes: the `rows` of a series, or `branches` side by side."""

    name: str
    stage: Stage
    width: float = 0.0
    height: float = _BOX
    rows: "list[list[_Block]]" = field(default_factory=list)
    branches: "list[_Block]" = field(default_factory=list)


def page(stage: Stage) -> Page:
    """Lay out a graph in rows of at most 11 inches, with a legend below."""
    parts = series(stage) or [("", stage)]
    rows = _wrapped([_block(name, part, _ROW) for name, part in parts], _ROW)
    shown = dict.fromkeys(key for key in COLORS if key in set(_verdicts(stage)))
    legend = sum(_legend_width(key) for key in shown)
    width = max(max(map(_row_width, rows)) + 2 * (_GAP + _MARGIN), legend + 2 * _MARGIN)
    height = sum(map(_row_height, rows)) + _LEADING * (len(rows) - 1) + 2 * _MARGIN + 32
    left = (width - max(map(_row_width, rows))) / 2
    shapes: list[Shape] = [Box(0, 0, width, height, "#ffffff")]
    shapes += _rows(rows, left, _MARGIN, (left - _GAP, None), (width - left + _GAP, None), labels=True)
    shapes += _legend(shown, _MARGIN, height - 23)
    return Page(width, height, tuple(shapes))


def _verdicts(stage: Stage) -> Iterator[str]:
    inner = [part for _, part in (series(stage) or branches(stage))]
    if not inner or branches(stage):
        yield verdict(stage)
    for part in inner:
        yield verdict(part)
        yield from _verdicts(part)


def _block(name: str, stage: Stage, limit: float) -> _Block:
    lines = promise(stage).split("; ")
    texts = [_bold_width(name, 10), _text_width(class_name(stage), 8.5), *(_text_width(t, _PROMISE) for t in lines)]
    block = _Block(name, stage, max(83.0, max(texts) + 22), _BOX + 10 * (len(lines) - 1))
    parts = series(stage)
    if parts is not None:
        block.rows = _wrapped([_block(key, part, limit - 2 * _STUB) for key, part in parts], limit - 2 * _STUB)
        block.width = max(block.width, max(map(_row_width, block.rows)) + 2 * _STUB)
        block.height = sum(map(_row_height, block.rows)) + _LEADING * (len(block.rows) - 1) + 2 * _HEAD
    elif sides := branches(stage):
        block.branches = [_block(key, part, limit - 2 * _GAP) for key, part in sides]
        block.width = max(block.width, max(b.width for b in block.branches) + 2 * (_GAP + _PAD))
        block.height = sum(b.height for b in block.branches) + _PAD * (len(sides) - 1) + 2 * _HEAD
    if block.rows or block.branches:
        block.width = max(block.width, _text_width(f"{class_name(stage)}, {promise(stage)}", _PROMISE) + 22)
    return block


def _text_width(text: str, size: float) -> float:
    return _WIDTH * size * len(text)


def _bold_width(text: str, size: float) -> float:
    return _BOLD * size * len(text)


def _wrapped(blocks: list[_Block], limit: float) -> list[list[_Block]]:
    """As few rows as the limit allows, of about equal width."""
    rows = _filled(blocks, limit)
    while limit > _BOX and len(narrower := _filled(blocks, limit := limit - 18)) == len(rows):
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


def _rows(
    rows: list[list[_Block]],
    left: float,
    top: float,
    start: tuple[float, float | None],
    end: tuple[float, float | None],
    *,
    labels: bool,
) -> Iterator[Shape]:
    """Rows of boxes between two ports of the frame; a port without height has that of its row."""
    y = top
    for number, row in enumerate(rows):
        x, middle = left, y + _row_height(row) / 2
        if number == 0:
            port, bend = middle if start[1] is None else start[1], start[0] + 6
            yield from _arrow([(start[0], port), (bend, port), (bend, middle), (x, middle)])
            if labels:
                yield _space((start[0] + x) / 2, middle - 9, row[0].stage.takes.name)
        for i, block in enumerate(row):
            yield from _draw(block, x, middle)
            x += block.width
            if i < len(row) - 1:
                yield from _arrow([(x, middle), (x + _GAP, middle)])
                yield _space(x + _GAP / 2, middle - 9, block.stage.gives.name)
                x += _GAP
        below, space = y + _row_height(row), row[-1].stage.gives.name
        if number < len(rows) - 1:
            turn, between = end[0] - 14, below + _LEADING / 2
            following = below + _LEADING + _row_height(rows[number + 1]) / 2
            back = left - 14
            corners = [(x, middle), (turn, middle), (turn, between), (back, between), (back, following)]
            yield from _arrow([*corners, (left, following)])
            center, half = (back + turn) / 2, _text_width(space, 8) / 2 + 2
            yield Box(center - half, between - 6, 2 * half, 12, "#ffffff")
            yield _space(center, between, space)
        else:
            port = middle if end[1] is None else end[1]
            tip = x + _GAP if labels else end[0]
            yield from _arrow([(x, middle), (tip - 7, middle), (tip - 7, port), (tip, port)])
            if labels:
                yield _space((x + tip) / 2, middle - 9, space)
        y = below + _LEADING


def _draw(block: _Block, x: float, middle: float) -> Iterator[Shape]:
    fill, edge = COLORS[verdict(block.stage)]
    group = bool(block.rows or block.branches)
    top = middle - block.height / 2
    yield Box(x, top, block.width, block.height, "#fafbfd" if group else fill, edge, dashed=group)
    kind, lines, center = class_name(block.stage), promise(block.stage).split("; "), x + block.width / 2
    if not group:
        first = 15 if block.name else 6
        if block.name:
            yield Label(center, top + 13, block.name, 10, bold=True)
        yield Label(center, top + first + 15, kind, 8.5)
        for i, line in enumerate(lines):
            yield Label(center, top + first + 30 + 10 * i, line, _PROMISE, edge)
        return
    yield Label(x + 10, top + 14, block.name, 10, bold=True, centered=False)
    foot = f"{kind}, {promise(block.stage)}"
    yield Label(x + 10, top + block.height - 13, foot, _PROMISE, edge, centered=False)
    if block.rows:
        spare = (block.width - max(map(_row_width, block.rows))) / 2
        ports = (x, middle), (x + block.width, middle)
        yield from _rows(block.rows, x + spare, top + _HEAD, *ports, labels=False)
        return
    y = top + _HEAD
    for branch in block.branches:
        port = y + branch.height / 2
        inner = center - branch.width / 2
        outer, far = inner + branch.width, x + block.width
        lead = [(x, middle), (x + _PAD, port), (inner, port)]
        trail = [(outer, port), (far - _PAD, port), (far, middle)]
        spaces = branch.stage.takes.name, branch.stage.gives.name
        backward = isinstance(block.stage, Pair) and branch.name == "back"
        sides = ((lead, spaces[backward]), (trail, spaces[not backward]))
        for (points, space), at in zip(sides, ((x + _PAD + inner) / 2, (outer + far - _PAD) / 2), strict=True):
            yield from _arrow(points[::-1] if backward else points)
            yield _space(at, port - 9, space)
        yield from _draw(branch, inner, port)
        y += branch.height + _PAD


def _arrow(points: list[Point]) -> Iterator[Shape]:
    corners = [points[0], *(point for before, point in itertools.pairwise(points) if point != before)]
    yield Arrow(tuple(corners))


def _space(x: float, y: float, name: str) -> Label:
    return Label(x, y, name, 8, italic=True)


def _legend_width(key: str) -> float:
    return 34 + _text_width(MEANINGS[key], _PROMISE)


def _legend(keys: Iterable[str], x: float, y: float) -> Iterator[Shape]:
    for key in keys:
        yield Box(x, y - 5, 14, 10, *COLORS[key])
        yield Label(x + 20, y, MEANINGS[key], _PROMISE, centered=False)
        x += _legend_width(key)

"""The graph of a stage as an image: SVG, written without a library for drawing, or PNG."""

import html
from collections.abc import Iterator
from pathlib import Path

from ..atomic import check_target, replacing
from ..errors import InvalidArgument
from ..stage import Stage
from . import graph
from .explain import class_name
from .layout import LINE, Arrow, Box, Label, Page, Shape, page

_FONT = "'DejaVu Sans', Verdana, Helvetica, Arial, sans-serif"


def draw(stage: Stage, path: str | Path | None = None) -> str:
    """The graph as text; with a path, also as an image: SVG or PNG by its suffix.

    Stages are colored by what their contracts promise of the inverse; edges are labeled with their spaces.

    Raises:
        InvalidArgument: for another suffix, or a path that cannot be written to.

    >>> from isptoolkit.stages import Clip, Gain
    >>> from isptoolkit import LINEAR, Pipeline
    >>> print(draw(Pipeline(gain=Gain(2.0, space=LINEAR), clip=Clip(space=LINEAR))))
    linear
      | gain  Gain  exact
    linear
      | clip  Clip  exact on its domain; lossy outside
    linear
    """
    if path is not None:
        path = Path(path)
        if path.suffix.lower() not in (".svg", ".png"):
            raise InvalidArgument(f"a graph is drawn as .svg or .png, got {path.name!r}")
        check_target(path)
        with replacing(path) as temporary:
            if path.suffix.lower() == ".svg":
                temporary.write_text(svg(stage), encoding="utf-8")
            else:
                _write_png(page(stage), temporary)
    return graph.text(stage)


def svg(stage: Stage) -> str:
    """The graph as a standalone SVG element, without a library for drawing.

    >>> from isptoolkit.stages import Gain
    >>> svg(Gain(2.0)).count("<text")
    5
    """
    sheet = page(stage)
    width, height = sheet.width, sheet.height
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width * 4 / 3:.0f}" '
        f'height="{height * 4 / 3:.0f}" style="max-width:100%;height:auto" font-family="{_FONT}" role="img">',
        f"<title>Graph of {html.escape(class_name(stage))}</title>",
        *(line for shape in sheet.shapes for line in _svg_lines(shape)),
        "</svg>",
    ]
    return "\n".join(lines)


def _svg_lines(shape: Shape) -> Iterator[str]:
    match shape:
        case Box(x, y, width, height, fill, edge, dashed):
            border = f' stroke="{edge}" stroke-width="1.3" rx="{_radius(height):g}"' if edge else ""
            border += ' stroke-dasharray="6 3"' if dashed else ""
            yield f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}"{border}/>'
        case Arrow(points):
            line, head = (" ".join(f"{x:g},{y:g}" for x, y in corners) for corners in (points, shape.head))
            yield f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="1.1" stroke-linejoin="round"/>'
            yield f'<polygon points="{head}" fill="{LINE}"/>'
        case Label(x, y, text, size, color, bold, italic, centered):
            style = ' font-weight="bold"' * bold + ' font-style="italic"' * italic + ' text-anchor="middle"' * centered
            # Centered by hand, since not every viewer knows dominant-baseline.
            place = f'x="{x:g}" y="{y + 0.36 * size:g}" font-size="{size:g}" fill="{color}"'
            yield f"<text {place}{style}>{html.escape(_printable(text))}</text>"


def _radius(height: float) -> float:
    """Of a box's corners: the swatches of the legend are small."""
    return min(6.0, height / 5)


def _printable(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(c if c.isprintable() else " " for c in text)


def _write_png(sheet: Page, path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch, Polygon, Rectangle

    figure = Figure(figsize=(sheet.width / 72, sheet.height / 72), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, sheet.width), ylim=(sheet.height, 0))
    axes.axis("off")
    # By default, matplotlib draws every line above every box.
    for order, shape in enumerate(sheet.shapes):
        match shape:
            case Box(x, y, width, height, fill, "", _):
                axes.add_patch(Rectangle((x, y), width, height, facecolor=fill, zorder=order))
            case Box(x, y, width, height, fill, edge, dashed):
                corners = f"round,pad=0,rounding_size={_radius(height)}"
                patch = FancyBboxPatch((x, y), width, height, boxstyle=corners, zorder=order)
                patch.set(facecolor=fill, edgecolor=edge, linewidth=1.3, linestyle=(0, (5, 2)) if dashed else "-")
                axes.add_patch(patch)
            case Arrow(points):
                across, down = zip(*points, strict=True)
                axes.plot(across, down, color=LINE, linewidth=1.1, solid_joinstyle="round", zorder=order)
                axes.add_patch(Polygon(shape.head, facecolor=LINE, zorder=order))
            case Label(x, y, text, size, color, bold, italic, centered):
                weight, style = "bold" if bold else "normal", "italic" if italic else "normal"
                align = "center" if centered else "left"
                axes.text(
                    x, y, _printable(text), size=size, color=color, weight=weight, style=style, ha=align,
                    va="center_baseline", parse_math=False, zorder=order,
                )  # fmt: skip
    figure.savefig(path, format="png", dpi=160)

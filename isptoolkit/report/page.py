"""A whole round trip as one HTML file that needs nothing else: every stage forward and recovered, value by value."""

import json
import math
from importlib import resources
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ..atomic import check_target, replacing
from ..capture import BAYER, Capture
from ..pipeline import Pipeline
from ..spaces import DIGITAL, Space
from .page_pixels import (
    CODES_PER_DECADE,
    DETAIL,
    LEAST_ERROR,
    View,
    channel_names,
    encoded_image,
    packed_errors,
    packed_mask,
    packed_values,
    steps,
)
from .page_stages import Passage, graph, histogram, passages, stage_facts
from .round_trip import error_map
from .visible import visible

SUFFIXES = (".html",)
_SIDES = (640, 512, 400, 320, 240, 160, 96)
_IMAGE_BYTES, _VALUE_BYTES = 3_000_000, 4_500_000
_CHANNELS = 48
"""Channels of all stages, forward and recovered, up to which the detail has its full size."""

_Edge: TypeAlias = tuple[Tensor, Tensor | None, Passage | None]
"""True and recovered values, and the stage that takes them; no stage takes the output."""


def write_page(pipeline: Pipeline, x: Tensor, capture: Capture, path: str | Path, *, source: str = "") -> None:
    """Write the first sample's rendering and its inverse as one HTML page, which opens without a network.

    For every stage the page shows the graph, its input forward and recovered under a slider, the error map in digital
    numbers, the histogram, the clipped share, the contract beside the measured error, and, for the pixel under the
    pointer, the exact value before and after each stage. Images of large frames are averaged down. Values are those of
    real pixels: a regular grid over the frame, as fine as a page of at most about 10 MB allows, and all pixels of a
    detail.

    Args:
        pipeline: nested pipelines are flattened; stages without an inverse are shown forward only.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.
        path: ends in .html.
        source: the title of the page, such as the name of the RAW file.

    Raises:
        InvalidArgument: for another suffix, or a path that cannot be written to.
    """
    path = Path(path)
    check_target(path, SUFFIXES)
    with torch.no_grad():
        data = page_data(pipeline, x[:1].detach(), capture[0], source)
    # Inside a script element, HTML parsers look for nothing but "<".
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    page = _template("page.html")
    for mark, content in (("STYLE", _template("page.css")), ("SCRIPT", _template("page.js")), ("DATA", text)):
        before, _, after = page.partition(f"/*{mark}*/")
        page = before + content + after
    with replacing(path) as temporary:
        temporary.write_text(page, "utf-8")


def _template(name: str) -> str:
    return (resources.files("isptoolkit.report") / name).read_text("utf-8")


def page_data(pipeline: Pipeline, x: Tensor, capture: Capture, source: str = "") -> dict[str, Any]:
    """Everything that the page shows, as plain data for JSON."""
    from matplotlib import colormaps

    chain = passages(pipeline, x, capture)
    last = chain[-1]
    edges = [(passage.stage.takes.downscale, passage.before) for passage in chain]
    base, finest = min([*edges, (last.stage.gives.downscale, last.after)], key=lambda edge: edge[0])
    height, width = finest.shape[2:]
    digital_numbers = float((capture.white - capture.black.mean(-1)).mean())
    stages = [
        stage_facts(passage, capture)
        | {
            "channels": channel_names(passage.stage.takes, capture.cfa),
            "unit": 1.0 if passage.stage.takes in DIGITAL else digital_numbers,
            "histogram": histogram(passage.before, passage.recovered, passage.stage.takes, capture.cfa),
        }
        for passage in chain
    ]
    output = {
        "takes": last.stage.gives.name,
        "channels": channel_names(last.stage.gives, capture.cfa),
        "unit": 1.0 if last.stage.gives in DIGITAL else digital_numbers,
        "histogram": histogram(last.after, None, last.stage.gives, capture.cfa),
    }
    views = []
    detail = _detail(chain, height, width, base)
    if detail is not None:
        views.append(_view(chain, detail, base, capture, digital_numbers))
    per_sample = 0.0
    for view in views:
        size = sum(len(array["data"]) for edge in view["edges"] for array in edge["values"] if array)
        per_sample = size / (view["rows"] * view["columns"])
    whole = View(
        "whole frame", 0, 0, height, width, max(1, math.ceil((height * width * per_sample / _VALUE_BYTES) ** 0.5))
    )
    views.insert(0, _view(chain, whole, base, capture, digital_numbers))
    return {
        "camera": " ".join(name for name in capture.camera if name),
        "source": source,
        "facts": _facts(capture, height, width, x.dtype),
        "height": height,
        "width": width,
        "cfa": capture.cfa if base == 1 and capture.cfa in BAYER else "",
        "digitalNumbers": digital_numbers,
        "graph": graph(pipeline),
        "stages": [*stages, output],
        "views": views,
        "codes": {"perDecade": CODES_PER_DECADE, "least": LEAST_ERROR},
        "colormap": [[round(255 * part) for part in colormaps["magma"](i / 63)[:3]] for i in range(64)],
        "itemSize": 8 if x.dtype == torch.float64 else 4,
    }


def _facts(capture: Capture, height: int, width: int, dtype: torch.dtype) -> list[tuple[str, str]]:
    def numbers(values: Tensor) -> str:
        return ", ".join(f"{value:.5g}" for value in values.flatten().tolist())

    black = capture.black[0]
    return [
        ("size", f"{width} × {height} pixels"),
        ("color filter array", capture.cfa),
        ("black", f"{numbers(black[:1] if (black == black[0]).all() else black)} DN"),
        ("white", f"{numbers(capture.white)} DN"),
        ("gains R, G, B", numbers(capture.gains)),
        ("precision", str(dtype).removeprefix("torch.")),
    ]


def _detail(chain: list[Passage], height: int, width: int, base: int) -> View | None:
    """A part at full resolution around the largest error of the recovered input, or the center without one."""
    channels = sum(passage.before.shape[1] * (1 if passage.recovered is None else 2) for passage in chain)
    side = int(DETAIL * min(1.0, (_CHANNELS / channels) ** 0.5)) // 2 * 2
    if max(height, width) <= side:
        return None
    first = chain[0]
    row, column = height // 2, width // 2
    if first.recovered is not None:
        error = error_map(first.recovered, first.before, first.stage.takes, 1.0)[0, 0].nan_to_num(torch.inf)
        scale = first.stage.takes.downscale // base
        row, column = (int(i) * scale for i in divmod(int(error.argmax()), error.shape[1]))
    rows, columns = min(side, height), min(side, width)
    top = max(0, min(row - rows // 2, height - rows)) // 2 * 2
    left = max(0, min(column - columns // 2, width - columns)) // 2 * 2
    return View("detail", top, left, min(rows, height - top), min(columns, width - left), 1)


def _view(chain: list[Passage], view: View, base: int, capture: Capture, digital_numbers: float) -> dict[str, Any]:
    """Images, error maps and values of every stage's input and of the output, in one part of the frame."""
    whole = view.name != "detail"
    edges: list[_Edge] = [(passage.before, passage.recovered, passage) for passage in chain] + [
        (chain[-1].after, None, None)
    ]
    spaces = [passage.stage.takes for passage in chain] + [chain[-1].stage.gives]
    parts = [
        [None if x is None else view.part(x, space.downscale // base) for x in (before, recovered)]
        for (before, recovered, _), space in zip(edges, spaces, strict=True)
    ]
    lossless = not whole or max(view.height, view.width) <= 2 * DETAIL
    images = _images(parts, spaces, capture, filters=not whole, lossless=lossless)
    for sampled in steps(view, view.step):
        values = _values(edges, spaces, sampled, base)
        if sum(len(array["data"]) for pair in values for array in pair if array) <= _VALUE_BYTES:
            break
    maps: list[dict[str, Any] | None] = []
    masks: list[str | None] = []
    for (before, recovered, passage), space in zip(edges, spaces, strict=True):
        if recovered is None or passage is None or passage.alive is None:
            maps.append(None)
            masks.append(None)
            continue
        scale = space.downscale // base
        error = error_map(view.part(recovered, scale), view.part(before, scale), space, digital_numbers)
        maps.append(packed_errors(error, view.part(passage.alive, scale)))
        masks.append(packed_mask(sampled.samples(passage.alive, scale)))
    rows, columns = sampled.rows, sampled.columns
    return {
        "name": view.name,
        **{key: getattr(view, key) for key in ("top", "left", "height", "width")},
        "step": sampled.step,
        "firstRow": int(rows[0]),
        "firstColumn": int(columns[0]),
        "rows": len(rows),
        "columns": len(columns),
        "sharp": lossless,
        "edges": [
            {"forward": pair[0], "recovered": pair[1], "values": value, "errors": errors, "alive": mask}
            for pair, value, errors, mask in zip(images, values, maps, masks, strict=True)
        ],
    }


def _images(
    parts: list[list[Tensor | None]], spaces: list[Space], capture: Capture, *, filters: bool, lossless: bool
) -> list[list[str | None]]:
    """All images as data URLs, of the largest size at which they fit the page."""
    images: list[list[str | None]] = []
    for side in _SIDES:
        images = [
            [
                None
                if x is None
                else encoded_image(visible(x, space, capture, side, filters=filters), lossless=lossless)
                for x in pair
            ]
            for pair, space in zip(parts, spaces, strict=True)
        ]
        if sum(len(image) for pair in images for image in pair if image) <= _IMAGE_BYTES:
            break
    return images


def _values(edges: list[_Edge], spaces: list[Space], view: View, base: int) -> list[list[dict[str, Any] | None]]:
    """The sampled values, forward relative to the edge before, recovered relative to forward where that is shorter."""
    packed: list[list[dict[str, Any] | None]] = []
    previous = None
    for (before, recovered, _), space in zip(edges, spaces, strict=True):
        scale = space.downscale // base
        values = view.samples(before, scale)
        pair: list[dict[str, Any] | None] = [packed_values(values, previous), None]
        if recovered is not None:
            pair[1] = packed_values(view.samples(recovered, scale), values)
        packed.append(pair)
        previous = values
    return packed

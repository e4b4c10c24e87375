"""Graphs as images."""

from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import pytest
from graphs import Step, graph

from isptoolkit import (
    MOSAIC,
    SENSOR,
    SRGB,
    Pipeline,
    Stage,
    presets,
)
from isptoolkit.errors import InvalidArgument
from isptoolkit.report.drawing import draw, svg
from isptoolkit.report.layout import Arrow, Box, Label, page


def test_svg_holds_every_name(tmp_path: Path) -> None:
    path = tmp_path / "graph.svg"
    assert graph().draw(path) == graph().draw()
    texts = {element.text for element in ElementTree.parse(path).iter() if element.tag.endswith("text")}
    names = {"levels", "render", "demosaic", "color", "luma", "chroma", "there", "back", "quantize"}
    assert names | {"sensor", "srgb[0:1]", "Step.inv", "within 0.25", "Parallel, exact"} <= texts
    assert [file.name for file in tmp_path.iterdir()] == ["graph.svg"]


@pytest.mark.parametrize("count", [1, 4, 12, 30])
def test_png_stays_on_the_page(tmp_path: Path, count: int) -> None:
    chain = Pipeline(**{f"stage_{i}": Step(SRGB, SRGB) for i in range(count)})
    chain.draw(tmp_path / "graph.png")
    image = matplotlib.image.imread(tmp_path / "graph.png")[..., :3]
    assert image.shape[1] < 13 * 160
    frame = [image[:20], image[-20:], image[:, :20], image[:, -20:]]
    assert all((edge == 1).all() for edge in frame)
    assert (image < 0.5).any()


def test_a_single_stage(tmp_path: Path) -> None:
    assert draw(Step(SENSOR, MOSAIC), tmp_path / "a.PNG") == "sensor\n  | Step  exact\nmosaic"


def test_bad_paths(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"\.svg or \.png, got 'graph\.pdf'"):
        draw(graph(), tmp_path / "graph.pdf")
    with pytest.raises(InvalidArgument, match="does not exist"):
        draw(graph(), tmp_path / "no" / "graph.svg")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "stage",
    [graph(), Pipeline(a=Pipeline(b=Pipeline(c=presets.classic())))],
    ids=["one", "nested"],
)
def test_everything_lies_on_the_page(stage: Stage) -> None:
    sheet = page(stage)
    for shape in sheet.shapes:
        match shape:
            case Box(x, y, width, height):
                corners = [(x, y), (x + width, y + height)]
            case Arrow(points):
                corners = [*points, *shape.head]
            case Label(x, y):
                corners = [(x, y)]
        for x, y in corners:
            assert 0 <= x <= sheet.width and 0 <= y <= sheet.height


def test_boxes_at_one_level_do_not_overlap() -> None:
    boxes = [s for s in page(graph()).shapes if isinstance(s, Box) and s.edge and not s.dashed and s.height > 20]
    assert len(boxes) == 12
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart = a.x + a.width < b.x or b.x + b.width < a.x or a.y + a.height < b.y or b.y + b.height < a.y
            assert apart


def test_labels_fit_their_boxes() -> None:
    """At the widths of DejaVu Sans, the widest of the fonts that the image asks for."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    shapes = page(presets.classic()).shapes
    boxes = [s for s in shapes if isinstance(s, Box) and s.edge]
    for label in (s for s in shapes if isinstance(s, Label) and s.centered and not s.italic):
        font = FontProperties(family="DejaVu Sans", weight="bold" if label.bold else "normal", size=label.size)
        width = TextPath((0, 0), label.text, prop=font).get_extents().width
        box = next(b for b in boxes if b.x < label.x < b.x + b.width and b.y < label.y < b.y + b.height)
        assert width < box.width - 8, label.text


def test_svg_is_repeatable_and_scales_down() -> None:
    assert svg(graph()) == svg(graph())
    root = ElementTree.fromstring(svg(graph()))
    assert "max-width:100%" in root.attrib["style"]
    assert root.find("{http://www.w3.org/2000/svg}title").text == "Graph of Pipeline"  # type: ignore[union-attr]


def test_clipping_is_drawn_as_lossy_outside_its_domain() -> None:
    texts = [element.text for element in ElementTree.fromstring(svg(presets.classic())).iter()]
    assert texts.count("exact on its domain") == texts.count("lossy outside") == 3  # highlights, clip, tone
    assert "exact on its domain, lossy outside" in texts

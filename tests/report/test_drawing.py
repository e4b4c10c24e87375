"""Graphs as text and as pictures."""

from pathlib import Path
from xml.etree import ElementTree

import matplotlib.image
import pytest
from torch import Tensor, nn

from isptoolkit import MOSAIC, SENSOR, SRGB, Capture, ChannelSplit, Contract, Learned, Pair, Parallel, Pipeline, Space
from isptoolkit import Stage as Stage
from isptoolkit.errors import InvalidArgument
from isptoolkit.report.drawing import draw


class Step(Stage):
    """Does nothing, from any space to any."""

    def __init__(self, takes: Space, gives: Space, round_trip: float | None = 0.0) -> None:
        super().__init__()
        self.takes, self.gives, self.round_trip = takes, gives, round_trip
        self.contract = Contract(round_trip, None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y


def graph() -> Pipeline:
    split = ChannelSplit(SRGB, (1, 2))
    luma, chroma = split.gives
    net = Learned(nn.Identity(), SRGB, SRGB)
    return Pipeline(
        levels=Step(SENSOR, MOSAIC),
        render=Pipeline(demosaic=Step(MOSAIC, SRGB, None), tone=Step(SRGB, SRGB)),
        color=Parallel(split, luma=Step(luma, luma), chroma=Pipeline(a=Step(chroma, chroma), b=Step(chroma, chroma))),
        jpeg=Pair(net, Learned(nn.Identity(), SRGB, SRGB)),
        quantize=Step(SRGB, SRGB, 0.25),
        back=Pipeline(x=Step(SRGB, MOSAIC), y=Step(MOSAIC, SRGB)).inv,
        learned=net,
    )


def test_text() -> None:
    lines = draw(graph()).splitlines()
    assert lines[:9] == [
        "sensor",
        "  | levels    Step  exact",
        "mosaic",
        "  | render    Pipeline  no promise",
        "    |   mosaic",
        "    |     | demosaic  Step  no promise",
        "    |   srgb",
        "    |     | tone      Step  exact",
        "    |   srgb",
    ]
    assert "  | quantize  Step  within 0.25" in lines
    assert "  | learned   Learned  one-way" in lines
    assert lines.index("    |   luma:") < lines.index("    |   chroma:")
    assert [line.split()[2] for line in lines if "Step.inv" in line] == ["y", "x"]
    assert lines[-1] == "srgb"


def test_svg_holds_every_name(tmp_path: Path) -> None:
    path = tmp_path / "graph.svg"
    assert graph().draw(path) == graph().draw()
    ElementTree.parse(path)
    text = path.read_text()
    wanted = (
        "levels",
        "render",
        "demosaic",
        "color",
        "luma",
        "chroma",
        "there",
        "back",
        "quantize",
        "sensor",
        "srgb[0:1]",
    )
    assert [name for name in wanted if f"<!-- {name} -->" not in text] == []
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

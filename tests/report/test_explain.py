"""Which stage loses what."""

import pytest
import torch
from torch import Tensor

from isptoolkit import MOSAIC, PACKED, Capture, Contract, Pipeline, Stage
from isptoolkit.errors import InvalidArgument
from isptoolkit.report.explain import explain_inverse

CAPTURE = Capture.of("RGGB")


class Double(Stage):
    """Exact everywhere."""

    takes = gives = MOSAIC
    contract = Contract(round_trip=0.0, re_render=0.0)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return 2 * x

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y / 2


class Cut(Stage):
    """Exact up to one."""

    takes = gives = MOSAIC
    contract = Contract(round_trip=0.0, re_render=0.0)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x.clamp(max=1)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        return x <= 1


class Round(Stage):
    """Within half a tenth."""

    takes = gives = MOSAIC
    contract = Contract(round_trip=0.05, re_render=0.0)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return (10 * x).round() / 10

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y


class Pack(Stage):
    """Exact, to a coarser grid."""

    takes, gives = MOSAIC, PACKED
    contract = Contract(round_trip=0.0, re_render=0.0)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return torch.nn.functional.pixel_unshuffle(x, 2)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return torch.nn.functional.pixel_shuffle(y, 2)


class PackedCut(Stage):
    """One-way, with a domain."""

    takes = gives = PACKED
    contract = Contract(round_trip=None, re_render=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        return (x < 0.75).all(1, keepdim=True)


def chain() -> Pipeline:
    return Pipeline(a=Double(), n=Pipeline(cut=Cut(), again=Cut(), round=Round()), pack=Pack(), end=PackedCut())


def test_contracts_alone() -> None:
    explanation = explain_inverse(chain())
    assert [row.name for row in explanation.rows] == ["a", "n.cut", "n.again", "n.round", "pack", "end"]
    assert [row.verdict for row in explanation.rows] == [
        "exact", "exact on its domain", "exact on its domain", "bound", "exact", "one-way"
    ]  # fmt: skip
    assert explanation.lossy == ("n.round", "end")
    assert explanation.alive is None
    assert "0.05" in explanation.rows[3].sentence
    summary = "lossy: n.round, end; lossy outside their domain: n.cut, n.again"
    assert str(explanation).splitlines()[-1] == summary
    assert summary in explanation._repr_html_()


def test_data_say_where_pixels_die() -> None:
    x = torch.full((1, 1, 4, 4), 0.11, dtype=torch.float64)
    x[..., 0, :2] = 0.8  # doubled 1.6, cut to 1: two pixels of sixteen, both in the first 2x2 cell
    x[..., 3, 3] = 0.4  # 0.8 is too much for the last stage, which takes its whole cell with it
    explanation = chain().explain_inverse(x, CAPTURE)
    rows = {row.name: row for row in explanation.rows}
    assert rows["n.cut"].leaves == 2 / 16
    assert rows["n.again"].leaves == 0
    assert rows["end"].leaves == 6 / 16  # the rest of the first cell, and the last cell
    assert explanation.alive == rows["end"].alive == 8 / 16
    assert rows["n.cut"].on_domain == 0
    assert rows["n.cut"].everywhere == pytest.approx(0.6)
    assert rows["n.round"].everywhere == pytest.approx(0.02)
    assert rows["end"].everywhere is None
    assert explanation.lossy == ("n.cut", "n.round", "end")
    lines = str(explanation).splitlines()
    assert len(lines) == 2 + 6 + 1
    assert lines[-1] == "lossy: n.cut, n.round, end"
    assert "12.5 %" in lines[3]


def test_reversed_pipelines_are_flattened_in_reverse() -> None:
    inner = Pipeline(x=Double(), y=Round())
    explanation = explain_inverse(Pipeline(back=inner.inv))
    assert [(row.name, row.kind, row.verdict) for row in explanation.rows] == [
        ("back.y", "Round.inv", "exact"),
        ("back.x", "Double.inv", "exact"),
    ]


def test_half_the_data_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="both x and capture"):
        explain_inverse(chain(), torch.ones(1, 1, 2, 2))


def test_one_stage_explains_itself() -> None:
    assert explain_inverse(Double()).rows[0].name == "Double"

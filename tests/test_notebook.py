"""How pipelines, stages, captures and reports show themselves in a shell and in a notebook."""

import subprocess
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
import torch
from torch import nn

import isptoolkit
from isptoolkit import CAMERA, LINEAR, MOSAIC, SRGB, Capture, Learned, Pair, Parallel, Pipeline, Space, presets, stages
from isptoolkit.parallel import ChannelSplit
from isptoolkit.testing import check

HOSTILE = ('</table><script>alert("1")</script>', "&amp;", "'>\"<b>")


class Cells(HTMLParser):
    """The texts of the cells of HTML, and the tags that it uses; fails for tags that are not closed."""

    def __init__(self, source):
        super().__init__()
        self.texts, self.tags, self.open = [], set(), []
        self.feed(source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag != "br":
            self.open.append(tag)
        if tag in ("td", "th"):
            self.texts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.texts[-1] += data


TAGS = {"div", "strong", "table", "thead", "tr", "th", "td", "br"}


def names_of(module):
    return {name: getattr(module, name) for name in dir(module) if not name.startswith("_")}


@pytest.mark.parametrize("name", ["classic", "libraw"])
def test_repr_of_a_pipeline_constructs_it(name):
    pipeline = getattr(presets, name)()
    rebuilt = eval(repr(pipeline), names_of(isptoolkit) | names_of(stages))
    assert repr(rebuilt) == repr(pipeline)
    assert rebuilt.names == pipeline.names
    state, expected = rebuilt.state_dict(), pipeline.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[key], expected[key]) for key in expected)


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        (stages.WhiteBalance(peak=1.0), "WhiteBalance(space=MOSAIC, peak=1.0)"),
        (stages.WhiteBalance((2.1, 1, 1.6), CAMERA), "WhiteBalance(gains=[2.1, 1.0, 1.6], space=CAMERA)"),
        (stages.Gain(nn.Parameter(torch.tensor(2.2))), "Gain(gain=Parameter(2.2), space=MOSAIC)"),
        (stages.Gain(2.0, Space("xyz", 3)), "Gain(gain=2.0, space=Space(name='xyz', channels=3, downscale=1))"),
        (stages.Gain(torch.tensor(0.1)), "Gain(gain=0.1, space=MOSAIC)"),
        (stages.Linearize(torch.arange(20.0)), "Linearize(table=<20 tensor>)"),
        (stages.MonotoneCurve(nn.Parameter(torch.zeros(64))), "MonotoneCurve(logits=<64 parameters>, space=SRGB)"),
        (Learned(nn.Conv2d(3, 3, 1), LINEAR, SRGB), "Learned(net=<Conv2d, 12 parameters>, takes=LINEAR, gives=SRGB)"),
        (stages.SRGBCurve().inv, "SRGBCurve(takes=LINEAR, gives=SRGB).inv"),
        (Pair(stages.Pack(), stages.Pack().inv), "Pair(there=Pack(), back=Pack().inv)"),
        (Pipeline(**{"a b": stages.Levels()}), "Pipeline(**{'a b': Levels(space=SENSOR)})"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_repr_of_a_stage_shows_its_values(stage, text):
    assert repr(stage) == text


def test_repr_of_long_and_nested_stages_is_indented():
    split = ChannelSplit(SRGB, (1, 2))
    luma, chroma = split.gives
    stage = Parallel(split, luma=stages.Gain(2.0, luma), chroma=Pipeline(gain=stages.Gain(1.0, chroma)))
    assert repr(stage).splitlines()[:3] == [
        "Parallel(",
        "  split=ChannelSplit(takes=SRGB, sizes=(1, 2)),",
        "  luma=Gain(gain=2.0, space=Space(name='srgb[0:1]', channels=1, downscale=1)),",
    ]
    nested = Pipeline(camera=presets.classic())
    assert "\n    levels=Levels(space=SENSOR),\n" in repr(nested)
    assert eval(repr(nested), names_of(isptoolkit) | names_of(stages))["camera"].names == presets.classic().names


def test_repr_counts_the_weights_that_a_stage_makes_itself():
    class Net(isptoolkit.Stage):
        takes = gives = SRGB
        contract = isptoolkit.Contract(None, None)

        def __init__(self, width: int = 4) -> None:
            super().__init__()
            self.width = width
            self.body = nn.Conv2d(3, width, 1, bias=False)

        def forward(self, x, capture):
            return self.body(x)

    assert repr(Net()) == "Net(width=4, <12 parameters>)"


def test_capture_shows_its_fields_escaped():
    capture = Capture.of("GRBG", black=(60, 64, 66, 70), white=1023, noise=(1e-3, 1e-6), camera=HOSTILE[0])
    cells = Cells(capture._repr_html_())
    assert cells.tags <= TAGS
    fields = dict(zip(cells.texts[::2], cells.texts[1::2], strict=True))
    assert fields["CFA"] == "GRBG"
    assert fields["camera"] == HOSTILE[0]
    assert fields["black"] == "60, 64, 66, 70"
    assert fields["noise"] == "0.001, 1e-06"


def test_a_batch_shows_what_differs():
    batch = Capture.collate([Capture.of("RGGB", white=1000 + i) for i in range(10)])
    cells = Cells(batch._repr_html_())
    fields = dict(zip(cells.texts[::2], cells.texts[1::2], strict=True))
    assert fields["samples"] == "10"
    assert fields["gains"] == "1, 1, 1(all samples)"
    assert fields["white"].endswith("1007... and 2 more")
    assert "no values" in batch.to("meta")._repr_html_()


def test_report_shows_every_law():
    class Broken(isptoolkit.Stage):
        takes = gives = SRGB
        contract = isptoolkit.Contract(0.0, 0.0)

        def forward(self, x, capture):
            raise RuntimeError(HOSTILE[0])

    x, capture = torch.rand(1, 1, 4, 4), Capture.of("RGGB")
    report = check(stages.WhiteBalance(), x, capture)
    cells = Cells(report._repr_html_())
    assert cells.tags <= TAGS
    assert [finding.law for finding in report.findings] == cells.texts[6::5]
    assert set(cells.texts[5::5]) == {"holds"}
    broken = Cells(check(Broken(), x.expand(-1, 3, -1, -1), capture)._repr_html_())
    assert broken.tags <= TAGS
    assert "BROKEN" in broken.texts and f"RuntimeError: {HOSTILE[0]}" in broken.texts


def test_explanation_shows_every_stage():
    pipeline = Pipeline(**{name: stages.Clip(space=MOSAIC) for name in HOSTILE})
    for arguments in ((), (torch.rand(1, 1, 4, 4), Capture.of("RGGB"))):
        explanation = pipeline.explain_inverse(*arguments)
        cells = Cells(explanation._repr_html_())
        assert cells.tags <= TAGS
        assert set(HOSTILE) < set(cells.texts)


def test_svg_is_well_formed_for_hostile_names():
    pipeline = Pipeline(**{name: stages.Gain(2.0) for name in (*HOSTILE, "\x00\x1b[0m", "naïve ☃")})
    root = ElementTree.fromstring(pipeline._repr_svg_())
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {
        "svg", "title", "rect", "polyline", "polygon", "text"
    }  # fmt: skip
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {*HOSTILE, "naïve ☃"} < set(texts)


def test_svg_needs_no_drawing_library():
    source = (
        "import sys, isptoolkit; isptoolkit.presets.classic()._repr_svg_(); "
        "print('matplotlib' in sys.modules, 'hypothesis' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", source], text=True).split() == ["False", "False"]

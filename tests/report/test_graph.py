"""Graphs as text and as Mermaid flowcharts."""

import re

import pytest
from graphs import graph
from torch import nn

from isptoolkit import (
    LINEAR,
    MOSAIC,
    SRGB,
    ChannelSplit,
    Contract,
    Learned,
    Pair,
    Parallel,
    Pipeline,
    Space,
    Stage,
    presets,
    stages,
)
from isptoolkit.report.graph import mermaid, text
from isptoolkit.report.page_stages import graph as page_graph
from isptoolkit.tiles import Tiled


def test_text() -> None:
    lines = text(graph()).splitlines()
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


@pytest.mark.parametrize(
    ("stage", "promise"),
    [
        (stages.Gain(2.0), "exact"),
        (stages.Clip(), "exact on its domain; lossy outside"),
        (stages.Clip().inv, "exact on its domain; lossy outside"),
        (stages.Clip().inv.inv, "exact on its domain; lossy outside"),
        (Pair(stages.Clip(), stages.Clip(), Contract(0.0, 0.0)), "exact on its domain; lossy outside"),
        (Tiled(stages.Clip()), "exact on its domain; lossy outside"),
        (Tiled(stages.SRGBCurve()), "exact"),
        (Learned(nn.Identity(), SRGB, SRGB), "one-way"),
        (stages.Quantize(bits=1), "within 0.5"),
        (presets.classic(), "no promise"),
    ],
    ids=["gain", "clip", "clip inverse", "clip twice", "pair", "tiled clip", "tiled", "learned", "quantize", "classic"],
)
def test_promises(stage: Stage, promise: str) -> None:
    assert text(Pipeline(stage=stage)).splitlines()[1].split("  ", 3)[3] == promise


def test_a_domain_inside_is_the_domain_of_the_whole() -> None:
    clip, gain = stages.Clip(), stages.Gain(2.0, LINEAR)
    assert Pipeline(gain=gain, clip=clip).has_domain
    assert not Pipeline(gain=gain).has_domain
    split = ChannelSplit(LINEAR, (1, 2))
    red, rest = split.gives
    first = stages.Gain(1.0, red)
    assert Parallel(split, a=first, b=stages.Clip(space=rest)).has_domain
    assert not Parallel(split, a=first, b=stages.Gain(1.0, rest)).has_domain


def test_mermaid_draws_every_stage_and_edge() -> None:
    assert mermaid(Pipeline(gain=stages.Gain(2.0), clip=stages.Clip(space=MOSAIC))).splitlines()[:9] == [
        "flowchart LR",
        '  n1(["mosaic"])',
        '  n2(["mosaic"])',
        '  n3["gain<br/>Gain<br/>exact"]:::exact',
        '  n1 -->|"mosaic"| n3',
        '  n4["clip<br/>Clip<br/>exact on its domain<br/>lossy outside"]:::exact_on_its_domain',
        '  n3 -->|"mosaic"| n4',
        '  n4 -->|"mosaic"| n2',
        "  classDef exact fill:#dcefe4,stroke:#2f7d55,color:#22252e",
    ]
    lines = mermaid(graph()).splitlines()
    groups = [line for line in lines if line.startswith("  subgraph")]
    assert len(groups) == lines.count("  end") == 5
    nodes = re.findall(r"^  (n\d+)[\[(]", "\n".join(lines), re.MULTILINE)
    edges = re.findall(r"^  (n\d+) -->.* (n\d+)$", "\n".join(lines), re.MULTILINE)
    assert len(nodes) == len(set(nodes)) == len({node for edge in edges for node in edge})
    assert graph().to_mermaid() == "\n".join(lines)


HOSTILE = (
    "end",
    'a"]; click n1 "javascript:alert(1)"',
    "<img src=x onerror=alert(1)>",
    "`*markdown*`",
    "#35;&amp;",
    "line\nbreak\\",
    "%% comment",
    "n1",
    "naïve ☃",
)


def test_mermaid_escapes_hostile_names() -> None:
    """Every line keeps its form, whatever a name holds, and the name can be read back from its code points."""
    source = mermaid(Pipeline(**{name: stages.Gain(2.0, Space(name, 1)).inv for name in HOSTILE[:1]}))
    assert source.splitlines()[1] == '  n1(["end"])'
    hostile = Pipeline(**{name: Pipeline(**{name: stages.Gain(2.0)}) for name in HOSTILE})
    form = re.compile(
        r'  (?:n\d+(?:\(\["[^"<>`]*"\]\)|\(\( \)\)|\["(?:[\w .,#;-]|<br/>)*"\]:::\w+)'
        r'|n\d+ -->\|"[\w .,#;-]*"\| n\d+|subgraph g\d+\["[\w .,#;-]*"\]|end|classDef \w+ [\w#:,]+)', re.ASCII
    )  # fmt: skip
    lines = mermaid(hostile).splitlines()
    assert [line for line in lines[1:] if not form.fullmatch(line)] == []
    labels = [re.sub(r"#(\d+);", lambda m: chr(int(m[1])), line) for line in lines]
    for name in HOSTILE:
        assert sum(f'["{name}<br/>Gain' in label for label in labels) == 1


def test_pages_and_drawings_say_the_same_of_a_reversed_clip() -> None:
    node = page_graph(Pipeline(clip=stages.Clip(space=SRGB).inv))
    assert node["verdict"] == node["series"][0]["verdict"] == "exact on its domain"

"""The law checker catches cheating stages, each by the right law."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from isptoolkit import CAMERA, MOSAIC, PACKED, SRGB, Capture, Contract, Stage, stages
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages import pack
from isptoolkit.stages.demosaic import demosaic_bilinear
from isptoolkit.testing import assert_lawful, check, falsify, load_stage

EXACT = Contract(round_trip=0.0, re_render=0.0)


class Doubled(Stage):
    takes = gives = SRGB
    contract = EXACT

    def forward(self, x, capture):
        return 2 * x

    def inverse(self, y, capture):
        return y / 2


class Unchanged(Stage):
    """Its inverse returns its input."""

    takes = gives = SRGB
    contract = EXACT

    def forward(self, x, capture):
        return 2 * x

    def inverse(self, y, capture):
        return y


class Boastful(Stage):
    """Claims half of its actual error."""

    takes = gives = SRGB
    contract = Contract(round_trip=0.25 / 255, re_render=0.0, differentiable=False)

    def forward(self, x, capture):
        return (x * 255).round() / 255

    def inverse(self, y, capture):
        return y


class Mutating(Stage):
    takes = gives = SRGB
    contract = Contract(None, None)

    def forward(self, x, capture):
        return x.data.mul_(1.01) + 0 * x


class Mixing(Stage):
    """Mixes the samples of a batch."""

    takes = gives = SRGB
    contract = Contract(None, None)

    def forward(self, x, capture):
        return x - x.mean(0, keepdim=True)


class OnlyRGGB(Stage):
    takes, gives = MOSAIC, CAMERA
    contract = Contract(round_trip=None, re_render=None, reach=1)

    def forward(self, x, capture):
        return demosaic_bilinear(x, "RGGB")


class Dark(Stage):
    """Wrong only at the border, where it pads with zeros."""

    takes = gives = SRGB
    contract = Contract(None, None, reach=1)

    def forward(self, x, capture):
        return F.avg_pool2d(x, 3, stride=1, padding=1)


class Bright(Stage):
    """Wrong only in the first row."""

    takes = gives = SRGB
    contract = Contract(None, None)

    def forward(self, x, capture):
        return torch.cat((x[:, :, :1] * 1.01, x[:, :, 1:]), 2)


class Counting(Stage):
    """Keeps state between calls."""

    takes = gives = SRGB
    contract = Contract(None, None)

    def __init__(self):
        super().__init__()
        self.calls = []

    def forward(self, x, capture):
        self.calls.append(None)
        return x + len(self.calls)


class Assigning(Stage):
    """Keeps its state in a number."""

    takes = gives = SRGB
    contract = Contract(None, None)
    calls = 0

    def forward(self, x, capture):
        self.calls += 1
        return x


class Detached(Stage):
    """Hides part of its gradient."""

    takes = gives = SRGB
    contract = Contract(None, None)

    def forward(self, x, capture):
        return x * x.detach()


class Narrow(Stage):
    """Always returns float32."""

    takes = gives = SRGB
    contract = Contract(None, None)

    def forward(self, x, capture):
        return x.float()


class FarSighted(Stage):
    """Looks farther than its reach."""

    takes = gives = SRGB
    contract = Contract(None, None, reach=0)

    def forward(self, x, capture):
        return x + x.roll(3, -1)


class MutatingInverse(Stage):
    takes = gives = SRGB
    contract = EXACT

    def forward(self, x, capture):
        return 2 * x

    def inverse(self, y, capture):
        return y.data.div_(2) + 0 * y


class Frozen(Stage):
    """Hides the gradient of its parameter."""

    takes = gives = SRGB
    contract = Contract(None, None)

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0))

    def forward(self, x, capture):
        return x * self.gain.detach()


class LoopOnly(Stage):
    """Its inverse reads only the capture of the first sample."""

    takes = gives = SRGB
    contract = EXACT

    def forward(self, x, capture):
        return x * capture.gains[:, :, None, None]

    def inverse(self, y, capture):
        return y / capture.gains[:1, :, None, None]


class SwappedSites(Stage):
    """Packs the sites in an order that depends on the position of a crop."""

    takes, gives = MOSAIC, PACKED
    contract = Contract(None, None, period=2)

    def forward(self, x, capture):
        return pack(x).roll(1, -1)


class Fragile(Stage):
    takes = gives = SRGB
    contract = Contract(None, None)

    def forward(self, x, capture):
        raise RuntimeError("cannot")


class Promising(Stage):
    """Promises a round trip on an empty domain."""

    takes = gives = SRGB
    contract = EXACT

    def forward(self, x, capture):
        return 2 * x

    def inverse(self, y, capture):
        return y

    def in_domain(self, x, capture):
        return torch.zeros_like(x[:, :1], dtype=torch.bool)


def test_an_honest_stage_is_lawful():
    assert_lawful(Doubled())
    assert falsify(Doubled, examples=5) is None


@pytest.mark.parametrize(
    ("cheat", "law"),
    [
        (Unchanged, "round trip"),
        (Boastful, "round trip"),
        (Mutating, "purity"),
        (Mixing, "batch"),
        (OnlyRGGB, "crops"),
        (Dark, "flat field"),
        (Bright, "flat field"),
        (Counting, "purity"),
        (Assigning, "runs"),
        (Detached, "gradient"),
        (Narrow, "spaces"),
        (FarSighted, "crops"),
        (FarSighted, "reach"),
        (MutatingInverse, "purity"),
        (Frozen, "gradient"),
        (LoopOnly, "batch = loop, inverse"),
        (SwappedSites, "crops"),
        (SwappedSites, "reach"),
        (Fragile, "runs"),
    ],
)
def test_a_cheat_is_caught_by_its_law(cheat, law):
    x = torch.rand(2, cheat.takes.channels, 12, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    report = check(cheat(), x, Capture.of("BGGR"))
    assert any(finding.law.startswith(law) for finding in report.broken), str(report)
    with pytest.raises(AssertionError, match="BROKEN"):
        assert_lawful(cheat(), x, Capture.of("BGGR"))


def test_the_example_is_minimal():
    report = falsify(Unchanged, examples=20)
    assert report is not None
    assert "x (1, 3, 1, 1)" in report.example


def test_a_promise_on_an_empty_domain_is_rejected():
    report = falsify(Promising, examples=2)
    assert report is not None
    assert [finding.law for finding in report.broken] == ["domain"]
    with pytest.raises(AssertionError, match="False for every pixel of every example"):
        assert_lawful(Promising())


def test_loads_a_stage_from_a_file(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("from isptoolkit.stages import Levels, Linearize\nlevels = Levels()\n")
    assert isinstance(load_stage(f"{file}:levels"), stages.Levels)
    assert isinstance(load_stage(f"{file}:Levels"), stages.Levels)
    for spec, message in (
        (f"{file}:Linearize", "without arguments"),
        (f"{file}:none", "does not define a stage"),
        ("mine.py", "FILE.py:CLASS"),
        (f"{tmp_path}/no.py:A", "not a file"),
    ):
        with pytest.raises(InvalidArgument, match=message):
            load_stage(spec)

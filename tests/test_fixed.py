"""Constructed stages and pipelines refuse changes that would make their contracts and checks stale."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from isptoolkit import CAMERA, SRGB, Capture, Contract, Pair, Stage, presets, stages
from isptoolkit.errors import InvalidArgument


class Weighted(Stage):
    """An abstract base with its own constructor."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight


class Blend(Weighted):
    """A user's stage that sets numbers in its constructor, after that of its base."""

    takes = gives = SRGB
    contract = Contract(None, None)

    def __init__(self, weight: float = 0.5, flags: tuple[bool, ...] = (True,)) -> None:
        super().__init__(weight)
        self.flags = flags
        self.net = nn.Conv2d(3, 3, 1)
        self.weight = 2 * self.weight

    def forward(self, x, capture):
        return x + self.weight * self.net(x)


class Plain(Stage):
    takes = gives = SRGB
    contract = Contract(None, None)

    def forward(self, x, capture):
        return x


@pytest.mark.parametrize("value", [2, 2.0, np.float32(2), np.int64(2), 2j], ids=repr)
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: stages.PowerCurve(1.8), "gamma"),
        (lambda: stages.PowerCurve(nn.Parameter(torch.tensor(1.8))), "gamma"),
        (stages.WhiteBalance, "gains"),
        (stages.WhiteBalance, "peak"),
        (stages.Quantize, "bits"),
        (Blend, "weight"),
        (Blend, "no_such_value"),
        (Plain, "gain"),
        (lambda: Plain().inv, "gain"),
        (lambda: Pair(Plain(), Plain()), "gain"),
        (presets.classic, "gain"),
    ],
)
def test_a_number_is_refused_with_the_remedy(make, name, value):
    stage = make()
    before = dict(stage.named_buffers()), dict(vars(stage))
    with pytest.raises(InvalidArgument, match=f"{name} cannot be set to .*construct a new .*swap"):
        setattr(stage, name, value)
    assert (dict(stage.named_buffers()), dict(vars(stage))) == before


def test_the_message_says_how_to_write_in_place():
    stage = stages.PowerCurve(1.8)
    with pytest.raises(InvalidArgument, match=r"with torch.no_grad\(\): stage\.gamma\.fill_\(2\.0\)"):
        stage.gamma = 2.0
    with torch.no_grad():
        stage.gamma.fill_(2.0)
    assert float(stage(torch.full((1, 3, 1, 1), 0.25), Capture.of("RGGB")).max()) == pytest.approx(0.5)
    balance = stages.WhiteBalance((2.0, 1.0, 1.5), CAMERA)
    with pytest.raises(InvalidArgument, match=r"stage\.gains\.copy_\(torch\.tensor\(\(1, 1, 1\)\)\)"):
        balance.gains = (1, 1, 1)
    balance.gains.copy_(torch.tensor((1, 1, 1)))
    assert balance.gains.tolist() == [1, 1, 1]


def test_what_torch_does_to_modules_still_works():
    stage, capture, x = Blend(), Capture.of("RGGB"), torch.rand(1, 3, 4, 4)
    assert stage.weight == 1.0
    stage.eval().train(False).requires_grad_(False)
    assert not stage.training
    stage.training = True
    stage.note, stage.flags = "text", (False,)
    stage.net = nn.Conv2d(3, 3, 1)
    stage.double().float().to("cpu")
    y = stage(x, capture)
    for twin in (copy.deepcopy(stage), copy.copy(stage), pickle.loads(pickle.dumps(stage))):
        assert torch.equal(twin(x, capture), y)
        with pytest.raises(InvalidArgument, match="swap"):
            twin.weight = 3
    for assign in (False, True):
        other = Blend()
        other.load_state_dict(stage.state_dict(), assign=assign)
        assert torch.equal(other(x, capture), y)
    gain = stages.Gain(2.0)
    gain.gain = torch.tensor(3.0)
    gain.gain = None
    gain.gain = torch.tensor(3.0)
    assert gain(torch.ones(1, 1, 1, 1), capture).item() == 3
    assert torch.func.functional_call(gain, {"gain": torch.tensor(5.0)}, (torch.ones(1, 1, 1, 1), capture)).item() == 5


def test_stages_compile(compiler):
    stage, capture, x = Blend(), Capture.of("RGGB"), torch.rand(1, 3, 4, 4)
    compiled = torch.compile(stage, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, capture), stage(x, capture))
    program = torch.export.export(stage, (x, capture))
    torch.testing.assert_close(program.module()(x, capture), stage(x, capture))


def test_a_failed_constructor_leaves_nothing_behind():
    with pytest.raises(InvalidArgument, match="gamma"):
        stages.PowerCurve(-1.0)
    assert stages.PowerCurve(1.0).gamma == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.stages.__setitem__("curve", stages.SRGBCurve()),
        lambda p: p.stages.__setitem__("new", stages.SRGBCurve()),
        lambda p: p.stages.__delitem__("curve"),
        lambda p: setattr(p.stages, "curve", stages.SRGBCurve()),
        lambda p: delattr(p.stages, "curve"),
        lambda p: p.stages.append(stages.SRGBCurve()),
        lambda p: p.stages.extend([stages.SRGBCurve()]),
        lambda p: p.stages.insert(0, stages.SRGBCurve()),
        lambda p: p.stages.update({"curve": stages.SRGBCurve()}),
        lambda p: p.stages.setdefault("new", stages.SRGBCurve()),
        lambda p: p.stages.add_module("new", stages.SRGBCurve()),
        lambda p: p.stages.register_module("new", stages.SRGBCurve()),
        lambda p: p.stages.pop("curve"),
        lambda p: p.stages.popitem(),
        lambda p: p.stages.clear(),
        lambda p: p.__setitem__("curve", stages.SRGBCurve()),
        lambda p: p.__delitem__("curve"),
        lambda p: setattr(p, "curve", stages.SRGBCurve()),
        lambda p: setattr(p, "stages", nn.ModuleDict()),
        lambda p: delattr(p, "stages"),
    ],
    ids=[
        "replace", "add", "del", "attribute", "delattr", "append", "extend", "insert", "update", "setdefault",
        "add_module", "register_module", "pop", "popitem", "clear", "item", "del item", "name", "stages", "del stages",
    ],
)  # fmt: skip
def test_the_stages_of_a_pipeline_are_fixed(change):
    pipeline = presets.classic()
    parts = pipeline.items()
    for twin in (pipeline, copy.deepcopy(pipeline), pickle.loads(pickle.dumps(pipeline))):
        with pytest.raises(InvalidArgument, match="swap"):
            change(twin)
        assert twin.names == presets.classic().names
    assert all(a is b for (_, a), (_, b) in zip(parts, pipeline.items(), strict=True))

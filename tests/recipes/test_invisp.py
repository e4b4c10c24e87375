"""The InvISP recipe against the published network, written out here from the paper's program's shapes and names."""

import pickle
from pathlib import Path

import pytest
import torch
from isptoolkit.recipes import invisp
from torch import nn
from torch.nn import functional as F

from isptoolkit import CAMERA, Capture, Pipeline, errors, stages

CAPTURE = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5))


class OfficialDense(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        for k in range(1, 6):
            setattr(self, f"conv{k}", nn.Conv2d(inputs + 32 * (k - 1), 32 if k < 5 else outputs, 3, 1, 1))

    def forward(self, x):
        known = [x]
        for k in range(1, 5):
            known.append(F.leaky_relu(getattr(self, f"conv{k}")(torch.cat(known, 1)), 0.2))
        return self.conv5(torch.cat(known, 1))


class OfficialMix(nn.Module):
    def __init__(self):
        super().__init__()
        p, lower, upper = torch.linalg.lu(torch.linalg.qr(torch.randn(3, 3))[0])
        self.register_buffer("p", p)
        self.register_buffer("sign_s", upper.diag().sign())
        self.lower = nn.Parameter(lower)
        self.log_s = nn.Parameter(upper.diag().abs().log())
        self.upper = nn.Parameter(upper)

    def matrix(self):
        strict = torch.tril(torch.ones(3, 3), -1)
        lower = self.lower * strict + torch.eye(3)
        return self.p @ lower @ (self.upper * strict.T + torch.diag(self.sign_s * self.log_s.exp()))


class OfficialBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.F, self.G, self.H = OfficialDense(2, 1), OfficialDense(1, 2), OfficialDense(1, 2)
        self.invconv = OfficialMix()

    def forward(self, x, rev):
        if not rev:
            x = F.conv2d(x, self.invconv.matrix()[:, :, None, None])
            y1 = x[:, :1] + self.F(x[:, 1:])
            s = 0.8 * (2 * torch.sigmoid(self.H(y1)) - 1)
            return torch.cat((y1, x[:, 1:] * s.exp() + self.G(y1)), 1)
        s = 0.8 * (2 * torch.sigmoid(self.H(x[:, :1])) - 1)
        x2 = (x[:, 1:] - self.G(x[:, :1])) / s.exp()
        x = torch.cat((x[:, :1] - self.F(x2), x2), 1)
        return F.conv2d(x, torch.linalg.inv(self.invconv.matrix())[:, :, None, None])


class Official(nn.Module):
    def __init__(self, blocks=8):
        super().__init__()
        self.operations = nn.ModuleList(OfficialBlock() for _ in range(blocks))

    def forward(self, x, rev=False):
        for operation in reversed(self.operations) if rev else self.operations:
            x = operation(x, rev)
        return x


@pytest.fixture(scope="module")
def official():
    torch.manual_seed(11)
    return Official().eval()


def test_parameters_and_keys_are_the_published_ones(official):
    stage = invisp.InvISP()
    assert sum(value.numel() for value in stage.parameters()) == 1_413_760
    state = invisp.official_state(stage)
    assert len(state) == 280
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in official.state_dict().items()}


def test_an_official_checkpoint_gives_the_official_outputs(official, tmp_path):
    torch.save(official.state_dict(), tmp_path / "latest.pth")
    x = torch.rand(1, 3, 40, 36)
    with torch.no_grad():
        for source in (tmp_path / "latest.pth", official.state_dict()):
            stage = invisp.load_official(source)
            y = official(x)
            torch.testing.assert_close(stage(x, CAPTURE), y, rtol=0, atol=1e-5)
            torch.testing.assert_close(stage.inverse(y, CAPTURE), official(y, rev=True), rtol=0, atol=1e-5)
            torch.testing.assert_close(stage.inverse(stage(x, CAPTURE), CAPTURE), x, rtol=0, atol=1e-4)
    assert all(torch.equal(v, official.state_dict()[k]) for k, v in invisp.official_state(stage).items())


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("touched"),))


def test_checkpoints_that_are_none_are_refused(official, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = official.state_dict()
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    torch.save(Evil(), tmp_path / "worse.pth")
    (tmp_path / "half.pth").write_bytes(b"PK\3\4 half a file")
    torch.save([1, 2], tmp_path / "list.pth")
    key = "operations.3.G.conv2.bias"
    cases = {
        tmp_path / "evil.pth": "cannot|no checkpoint",
        tmp_path / "worse.pth": "no checkpoint that can be read safely",
        tmp_path / "half.pth": "no checkpoint that can be read safely",
        tmp_path / "none.pth": "no checkpoint that can be read safely",
        tmp_path / "list.pth": "holds no state",
    }
    for path, said in cases.items():
        with pytest.raises(errors.UnreadableFile, match=said):
            invisp.load_official(path)
    assert not (tmp_path / "touched").exists()
    for changed, said in (
        ({k: v for k, v in state.items() if k != key}, f"lacks {key}"),
        (state | {key: torch.zeros(5)}, rf"{key} as \[5\]"),
        (state | {key: state[key].double()}, "float64"),
        (state | {"other.weight": torch.zeros(1)}, "'other.weight'"),
        (state | {"operations.0.F.conv6.bias": torch.zeros(1)}, "conv6"),
        ({}, "lacks operations.0"),
        (state | {key: 3}, "of type int"),
    ):
        with pytest.raises(errors.UnreadableFile, match=said):
            invisp.load_official(changed)


def small():
    torch.manual_seed(0)
    return invisp.build(invisp.Config(blocks=2, growth=4))


def test_the_recipe_is_one_pipeline_both_ways(tmp_path):
    pipeline = small()
    assert pipeline.names == ("levels", "balance", "demosaic", "gamma", "render", "clip", "jpeg")
    sensor = 64 + 500 * torch.rand(1, 1, 32, 48)
    with torch.no_grad():
        picture = pipeline(sensor, CAPTURE)
        assert pipeline.inverse(picture, CAPTURE).shape == sensor.shape
        exact = pipeline.span("levels", "render")
        back = exact.inverse(exact(sensor, CAPTURE), CAPTURE)
    assert float((back - sensor).abs().max()) < 0.05
    pipeline.save(tmp_path / "invisp.toml")
    again = Pipeline.load(tmp_path / "invisp.toml", classes=[invisp.InvISP])
    with torch.no_grad():
        assert torch.equal(again(sensor, CAPTURE), picture)


def test_swaps(tmp_path):
    pipeline, sensor = small(), 64 + 500 * torch.rand(1, 1, 32, 48)
    other = pipeline.swap("jpeg", stages.Jpeg(90.0, "4:2:0", "hard"))
    with torch.no_grad():
        assert not torch.equal(other(sensor, CAPTURE), pipeline(sensor, CAPTURE))
    classical = Pipeline(
        levels=stages.Levels(),
        balance=stages.WhiteBalance(),
        demosaic=stages.DemosaicMalvar(),
        gamma=stages.PowerCurve(gamma=2.2, takes=CAMERA, gives=invisp.ENCODED),
        render=pipeline["render"],
    )
    assert classical.gives.name == "srgb"


@pytest.mark.parametrize("recompute", [False, True])
def test_the_objective_learns(recompute):
    torch.manual_seed(1)
    pipeline = invisp.build(invisp.Config(blocks=2, growth=4, recompute=recompute))
    raw = torch.nn.functional.interpolate(torch.rand(2, 3, 4, 4), (32, 32), mode="bilinear")
    target = 0.6 * raw + 0.1
    optimizer = torch.optim.Adam(pipeline["render"].parameters(), 3e-3)
    losses = []
    for _ in range(40):
        loss, _ = invisp.objective(pipeline, raw, target, CAPTURE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]

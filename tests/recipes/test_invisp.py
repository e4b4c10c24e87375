"""The InvISP recipe against the published network, written out here from the paper's program's shapes and names."""

import json
import pickle
import shlex
from dataclasses import asdict, fields, replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from isptoolkit import CAMERA, Capture, Pipeline, errors, stages
from isptoolkit.cli.inputs import setting
from isptoolkit.data import Batch
from isptoolkit.recipes import invisp
from isptoolkit.train import Training
from isptoolkit.train.weights import write_weights

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


def test_files_that_are_not_checkpoints_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    torch.save(Evil(), tmp_path / "worse.pth")
    (tmp_path / "half.pth").write_bytes(b"PK\3\4 half a file")
    (tmp_path / "empty.pth").write_bytes(b"")
    (tmp_path / "text.pth").write_text("operations.0.F.conv1.weight")
    torch.save([1, 2], tmp_path / "list.pth")
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    torch.save({"state_dict": {}}, tmp_path / "nested.pth")
    cases = {
        "evil.pth": "not a checkpoint that can be read safely",
        "worse.pth": "not a checkpoint that can be read safely",
        "half.pth": "not a checkpoint that can be read safely",
        "empty.pth": "not a checkpoint that can be read safely",
        "text.pth": "not a checkpoint that can be read safely",
        "none.pth": "not a checkpoint that can be read safely",
        "list.pth": "does not contain a network's state but list",
        "tensor.pth": "does not contain a network's state but Tensor",
        "nested.pth": "it holds 'state_dict' of type dict",
    }
    for name, said in cases.items():
        for read in (invisp.load_official, invisp.RECIPE.load):
            with pytest.raises(errors.UnreadableFile, match=said) as raised:
                read(tmp_path / name)
            assert "\n" not in str(raised.value)
    assert not (tmp_path / "touched").exists()


KEY = "operations.3.G.conv2.bias"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: {k: v for k, v in state.items() if k != KEY}, f"lacks {KEY}"),
        (lambda state: {k: v for k, v in state.items() if ".7.invconv." not in k}, r"lacks operations\.7\.invconv"),
        (lambda state: {k: v for k, v in state.items() if ".3." not in k}, r"lacks operations\.3\."),
        (lambda state: {k: v for k, v in state.items() if "conv1.weight" not in k}, r"lacks operations\.0\.F\.conv1"),
        (lambda state: {}, r"lacks operations\.0"),
        (lambda state: state | {KEY: torch.zeros(5)}, rf"{KEY} as \[5\] torch.float32, not \[32\]"),
        (lambda state: state | {KEY: state[KEY].double()}, "float64"),
        (
            lambda state: state | {"operations.0.F.conv1.weight": torch.zeros(1).expand(10**12, 2, 3, 3)},
            r"\[1000000000000, 2, 3, 3\]",
        ),
        (
            lambda state: state | {"operations.0.F.conv1.weight": torch.zeros(0, 2, 3, 3)},
            r"as \[0, 2, 3, 3\]",
        ),
        (lambda state: state | {"operations.5.invconv.p": torch.zeros(3, 4)}, r"invconv\.p as \[3, 4\]"),
        (lambda state: state | {"other.weight": torch.zeros(1)}, "'other.weight'"),
        (lambda state: state | {"operations.0.F.conv6.bias": torch.zeros(1)}, "conv6"),
        (lambda state: state | {"operations.00.F.conv1.bias": torch.zeros(32)}, r"operations\.00"),
        (lambda state: state | {"operations.\u00b2.F.conv1.bias": torch.zeros(32)}, "of type Tensor"),
        (lambda state: state | {"operations.9000.F.conv1.bias": torch.zeros(32)}, r"lacks operations\.8\."),
        (lambda state: state | {7: torch.zeros(1)}, "it holds 7"),
        (lambda state: state | {KEY: 3}, "of type int"),
    ],
    ids=[
        *("one missing", "a matrix missing", "a block missing", "first ones missing", "empty", "misshapen", "double"),
        *(
            "no storage for its shape",
            "no growth",
            "matrix misshapen",
            "surplus",
            "sixth convolution",
            "second spelling",
        ),
        *("odd digits", "far block", "number as key", "no tensor"),
    ],
)
def test_states_of_other_networks_are_refused(official, change, said):
    with pytest.raises(errors.UnreadableFile, match=said) as raised:
        invisp.load_official(change(official.state_dict()))
    assert "\n" not in str(raised.value)


def test_a_wide_network_is_refused_before_it_is_allocated(official):
    """Its convolutions would take gigabytes; the file holds one number for each."""
    first = "operations.0.F.conv1.weight"
    for growth, said in ((65535, r"as \[65535, 2, 3, 3\], not"), (4096, "does not hold every number of")):
        with pytest.raises(errors.UnreadableFile, match=said):
            invisp.load_official(official.state_dict() | {first: torch.zeros(1).expand(growth, 2, 3, 3)})
    with torch.device("meta"):
        shapes = invisp.official_state(invisp.InvISP(1, growth=2000))
    crafted = {key: torch.zeros(1, dtype=value.dtype).expand(value.shape) for key, value in shapes.items()}
    with pytest.raises(errors.UnreadableFile, match="does not hold every number of operations.0"):
        invisp.load_official(crafted)
    with pytest.raises(errors.UnreadableFile, match="does not hold every number of operations.0"):
        invisp.load_official(shapes)


def test_many_blocks_of_nothing_are_refused_at_once():
    state = {f"operations.{n}.invconv.p": torch.eye(3) for n in range(5000)}
    state["operations.0.F.conv1.weight"] = torch.zeros(32, 2, 3, 3)
    with pytest.raises(errors.UnreadableFile, match="5001 tensors for 5000 blocks"):
        invisp.load_official(state)


def test_keys_translate_both_ways():
    names = list(invisp.InvISP(blocks=11, growth=2).state_dict())
    assert len(names) == 11 * 35
    assert [invisp.own_key(invisp.official_key(name)) for name in names] == names
    for other in ("operations.0.F.conv0.bias", "operations.0.E.conv1.bias", "operations.0.invconv.q", "module.x", ""):
        assert invisp.own_key(other) is None


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


def test_the_published_configuration():
    config = invisp.PUBLISHED
    assert (config.blocks, config.growth, config.limit, config.gamma, config.quality) == (8, 32, 0.8, 2.2, 90.0)
    assert (config.subsampling, config.rounding, config.terms, config.rgb_weight) == ("4:2:0", "fourier", 9, 1.0)
    jpeg = invisp.build(replace(config, blocks=1, quality=75.0, terms=5))["jpeg"]
    assert isinstance(jpeg, stages.DiffJpeg)
    assert (jpeg.quality.item(), jpeg.rounding, jpeg.terms, jpeg.transposed) == (75.0, "fourier", 5, True)


def test_the_documented_schedule_is_the_published_one():
    page = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text()
    section = page.split("## Published schedules")[1].split("### InvISP")[1].split("\n### ")[0]
    command = next(part for part in section.split("\n\n") if part.startswith("    isptoolkit train"))
    words = shlex.split(command.replace("\\\n", " "))
    values = dict(setting(value) for flag, value in pairwise(words) if flag == "--set")
    own = {name: values.pop(name) for name in list(values) if name in {field.name for field in fields(invisp.Config)}}
    assert invisp.Config(**own) == replace(invisp.PUBLISHED, black=0, white=16383)
    training = Training(**values)
    assert (training.optimizer, training.betas, training.batch, training.patch) == ("adam", (0.9, 0.999), 1, 256)
    assert training.steps == 300 * 414
    for epoch, rate in ((0, 1e-4), (49, 1e-4), (50, 5e-5), (79, 5e-5), (80, 2.5e-5), (299, 2.5e-5)):
        for step in (414 * epoch, 414 * epoch + 413):
            assert training.lr_at(step) == pytest.approx(rate)


def test_the_default_goes_through_libjpegs_tables():
    jpeg = invisp.build(invisp.Config(blocks=1, rounding="fejer", terms=4, quality=70.0, subsampling="4:2:2"))["jpeg"]
    assert isinstance(jpeg, stages.Jpeg)
    assert (jpeg.quality.item(), jpeg.subsampling, jpeg.rounding, jpeg.terms) == (70.0, "4:2:2", "fejer", 4)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"simulator": "pillow"}, "libjpeg or published, got 'pillow'"),
        ({"simulator": "published", "subsampling": "4:2:2"}, "has 4:2:0 only, got '4:2:2'"),
        ({"simulator": "published", "quality": 100.0}, "below 100, got 100"),
        ({"simulator": "published", "rounding": "fourrier"}, "got 'fourrier'"),
        ({"terms": 0}, "got .*0"),
        ({"start": "random"}, "identity or published, got 'random'"),
        ({"blocks": 0}, "at least one block, got 0"),
    ],
)
def test_configurations_that_cannot_be(values, said):
    with pytest.raises(errors.InvalidArgument, match=said):
        invisp.build(invisp.Config(**values))


def test_the_published_start_is_xavier_everywhere():
    """Xavier's normal distribution with gain 1 and no bias, also for the last convolutions of the dense blocks."""
    torch.manual_seed(2)
    stage = invisp.InvISP(blocks=4)
    for name, module in stage.named_modules():
        if isinstance(module, nn.Conv2d):
            outputs, inputs = module.weight.shape[:2]
            deviation = (2 / (9 * (inputs + outputs))) ** 0.5
            count = module.weight.numel()
            assert float(module.bias.detach().abs().max()) == 0, name
            assert float(module.weight.detach().abs().max()) > 2 * deviation, f"{name} is not normally distributed"
            assert float(module.weight.detach().std()) == pytest.approx(deviation, rel=4 / (2 * count) ** 0.5), name
    x = torch.rand(1, 3, 16, 16)
    same = invisp.InvISP(blocks=2, growth=4, start="identity")
    with torch.no_grad():
        torch.testing.assert_close(same(x, CAPTURE), x)
        assert not torch.allclose(stage(x, CAPTURE), x, atol=0.1)


def test_the_input_is_balanced_by_the_largest_gain_and_gamma_encoded():
    """`(raw wb / max(wb))^(1/2.2) / white^(1/2.2)` of a gray patch, as the program's loader has it."""
    config = replace(invisp.PUBLISHED, blocks=1, growth=2, black=0.0, white=4095.0)
    encode = invisp.build(config).span("levels", "gamma")
    capture = Capture.of("RGGB", black=127, white=3692, gains=(2.0, 1.0, 1.5))
    raw = encode(torch.full((1, 1, 8, 8), 1000.0), capture)
    expected = [(1000 * gain / 2.0) ** (1 / 2.2) / 4095 ** (1 / 2.2) for gain in (2.0, 1.0, 1.5)]
    torch.testing.assert_close(raw, torch.tensor(expected)[None, :, None, None].expand(1, 3, 8, 8))
    linear = invisp.build(replace(config, gamma=1.0)).span("levels", "gamma")
    torch.testing.assert_close(linear(torch.full((1, 1, 8, 8), 1000.0), capture)[0, 0, 0, 0].item(), 1000 / 4095)


def trained_weights(path, config, **without):
    """A file of weights as `isptoolkit train` leaves it, of an objective with this configuration."""
    objective = invisp.Objective(config)
    values = {name: value for name, value in asdict(config).items() if name not in without}
    write_weights(path, objective.stage.state_dict(), {"recipe": "invisp", "config": json.dumps(values)})
    return objective


def test_weights_of_before_the_simulator_load(tmp_path):
    config = invisp.Config(blocks=1, growth=4, quality=80.0, subsampling="4:2:2")
    objective = trained_weights(tmp_path / "weights.safetensors", config, terms=True, simulator=True)
    made = invisp.RECIPE.load_camera(tmp_path / "weights.safetensors")
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(made["render"](x, CAPTURE), objective.stage["render"](x, CAPTURE))
    assert (made["jpeg"].quality.item(), made["jpeg"].subsampling) == (80.0, "4:2:2")


def test_what_was_trained_through_a_simulator_is_used_with_a_real_jpeg(official, tmp_path):
    trained_weights(tmp_path / "weights.safetensors", replace(invisp.PUBLISHED, blocks=1, growth=4, quality=80.0))
    torch.save(official.state_dict(), tmp_path / "latest.pth")
    for name, quality in (("weights.safetensors", 80.0), ("latest.pth", 90.0)):
        made = invisp.RECIPE.load_camera(tmp_path / name)
        assert isinstance(made["jpeg"], stages.Jpeg)
        assert (made["jpeg"].quality.item(), made["jpeg"].subsampling, made["jpeg"].rounding) == (
            quality,
            "4:2:0",
            "hard",
        )


def test_the_objective_weights_what_it_reports():
    """Mean absolute errors, that of sRGB weighted, that of RAW through clip and JPEG but not clamped itself."""
    config = replace(invisp.PUBLISHED, blocks=1, growth=4, rgb_weight=0.25)
    torch.manual_seed(4)
    objective = invisp.Objective(config)
    sensor = 64 + 900 * torch.rand(2, 1, 32, 32)
    batch = Batch(sensor, Capture.collate([CAPTURE] * 2), torch.rand(2, 3, 32, 32))
    loss, parts = objective(batch)
    images = objective.preview(batch)
    rgb = (images["rendered"] - images["target"]).abs().mean()
    raw = (images["recovered RAW"] - images["RAW"]).abs().mean()
    torch.testing.assert_close(parts["rgb"], rgb)
    torch.testing.assert_close(parts["raw"], raw)
    torch.testing.assert_close(loss, 0.25 * rgb + raw)
    assert torch.equal(images["rendered"], images["rendered"].clamp(0, 1))
    loss.backward()
    assert all(value.grad is not None for value in objective.stage["render"].parameters())

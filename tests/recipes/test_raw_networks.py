"""SSDNet and RST-ISP-Net: published sizes, any picture, and that they learn."""

import dataclasses
import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from isptoolkit import MOSAIC, PACKED, SRGB, Capture, crop, errors, presets, read_raw, stages
from isptoolkit.data import Batch
from isptoolkit.learned import RawNetwork
from isptoolkit.recipes import aim_unet, rst_isp_net, ssdnet, zero_noise

CAPTURE = Capture.of("RGGB")
TINY = ssdnet.Config(width=8, blocks=(1, 1, 1), middle=1, last=1, refinement=1)
NETWORKS = {
    "ssdnet": ssdnet.build(TINY),
    "rst": rst_isp_net.build(rst_isp_net.SMALL),
    "lean": rst_isp_net.build(rst_isp_net.LEAN),
    "u-net": aim_unet.build(aim_unet.SMALL),
    "u-net as published": aim_unet.build(aim_unet.Config(widths=(8, 16, 32), sites=False)),
    "gates": zero_noise.build(zero_noise.SMALL),
}


def count(module):
    return sum(value.numel() for value in module.parameters())


def test_published_sizes():
    with torch.device("meta"):
        assert count(ssdnet.SSDNet(ssdnet.Config(), branch=True)) == 36_241_628
        assert count(ssdnet.SSDNet(ssdnet.Config())) == 35_563_936
        assert count(ssdnet.SSDNet(ssdnet.Config(refinement=0))) == 34_889_700
        published = rst_isp_net.Config(unused=True)
        assert count(rst_isp_net.RSTISPNet(published)) == 86_317_068
        assert count(rst_isp_net.RSTISPNet(dataclasses.replace(published, tail=1))) == 86_307_852
        assert count(rst_isp_net.RSTISPNet(dataclasses.replace(published, layers=5))) == 90_562_764
        assert count(rst_isp_net.RSTISPNet(rst_isp_net.LEAN)) == 559_988
        assert count(rst_isp_net.RSTISPNet(rst_isp_net.SMALL)) == 1_779_028
        assert count(aim_unet.BaselineUNet(aim_unet.SMALL)) == 116_772
        assert count(zero_noise.GatedNet(zero_noise.SMALL)) == 19_312
        assert count(aim_unet.BaselineUNet()) == 1_861_764
        assert count(zero_noise.GatedNet()) == 171_112


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(32, 48), (18, 22), (50, 36)], ids=str)
def test_any_even_size_and_black_pictures(name, size):
    stage = NETWORKS[name].eval()
    with torch.no_grad():
        for x in (torch.rand(2, 3, *size), torch.zeros(1, 3, *size)):
            y = stage(x, CAPTURE)
            assert y.shape == (len(x), 4, size[0] // 2, size[1] // 2)
            assert bool(y.isfinite().all())


@pytest.mark.parametrize("name", NETWORKS)
def test_what_does_not_fit_is_refused(name):
    with pytest.raises(errors.InvalidSize, match="even sizes"):
        NETWORKS[name](torch.rand(1, 3, 33, 32), CAPTURE)
    with pytest.raises(errors.InvalidTensor):
        NETWORKS[name](torch.rand(1, 4, 32, 32), CAPTURE)


def test_too_small_a_picture():
    with pytest.raises(errors.InvalidSize, match="SSDNet needs even sizes of at least 16 pixels, got 14 x 32"):
        NETWORKS["ssdnet"](torch.rand(1, 3, 14, 32), CAPTURE)


class Sampled(torch.nn.Module):
    """A network without error: the mosaic of the picture itself."""

    def forward(self, x):
        return stages.Pack()(stages.Mosaic()(x, CAPTURE), CAPTURE)


@pytest.mark.parametrize("gives", [PACKED, MOSAIC], ids=str)
@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_another_phase_than_the_trained_one(cfa, gives):
    """Every site is where the capture has it."""
    capture, x = Capture.of(cfa), torch.rand(2, 3, 6, 10)
    made = RawNetwork(Sampled(), gives).eval()(x, capture)
    wanted = stages.Mosaic()(x, capture)
    assert torch.equal(made, wanted if gives == MOSAIC else stages.Pack()(wanted, capture))


def test_the_mosaic_of_a_network_is_its_planes():
    net = aim_unet.BaselineUNet(aim_unet.SMALL)
    x = torch.rand(1, 3, 20, 12)
    with torch.no_grad():
        packed, mosaic = (RawNetwork(net, gives).eval()(x, CAPTURE) for gives in (PACKED, MOSAIC))
    assert torch.equal(stages.Pack()(mosaic, CAPTURE), packed)
    with pytest.raises(errors.InvalidArgument, match="packed or mosaic, got srgb"):
        RawNetwork(net, SRGB)


def test_the_published_u_net_sees_one_pixel_of_each_cell():
    """Planes of the finest scale are kept where their sites lie, in the program at one pixel of the cell."""
    torch.manual_seed(0)
    whole, cells = (aim_unet.BaselineUNet(aim_unet.Config((4, 8), sites)).eval() for sites in (True, False))
    cells.load_state_dict(whole.state_dict())
    seen = []
    whole.head.register_forward_hook(lambda module, inputs, output: seen.append(output))
    x = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        ours, theirs = whole(x), cells(x)
    for site in range(4):
        assert torch.equal(ours[:, site], seen[0][:, site, site // 2 :: 2, site % 2 :: 2])
        assert torch.equal(theirs[:, site], seen[0][:, site, ::2, ::2])


def batch():
    """A rendering without loss of smooth RAW."""
    torch.manual_seed(2)
    planes = torch.nn.functional.interpolate(0.2 + 0.5 * torch.rand(2, 1, 3, 3), (32, 32), mode="bilinear")
    picture = planes.expand(-1, 3, -1, -1) ** (1 / 2.2)
    return Batch(planes, Capture.collate([CAPTURE] * 2), picture)


OBJECTIVES = {
    **{
        kind: lambda kind=kind: ssdnet.Objective(dataclasses.replace(TINY, supervision=kind))
        for kind in ("hard", "branch", "testing", "training", "training-detached")
    },
    "rst": lambda: rst_isp_net.Objective(rst_isp_net.SMALL),
    "lean": lambda: rst_isp_net.Objective(rst_isp_net.LEAN),
    "u-net": lambda: aim_unet.Objective(aim_unet.SMALL),
    "gates": lambda: zero_noise.Objective(zero_noise.SMALL),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_they_learn(name):
    torch.manual_seed(0)
    objective, given = OBJECTIVES[name](), batch()
    optimizer = torch.optim.Adam(objective.parameters(), 2e-3)
    losses = []
    for _ in range(25):
        loss, _ = objective(given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-3:]) < 0.6 * sum(losses[:3])


LOSSES = {
    "hard": torch.nn.functional.l1_loss,
    "u-net": torch.nn.functional.mse_loss,
    "gates": torch.nn.functional.l1_loss,
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_of_planes_of_black_0_and_white_1(name):
    torch.manual_seed(0)
    objective, given = OBJECTIVES[name](), batch()
    levels = Capture.collate([Capture.of("RGGB", black=64, white=1023)] * 2)
    found = objective.stage.net(given.target).detach()
    wanted = torch.nn.functional.pixel_unshuffle(given.sensor, 2)
    loss, figures = objective(Batch(64 + 959 * given.sensor, levels, given.target))
    assert float(loss.detach()) == pytest.approx(float(LOSSES[name](found, wanted)), rel=1e-4)
    for value in figures.values():
        assert float(value) == pytest.approx(float((found - wanted).abs().mean()), rel=1e-4)


def test_what_training_draws():
    """Green of RAW, encoded; each of its pixels is four of the picture's."""
    objective, given = zero_noise.Objective(zero_noise.SMALL), batch()
    shown = objective.preview(given)
    assert list(shown) == ["sRGB", "recovered RAW", "RAW"] and torch.equal(shown["sRGB"], given.target)
    for name, x in (
        ("recovered RAW", objective.stage.net(given.target)),
        ("RAW", stages.Pack()(given.sensor, given.capture)),
    ):
        green = x[:, 1].clamp(0, 1) ** (1 / 2.2)
        for channel in range(3):
            for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
                assert torch.equal(shown[name][:, channel, top::2, left::2], green)


def test_gates_begin_near_one():
    torch.manual_seed(0)
    net = zero_noise.GatedNet()
    with torch.no_grad():
        p = net.mix(torch.rand(1, 3, 16, 16))
        for gate in (net.tone, net.color):
            assert float((gate(p) - 1).abs().mean()) < 0.3
        assert float(net.shading(p).sigmoid().mean()) == pytest.approx(0.73, abs=0.05)


def test_planes_with_noise_are_supervised_by_planes_without():
    torch.manual_seed(0)
    given = batch()
    objective = ssdnet.Objective(dataclasses.replace(TINY, inputs=4))
    clean = given.sensor.flip(2)
    seen, wanted = (torch.nn.functional.pixel_unshuffle(x, 2) for x in (given.sensor, clean))
    loss, _ = objective(dataclasses.replace(given, target=clean))
    expected = (objective.stage.net(seen) - wanted).abs().mean()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


def test_recomputed_gradients_are_the_same():
    torch.manual_seed(0)
    kept, again = ssdnet.Objective(TINY), ssdnet.Objective(dataclasses.replace(TINY, recompute=True))
    again.load_state_dict(kept.state_dict())
    given = batch()
    for objective in (kept, again):
        objective(given)[0].backward()
    for one, other in zip(kept.parameters(), again.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad)


def test_averaged_draws_add_noise_to_the_mean():
    """What the paper's testing-resampling is: the mean, and the deviation over the root of the draws."""
    torch.manual_seed(0)
    stage = ssdnet.build(dataclasses.replace(TINY, supervision="testing", draws=50)).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        mean, deviation = stage.net.softened(x)
        off = ((stage(x, CAPTURE) - mean.clamp(0, 1)) / deviation)[(mean > 0.05) & (mean < 0.95)]
    assert float(off.std()) == pytest.approx(50**-0.5, rel=0.1)


@pytest.mark.parametrize(
    "recipe", [pytest.param("ssdnet", marks=pytest.mark.slow), "rst_isp_net", "aim_unet", "zero_noise"]
)
def test_trained_by_command_and_used_both_ways(recipe, run, data, tmp_path):
    """The classical camera forward, the network backward."""
    (tmp_path / "raw").mkdir()
    path = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW"
    shutil.copy(path, tmp_path / "raw")
    small = {
        "ssdnet": ["width=8", "blocks=[1,1,1]", "middle=1", "last=1", "refinement=0"],
        "rst_isp_net": ["widths=[8,16,16,24,32,48]", "reduced=8", "detail=true"],
        "aim_unet": ["widths=[4,8]"],
        "zero_noise": ["width=4"],
    }[recipe]
    settings = [part for value in ("steps=1", "patch=32", "batch=2", *small) for part in ("--set", value)]
    assert run("train", recipe, "--data", tmp_path / "raw", "-o", tmp_path / "run", *settings)[0] == 0
    weights = tmp_path / "run" / "weights.safetensors"
    recipes = {"ssdnet": ssdnet, "rst_isp_net": rst_isp_net, "aim_unet": aim_unet, "zero_noise": zero_noise}
    chain = recipes[recipe].RECIPE.load_camera(weights)
    sensor, capture = read_raw(path)
    part, described = crop(sensor, capture, 400, 400, 64, 96)
    with torch.no_grad():
        picture = chain(part, described)
        assert torch.equal(picture, presets.classic()(part, described))
        back = chain.inverse(picture, described)
    assert back.shape == part.shape
    assert float(back.min()) >= 32 and float(back.max()) <= 1023
    trip = ("roundtrip", path, "--recipe", recipe, "--weights", weights, "--json")
    assert run("render", path, "-o", tmp_path / "image.png", "--recipe", recipe, "--weights", weights)[0] == 0
    status, printed, _ = run(*trip)
    assert status == 0 and [row["stage"] for row in json.loads(printed)["rows"]] == ["camera"]
    other = rst_isp_net if recipe == "ssdnet" else ssdnet
    with pytest.raises(errors.UnreadableFile, match=f"it was trained with {recipe}"):
        other.RECIPE.load(weights)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"width": 16, "blocks": [1, 1, 1], "middle": 1, "last": 1, "refinement": 1}, "Error.s. in loading state_dict"),
        ({"width": 8, "depth": 3}, "unexpected keyword argument 'depth'"),
        ({"supervision": "soft"}, "supervision is hard"),
        ([1], "its configuration is not a table"),
        ({"width": 100_000}, "a larger network than its weights"),
        ({"middle": 1_000_000_000}, "a larger network than its weights"),
    ],
    ids=["of another width", "of another version", "wrong", "no table", "too wide", "too deep"],
)
def test_weights_of_another_configuration(config, why, tmp_path):
    about = {"recipe": "ssdnet", "config": json.dumps(config)}
    path = tmp_path / "weights.safetensors"
    save_file({f"net.{name}": value for name, value in ssdnet.SSDNet(TINY).state_dict().items()}, path, about)
    with pytest.raises(errors.UnreadableFile, match=f"does not contain weights for ssdnet: .*{why}"):
        ssdnet.RECIPE.load(path)


@pytest.mark.parametrize(
    ("recipe", "new", "old"), [("aim_unet", "join.", "up."), ("zero_noise", "mix.0.", "mix.")], ids=["u-net", "gates"]
)
def test_weights_from_before_the_networks_were_the_published_ones(recipe, new, old, tmp_path):
    """They fit in shape but not in meaning, and are refused."""
    module = {"aim_unet": aim_unet, "zero_noise": zero_noise}[recipe]
    path, about = tmp_path / "weights.safetensors", {"recipe": recipe, "config": json.dumps(vars(module.SMALL))}
    tensors = {f"net.{name}": value for name, value in module.build(module.SMALL).net.state_dict().items()}
    save_file(tensors, path, about)
    module.RECIPE.load(path)
    save_file({name.replace(new, old): value for name, value in tensors.items()}, path, about)
    with pytest.raises(
        errors.UnreadableFile, match=f"does not contain weights for {recipe}: Error.s. in loading state_dict"
    ):
        module.RECIPE.load(path)


def test_wrong_configurations():
    with pytest.raises(errors.InvalidArgument, match="supervision is hard"):
        ssdnet.Config(supervision="soft")
    with pytest.raises(errors.InvalidArgument, match="six widths"):
        rst_isp_net.Config(widths=(8, 16))
    with pytest.raises(errors.InvalidArgument, match="four blocks widen"):
        rst_isp_net.RSTISPNet(rst_isp_net.Config(widths=(16, 16, 16, 16, 16, 16)))

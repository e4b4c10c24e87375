"""RST-ISP-Net as published: every tensor of the program, its outputs, block by block, and its losses."""

from dataclasses import replace

import pytest
import torch
from golden import Golden, load_published
from torch import nn

from isptoolkit import Capture, errors, stages
from isptoolkit.data import Batch
from isptoolkit.learned import critic_loss, strips
from isptoolkit.recipes import rst_isp_net

CONFIGS = {"rst_isp_net": rst_isp_net.PUBLISHED, "rst_p20": replace(rst_isp_net.PUBLISHED, tail=1)}


@pytest.fixture(scope="module", params=CONFIGS)
def published(request):
    """The golden file, and the network with the program's weights."""
    golden = Golden(request.param)
    weights = golden.weights()
    for number in (2, 3, 4):  # of the batch norms that never run
        weights[f"res{number}.n2.num_batches_tracked"] = torch.tensor(0)
    with torch.device("meta"):
        net = rst_isp_net.RSTISPNet(CONFIGS[request.param])
    net = net.to_empty(device="cpu").eval()
    for module in net.modules():
        if hasattr(module, "taps"):
            line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
            module.taps = torch.outer(line, line)[None, None]
    load_published(net, weights, rst_isp_net.official_name)
    return golden, net


def outputs(net, x):
    """Those of the network and of parts of it, by their names in the golden file."""
    found, handles = {}, []
    for number, step in ((1, 16), (2, 8), (5, 8), (6, 8)):

        def kept(_, __, y, name=f"block{number}", step=step):
            found[name] = y[:, ::step]

        handles.append(net.blocks[number - 1].register_forward_hook(kept))
    with torch.no_grad():
        found["style1"] = torch.cat(net.blocks[0].style(x), 1)
        found["y"] = net(x)
    for handle in handles:
        handle.remove()
    return found


def test_golden_outputs(published):
    golden, net = published
    assert sum(value.numel() for value in net.parameters()) == golden.meta["parameters"]
    found = outputs(net, golden["x"])
    assert found.keys() == {"y", "block1", "block2", "block5", "block6", "style1"}
    for name, output in found.items():
        golden.check(name, output)


def test_golden_outputs_in_strips(published, monkeypatch):
    """A large picture, worked on in strips, is the program's too."""
    golden, net = published
    monkeypatch.setattr(strips, "LIMIT", 16)
    for name, output in outputs(net, golden["x"]).items():
        golden.check(name, output)


@pytest.mark.parametrize(("tail", "rest"), [(2, 8), (1, 0)], ids=["s7", "p20"])
def test_golden_sizes(tail, rest):
    """Those that the program refuses, and one that leaves a single pixel to normalize."""
    net = rst_isp_net.RSTISPNet(replace(rst_isp_net.SMALL, borders="published", tail=tail))
    sizes = {8: [(496, 504), (504, 512), (40, 41), (8, 8)], 0: [(504, 496), (496, 488), (48, 34), (16, 16)]}[rest]
    for height, width in sizes:
        with pytest.raises(
            errors.InvalidSize, match=rf"takes height and width of {rest} modulo 16.*{height} x {width}"
        ):
            net(torch.zeros(1, 3, height, width))
    for height, width in ((16 + rest, 32 + rest), (32 + rest, 16 + rest)):
        assert net(torch.rand(1, 3, height, width)).shape == (1, 4, height // 2, width // 2)


def test_golden_borders_take_one_phase():
    """Moved by a pixel, a picture has no size that they take."""
    stage = rst_isp_net.build(replace(rst_isp_net.SMALL, borders="published")).eval()
    assert stage(torch.rand(1, 3, 24, 40), Capture.of("RGGB")).shape == (1, 4, 12, 20)
    with pytest.raises(errors.InvalidCapture, match="needs RGGB, got GRBG"):
        stage(torch.rand(1, 3, 24, 40), Capture.of("GRBG"))


def test_golden_black_pictures():
    """NaN in the program; the epsilon avoids it, whatever the borders."""
    torch.manual_seed(0)
    black = torch.zeros(1, 3, 24, 40)
    config = replace(rst_isp_net.PUBLISHED, widths=rst_isp_net.SMALL.widths)
    assert bool(rst_isp_net.RSTISPNet(config)(black).isnan().all())
    assert bool(rst_isp_net.RSTISPNet(replace(config, epsilon=1e-5))(black).isfinite().all())


class Constant(nn.Module):
    """A network that gives golden planes."""

    def __init__(self, planes):
        super().__init__()
        self.planes = planes

    def forward(self, x):
        return self.planes


def test_golden_objective():
    """The losses of `PUBLISHED` add up to the trainer's; its critic is measured in `test_wavelet_critic_golden.py`."""
    golden, capture = Golden("rst_losses"), Capture.of("RGGB")
    sensor = stages.Pack().inverse(golden["y"], capture)
    batch = Batch(sensor, Capture.collate([capture] * 2), sensor.expand(-1, 3, -1, -1))
    objective = rst_isp_net.Objective(replace(rst_isp_net.PUBLISHED, widths=rst_isp_net.SMALL.widths, adversarial=0.0))
    objective.stage.net = Constant(golden["x"])
    loss, parts = objective(batch)
    golden.check("generator_without_critic", loss, tolerance=1e-5 * 8.289)
    golden.check("value_ms_ssim", parts["published ms-ssim"], tolerance=1e-5 * 5.943)
    golden.check("value_tv_mean_over_batch", parts["variation"], tolerance=1e-5 * 2346)


def test_golden_small_configuration():
    """Of the benchmarks: patches of 64, and nothing but the losses differs from `SMALL`."""
    small = rst_isp_net.PUBLISHED_SMALL
    objective = rst_isp_net.Objective(small)
    assert objective.critic.size == 32
    assert sum(value.numel() for value in objective.critic.parameters()) == 52_833
    terms = {name: getattr(rst_isp_net.PUBLISHED, name) for name in ("l1", "ms_ssim_published", "variation_sum")}
    assert replace(rst_isp_net.SMALL, critic=small.critic, adversarial=0.001, **terms) == small
    sensor = torch.rand(2, 1, 64, 64)
    batch = Batch(sensor, Capture.collate([Capture.of("RGGB")] * 2), sensor.expand(-1, 3, -1, -1))
    objective.config = replace(small, adversarial=5.0)  # to see it beside the other terms
    objective.critic.eval()
    loss, parts = objective(batch)
    torch.testing.assert_close(parts["adversarial"], -objective.critic(objective.stage.net(batch.target)).mean())
    assert float(parts["adversarial"].detach().abs()) > 1e-3
    summed = parts["published ms-ssim"] + 0.001 * parts["variation"] + 5 * parts["adversarial"]
    torch.testing.assert_close(loss, summed, rtol=1e-6, atol=1e-5)


def test_golden_penalty_is_of_pixels_that_the_critic_sees():
    """The trainer resizes pictures before it judges them and mixes them."""
    objective = rst_isp_net.Objective(replace(rst_isp_net.PUBLISHED_SMALL, critic=(8, 8)))
    sensor = torch.rand(2, 1, 64, 64)
    batch = Batch(sensor, Capture.collate([Capture.of("RGGB")] * 2), sensor.expand(-1, 3, -1, -1))
    objective.critic.eval()
    kept = []
    objective.stage.net.register_forward_hook(lambda _, __, planes: kept.append(planes.requires_grad))
    torch.manual_seed(1)
    loss, parts = objective.critic_loss(batch)
    real, made = stages.Pack()(sensor, batch.capture), objective.stage.net(batch.target)
    torch.manual_seed(1)
    expected, known = critic_loss(
        objective.critic, *(nn.functional.interpolate(x, (16, 16), mode="bilinear") for x in (real, made))
    )
    torch.testing.assert_close(loss, expected)
    assert parts.keys() == known.keys() == {"distance", "penalty"}
    assert kept == [False, True]  # only the test asks the network for gradients


@pytest.mark.parametrize(
    "config", [{"borders": "zero"}, {"epsilon": -1e-5}, {"epsilon": float("nan")}, {"epsilon": float("inf")}], ids=str
)
def test_golden_wrong_settings(config):
    with pytest.raises(errors.InvalidArgument, match="borders are repeated or published, epsilon is from 0"):
        rst_isp_net.Config(**config)

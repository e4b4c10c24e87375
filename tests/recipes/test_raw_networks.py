"""SSDNet and RST-ISP-Net: published sizes, any picture, and that they learn."""

import dataclasses

import pytest
import torch
from isptoolkit.recipes import rst_isp_net, ssdnet

from isptoolkit import Capture, Pair, errors, presets, stages
from isptoolkit.data import Batch
from isptoolkit.stages.cfa import unpack

CAPTURE = Capture.of("RGGB")
TINY = ssdnet.Config(width=8, blocks=(1, 1, 1), middle=1, last=1, refinement=1)
NETWORKS = {
    "ssdnet": ssdnet.RawOf(TINY),
    "rst": rst_isp_net.RawOf(rst_isp_net.SMALL),
    "lean": rst_isp_net.RawOf(rst_isp_net.LEAN),
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
        assert count(rst_isp_net.RSTISPNet(rst_isp_net.LEAN)) < 600_000


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
    with pytest.raises(errors.InvalidArgument, match="even sizes"):
        NETWORKS[name](torch.rand(1, 3, 33, 32), CAPTURE)
    with pytest.raises(errors.InvalidArgument, match="the capture is BGGR"):
        NETWORKS[name](torch.rand(1, 3, 32, 32), Capture.of("BGGR"))
    with pytest.raises(errors.InvalidTensor):
        NETWORKS[name](torch.rand(1, 4, 32, 32), CAPTURE)


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


def test_averaged_draws_add_noise_to_the_mean():
    """What the paper's testing-resampling is: the mean, and the deviation over the root of the draws."""
    torch.manual_seed(0)
    stage = ssdnet.RawOf(dataclasses.replace(TINY, supervision="testing", draws=50)).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        mean, deviation = stage.net(x)
        off = (stage(x, CAPTURE) - mean.clamp(0, 1))[(mean > 0.05) & (mean < 0.95)]
    assert float(off.abs().mean()) < 0.3 * float(deviation.abs().mean())


def test_a_pair_with_the_classical_camera():
    """Rendered by `classic`, taken back by a network, as one stage."""
    packed = presets.classic().span("levels", "tone")
    there = stages.Pack().inv
    chain = Pair(packed, ToSensor(NETWORKS["lean"].eval()))
    x = torch.rand(1, 1, 32, 32)
    picture = chain(x, CAPTURE)
    assert chain.inverse(picture, CAPTURE).shape == x.shape
    assert there.takes == NETWORKS["lean"].gives


class ToSensor(stages.Mosaic.__mro__[1]):
    """A network's planes as digital numbers."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage
        self.takes, self.gives, self.contract = stage.takes, presets.classic().takes, stage.contract

    def forward(self, x, capture):
        return stages.Levels().inverse(unpack(self.stage(x, capture)), capture)


def test_wrong_configurations():
    with pytest.raises(errors.InvalidArgument, match="supervision is hard"):
        ssdnet.Config(supervision="soft")
    with pytest.raises(errors.InvalidArgument, match="six widths"):
        rst_isp_net.Config(widths=(8, 16))
    with pytest.raises(errors.InvalidArgument, match="four blocks widen"):
        rst_isp_net.RSTISPNet(rst_isp_net.Config(widths=(8, 8, 8, 8, 8, 8)))

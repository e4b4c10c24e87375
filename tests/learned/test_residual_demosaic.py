"""A demosaic that learns: lawful whatever was learned, and better than what it begins as."""

import pytest
import torch
from torch.nn import functional as F

from isptoolkit import Capture, errors, stages
from isptoolkit.learned import ResidualDemosaic
from isptoolkit.stages.cfa import mosaic
from isptoolkit.testing import assert_lawful


def drawn(seed=0):
    """With all its weights drawn, the last ones as well, which begin as zeros."""
    torch.manual_seed(seed)
    stage = ResidualDemosaic(width=6)
    for weight in stage.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return stage


def test_lawful():
    assert_lawful(drawn())


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_samples_stay_and_phases_are_alike(cfa):
    """The network is not told the phase: a frame that begins a pixel later gives the same picture there."""
    x = torch.rand(1, 1, 20, 22, generator=torch.Generator().manual_seed(1))
    stage = drawn().double().requires_grad_(False)
    x = x.double()
    made = stage(x, Capture.of(cfa))
    assert torch.equal(mosaic(made, cfa), x)
    later = {"RGGB": "GRBG", "GRBG": "RGGB", "GBRG": "BGGR", "BGGR": "GBRG"}[cfa]
    beside = stage(x[..., 1:], Capture.of(later))
    reach = stage.contract.reach
    assert float((made[..., 1 + reach :] - beside[..., reach:]).abs().max()) < 1e-12


@pytest.mark.parametrize("layers", [2, 3])
def test_what_the_network_sees_and_adds(layers):
    """Both far from the mean of 5x5 pixels: the picture, and the samples alone; nothing is added at samples."""
    torch.manual_seed(0)
    stage, capture = ResidualDemosaic(4, layers).double(), Capture.of("RGGB")
    for weight in stage.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    x = torch.rand(1, 1, 10, 12).double()
    picture = stages.DemosaicMalvar()(x, capture)
    apart = picture - F.avg_pool2d(F.pad(picture, (2, 2, 2, 2), mode="reflect"), 5, 1)
    known = torch.zeros_like(picture)
    known[:, 0, ::2, ::2] = known[:, 1, ::2, 1::2] = known[:, 1, 1::2, ::2] = known[:, 2, 1::2, 1::2] = 1
    y = F.pad(torch.cat((apart, known * apart), 1), (layers,) * 4, mode="reflect")
    *hidden, last = stage.net
    for layer in hidden:
        y = F.conv2d(y, layer.weight).relu()
    added = F.conv2d(y, last.weight)
    torch.testing.assert_close(stage(x, capture), picture + (1 - known) * added)


@pytest.mark.parametrize("layers", [2, 3])
def test_it_looks_as_far_as_it_says(layers):
    """A pixel is seen as far as Malvar's filter, the mean and the layers reach together, and no farther."""
    torch.manual_seed(0)
    stage, reach = ResidualDemosaic(4, layers).double(), layers + 4
    for weight in stage.parameters():
        torch.nn.init.normal_(weight)
    x = torch.zeros(1, 1, 33, 33).double()
    before = stage(x, Capture.of("RGGB"))
    x[..., 16, 16] = 1
    rows, columns = torch.where((stage(x, Capture.of("RGGB")) != before)[0].any(0))
    assert stage.contract.reach == reach
    for places in (rows, columns):
        assert (int(places.min()), int(places.max())) == (16 - reach, 16 + reach)


def test_it_learns_what_malvar_leaves():
    torch.manual_seed(0)
    frequency = torch.linspace(0.2, 1.2, 64)
    waves = 0.5 + 0.4 * torch.sin(frequency[None, :] * torch.arange(64.0)[:, None])
    picture = torch.stack((waves, waves.T, (waves + waves.T) / 2))[None]
    capture, stage = Capture.of("RGGB"), ResidualDemosaic()
    seen = mosaic(picture, "RGGB")
    before = (stages.DemosaicMalvar()(seen, capture) - picture).abs().mean()
    optimizer = torch.optim.Adam(stage.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (stage(seen, capture) - picture).abs().mean()
        loss.backward()
        optimizer.step()
    assert float(loss) < 0.8 * float(before)


def test_bad_input():
    with pytest.raises(errors.InvalidArgument, match="at least 2 layers, got 16 and 1"):
        ResidualDemosaic(layers=1)

"""A demosaic that learns: lawful whatever was learned, and better than what it begins as."""

import pytest
import torch

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

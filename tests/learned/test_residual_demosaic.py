"""The residual demosaic: lawful for any weights, and better than Malvar's after training."""

import pytest
import torch
from torch.nn import functional as F

from isptoolkit import Capture, errors, stages
from isptoolkit.learned import ResidualDemosaic
from isptoolkit.stages.cfa import mosaic
from isptoolkit.testing import assert_lawful


def randomized(seed=0):
    """A stage with random weights, including the last layer, which is initialized to zero."""
    torch.manual_seed(seed)
    stage = ResidualDemosaic(width=6)
    for weight in stage.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return stage


def test_lawful():
    assert_lawful(randomized())


@pytest.mark.parametrize("cfa", ["RGGB", "GRBG", "GBRG", "BGGR"])
def test_samples_are_kept_and_phases_are_equivalent(cfa):
    """The network does not depend on the phase: a frame cropped by one column has equal outputs."""
    x = torch.rand(1, 1, 20, 22, generator=torch.Generator().manual_seed(1))
    stage = randomized().double().requires_grad_(False)
    x = x.double()
    output = stage(x, Capture.of(cfa))
    assert torch.equal(mosaic(output, cfa), x)
    shifted = {"RGGB": "GRBG", "GRBG": "RGGB", "GBRG": "BGGR", "BGGR": "GBRG"}[cfa]
    cropped = stage(x[..., 1:], Capture.of(shifted))
    reach = stage.contract.reach
    assert float((output[..., 1 + reach :] - cropped[..., reach:]).abs().max()) < 1e-12


@pytest.mark.parametrize("layers", [2, 3])
def test_inputs_and_outputs_of_the_network(layers):
    """Inputs: image and samples minus the mean of 5x5 pixels; the output is added except at the samples."""
    torch.manual_seed(0)
    stage, capture = ResidualDemosaic(4, layers).double(), Capture.of("RGGB")
    for weight in stage.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    x = torch.rand(1, 1, 10, 12).double()
    image = stages.DemosaicMalvar()(x, capture)
    detail = image - F.avg_pool2d(F.pad(image, (2, 2, 2, 2), mode="reflect"), 5, 1)
    measured = torch.zeros_like(image)
    measured[:, 0, ::2, ::2] = measured[:, 1, ::2, 1::2] = measured[:, 1, 1::2, ::2] = measured[:, 2, 1::2, 1::2] = 1
    y = F.pad(torch.cat((detail, measured * detail), 1), (layers,) * 4, mode="reflect")
    *hidden, last = stage.net
    for layer in hidden:
        y = F.conv2d(y, layer.weight).relu()
    residual = F.conv2d(y, last.weight)
    torch.testing.assert_close(stage(x, capture), image + (1 - measured) * residual)


@pytest.mark.parametrize("layers", [2, 3])
def test_its_reach_is_that_of_the_contract(layers):
    """A pixel influences outputs exactly as far as Malvar's filter, the mean and the layers reach together."""
    torch.manual_seed(0)
    stage, reach = ResidualDemosaic(4, layers).double(), layers + 4
    for weight in stage.parameters():
        torch.nn.init.normal_(weight)
    x = torch.zeros(1, 1, 33, 33).double()
    before = stage(x, Capture.of("RGGB"))
    x[..., 16, 16] = 1
    rows, columns = torch.where((stage(x, Capture.of("RGGB")) != before)[0].any(0))
    assert stage.contract.reach == reach
    for positions in (rows, columns):
        assert (int(positions.min()), int(positions.max())) == (16 - reach, 16 + reach)


def test_it_learns_the_residual_of_malvar():
    torch.manual_seed(0)
    frequency = torch.linspace(0.2, 1.2, 64)
    waves = 0.5 + 0.4 * torch.sin(frequency[None, :] * torch.arange(64.0)[:, None])
    image = torch.stack((waves, waves.T, (waves + waves.T) / 2))[None]
    capture, stage = Capture.of("RGGB"), ResidualDemosaic()
    samples = mosaic(image, "RGGB")
    before = (stages.DemosaicMalvar()(samples, capture) - image).abs().mean()
    optimizer = torch.optim.Adam(stage.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        loss = (stage(samples, capture) - image).abs().mean()
        loss.backward()
        optimizer.step()
    assert float(loss) < 0.8 * float(before)


def test_bad_input():
    with pytest.raises(errors.InvalidArgument, match="at least 1 channel and 2 layers, got 16 and 1"):
        ResidualDemosaic(layers=1)

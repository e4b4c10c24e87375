"""Large maps in strips: results equal those of the whole map for every layer with global statistics."""

import dataclasses

import pytest
import torch
from torch import nn

from isptoolkit.learned import ContextFusion, StyleRemoval, strips
from isptoolkit.recipes import rst_isp_net, ssdnet

TINY = ssdnet.Config(width=8, blocks=(1, 1, 1), middle=1, last=1, refinement=1)
LAYERS = {
    "context fusion": lambda: ContextFusion(8, heads=2),
    "without a branch": lambda: ContextFusion(8, kernel=0),
    "without interactions": lambda: ContextFusion(8, 1, 9, False, False),
    "style removal": lambda: StyleRemoval(8, 8),
    "halved": lambda: StyleRemoval(8, 12, down=True, attention=True),
    "large kernel": lambda: StyleRemoval(8, 16, 5, attention=True, reduced=4),
}
NETWORKS = {
    "ssdnet": lambda: ssdnet.SSDNet(TINY),
    "ssdnet with a branch": lambda: ssdnet.SSDNet(dataclasses.replace(TINY, supervision="testing")),
    "rst": lambda: rst_isp_net.RSTISPNet(rst_isp_net.SMALL),
    "lean": lambda: rst_isp_net.RSTISPNet(rst_isp_net.LEAN),
}


def randomized(net):
    """The network with random parameters."""
    for value in net.parameters():
        nn.init.normal_(value, 0.1, 0.3)
    return net.double().eval()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("size", [(80, 20), (97, 33), (17, 16)], ids=str)
def test_a_layer_in_strips_is_the_layer(name, size, monkeypatch):
    torch.manual_seed(0)
    layer, x = randomized(LAYERS[name]()), torch.randn(2, 8, *size, dtype=torch.float64)
    with torch.no_grad():
        whole = layer(x)
        monkeypatch.setattr(strips, "LIMIT", 64)
        assert strips.large(x)
        original = x.clone()
        torch.testing.assert_close(layer(x), whole, rtol=1e-9, atol=1e-9)
    assert torch.equal(x, original)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_in_strips_is_the_network(name, monkeypatch):
    torch.manual_seed(0)
    net, x = NETWORKS[name]().eval(), torch.rand(1, 3, 208, 96)
    with torch.no_grad():
        whole = net(x)
        monkeypatch.setattr(strips, "LIMIT", 48 * 96)
        torch.testing.assert_close(net(x), whole, rtol=1e-4, atol=1e-5)


def test_tiles_are_not_the_network():
    """Tiles have their own statistics, hence the two passes."""
    torch.manual_seed(0)
    layer, x = randomized(StyleRemoval(8, 8)), torch.randn(1, 8, 128, 32, dtype=torch.float64).cumsum(2)
    with torch.no_grad():
        tiled = strips.in_strips(layer, x, 64)
        assert float((tiled - layer(x)).abs().max()) < 1e-9  # one strip is the whole
        top = layer(x[:, :, :64])
    assert float((top[:, :, :32] - tiled[:, :, :32]).abs().mean()) > 0.01


def test_gradients_use_the_whole_map(monkeypatch):
    monkeypatch.setattr(strips, "LIMIT", 64)
    x = torch.rand(1, 8, 64, 16, requires_grad=True)
    ContextFusion(8)(x).sum().backward()
    assert bool(x.grad.isfinite().all())


def test_in_place_strips_read_the_original_rows(monkeypatch):
    """Later strips must not read the results of earlier ones."""
    monkeypatch.setattr(strips, "LIMIT", 16)
    x = torch.rand(1, 2, 70, 5)
    blurred = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    expected = blurred(x)
    assert strips.in_strips(blurred, x, 1, into=x) is x
    assert torch.equal(x, expected)

"""The context fusion module against its equations, evaluated with einsum."""

import pytest
import torch
from torch.nn import functional as F

from isptoolkit import errors
from isptoolkit.learned import ChannelNorm, ContextAttention, ContextFusion, GatedFeedForward, SimplifiedFeedForward


def test_the_attention_follows_its_equations():
    torch.manual_seed(0)
    part, x = ContextAttention(6, heads=2, kernel=5).double(), torch.rand(2, 6, 7, 8).double()
    torch.nn.init.normal_(part.temperature)
    c = F.conv2d(x, part.context.weight, part.context.bias, padding=2, groups=6)
    q, k, v = F.conv2d(F.conv2d(x, part.projection.weight), part.spread.weight, padding=1, groups=18).split(6, 1)

    def mlp(net, y):
        return torch.sigmoid(F.conv2d(F.gelu(F.conv2d(y, net[0].weight)), net[2].weight))

    v = v * mlp(part.of_channels, c.mean((2, 3), keepdim=True))
    attended = []
    for head in range(2):
        a, b, w = (y[:, 3 * head : 3 * head + 3].flatten(2) for y in (q, k, v))
        a, b = (y / y.norm(dim=2, keepdim=True) for y in (a, b))
        weights = torch.softmax(torch.einsum("bin,bjn->bij", a, b) * part.temperature[head], 2)
        attended.append(torch.einsum("bij,bjn->bin", weights, w).reshape(2, 3, 7, 8))
    a = torch.cat(attended, 1)
    expected = F.conv2d(torch.cat((c * mlp(part.of_pixels, a), a), 1), part.last.weight)
    torch.testing.assert_close(part(x), expected)


@pytest.mark.parametrize(("channels", "heads", "count"), [(48, 1, 45_103), (96, 2, 168_560), (384, 8, 2_552_018)])
def test_sizes_of_modules(channels, heads, count):
    assert sum(value.numel() for value in ContextFusion(channels, heads).parameters()) == count


@pytest.mark.parametrize("name", ["kernel", "channel_interaction", "spatial_interaction"])
def test_parts_can_be_left_out(name):
    options = {name: 0}
    torch.manual_seed(1)
    x = torch.rand(1, 8, 6, 6)
    assert ContextFusion(8, 2, **options)(x).shape == x.shape
    full, reduced = (sum(v.numel() for v in ContextFusion(8, 2, **kwargs).parameters()) for kwargs in ({}, options))
    assert reduced < full


def test_the_norm_does_not_subtract_the_mean():
    x = torch.tensor([1.0, 3.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(ChannelNorm(2)(x).flatten(), torch.tensor([1.0, 3.0]), rtol=0, atol=1e-4)


def test_the_gate_is_the_first_half():
    part = GatedFeedForward(2, expansion=1.5)
    x = torch.rand(1, 2, 4, 4)
    hidden = F.conv2d(F.conv2d(x, part.widen.weight), part.spread.weight, padding=1, groups=6)
    expected = F.conv2d(F.gelu(hidden[:, :3]) * hidden[:, 3:], part.last.weight)
    torch.testing.assert_close(part(x), expected)


def test_the_gate_of_the_simplified_network_is_the_first_half():
    part, x = SimplifiedFeedForward(3), torch.rand(1, 3, 4, 5)
    hidden = F.conv2d(F.conv2d(x, part.mix.weight), part.spread.weight, padding=1, groups=6)
    torch.testing.assert_close(part(x), F.gelu(hidden[:, :3]) * hidden[:, 3:])


@pytest.mark.parametrize("expansion", [2.66, 0])
def test_a_module_adds_attention_and_then_gates(expansion):
    torch.manual_seed(0)
    part, x = ContextFusion(4, 2, expansion=expansion), torch.rand(1, 4, 6, 7)
    for norm in part.norms:
        torch.nn.init.normal_(norm.weight)
    assert isinstance(part.feed_forward, GatedFeedForward if expansion else SimplifiedFeedForward)
    y = x + part.attention(part.norms[0](x))
    torch.testing.assert_close(part(x), y + part.feed_forward(part.norms[1](y)))


def test_invalid_arguments():
    with pytest.raises(errors.InvalidArgument, match="channels must be a multiple of heads, got 8 and 3"):
        ContextAttention(8, heads=3)
    with pytest.raises(errors.InvalidArgument, match="kernel must be odd"):
        ContextAttention(8, kernel=4)

"""Style removal: the Gram matrix, the extractor, and blocks that stay finite for black images."""

import pytest
import torch

from isptoolkit import errors
from isptoolkit.learned import CBAM, EqualizedConv2d, StyleExtractor, StyleRemoval, adain, gram, strips
from isptoolkit.learned.blur import Blur
from isptoolkit.learned.style_removal import BiasedLeaky


def test_the_gram_matrix_is_invariant_to_pixel_order():
    x = torch.rand(2, 3, 4, 5)
    shuffled = x.flatten(2)[..., torch.randperm(20)].reshape(x.shape)
    torch.testing.assert_close(gram(x), gram(shuffled))
    torch.testing.assert_close(gram(x)[0, 1, 2], (x[0, 1] * x[0, 2]).mean())


def test_the_reduced_extractor_uses_one_triangle():
    """The matrix is symmetric; the reduced extractor needs half the parameters."""
    part = StyleExtractor(4, 3, reduced=4)
    with torch.no_grad():
        part.mix.weight.copy_(torch.eye(4)[:, :, None, None])
    x = torch.rand(1, 4, 6, 6)
    entries = gram(x)[0][tuple(torch.triu_indices(4, 4))]
    expected = part.layers(entries[None])
    torch.testing.assert_close(torch.cat(part(x), 1), expected)
    assert part.layers[0].in_features == 10


@pytest.mark.parametrize("size", [(16, 16), (15, 21), (1, 2)], ids=str)
@pytest.mark.parametrize("down", [False, True])
def test_sizes_and_black_images(size, down):
    block = StyleRemoval(3, 6, down=down, attention=True)
    for x in (torch.rand(2, 3, *size), torch.zeros(2, 3, *size)):
        y = block(x)
        assert y.shape == (2, 6, *(-(-n // (1 + down)) for n in size))
        assert bool(y.isfinite().all())
        y.sum().backward()
        assert all(bool(v.grad.isfinite().all()) for v in block.parameters() if v.grad is not None)


def test_initial_values_are_of_order_one():
    torch.manual_seed(0)
    y = StyleRemoval(16, 32, attention=False)(torch.rand(2, 16, 32, 32))
    assert 0.3 < float(y.std()) < 3
    assert float(EqualizedConv2d(16, 64, 3)(torch.randn(1, 16, 32, 32)).std()) == pytest.approx(1, abs=0.15)


def test_a_shortcut_where_only_the_size_changes():
    assert StyleRemoval(4, 4, down=True)(torch.rand(1, 4, 6, 8)).shape == (1, 4, 3, 4)
    assert StyleRemoval(4, 4).shortcut is None


def test_weights_lie_between_0_and_1():
    x = torch.rand(1, 16, 5, 5)
    ratio = CBAM(16)(x) / x
    assert 0 < float(ratio.min()) <= float(ratio.max()) < 1
    with pytest.raises(errors.InvalidArgument, match="at least one layer"):
        StyleExtractor(4, 4, layers=0)


F = torch.nn.functional
HALVED = {
    "repeated": ({}, (14, 18)),
    "repeated, odd sizes": ({}, (13, 17)),
    "published": ({"borders": "published"}, (14, 18)),
    "published, odd sizes": ({"borders": "published", "odd": True}, (13, 17)),
}


def randomized(layer):
    """The layer with random parameters."""
    torch.manual_seed(0)
    for value in layer.parameters():
        torch.nn.init.normal_(value, 0.1, 0.3)
    return layer.double().eval()


def leaky(x, bias):
    return 2**0.5 * F.leaky_relu(x + bias[None, :, None, None], 0.2)


@pytest.mark.parametrize("name", HALVED)
@pytest.mark.parametrize("epsilon", [0.0, 0.1])
def test_a_downsampling_block_equals_its_formula(name, epsilon):
    """Explicit formula, with the blur as a sum of shifted samples."""
    kwargs, size = HALVED[name]
    block = randomized(StyleRemoval(3, 5, down=True, epsilon=epsilon, **kwargs))
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    matrix = torch.einsum("bchw,bdhw->bcd", x, x) / (size[0] * size[1])
    first, last = block.style.layers
    style = matrix.flatten(1) @ first.weight.T + first.bias
    scale, shift = (style @ last.weight.T + last.bias).split(5, 1)
    y = F.conv2d(x, block.first.weight / 27**0.5, padding=1)
    y = leaky(y, block.leaky[0].bias)
    published = name.startswith("published")
    y = F.pad(y, (2, 2, 2, 2)) if published else F.pad(y, (1, 2, 1, 2), mode="replicate")
    taps = (1 / 8, 3 / 8, 3 / 8, 1 / 8)
    rows, columns = y.shape[2] - 3, y.shape[3] - 3
    y = sum(tap * y[:, :, n : n + rows] for n, tap in enumerate(taps))
    y = sum(tap * y[..., n : n + columns] for n, tap in enumerate(taps))
    padding = 0 if name == "published" else 1
    y = leaky(F.conv2d(y, block.second.weight / 45**0.5, stride=2, padding=padding), block.leaky[1].bias)
    variance, mean = torch.var_mean(y, (2, 3), keepdim=True)
    y = scale[..., None, None] * (y - mean) / (variance + epsilon).sqrt() + shift[..., None, None]
    shortcut = torch.einsum("oc,bchw->bohw", block.shortcut.weight[..., 0, 0], x[:, :, ::2, ::2])
    expected = leaky(y + shortcut + block.shortcut.bias[:, None, None], block.leaky[2].bias)
    torch.testing.assert_close(block(x), expected, rtol=1e-9, atol=1e-9)


def test_reweighted_features_equal_their_formula():
    layer = randomized(CBAM(16))
    x = torch.randn(2, 16, 9, 8, dtype=torch.float64)
    narrow, wide = layer.channels[0].weight[..., 0, 0], layer.channels[2].weight[..., 0, 0]
    pooled = [(wide @ (narrow @ v.T).relu()).T for v in (x.mean((2, 3)), x.amax((2, 3)))]
    y = x * sum(pooled).sigmoid()[..., None, None]
    pixels = torch.stack((y.mean(1), y.amax(1)), 1)
    torch.testing.assert_close(layer(x), y * F.conv2d(pixels, layer.pixels.weight, padding=3).sigmoid())


@pytest.mark.parametrize("size", [(80, 20), (97, 33)], ids=str)
def test_published_borders_in_strips(size, monkeypatch):
    odd = bool(size[0] % 2)
    layer = randomized(StyleRemoval(8, 12, down=True, attention=True, borders="published", odd=odd, epsilon=0.1))
    x = torch.randn(2, 8, *size, dtype=torch.float64)
    with torch.no_grad():
        whole = layer(x)
        monkeypatch.setattr(strips, "LIMIT", 64)
        assert strips.large(x)
        torch.testing.assert_close(layer(x), whole, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("odd", "size"), [(False, (8, 9)), (False, (9, 8)), (True, (9, 8)), (True, (8, 9))], ids=str)
def test_published_borders_refuse_other_sizes(odd, size):
    block = StyleRemoval(3, 4, down=True, borders="published", odd=odd)
    with pytest.raises(
        errors.InvalidSize, match=f"need {'odd' if odd else 'even'} sizes here, got .{size[0]}, {size[1]}"
    ):
        block(torch.rand(1, 3, *size))
    with pytest.raises(errors.InvalidArgument, match="borders must be repeated or published, got 'zero'"):
        StyleRemoval(3, 4, borders="zero")


def test_the_style_is_initialized_to_deviation_one_and_mean_zero():
    torch.manual_seed(0)
    part = StyleExtractor(8, 32)
    assert part.layers[-1].bias.tolist() == [1] * 32 + [0] * 32
    with torch.no_grad():
        scale, shift = part(torch.rand(1, 8, 16, 16))
    assert float((scale - 1).abs().max()) < 0.2 and float(shift.abs().max()) < 0.2


def test_channel_weights_need_few_parameters():
    sizes = [tuple(value.shape) for value in CBAM(32).parameters()]
    assert sizes == [(2, 32, 1, 1), (32, 2, 1, 1), (1, 2, 7, 7)]
    assert CBAM(8).channels[0].weight.shape == (1, 8, 1, 1)


def test_one_bias_per_channel():
    part = BiasedLeaky(3)
    with torch.no_grad():
        part.bias.copy_(torch.tensor([1.0, -3.0, 0.0]))
    expected = 2**0.5 * torch.tensor([2.0, -0.4, 1.0])
    torch.testing.assert_close(part(torch.ones(2, 3)), expected.expand(2, 3))
    torch.testing.assert_close(part(torch.ones(2, 3, 1, 1)), expected.expand(2, 3)[..., None, None])


def test_the_blur_of_an_impulse():
    x = torch.zeros(1, 2, 7, 7)
    x[0, 1, 3, 3] = 64
    line = torch.tensor([1.0, 3.0, 3.0, 1.0])
    for blur, first in ((Blur(), 1), (Blur(2, 2, repeated=False), 2), (Blur(1, 1, repeated=False), 1)):
        y = blur(x)
        assert not y[0, 0].any()
        torch.testing.assert_close(y[0, 1, first : first + 4, first : first + 4], torch.outer(line, line))
    assert Blur()(torch.ones(1, 1, 2, 2)).tolist() == [[[[1, 1], [1, 1]]]]


def test_normalization_refuses_other_shapes():
    x = torch.rand(2, 3, 4, 4)
    for scale, shift in ((torch.rand(2, 4), torch.rand(2, 3)), (torch.rand(2, 3), torch.rand(1, 3))):
        with pytest.raises(errors.InvalidTensor, match=r"adain takes \[B,C,H,W\]"):
            adain(x, scale, shift)

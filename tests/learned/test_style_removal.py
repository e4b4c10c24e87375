"""Style removal: the Gram matrix, the extractor, and blocks that keep finite where there is nothing."""

import pytest
import torch

from isptoolkit import errors
from isptoolkit.learned import EqualConv, StyleExtractor, StyleRemoval, WeighedFeatures, gram


def test_the_gram_matrix_forgets_places():
    x = torch.rand(2, 3, 4, 5)
    shuffled = x.flatten(2)[..., torch.randperm(20)].reshape(x.shape)
    torch.testing.assert_close(gram(x), gram(shuffled))
    torch.testing.assert_close(gram(x)[0, 1, 2], (x[0, 1] * x[0, 2]).mean())


def test_one_triangle_says_as_much():
    """Of a symmetric matrix; the reduced extractor sees all of it, with half the parameters."""
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
def test_sizes_and_black_pictures(size, down):
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
    assert float(EqualConv(16, 64, 3)(torch.randn(1, 16, 32, 32)).std()) == pytest.approx(1, abs=0.15)


def test_weights_lie_between_0_and_1():
    x = torch.rand(1, 16, 5, 5)
    ratio = WeighedFeatures(16)(x) / x
    assert 0 < float(ratio.min()) <= float(ratio.max()) < 1
    with pytest.raises(errors.InvalidArgument, match="at least one layer"):
        StyleExtractor(4, 4, layers=0)

"""The critic and its losses: published size, what it sees, the penalty against the formula."""

import pytest
import torch
from torch import nn

from isptoolkit import errors
from isptoolkit.learned import WaveletCritic, critic_loss
from isptoolkit.learned.wavelet_critic import _among


def test_published_size():
    with torch.device("meta"):
        count = sum(value.numel() for value in WaveletCritic().parameters())
    assert count == 26_222_337
    assert WaveletCritic(4, (8, 8, 8, 8, 8, 8)).size == 256


def test_it_tells_sharp_from_blurred():
    """A few steps are enough to rate one above the other, whatever the size."""
    torch.manual_seed(0)
    critic = WaveletCritic(4, (8, 16, 16))
    optimizer = torch.optim.Adam(critic.parameters(), 1e-3)
    for size in (32, 40) * 15:
        real = torch.rand(4, 4, size, size)
        made = nn.functional.avg_pool2d(real, 3, 1, 1)
        loss, figures = critic_loss(critic, real, made)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(figures["distance"]) > 0
    assert float(figures["penalty"]) < 1


class Sum(nn.Module):
    """A gradient of norm `slope sqrt(C H W)` everywhere."""

    def __init__(self, slope):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, x):
        return self.slope * x.sum((1, 2, 3))


def test_the_losses_are_those_of_the_paper():
    critic, real, made = Sum(0.25), torch.full((2, 1, 2, 2), 1.0), torch.full((2, 1, 2, 2), 3.0)
    loss, figures = critic_loss(critic, real, made)
    norm = 0.25 * 4**0.5
    assert float(figures["distance"]) == pytest.approx(0.25 * 4 - 0.25 * 12)
    assert float(loss) == pytest.approx(2.0 + 10 * (norm - 1) ** 2)
    loss.backward()
    # d/ds of: 8 s + 10 (2 s - 1)^2
    assert float(critic.slope.grad) == pytest.approx(8 + 40 * (2 * 0.25 - 1))


def test_no_gradient_reaches_what_is_judged():
    made = torch.rand(2, 4, 16, 16, requires_grad=True)
    critic_loss(WaveletCritic(4, (4, 4)), torch.rand(2, 4, 16, 16), made)[0].backward()
    assert made.grad is None


def test_samples_are_resized_to_what_it_sees():
    critic = WaveletCritic(4, (4, 4)).eval()
    x = torch.rand(2, 4, 20, 26)
    resized = nn.functional.interpolate(x, (16, 16), mode="bilinear")
    assert torch.equal(critic.resized(x), resized)
    assert critic.resized(resized) is resized
    assert torch.equal(critic(x), critic(resized))


@pytest.mark.parametrize(("count", "group"), [(1, 1), (3, 3), (4, 4), (6, 3), (8, 4)])
def test_the_deviation_within_groups(count, group):
    """Sample n is in one group with those that `count / group` places apart from it, as in StyleGAN2."""
    x = torch.rand(count, 2, 3, 3)
    planes = _among(x)
    assert planes.shape == (count, 1, 3, 3)
    for n in range(count):
        others = x[n % (count // group) :: count // group]
        expected = (others.var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(planes[n], expected.expand(1, 3, 3))


def test_every_layer_has_norm_one():
    """Of the singular values; else the penalty alone would bound the critic."""
    torch.manual_seed(0)
    critic = WaveletCritic(2, (6, 8, 4))
    with torch.no_grad():
        for _ in range(50):  # one step of the power iteration each
            critic(torch.rand(2, 2, 32, 32))
    layers = [module for module in critic.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(layers) == 3 + 2 + 2 + 1 + 2
    for layer in layers:
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=1e-2)


def test_bad_input():
    with pytest.raises(errors.InvalidArgument, match="at least two widths"):
        WaveletCritic(4, (8,))
    with pytest.raises(errors.InvalidTensor, match=r"takes \[B,4,H,W\], got \[1, 3, 8, 8\]"):
        WaveletCritic(4, (4, 4))(torch.rand(1, 3, 8, 8))

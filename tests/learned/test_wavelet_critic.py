"""The critic and its losses: published size, inputs, and the penalty against the formula."""

import pytest
import torch
from torch import nn

from isptoolkit import errors
from isptoolkit.learned import WaveletCritic, critic_loss
from isptoolkit.learned.wavelet_critic import _group_deviation


def test_published_size():
    with torch.device("meta"):
        count = sum(value.numel() for value in WaveletCritic().parameters())
    assert count == 26_222_337
    assert WaveletCritic(4, (8, 8, 8, 8, 8, 8)).size == 256


def test_it_learns_to_tell_sharp_from_blurred():
    """A few training steps suffice to score sharp samples higher, for any size."""
    torch.manual_seed(0)
    critic = WaveletCritic(4, (8, 16, 16))
    optimizer = torch.optim.Adam(critic.parameters(), 1e-3)
    for size in (32, 40) * 15:
        real = torch.rand(4, 4, size, size)
        generated = nn.functional.avg_pool2d(real, 3, 1, 1)
        loss, figures = critic_loss(critic, real, generated)
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
    critic, real, generated = Sum(0.25), torch.full((2, 1, 2, 2), 1.0), torch.full((2, 1, 2, 2), 3.0)
    loss, figures = critic_loss(critic, real, generated)
    norm = 0.25 * 4**0.5
    assert float(figures["distance"]) == pytest.approx(0.25 * 4 - 0.25 * 12)
    assert float(loss) == pytest.approx(2.0 + 10 * (norm - 1) ** 2)
    loss.backward()
    # d/ds of: 8 s + 10 (2 s - 1)^2
    assert float(critic.slope.grad) == pytest.approx(8 + 40 * (2 * 0.25 - 1))


def test_no_gradient_reaches_the_generated_samples():
    generated = torch.rand(2, 4, 16, 16, requires_grad=True)
    critic_loss(WaveletCritic(4, (4, 4)), torch.rand(2, 4, 16, 16), generated)[0].backward()
    assert generated.grad is None


def test_samples_are_resized_to_the_input_size():
    critic = WaveletCritic(4, (4, 4)).eval()
    x = torch.rand(2, 4, 20, 26)
    resized = nn.functional.interpolate(x, (16, 16), mode="bilinear")
    assert torch.equal(critic.resized(x), resized)
    assert critic.resized(resized) is resized
    assert torch.equal(critic(x), critic(resized))


@pytest.mark.parametrize(("count", "group"), [(1, 1), (3, 3), (4, 4), (6, 3), (8, 4)])
def test_the_deviation_within_groups(count, group):
    """Samples `count / group` apart form a group, as in StyleGAN2."""
    x = torch.rand(count, 2, 3, 3)
    deviations = _group_deviation(x)
    assert deviations.shape == (count, 1, 3, 3)
    for n in range(count):
        others = x[n % (count // group) :: count // group]
        expected = (others.var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(deviations[n], expected.expand(1, 3, 3))


def test_every_layer_has_norm_one():
    """The spectral norm, which bounds the critic together with the penalty."""
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
    with pytest.raises(errors.InvalidArgument, match="needs at least two widths"):
        WaveletCritic(4, (8,))
    with pytest.raises(errors.InvalidTensor, match=r"needs \[B,4,H,W\], got \[1, 3, 8, 8\]"):
        WaveletCritic(4, (4, 4))(torch.rand(1, 3, 8, 8))

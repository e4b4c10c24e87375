"""Two optimizers: a critic that is trained beside the network, and losses of the paper."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from isptoolkit import Capture, errors
from isptoolkit.data import Batch
from isptoolkit.learned import critic_loss
from isptoolkit.recipes import rst_isp_net
from isptoolkit.train import Checkpoint, Objective, Training, losses, train
from isptoolkit.train.log import steps_of


class Noise:
    """A batch for each number, for one process."""

    def batch(self, number, size, patch, *, seed, rank, world):
        sensor = torch.rand(size, 1, patch, patch, generator=torch.Generator().manual_seed(1000 * seed + number))
        return Batch(sensor, Capture.collate([Capture.of("RGGB")] * size), sensor.expand(-1, 3, -1, -1))


def weights(folder):
    return load_file(folder / "weights.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(map(torch.equal, a.values(), b.values()))


class Shifted(nn.Module):
    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(0.0))

    def forward(self, like):
        return torch.rand_like(like) + self.shift


class Shift(Objective):
    """Numbers that are to have the distribution of others; only the critic measures how far off they are."""

    def __init__(self):
        layers = (nn.Flatten(), nn.Linear(16, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Flatten(0))
        super().__init__(Shifted(), nn.Sequential(*layers))

    def forward(self, batch):
        return -self.critic(self.stage(batch.sensor)).mean(), {"shift": self.stage.shift.detach()}

    def critic_loss(self, batch):
        return critic_loss(self.critic, batch.sensor + 0.5, self.stage(batch.sensor), penalty=1.0)


HOW = {"batch": 8, "patch": 4, "lr": 5e-3, "critic_lr": 2e-2, "betas": (0.5, 0.999), "checkpoint_every": 4}


def test_the_critic_leads_the_network(tmp_path):
    result = train(Shift, Noise(), Training(steps=150, **HOW), tmp_path)
    assert float(result.stage.shift.detach()) == pytest.approx(0.5, abs=0.2)
    lines = list(steps_of(tmp_path / "log.jsonl"))
    assert {"critic loss", "critic distance", "critic penalty", "loss", "shift"} <= lines[0].keys()


def test_each_has_its_rate_and_number_of_steps(tmp_path):
    train(Shift, Noise(), Training(steps=4, critic_steps=3, **HOW), tmp_path)
    state = Checkpoint.load(tmp_path / "checkpoint.safetensors").optimizer
    assert float(state["stage.shift"]["step"]) == 4
    assert float(state["critic.1.weight"]["step"]) == 12
    # Adam's first step is the rate, whatever the gradient.
    train(Shift, Noise(), Training(steps=1, critic_steps=1, **HOW), tmp_path / "first")
    torch.manual_seed(0)
    before, after = Shift(), Checkpoint.load(tmp_path / "first" / "checkpoint.safetensors").model
    assert float(after["stage.shift"].abs()) == pytest.approx(5e-3, rel=1e-3)
    moved = (after["critic.1.weight"] - before.state_dict()["critic.1.weight"]).abs()
    assert float(moved.max()) == pytest.approx(2e-2, rel=1e-3)


def test_two_steps_are_a_loop_written_out(tmp_path):
    """Two steps of the critic before each of the network, with new batches and random numbers for all."""
    how = Training(steps=2, critic_steps=2, lr=5e-3, critic_lr=2e-2, betas=(0.5, 0.999), batch=8, patch=4)
    result = train(Shift, Noise(), how, tmp_path)
    torch.manual_seed(how.seed)
    other = Shift()
    critic = torch.optim.Adam(other.critic.parameters(), 2e-2, betas=(0.5, 0.999))
    network = torch.optim.Adam([other.stage.shift], 5e-3, betas=(0.5, 0.999))
    for number in range(6):
        batch = Noise().batch(number, 8, 4, seed=how.seed, rank=0, world=1)
        seed = np.random.SeedSequence((how.seed, number, 0)).generate_state(1, np.uint64)[0] >> 1
        torch.manual_seed(int(seed))
        judging = number % 3 < 2
        real, made = batch.sensor + 0.5, torch.rand_like(batch.sensor) + other.stage.shift
        if judging:
            made = made.detach()
            share = torch.rand(8, 1, 1, 1)
            between = (share * made + (1 - share) * real).requires_grad_()
            (slope,) = torch.autograd.grad(other.critic(between).sum(), between, create_graph=True)
            steep = (slope.square().sum((1, 2, 3)).sqrt() - 1).square().mean()
            loss = other.critic(made).mean() - other.critic(real).mean() + steep
        else:
            loss = -other.critic(made).mean()
        optimizer = critic if judging else network
        other.zero_grad()
        loss.backward()
        optimizer.step()
    for (name, value), expected in zip(result.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6, msg=name)


def test_resumed_to_the_last_bit_without_the_critic_in_the_weights(tmp_path):
    train(Shift, Noise(), Training(steps=8, accumulate=2, **HOW), tmp_path / "one")
    train(Shift, Noise(), Training(steps=4, accumulate=2, **HOW), tmp_path / "two")
    train(Shift, Noise(), Training(steps=8, accumulate=2, **HOW), tmp_path / "two")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    assert weights(tmp_path / "one").keys() == {"shift"}
    models = [Checkpoint.load(tmp_path / name / "checkpoint.safetensors").model for name in ("one", "two")]
    assert same(*models)
    assert list(steps_of(tmp_path / "one" / "log.jsonl")) == list(steps_of(tmp_path / "two" / "log.jsonl"))


def test_rst_isp_net_with_all_its_losses(tmp_path):
    config = rst_isp_net.Config(
        widths=(8, 16, 16, 24, 32, 48), l1=0, ms_ssim=1, variation=0.001, adversarial=0.001, critic=(8, 8)
    )
    how = Training(steps=3, batch=2, patch=32, critic_steps=2, betas=(0.5, 0.999))
    train(lambda: rst_isp_net.Objective(config), Noise(), how, tmp_path)
    lines = list(steps_of(tmp_path / "log.jsonl"))
    assert {"loss", "raw", "ms-ssim", "adversarial", "critic loss", "critic penalty"} <= lines[0].keys()
    assert all(name.startswith("net.") for name in weights(tmp_path))


def test_ms_ssim_is_the_published_sum():
    """Against the formula, written out for one pixel; far from borders, which kornia pads with zeros."""
    torch.manual_seed(0)
    x, y = torch.rand(2, 1, 4, 33, 33, dtype=torch.float64)
    taps = torch.arange(-8, 9, dtype=torch.float64)
    masks = [torch.exp(-(taps**2) / (2 * sigma**2)) for sigma in (0.5, 1, 2, 4)]
    masks = [torch.outer(mask, mask) / mask.sum() ** 2 for mask in masks]
    a, b = x[0, :, 8:25, 8:25], y[0, :, 8:25, 8:25]

    def mean(z, mask):
        return (z * mask).sum((1, 2))

    similar = torch.ones(4, dtype=torch.float64)
    for mask in masks:
        variances = [mean(z * z, mask) - mean(z, mask) ** 2 for z in (a, b)]
        both = mean(a * b, mask) - mean(a, mask) * mean(b, mask)
        similar *= (2 * both + 0.03**2) / (variances[0] + variances[1] + 0.03**2)
    light = (2 * mean(a, masks[3]) * mean(b, masks[3]) + 1e-4) / (
        mean(a, masks[3]) ** 2 + mean(b, masks[3]) ** 2 + 1e-4
    )
    wanted = 200 * (0.025 * (1 - (light * similar).mean()) + 0.975 * mean((a - b).abs(), masks[3]).mean())
    from kornia.losses import MS_SSIMLoss

    pixels = MS_SSIMLoss(sigmas=[0.5, 1.0, 2.0, 4.0], alpha=0.025, reduction="none").double()(x, y)
    assert float(pixels[0, 16, 16]) == pytest.approx(float(wanted), rel=1e-6)
    assert float(losses.ms_ssim(x, y)) == pytest.approx(float(pixels.mean()), rel=1e-5)


def test_every_channel_sees_every_scale():
    """In kornia before 0.9 a change far away in R alone, which had the narrowest scale, went unseen."""
    x = torch.zeros(1, 4, 21, 21)
    for channel in range(4):
        y = x.clone()
        y[0, channel, 10, 10] = 1
        assert float(losses.ms_ssim(x, y)) == pytest.approx(float(losses.ms_ssim(x, y.roll(1, 1))), rel=1e-5)


def test_total_variation():
    ramp = torch.arange(5.0).view(1, 1, 1, 5).expand(2, 4, 3, 5)
    assert float(losses.total_variation(ramp)) == 1.0


def test_wrong_settings():
    with pytest.raises(errors.InvalidArgument, match="betas are two numbers"):
        Training(betas=(0.9, 1.0))
    with pytest.raises(errors.InvalidArgument, match="critic_lr must be positive"):
        Training(critic_lr=0)
    with pytest.raises(errors.InvalidArgument, match="critic_steps is an integer"):
        Training(critic_steps=0)
    with pytest.raises(
        errors.InvalidArgument, match="loss weights must not be negative, and l1 or ms_ssim must be positive"
    ):
        rst_isp_net.Config(l1=0)

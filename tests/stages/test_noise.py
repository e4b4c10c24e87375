"""Sensor noise: its moments, its distribution, and that it is a function of input and seed."""

import pytest
import torch
from scipy import stats

from isptoolkit import Capture, errors
from isptoolkit.stages import PoissonGaussianNoise, RowNoise, ShotReadNoise
from isptoolkit.stages.noise import poisson_gaussian_noise, shot_read_noise

CAPTURE = Capture.of("RGGB", noise=(2e-3, 1e-5))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("add", [shot_read_noise, poisson_gaussian_noise])
@pytest.mark.parametrize("level", [0.0, 0.01, 0.2, 0.9])
def test_mean_and_variance(add, level):
    x = torch.full((1, 1, 400, 500), level, dtype=torch.float64)
    off = add(x, CAPTURE.noise, generator()) - x
    variance = 2e-3 * level + 1e-5
    assert float(off.mean()) == pytest.approx(0, abs=4 * (variance / off.numel()) ** 0.5)
    assert float(off.var()) == pytest.approx(variance, rel=0.02)


def test_photon_counts_have_a_poisson_distribution():
    """Chi-square test against SciPy's Poisson distribution."""
    x = torch.full((1, 1, 300, 300), 0.3, dtype=torch.float64)
    counts = (poisson_gaussian_noise(x, torch.tensor([[0.1, 0.0]]), generator()) / 0.1).flatten()
    assert float((counts - counts.round()).abs().max()) < 1e-6
    observed = torch.bincount(counts.round().long(), minlength=16)[:16].double()
    expected = torch.from_numpy(stats.poisson(3).pmf(range(16))) * counts.numel()
    assert stats.chisquare(observed[:11], expected[:11] * observed[:11].sum() / expected[:11].sum()).pvalue > 1e-4


def test_gaussian_noise_has_a_normal_distribution():
    x = torch.full((1, 1, 100, 100), 0.5, dtype=torch.float64)
    off = (shot_read_noise(x, CAPTURE.noise, generator()) - x) / (2e-3 * 0.5 + 1e-5) ** 0.5
    assert stats.kstest(off.flatten().numpy(), "norm").pvalue > 1e-3


def test_a_seed_for_each_sample():
    x = torch.full((2, 1, 8, 8), 0.5)
    same, other = ShotReadNoise(seed=4), ShotReadNoise(seed=torch.tensor([4, 5]))
    a, b = same(x, CAPTURE), other(x, CAPTURE)
    assert torch.equal(a[0], a[1])
    assert torch.equal(a[0], b[0])
    assert not torch.equal(b[0], b[1])


def test_gaussian_noise_passes_gradients():
    x = torch.full((1, 1, 4, 4), 0.5, requires_grad=True)
    noise = torch.tensor([1e-3, 1e-5], requires_grad=True)
    ShotReadNoise(noise=torch.nn.Parameter(noise.detach()))(x, CAPTURE).sum().backward()
    assert bool((x.grad - 1).abs().max() > 0)


def test_row_noise_is_constant_along_rows():
    y = RowNoise(deviation=0.1, seed=2)(torch.zeros(1, 1, 2000, 3), CAPTURE)
    assert torch.equal(y, y[..., :1].expand_as(y))
    assert float(y.std()) == pytest.approx(0.1, rel=0.05)


def test_invalid_noise():
    with pytest.raises(errors.InvalidArgument, match="must not be negative"):
        ShotReadNoise(noise=(-1.0, 0.0))
    with pytest.raises(errors.InvalidArgument, match="must not be negative"):
        RowNoise(deviation=-0.1)
    with pytest.raises(errors.MissingMetadata, match="does not state its noise"):
        PoissonGaussianNoise()(torch.rand(1, 1, 2, 2), Capture.of("RGGB"))

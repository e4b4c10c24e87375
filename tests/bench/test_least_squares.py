"""The polynomial finds what is one."""

import pytest
import torch

from isptoolkit import Capture
from isptoolkit.bench.methods.least_squares import features, fitted
from isptoolkit.data import Batch
from isptoolkit.stages.cfa import mosaic


class Cubes:
    """Pictures whose RAW is their cube, samples of a mosaic with levels."""

    def batch(self, number, size, patch, *, seed, rank, world):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        picture = torch.rand(size, 3, patch, patch, generator=generator)
        capture = Capture.collate([Capture.of("RGGB", black=64, white=1087)] * size)
        return Batch(64 + 1023 * mosaic(picture**3, "RGGB"), capture, picture)


def test_it_finds_a_cube_in_every_site():
    cubic, test = fitted(Cubes(), batches=2, patch=16), Cubes().batch(7, 1, 12, seed=3, rank=0, world=1)
    found = cubic(test.target, test.capture)
    wanted = torch.stack([(test.sensor[:, 0, s // 2 :: 2, s % 2 :: 2] - 64) / 1023 for s in range(4)], 1)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_features_are_all_products():
    """Their sum over 4^3 ordered products is (1 + r + g + b)^3, each product as often as it has orders."""
    picture = torch.tensor([0.2, 0.5, 0.7]).view(1, 3, 1, 1)
    found = features(picture)[0]
    orders = []
    for i in range(4):
        for j in range(i, 4):
            for k in range(j, 4):
                orders.append({1: 1, 2: 3, 3: 6}[len({i, j, k})])
    total = (found * torch.tensor(orders, dtype=torch.float64)).sum()
    torch.testing.assert_close(total, torch.tensor(2.4, dtype=torch.float64) ** 3, rtol=1e-6, atol=0)


class Recorded(Cubes):
    """What was asked for; RAW with noise, so that no polynomial fits."""

    def __init__(self):
        self.asked = []

    def batch(self, number, size, patch, *, seed, rank, world):
        self.asked.append((number, size, patch, seed, rank, world))
        made = super().batch(number, size, patch, seed=seed, rank=rank, world=world)
        noise = torch.randn(made.sensor.shape, generator=torch.Generator().manual_seed(number))
        return Batch(made.sensor + 20 * noise, made.capture, made.target)


def test_it_takes_the_batches_of_its_seed():
    source = Recorded()
    fitted(source, batches=3, patch=8, seed=5)
    assert source.asked == [(number, 4, 8, 5, 0, 1) for number in range(3)]
    source = Recorded()
    fitted(source)
    assert source.asked == [(number, 4, 64, 0, 0, 1) for number in range(40)]


def test_what_is_left_is_orthogonal_to_every_feature():
    """The normal equations of each site, over all pixels of all batches."""
    source = Recorded()
    cubic = fitted(source, batches=3, patch=16)
    parts = [Recorded().batch(number, 4, 16, seed=0, rank=0, world=1) for number in range(3)]
    for site in range(4):
        at = (..., slice(site // 2, None, 2), slice(site % 2, None, 2))
        basis = torch.cat([features(part.target[at]) for part in parts])
        wanted = torch.cat([(part.sensor[at].double().reshape(-1) - 64) / 1023 for part in parts])
        left = wanted - (basis @ cubic.weights[site]).flatten()
        assert float((basis.T @ left).abs().max()) < 1e-4 * float(left.abs().sum())
        assert float(left.std()) == pytest.approx(20 / 1023, rel=0.1)


def test_pictures_are_clipped_to_codes():
    bright = torch.tensor([1.5, -0.5, 0.5]).view(1, 3, 1, 1)
    assert torch.equal(features(bright), features(bright.clamp(0, 1)))
    assert features(bright)[0].tolist()[:4] == [1.0, 1.0, 0.0, 0.5]

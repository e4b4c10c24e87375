"""The polynomial finds what is one."""

import torch

from isptoolkit import Capture
from isptoolkit.bench.least_squares import features, fitted
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

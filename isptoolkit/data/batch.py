"""The batch that a training step consumes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture


@dataclass(frozen=True)
class Batch:
    """Aligned patches of mosaics and their targets.

    Args:
        sensor: `[B,1,H,W]` float32 in digital numbers.
        capture: metadata of the B mosaics.
        target: `[B,3,H,W]` float32 sRGB in [0, 1]; for denoisers, `[B,1,H,W]` in digital numbers without noise.

    >>> sample = lambda rng: (torch.zeros(1, 1, 2, 2), Capture.of("RGGB"), torch.full((1, 3, 2, 2), rng.random()))
    >>> Batch.drawn(sample, 0, 4, seed=0, rank=0, world=1).sensor.shape
    torch.Size([4, 1, 2, 2])
    """

    sensor: Tensor
    capture: Capture
    target: Tensor

    @staticmethod
    def drawn(
        draw: Callable[[np.random.Generator], tuple[Tensor, Capture, Tensor]],
        number: int,
        size: int,
        seed: int,
        rank: int,
        world: int,
    ) -> "Batch":
        """Draw the samples `rank`, `rank + world`, ... of a batch; each depends on seed, batch, and its index alone.

        Args:
            draw: returns sensor, capture, and target of one sample.
            number: index of the batch in the run.
            size: size of the whole batch, over all processes.
            seed: seed of the run.
            rank: index of this process.
            world: number of processes.
        """
        parts = [draw(np.random.default_rng((seed, number, n))) for n in range(rank, size, world)]
        sensors, captures, targets = zip(*parts, strict=True)
        return Batch(torch.cat(sensors), Capture.collate(captures), torch.cat(targets))

    def to(self, device: object) -> "Batch":
        """Copy the batch to a device."""
        return Batch(self.sensor.to(device), self.capture.to(device), self.target.to(device))  # type: ignore[call-overload]

"""What a training step sees."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture


@dataclass(frozen=True)
class Batch:
    """Aligned patches.

    Args:
        sensor: `[B,1,H,W]` float32 digital numbers.
        capture: of the same samples.
        target: `[B,3,H,W]` float32 sRGB, 0 to 1; for denoisers `[B,1,H,W]` digital numbers without noise.
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
        """The samples `rank`, `rank + world`, ... of a batch of `size`, each a function of seed, number and its place.

        Args:
            draw: gives sensor, capture and target of one sample.
            number: of the batch in the run.
            size: of the whole batch, over all processes.
            seed: of the run.
            rank: of this process.
            world: how many processes there are.
        """
        parts = [draw(np.random.default_rng((seed, number, n))) for n in range(rank, size, world)]
        sensors, captures, targets = zip(*parts, strict=True)
        return Batch(torch.cat(sensors), Capture.collate(captures), torch.cat(targets))

    def to(self, device: object) -> "Batch":
        """The same on another device."""
        return Batch(self.sensor.to(device), self.capture.to(device), self.target.to(device))  # type: ignore[call-overload]

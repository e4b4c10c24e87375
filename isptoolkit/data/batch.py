"""What a training step sees."""

from dataclasses import dataclass

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

    def to(self, device: object) -> "Batch":
        """The same on another device."""
        return Batch(self.sensor.to(device), self.capture.to(device), self.target.to(device))  # type: ignore[call-overload]

"""One factor for the whole image, in stops or as a number."""

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import Step, scaled
from ..spaces import LINEAR, MOSAIC, Space
from ..stage import Quantity, Stage


class Exposure(Stage):
    """Change the exposure by photographic stops: `y = 2^stops x`, `x = y / 2^stops`; exact.

    Args:
        stops: scalar or `[B]`; one stop doubles the light. None reads the capture, and is 0 if that states no exposure.
        space: a linear-light space; the values in it are proportional to exposure.

    Raises:
        InvalidArgument: if `stops` has another shape or is not finite.

    Source: the exposure value of the APEX system, in which one step is a factor of two; the capture's exposure is the
    tag BaselineExposure (50730) of the DNG specification.

    >>> Exposure()(torch.full((1, 3, 1, 1), 0.25), Capture.of("RGGB", exposure=1.0)).flatten()
    tensor([0.5000, 0.5000, 0.5000])
    """

    contract = Contract(round_trip=0.0, re_render=0.0, condition=4.0, neutral=True)
    stops: Tensor | None

    def __init__(self, stops: Quantity | None = None, space: Space = LINEAR) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("stops", stops, ())

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        factor = self._factor(capture)
        return x if factor is None else x * factor.to(x.dtype).reshape(-1, 1, 1, 1)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        factor = self._factor(capture)
        return y if factor is None else y / factor.to(y.dtype).reshape(-1, 1, 1, 1)

    def forward_steps(self, capture: Capture) -> list[Step]:
        factor = self._factor(capture)
        return [] if factor is None else [scaled(factor)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        factor = self._factor(capture)
        return [] if factor is None else [scaled(1 / factor)]

    def _factor(self, capture: Capture) -> Tensor | None:
        """In float64; None if neither the stage nor the capture states an exposure."""
        stops = capture.exposure if self.stops is None else self.stops
        return None if stops is None else torch.exp2(stops.double())


class Gain(Stage):
    """Multiply by a positive digital gain: `y = gain x`, `x = y / gain`; exact.

    Args:
        gain: scalar or `[B]`, positive.
        space: where it is applied.

    Raises:
        InvalidArgument: if `gain` is not positive or has another shape.

    Source: by definition; the tag BaselineExposure of the DNG specification states such a factor in stops.

    >>> Gain(2.0)(torch.full((1, 1, 1, 2), 0.25), Capture.of("RGGB"))
    tensor([[[[0.5000, 0.5000]]]])
    """

    contract = Contract(round_trip=0.0, re_render=0.0, condition=4.0, neutral=True)
    gain: Tensor

    def __init__(self, gain: Quantity = 1.0, space: Space = MOSAIC) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("gain", gain, ())
        if not (self.gain > 0).all():
            raise InvalidArgument(f"Gain: gain must be positive, got {gain!r}")

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x * self._factor(x)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y / self._factor(y)

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [scaled(self.gain.double())]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [scaled(1 / self.gain.double())]

    def _factor(self, x: Tensor) -> Tensor:
        return self.gain.to(x.dtype).reshape(-1, 1, 1, 1)

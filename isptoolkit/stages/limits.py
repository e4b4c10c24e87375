"""The two stages that lose information on purpose: clipping and rounding. The inverse of both is the identity."""

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import Kind, Step
from ..spaces import LINEAR, SRGB, Space
from ..stage import Quantity, Stage


class Clip(Stage):
    """Limit values to `[low, high]`: `y = min(max(x, low), high)`, inverse `x = y`.

    A projection: values within the limits are unchanged, values outside are lost, and `in_domain` tells which. The
    gradient is 1 within and on the limits and 0 outside.

    Args:
        low: scalar or `[B]`.
        high: scalar or `[B]`, above `low`.
        space: where it is applied.

    Raises:
        InvalidArgument: if `low` is not below `high`.

    Source: DNG 1.6 specification, "Mapping Raw Values to Linear Reference Values", for the limits 0 and 1.

    >>> import torch
    >>> Clip()(torch.tensor([-0.5, 0.5, 1.5]).view(1, 3, 1, 1), Capture.of("RGGB")).flatten()
    tensor([0.0000, 0.5000, 1.0000])
    """

    contract = Contract(round_trip=0.0, re_render=0.0, neutral=True)
    low: Tensor
    high: Tensor

    def __init__(self, low: Quantity = 0.0, high: Quantity = 1.0, space: Space = LINEAR) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("low", low, ())
        self.hold("high", high, ())
        if not (self.low < self.high).all():
            raise InvalidArgument(f"Clip: low must be below high, got low {low!r}, high {high!r}")

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        low, high = self._limits(x)
        return x.clamp(low, high)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def forward_steps(self, capture: Capture) -> list[Step]:
        low, high = (limit.double().reshape(-1, 1) for limit in (self.low, self.high))
        samples = max(len(low), len(high))
        return [Step(Kind.CLAMP, torch.cat((low.expand(samples, 1), high.expand(samples, 1)), 1))]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return []

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where every channel lies within the limits."""
        low, high = self._limits(x)
        return ((x >= low) & (x <= high)).all(1, keepdim=True)

    def _limits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.low.to(x.dtype).reshape(-1, 1, 1, 1), self.high.to(x.dtype).reshape(-1, 1, 1, 1)


class Quantize(Stage):
    """Round to the nearest of the `2^bits` levels of an integer file: `y = round(n x) / n`, `n = 2^bits - 1`.

    The inverse is the identity, with an error of at most half a step, `0.5 / n`. Ties round to the even level; values
    outside [0, 1] are rounded to the continued grid, not clipped (see `Clip`). The gradient is that of the identity
    (the straight-through estimator).

    Args:
        bits: 1 to 16.
        space: where it is applied, values nominally in [0, 1].

    Raises:
        InvalidArgument: if `bits` is not an integer from 1 to 16.

    Source: Bengio, Leonard and Courville, "Estimating or propagating gradients through stochastic neurons for
    conditional computation", arXiv:1308.3432, 2013, for the gradient; the rest is by definition.

    >>> import torch
    >>> Quantize(bits=1)(torch.tensor([0.2, 0.7, 1.0]).view(1, 3, 1, 1), Capture.of("RGGB")).flatten()
    tensor([0., 1., 1.])
    """

    def __init__(self, bits: int = 8, space: Space = SRGB) -> None:
        super().__init__()
        if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 16:
            raise InvalidArgument(f"Quantize: bits must be an integer from 1 to 16, got {bits!r}")
        self.bits = bits
        self.takes = self.gives = self.space = space
        self.contract = Contract(round_trip=0.5 / (2**bits - 1), re_render=0.0, neutral=True, differentiable=False)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        steps = 2**self.bits - 1
        # In this order the sum equals the level bit for bit: x - x.detach() is zero, at infinity too.
        level: Tensor = (x.detach() * steps).round() / steps
        return level + (x - x.detach()).nan_to_num(0)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [Step(Kind.QUANTIZE, torch.full((1, 1), 2.0**self.bits - 1, dtype=torch.float64))]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return []

"""A tone curve with learnable knots that is increasing whatever its parameters are."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..spaces import SRGB, Space
from ..stage import Quantity, Stage
from .solve import solve_increasing


class MonotoneCurve(Stage):
    """Piecewise cubic from (0, 0) to (1, 1) through K + 1 equally spaced knots, with continuous slope.

    The heights of the knots are the running sum of `softmax(logits)`, so they increase for any logits. Slopes at inner
    knots are the harmonic means of the neighbouring secants (Fritsch and Butland), at the ends the end secants; beyond
    [0, 1] the curve goes on straight. The inverse is a bisection with implicit gradients.

    Args:
        logits: `[K]`, usually an `nn.Parameter`; equal logits give the identity.
        space: where it is applied.

    Source: Fritsch and Butland, "A method for constructing local monotone piecewise cubic interpolants", SIAM J. Sci.
    Stat. Comput. 5(2), 1984.

    >>> stage = MonotoneCurve.through([0.0, 0.1, 0.5, 0.9, 1.0])
    >>> y = stage(torch.tensor([0.25, 0.5, 0.75]).view(1, 3, 1, 1), Capture.of("RGGB"))
    >>> [round(v, 4) for v in y.flatten().tolist()]
    [0.1, 0.5, 0.9]
    """

    contract = Contract(round_trip=0.0, re_render=0.0, condition=16.0, neutral=True)
    logits: Tensor

    def __init__(self, logits: Quantity, space: Space = SRGB) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("logits", logits, (None,))
        if self.logits.ndim != 1 or not len(self.logits):
            raise InvalidArgument(f"MonotoneCurve: logits must have shape (K,), got {tuple(self.logits.shape)}")

    @classmethod
    def through(cls, heights: Sequence[float] | Tensor, space: Space = SRGB) -> "MonotoneCurve":
        """The curve through the given heights, increasing from 0 to 1, at equally spaced knots.

        Raises:
            InvalidArgument: when they do not increase from 0 to 1.
        """
        heights = torch.as_tensor(heights, dtype=torch.float64)
        if heights.ndim != 1 or len(heights) < 2 or heights[0] != 0 or heights[-1] != 1 or (heights.diff() <= 0).any():
            raise InvalidArgument(f"heights must increase from 0 to 1, got {heights.tolist()}")
        return cls(heights.diff().log(), space)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return self._curve(x, *self._knots(x))

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        heights, slopes = self._knots(y)
        segments = len(heights) - 1
        inside = y.clamp(0, 1)
        place = torch.searchsorted(heights.detach(), inside.detach().contiguous(), right=True).clamp(1, segments) - 1
        low = place.to(y.dtype) / segments
        root = solve_increasing(lambda t: self._curve(t, heights, slopes), inside, low, low + 1 / segments)
        return torch.where(y < 0, y / slopes[0], torch.where(y > 1, 1 + (y - 1) / slopes[-1], root))

    def _knots(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Heights and slopes at the K + 1 knots."""
        steps = torch.softmax(self.logits.to(like.dtype), 0)
        secants = steps * len(steps)
        inner = 2 * secants[1:] * secants[:-1] / (secants[1:] + secants[:-1])
        return F.pad(steps.cumsum(0), (1, 0)), torch.cat((secants[:1], inner, secants[-1:]))

    @staticmethod
    def _curve(x: Tensor, heights: Tensor, slopes: Tensor) -> Tensor:
        segments = len(heights) - 1
        width = 1 / segments
        inside = x.clamp(0, 1)
        place = (inside.detach() * segments).long().clamp(max=segments - 1)
        t = inside * segments - place
        start, end = heights[place], heights[place + 1]
        out, into = slopes[place] * width, slopes[place + 1] * width
        rise = end - start
        cubic = start + t * (out + t * (3 * rise - 2 * out - into + t * (out + into - 2 * rise)))
        return torch.where(x < 0, slopes[0] * x, torch.where(x > 1, heights[-1] + slopes[-1] * (x - 1), cubic))

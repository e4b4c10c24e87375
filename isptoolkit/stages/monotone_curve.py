"""A tone curve with learnable knots that is increasing for any parameters."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import Kind, Step, lookup
from ..spaces import SRGB, Space
from ..stage import Quantity, Stage
from .solve import solve_increasing


class MonotoneCurve(Stage):
    """A piecewise cubic from (0, 0) to (1, 1) through K + 1 equally spaced knots, with continuous slope.

    The heights of the knots are the cumulative sum of `softmax(logits)`, so they increase for any logits. Slopes at
    inner knots are the harmonic means of the neighboring secants (Fritsch and Butland), at the ends the end secants;
    beyond [0, 1] the curve is linear. The inverse uses bracketed Newton iterations, with implicit gradients.

    Args:
        logits: `[K]` or `[B,K]` (per sample), usually an `nn.Parameter`; equal logits give the identity.
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
        if not self.logits.numel():
            raise InvalidArgument(
                f"MonotoneCurve: logits must have at least one entry, got shape {tuple(self.logits.shape)}"
            )

    @classmethod
    def through(cls, heights: Sequence[float] | Tensor, space: Space = SRGB) -> "MonotoneCurve":
        """The curve through the given heights, increasing from 0 to 1, at equally spaced knots.

        Raises:
            InvalidArgument: if they do not increase from 0 to 1.
        """
        heights = torch.as_tensor(heights, dtype=torch.float64)
        if heights.ndim != 1 or len(heights) < 2 or heights[0] != 0 or heights[-1] != 1 or (heights.diff() <= 0).any():
            raise InvalidArgument(f"heights must increase from 0 to 1, got {heights.tolist()}")
        return cls(heights.diff().log(), space)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        heights, slopes = self._knots(x)
        segments = heights.shape[1] - 1
        inside = x.clamp(0, 1)
        place = (inside.detach() * segments).long().clamp(0, segments - 1)
        cubic = _Cubic(heights, slopes, place)
        inner = cubic(inside * segments - place) + _at(heights, place)
        first, last = slopes[:, :1, None, None], slopes[:, -1:, None, None]
        return torch.where(x < 0, first * x, torch.where(x > 1, 1 + last * (x - 1), inner))

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        heights, slopes = self._knots(y)
        segments = heights.shape[1] - 1
        inside = y.clamp(0, 1)
        place = _count(heights, inside).clamp(1, segments) - 1
        cubic = _Cubic(heights, slopes, place)
        inner = (place + cubic.root(inside - _at(heights, place))) / segments
        first, last = slopes[:, :1, None, None], slopes[:, -1:, None, None]
        return torch.where(y < 0, y / first, torch.where(y > 1, 1 + (y - 1) / last, inner))

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [self._step(Kind.MONOTONE)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [self._step(Kind.MONOTONE_INVERSE)]

    def _step(self, kind: Kind) -> Step:
        """The cubics, between the lines at both ends."""
        heights, slopes = self._knots(self.logits.double())
        segments = heights.shape[1] - 1
        rise, out, into = heights.diff(), slopes[:, :-1] / segments, slopes[:, 1:] / segments
        starts = torch.cat((heights[:, :1], heights), 1)
        firsts = torch.cat((out[:, :1], out, into[:, -1:]), 1)
        squares, cubes = F.pad(3 * rise - 2 * out - into, (1, 1)), F.pad(out + into - 2 * rise, (1, 1))
        return lookup(kind, starts, firsts, squares, cubes, per_unit=segments, below=1)

    def _knots(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Heights and slopes at the K + 1 knots, `[B,K+1]` or `[1,K+1]`."""
        logits = self.logits.to(like.dtype).reshape(-1, self.logits.shape[-1])
        logarithms, segments = torch.log_softmax(logits, 1), logits.shape[1]
        secants = logarithms.exp() * segments
        # In the log domain: a quotient of secants would be 0 / 0 where both underflow.
        inner = 2 * segments * torch.exp(-torch.logaddexp(-logarithms[:, 1:], -logarithms[:, :-1]))
        sums = logarithms.exp().cumsum(1)
        # Divided by the last sum, which rounding leaves slightly off 1.
        return F.pad(sums / sums[:, -1:], (1, 0)), torch.cat((secants[:, :1], inner, secants[:, -1:]), 1)


def _at(values: Tensor, place: Tensor) -> Tensor:
    """The entries of `[B,N]` or `[1,N]` values at `[B,C,H,W]` or `[1,C,H,W]` places."""
    samples = max(len(values), len(place))
    place = place.expand(samples, -1, -1, -1)
    return values.expand(samples, -1).gather(1, place.flatten(1)).view(place.shape)


def _count(heights: Tensor, y: Tensor) -> Tensor:
    """The number of heights at or below each value."""
    samples = max(len(heights), len(y))
    y = y.detach().expand(samples, -1, -1, -1)
    rows = heights.detach().expand(samples, -1).contiguous()
    return torch.searchsorted(rows, y.flatten(1).contiguous(), right=True).view(y.shape)


class _Cubic:
    """The Hermite cubic of each pixel's segment, relative to its first knot, in `t` from 0 to 1."""

    def __init__(self, heights: Tensor, slopes: Tensor, place: Tensor) -> None:
        segments = heights.shape[1] - 1
        self.rise = _at(heights.diff(), place)
        self.out, self.into = _at(slopes, place) / segments, _at(slopes, place + 1) / segments
        self.square = 3 * self.rise - 2 * self.out - self.into
        self.cube = self.out + self.into - 2 * self.rise

    def __call__(self, t: Tensor) -> Tensor:
        return t * (self.out + t * (self.square + t * self.cube))

    def slope(self, t: Tensor) -> Tensor:
        return self.out + t * (2 * self.square + 3 * t * self.cube)

    def root(self, height: Tensor) -> Tensor:
        """The `t` at which the cubic reaches `height`, between 0 and the rise of the segment."""
        with torch.no_grad():
            # Start from the parabola tangent to the cubic at the nearer end, which is close enough even for slope 0.
            late = height > self(torch.full_like(height, 0.5))
            rest = torch.where(late, self.rise - height, height).clamp(min=0)
            first = torch.where(late, self.into, self.out)
            second = torch.where(late, 3 * self.rise - 2 * self.into - self.out, self.square)
            root = first + (first.square() + 4 * second * rest).clamp(min=0).sqrt()
            distance = torch.where(root > 0, 2 * rest / root, torch.zeros_like(root))
            start = torch.where(late, 1 - distance, distance)
            ends = torch.zeros_like(height), torch.ones_like(height)
        return solve_increasing(self, self.slope, height, *ends, start=start, halvings=0)

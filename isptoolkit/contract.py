"""What a stage promises, as data that the tests read."""

import math
from dataclasses import dataclass

from .errors import InvalidArgument


@dataclass(frozen=True)
class Contract:
    """The promise of one stage.

    Args:
        round_trip: sup |inverse(forward(x)) - x| over the stage's domain: 0.0 exact in real arithmetic, a positive
            number a bound, None no promise. The left inverse.
        re_render: sup |forward(inverse(y)) - y| over the image of the domain; a claim of its own. The right inverse.
        condition: by how much rounding error may grow; tests scale the dtype's epsilon by it.
        reach: how many pixels away an output pixel looks in `forward`; None when it depends on the whole frame or on
            its place in it.
        period: crops at multiples of this many pixels commute with `forward` (with `reach` to spare at the border).
        neutral: equal channels of the input (of a mosaic: equal sites) stay equal channels.
        differentiable: autograd gives the true derivative almost everywhere; False for a surrogate gradient.

    Raises:
        InvalidArgument: for a negative or non-finite bound.

    >>> Contract(round_trip=0.5 / 255, re_render=0.0)
    Contract(round_trip=0.00196078431372549, re_render=0.0, condition=1.0, reach=0, period=1, neutral=False, \
differentiable=True)
    """

    round_trip: float | None
    re_render: float | None
    condition: float = 1.0
    reach: int | None = 0
    period: int = 1
    neutral: bool = False
    differentiable: bool = True

    def __post_init__(self) -> None:
        for name in ("round_trip", "re_render", "condition", "reach"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InvalidArgument(f"contract: {name} must be None or a finite number of at least 0, got {value!r}")
        if self.period < 1:
            raise InvalidArgument(f"contract: period must be at least 1 pixel, got {self.period!r}")

    @property
    def inv(self) -> "Contract":
        """The same promise read backwards; where rendering forward reads neighbours, the reach is not promised back."""
        return Contract(
            self.re_render, self.round_trip, self.condition, self.reach, self.period, self.neutral, self.differentiable
        )

    def __str__(self) -> str:
        def said(bound: float | None) -> str:
            return "no promise" if bound is None else "exact" if bound == 0 else f"within {bound:.3g}"

        return f"round trip {said(self.round_trip)}, re-render {said(self.re_render)}"


def compose(contracts: list[Contract]) -> Contract:
    """The contract of stages in series, as far as it follows from theirs alone.

    Exact stages compose to an exact one. A positive bound survives only where no other stage can stretch it: of the
    round trip on the first stage, of the re-rendering on the last; anywhere else the composition promises nothing,
    and the error is to be measured. Conditions multiply, reaches add.

    >>> compose([Contract(0.0, 0.0), Contract(0.5, 0.0)]).round_trip is None
    True
    """

    def bound(first: float | None, rest: list[float | None]) -> float | None:
        return first if all(value == 0 for value in rest) else None

    trips = [c.round_trip for c in contracts]
    renders = [c.re_render for c in contracts]
    reaches = [c.reach for c in contracts]
    return Contract(
        round_trip=bound(trips[0], trips[1:]),
        re_render=bound(renders[-1], renders[:-1]),
        condition=math.prod(c.condition for c in contracts),
        reach=None if None in reaches else sum(reach for reach in reaches if reach is not None),
        period=math.lcm(*(c.period for c in contracts)),
        neutral=all(c.neutral for c in contracts),
        differentiable=all(c.differentiable for c in contracts),
    )

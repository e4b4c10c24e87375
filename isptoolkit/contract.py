"""A stage's promise, as data that tests, graphs and tables read."""

import math
from dataclasses import dataclass

from .errors import InvalidArgument


@dataclass(frozen=True)
class Contract:
    """How closely the two directions of a stage undo each other, and what else a caller may rely on.

    Args:
        round_trip: sup |inverse(forward(x)) - x| over the stage's domain (the left inverse): 0.0 if exact in real
            arithmetic, a positive bound, or None for no promise.
        re_render: sup |forward(inverse(y)) - y| over the image of the domain (the right inverse): 0.0, a positive
            bound, or None.
        condition: the factor by which rounding error may grow; tests scale the dtype's epsilon by it.
        reach: the distance in pixels of the farthest input that affects an output of `forward`; None if that depends
            on the whole frame or on the position in it.
        period: crops at multiples of this many pixels commute with `forward`, `reach` pixels away from the border.
        neutral: equal input channels (in a mosaic: equal sites) stay equal channels.
        differentiable: autograd computes the true derivative almost everywhere; False for a surrogate gradient.

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
        """The contract of the reversed stage: the two bounds change places."""
        return Contract(
            self.re_render, self.round_trip, self.condition, self.reach, self.period, self.neutral, self.differentiable
        )

    def __str__(self) -> str:
        def text(bound: float | None) -> str:
            return "no promise" if bound is None else "exact" if bound == 0 else f"within {bound:.3g}"

        return f"round trip {text(self.round_trip)}, re-render {text(self.re_render)}"


def compose(contracts: list[Contract]) -> Contract:
    """The contract of stages in series, as far as it follows from their contracts alone.

    Exact stages compose to an exact stage. A positive bound survives only where no other stage can amplify it: for the
    round trip in the first stage, for re-rendering in the last. Anywhere else the composition promises nothing, and
    the error must be measured. Conditions multiply, and reaches add.

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

"""Solve `f(t) = target` for increasing `f`, elementwise and differentiably."""

from collections.abc import Callable

import torch
from torch import Tensor


def solve_increasing(
    function: Callable[[Tensor], Tensor],
    slope: Callable[[Tensor], Tensor],
    target: Tensor,
    low: Tensor,
    high: Tensor,
    *,
    start: Tensor | None = None,
    halvings: int = 6,
) -> Tensor:
    """The root `t` of `function(t) = target` in `[low, high]`: bisection, then Newton steps that stay in the bracket.

    The number of iterations is fixed: `halvings` bisections, then 7 Newton steps in float64, else 5, which reach the
    rounding level if the bracket, or `start`, is close enough for Newton's method. A step that would leave the bracket
    is replaced by a bisection.

    Gradients follow the implicit function theorem, `dt = (dtarget - df) / f'(t)`, with respect to `target` and to
    all tensors that `function` closes over. First derivatives only. NaN targets return NaN.

    Args:
        function: elementwise and increasing between `low` and `high`.
        slope: its derivative; an approximation suffices away from the root, at the root it must be exact.
        target: values between `function(low)` and `function(high)`; outside this range the nearer end is returned.
        low: lower ends of the brackets, shaped like `target`.
        high: upper ends.
        start: initial value of Newton's method; by default the middle of the bracket.
        halvings: number of bisections that come first.

    >>> zero, four = torch.tensor([0.0]), torch.tensor([4.0])
    >>> root = solve_increasing(lambda t: t**3, lambda t: 3 * t**2, torch.tensor([8.0]), zero, four)
    >>> round(root.item(), 5)
    2.0
    """
    with torch.no_grad():
        goal, below, above = target.detach(), low.detach(), high.detach()
        for _ in range(halvings):
            middle = (below + above) / 2
            short = function(middle) < goal
            below, above = torch.where(short, middle, below), torch.where(short, above, middle)
        root = (below + above) / 2 if start is None else start.detach().clamp(below, above)
        for _ in range(7 if target.dtype == torch.float64 else 5):
            gap = function(root) - goal
            below, above = torch.where(gap <= 0, root, below), torch.where(gap >= 0, root, above)
            # Some slack, so that rounding does not miss a root at an end of the bracket.
            moved, slack = root - gap / slope(root), (above - below) / 8
            near = (moved >= below - slack) & (moved <= above + slack)
            root = torch.where(near, moved.clamp(below, above), (below + above) / 2)
        steepness = slope(root)
        steepness = torch.where(steepness > 0, steepness, torch.ones_like(steepness))
    residual = target - function(root)
    return root + (residual - residual.detach()) / steepness

"""Solving `f(t) = target` for increasing `f`, elementwise and differentiably."""

from collections.abc import Callable

import torch
from torch import Tensor


def solve_increasing(function: Callable[[Tensor], Tensor], target: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The root `t` of `function(t) = target` in `[low, high]`, by bisection to the last bit of the bracket.

    Gradients are those of the implicit function theorem, `dt = (dtarget - df) / f'(t)`, with respect to `target` and to
    whatever `function` closes over.

    Args:
        function: elementwise and increasing between `low` and `high`.
        target: values between `function(low)` and `function(high)`; outside them the nearer end is returned.
        low: lower ends of the brackets, shaped like `target`.
        high: upper ends.

    >>> root = solve_increasing(lambda t: t**3, torch.tensor([8.0]), torch.tensor([0.0]), torch.tensor([4.0]))
    >>> round(root.item(), 5)
    2.0
    """
    with torch.no_grad():
        goal, below, above = target.detach(), low.detach(), high.detach()
        for _ in range(60 if target.dtype == torch.float64 else 30):
            middle = (below + above) / 2
            short = function(middle) < goal
            below, above = torch.where(short, middle, below), torch.where(short, above, middle)
        root = (below + above) / 2
        # The slope, by forward-mode differentiation of the elementwise function.
        slope: Tensor = torch.func.jvp(function, (root,), (torch.ones_like(root),))[1]
        slope = torch.where(slope > 0, slope, torch.ones_like(slope))
    residual = target - function(root)
    return root + (residual - residual.detach()) / slope

"""White balance whose inverse keeps blown highlights white, as in UPI."""

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import Kind, Step
from ..spaces import CAMERA
from ..stage import Quantity, Stage
from .solve import solve_increasing


def highlight_gains(height: Tensor, gains: Tensor) -> Tensor:
    """The inverse gains of `HighlightWhiteBalance`: `g + height^2 (1 - g)` where g is below 1, else g.

    Args:
        height: `[B,1,H,W]` height of the balanced pixel's mean above the inflection: 0 at or below it, 1 at white.
        gains: `[B,3,1,1]` the inverse gains g of ordinary white balance.

    >>> g = torch.tensor([0.4, 0.8, 0.5]).view(1, 3, 1, 1)
    >>> highlight_gains(torch.full((1, 1, 1, 1), 0.5), g).flatten()
    tensor([0.5500, 0.8500, 0.6250])
    """
    return torch.addcmul(gains, height.square(), (1 - gains).clamp(min=0))


class HighlightWhiteBalance(Stage):
    """White balance and brightness whose inverse maps white to white: the "safe" inverse gains of UPI.

    With `g_c = 1 / (gain_c brightness)` and `t` the mean of the channels of the balanced pixel y, the inverse is the
    closed form `x_c = y_c s_c(t)`, where `s_c = max(m + (1 - m) g_c, g_c)` and
    `m = (max(t - inflection, 0) / (1 - inflection))^2`: ordinary gains below the inflection, and a white pixel stays
    white if no g exceeds 1. The forward direction solves `t = mean_c(x_c / s_c(t))` for each pixel and divides by
    `s_c(t)`; the root is unique, because the right side decreases with t. Both directions are exact where no channel of
    x is negative, and wherever x stays below the inflection.

    Args:
        gains: `[3]` or `[B,3]` white-balance multipliers of R, G, B, positive; None reads the capture.
        brightness: scalar or `[B]`, positive overall gain (UPI's `rgb_gain`).
        inflection: scalar or `[B]`, at least 0 and below 1, on the scale of y.

    Raises:
        InvalidArgument: for gains or brightness that are not positive, or an inflection outside [0, 1).

    Source: Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, and the code of its authors, for
    the inverse with inflection 0.9; the forward direction is its exact inverse, whereas theirs applies ordinary gains.

    >>> capture = Capture.of("RGGB", gains=(2.0, 1.0, 1.7))
    >>> stage = HighlightWhiteBalance(brightness=1.25)
    >>> raw = stage.inverse(torch.full((1, 3, 1, 1), 0.95, dtype=torch.float64), capture)
    >>> [round(value, 6) for value in raw.flatten().tolist()]
    [0.5225, 0.8075, 0.572794]
    >>> [round(value, 6) for value in stage(raw, capture).flatten().tolist()]
    [0.95, 0.95, 0.95]
    """

    takes = gives = CAMERA
    gains: Tensor | None
    brightness: Tensor
    inflection: Tensor

    def __init__(self, gains: Quantity | None = None, brightness: Quantity = 1.0, inflection: Quantity = 0.9) -> None:
        super().__init__()
        self.hold("gains", gains, (3,))
        self.hold("brightness", brightness, ())
        self.hold("inflection", inflection, ())
        if self.gains is not None and not (self.gains > 0).all():
            raise InvalidArgument(f"HighlightWhiteBalance: gains must be positive, got {gains!r}")
        if not (self.brightness > 0).all():
            raise InvalidArgument(f"HighlightWhiteBalance: brightness must be positive, got {brightness!r}")
        if not ((self.inflection >= 0) & (self.inflection < 1)).all():
            raise InvalidArgument(f"HighlightWhiteBalance: inflection must be in [0, 1), got {inflection!r}")
        # Near white the inverse gains rise with a slope of up to 2 / (1 - inflection).
        self.contract = Contract(0.0, 0.0, condition=32.0 / (1 - self.inflection.max().item()))

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        gains, inflection = self._gains(x, capture)

        def balanced_mean(height: Tensor) -> Tensor:
            return (x / highlight_gains(height, gains)).mean(1, keepdim=True)

        def gray(height: Tensor) -> Tensor:
            return inflection + height * (1 - inflection)

        def slope(height: Tensor) -> Tensor:
            # At the root, where gray / balanced_mean is 1, this is the derivative of excess. Elsewhere the factor turns
            # the steps into Newton steps for gray / balanced_mean = 1, which is closer to a straight line.
            factors = highlight_gains(height, gains)
            falling = (x / factors * (2 * height * (1 - gains).clamp(min=0) / factors)).mean(1, keepdim=True)
            return (1 - inflection) + gray(height) / balanced_mean(height) * falling

        def excess(height: Tensor) -> Tensor:
            return gray(height) - balanced_mean(height)

        # Solve for the height above the inflection; solving for t, rounding would grow with the square of the slope.
        zero, most = self._bracket(x.detach(), gains.detach(), inflection.detach())
        height = solve_increasing(excess, slope, zero, zero, most)
        return x / highlight_gains(height, gains)

    @staticmethod
    def _bracket(x: Tensor, gains: Tensor, inflection: Tensor) -> tuple[Tensor, Tensor]:
        """A bracket of the solution: 0, and the smallest bound from ordinary gains and from single channels."""
        # Above height 1 no gain is below 1, and gains that rise exceed height^2 (1 - g).
        rising = (1 - gains).clamp(min=torch.finfo(x.dtype).eps)
        cubic = (x.clamp(min=0) / ((1 - inflection) * rising)) ** (1 / 3)
        single = torch.minimum(_height(x / gains.clamp(min=1), inflection), cubic).amax(1, keepdim=True)
        most = torch.minimum(_height((x / gains).mean(1, keepdim=True), inflection), single.clamp(min=1))
        return torch.zeros_like(most), most

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        gains, inflection = self._gains(y, capture)
        return y * highlight_gains(_height(y.mean(1, keepdim=True), inflection), gains)

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where no channel is negative, or the balanced pixel stays below the inflection."""
        gains, inflection = self._gains(x, capture)
        return (x >= 0).all(1, keepdim=True) | ((x / gains).mean(1, keepdim=True) <= inflection)

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [self._step(Kind.HIGHLIGHT, capture)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [self._step(Kind.HIGHLIGHT_INVERSE, capture)]

    def _step(self, kind: Kind, capture: Capture) -> Step:
        gains = 1 / (self.quantity("gains", capture).reshape(-1, 3) * self.brightness.double().reshape(-1, 1))
        inflection = self.inflection.double().reshape(-1, 1)
        samples = max(len(gains), len(inflection))
        return Step(kind, torch.cat((gains.expand(samples, 3), inflection.expand(samples, 1)), 1))

    def _gains(self, x: Tensor, capture: Capture) -> tuple[Tensor, Tensor]:
        gains = self.quantity("gains", capture, like=x).reshape(-1, 3, 1, 1)
        brightness = self.brightness.to(x.dtype).reshape(-1, 1, 1, 1)
        return 1 / (gains * brightness), self.inflection.to(x.dtype).reshape(-1, 1, 1, 1)


def _height(gray: Tensor, inflection: Tensor) -> Tensor:
    return (gray - inflection).clamp(min=0) / (1 - inflection)

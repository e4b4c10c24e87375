"""Sensors without color filters: one plane becomes a gray image."""

from torch import Tensor

from ..capture import MONO, Capture
from ..contract import Contract
from ..spaces import LINEAR, MOSAIC
from ..stage import Stage


class Monochrome(Stage):
    """Repeat the one plane of a sensor without color filters in R, G and B; the inverse is their mean.

    `y_c = x`, `x = (y_R + y_G + y_B) / 3`; exact for gray images, which is all that this stage gives. The inverse of a
    color image loses its color.

    Source: by definition: equal values of R, G and B are gray in LINEAR, whose white is D65.

    >>> import torch
    >>> Monochrome()(torch.full((1, 1, 1, 1), 0.25), Capture.of("MONO")).flatten()
    tensor([0.2500, 0.2500, 0.2500])
    """

    takes, gives = MOSAIC, LINEAR
    layouts = (MONO,)
    contract = Contract(round_trip=0.0, re_render=0.0, condition=2.0)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x.repeat(1, 3, 1, 1)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y.mean(1, keepdim=True)

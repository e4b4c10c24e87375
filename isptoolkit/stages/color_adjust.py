"""Saturation, and the luma-chroma spaces of video and JPEG."""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import Step, matrix
from ..spaces import LINEAR, SRGB, Space
from ..stage import Quantity, Stage

LUMA_WEIGHTS = {
    "601": (0.299, 0.114),  # Rec. ITU-R BT.601-7, section 2.5.1; used by JFIF, ITU-T T.871, clause 7
    "709": (0.2126, 0.0722),  # Rec. ITU-R BT.709-6, item 3.2
}
"""The weights (K_R, K_B) of red and blue in luma; the weight of green is `1 - K_R - K_B`."""

YCBCR = Space("ycbcr", 3)
"""`[B,3,H,W]` luma in [0, 1] and the two color differences, centered on 0.5, full range."""


def luma(x: Tensor, red: float, blue: float) -> Tensor:
    """The weighted sum of R, G and B, `[B,1,H,W]`, with the weight of green `1 - red - blue`.

    >>> luma(torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1), 0.25, 0.125).item()
    0.375
    """
    return red * x[:, 0:1] + (1 - red - blue) * x[:, 1:2] + blue * x[:, 2:3]


class Saturation(Stage):
    """Move colors away from or toward gray: `y = L + amount (x - L)`, `x = L + (y - L) / amount`.

    L is the luminance `0.2126 R + 0.7152 G + 0.0722 B`. The stage does not change it, so the inverse is exact.

    Args:
        amount: scalar or `[B]`, positive; 1 changes nothing, smaller values desaturate.
        space: a space with Rec. 709 primaries.

    Raises:
        InvalidArgument: if `amount` is not positive (0 would lose all color) or `space` does not have 3 channels.

    Source: Rec. ITU-R BT.709-6, item 3.2 (weights); Haeberli and Voorhies, "Image processing by linear interpolation
    and extrapolation", IRIS Universe 28, 1994 (the blend with luminance).

    >>> Saturation(0.5)(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), Capture.of("RGGB")).flatten()
    tensor([0.6063, 0.1063, 0.1063])
    """

    amount: Tensor

    def __init__(self, amount: Quantity = 1.0, space: Space = LINEAR) -> None:
        super().__init__()
        if space.channels != 3:
            raise InvalidArgument(f"Saturation: space must have 3 channels, got {space!r}")
        self.takes = self.gives = self.space = space
        self.hold("amount", amount, ())
        if not (self.amount > 0).all():
            raise InvalidArgument(f"Saturation: amount must be positive, got {amount!r}")
        least, most = self.amount.min().item(), self.amount.max().item()
        self.contract = Contract(0.0, 0.0, condition=8.0 * max(1.0, 1 / least, most), neutral=True)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        gray = luma(x, *LUMA_WEIGHTS["709"])
        return gray + self._amount(x) * (x - gray)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        gray = luma(y, *LUMA_WEIGHTS["709"])
        return gray + (y - gray) / self._amount(y)

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [self._mix(self.amount.double())]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [self._mix(1 / self.amount.double())]

    def _mix(self, amount: Tensor) -> Step:
        amount = amount.reshape(-1, 1, 1)
        red, blue = LUMA_WEIGHTS["709"]
        gray = amount.new_tensor([[red, 1 - red - blue, blue]]).expand(3, 3)
        return matrix(gray + amount * (torch.eye(3, dtype=amount.dtype, device=amount.device) - gray))

    def _amount(self, x: Tensor) -> Tensor:
        return self.amount.to(x.dtype).reshape(-1, 1, 1, 1)


class YCbCr(Stage):
    """Convert sRGB to luma and color differences, full range.

    `Y = K_R R + K_G G + K_B B`, `Cb = (B - Y) / (2 (1 - K_B)) + 1/2`, `Cr = (R - Y) / (2 (1 - K_R)) + 1/2`; the inverse
    solves these equations for B, R and then G. Exact.

    In 8-bit JPEG files the center of Cb and Cr is the code 128, which is 128/255 on this scale and not 1/2; add
    `0.5 / 255` when comparing with codes.

    Args:
        standard: `"601"` (SDTV, and JPEG by JFIF), `"709"` (HDTV), or a pair of numbers `(K_R, K_B)`, each positive and
            with a sum below 1.

    Raises:
        InvalidArgument: for another standard.

    Source: Rec. ITU-R BT.601-7, section 2.5; Rec. ITU-R BT.709-6, items 3.2 and 3.3; ITU-T T.871 (JFIF), clause 7.

    >>> YCbCr()(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), Capture.of("RGGB")).flatten()
    tensor([0.2990, 0.3313, 1.0000])
    """

    takes, gives = SRGB, YCBCR
    contract = Contract(round_trip=0.0, re_render=0.0, condition=16.0)

    def __init__(self, standard: str | Sequence[float] = "601") -> None:
        super().__init__()
        self.standard = standard
        weights = LUMA_WEIGHTS.get(standard) if isinstance(standard, str) else tuple(standard)
        if weights is None or len(weights) != 2 or not (min(weights) > 0 and sum(weights) < 1):
            raise InvalidArgument(f"YCbCr: standard must be '601', '709' or two numbers (K_R, K_B), got {standard!r}")
        self._red, self._blue = (float(weight) for weight in weights)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        gray = luma(x, self._red, self._blue)
        blue = (x[:, 2:3] - gray) / (2 * (1 - self._blue)) + 0.5
        red = (x[:, 0:1] - gray) / (2 * (1 - self._red)) + 0.5
        return torch.cat([gray, blue, red], 1)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        gray, blue, red = y[:, 0:1], y[:, 1:2] - 0.5, y[:, 2:3] - 0.5
        red = gray + 2 * (1 - self._red) * red
        blue = gray + 2 * (1 - self._blue) * blue
        green = (gray - self._red * red - self._blue * blue) / (1 - self._red - self._blue)
        return torch.cat([red, green, blue], 1)

    def forward_steps(self, capture: Capture) -> list[Step]:
        mix = self._mix()
        return [matrix(mix, mix.new_tensor([[0, 0.5, 0.5]]))]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        unmix = torch.linalg.inv(self._mix())
        return [matrix(unmix, -0.5 * unmix[:, :, 1:].sum(-1))]

    def _mix(self) -> Tensor:
        """`[1,3,3]` float64 from RGB to luma and centered color differences."""
        gray = torch.tensor([self._red, 1 - self._red - self._blue, self._blue], dtype=torch.float64)
        red, _, blue = torch.eye(3, dtype=torch.float64)
        rows = gray, (blue - gray) / (2 * (1 - self._blue)), (red - gray) / (2 * (1 - self._red))
        return torch.stack(rows)[None]

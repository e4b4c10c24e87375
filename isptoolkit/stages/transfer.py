"""Transfer curves between linear light and encoded values, extended to all real numbers so that none clamps."""

import math

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import Kind, Step, curve
from ..spaces import LINEAR, SRGB, Space
from ..stage import Quantity, Stage

PQ = Space("pq", 3)
"""`[B,3,H,W]` encoded by SMPTE ST 2084; 1 is 10000 cd/m2."""
HLG = Space("hlg", 3)
"""`[B,3,H,W]` encoded by the hybrid log-gamma of ITU-R BT.2100."""

_EXACT = Contract(round_trip=0.0, re_render=0.0, condition=16.0, neutral=True)

# IEC 61966-2-1:1999.
_SRGB_SLOPE, _SRGB_SCALE, _SRGB_OFFSET, _SRGB_POWER = 12.92, 1.055, 0.055, 2.4


def _srgb_breakpoint() -> float:
    """Where the two pieces of sRGB meet: the standard's 0.0031308 is rounded and leaves them 2.9e-8 apart."""
    x = 0.0031308
    for _ in range(20):
        gap = _SRGB_SLOPE * x - (_SRGB_SCALE * x ** (1 / _SRGB_POWER) - _SRGB_OFFSET)
        x -= gap / (_SRGB_SLOPE - _SRGB_SCALE / _SRGB_POWER * x ** (1 / _SRGB_POWER - 1))
    return x


_SRGB_BREAK = _srgb_breakpoint()
# ITU-R BT.709-6, item 1.2.
_709_SLOPE, _709_SCALE, _709_OFFSET, _709_POWER, _709_BREAK = 4.5, 1.099, 0.099, 0.45, 0.018
# SMPTE ST 2084:2014.
_PQ_M1, _PQ_M2, _PQ_C1, _PQ_C2, _PQ_C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
# ITU-R BT.2100-2, table 5.
_HLG_A = 0.17883277
_HLG_B, _HLG_C = 1 - 4 * _HLG_A, 0.5 - _HLG_A * math.log(4 * _HLG_A)


def _power(x: Tensor, exponent: float | Tensor) -> Tensor:
    """`x ** exponent` for `x >= 0`, with gradient 0 instead of infinity at 0; 0 for negative x, NaN for NaN."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, torch.ones_like(x)) ** exponent, 0 * x)


class SRGBCurve(Stage):
    """The sRGB curve: `y = 12.92 x` below 0.0031307, else `1.055 x^(1/2.4) - 0.055`; odd.

    The pieces are joined where they meet, 1.3e-7 below the standard's rounded breakpoint, so that the curve is
    continuous and its inverse exact; values differ from the standard's by less than 3e-8.

    Args:
        takes: linear light, 1 = white.
        gives: encoded, 1 = white.

    Source: IEC 61966-2-1:1999.

    >>> SRGBCurve()(torch.full((1, 3, 1, 1), 0.5, dtype=torch.float64), Capture.of("RGGB")).flatten()
    tensor([0.7354, 0.7354, 0.7354], dtype=torch.float64)
    """

    contract = _EXACT

    def __init__(self, takes: Space = LINEAR, gives: Space = SRGB) -> None:
        super().__init__()
        self.takes, self.gives = takes, gives

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        size = x.abs()
        curved = size > _SRGB_BREAK
        safe = torch.where(curved, size, torch.ones_like(size))
        power = _SRGB_SCALE * safe ** (1 / _SRGB_POWER) - _SRGB_OFFSET
        return torch.where(curved, power * x.sign(), _SRGB_SLOPE * x)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        size = y.abs()
        curved = size > _SRGB_SLOPE * _SRGB_BREAK
        safe = torch.where(curved, size, torch.ones_like(size))
        power = ((safe + _SRGB_OFFSET) / _SRGB_SCALE) ** _SRGB_POWER
        return torch.where(curved, power * y.sign(), y / _SRGB_SLOPE)

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.SRGB_ENCODE)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.SRGB_DECODE)]


class Rec709Curve(Stage):
    """The Rec. 709 camera curve: `y = 4.5 x` below 0.018, else `1.099 x^0.45 - 0.099`; odd.

    The standard's rounded constants leave a jump of 2.5e-4 at the breakpoint; no input encodes to the values inside it.

    Args:
        takes: linear light, 1 = white.
        gives: encoded, 1 = white.

    Source: ITU-R BT.709-6, item 1.2.

    >>> Rec709Curve()(torch.full((1, 3, 1, 1), 0.5, dtype=torch.float64), Capture.of("RGGB")).flatten()
    tensor([0.7055, 0.7055, 0.7055], dtype=torch.float64)
    """

    contract = _EXACT

    def __init__(self, takes: Space = LINEAR, gives: Space = SRGB) -> None:
        super().__init__()
        self.takes, self.gives = takes, gives

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        size = x.abs()
        curved = size >= _709_BREAK
        safe = torch.where(curved, size, torch.ones_like(size))
        return torch.where(curved, (_709_SCALE * safe**_709_POWER - _709_OFFSET) * x.sign(), _709_SLOPE * x)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        size = y.abs()
        # Half-way into the jump, so that rounding on either side picks the right piece.
        start = (_709_SLOPE * _709_BREAK + _709_SCALE * _709_BREAK**_709_POWER - _709_OFFSET) / 2
        curved = size >= start
        safe = torch.where(curved, size, torch.ones_like(size))
        power = ((safe + _709_OFFSET) / _709_SCALE) ** (1 / _709_POWER)
        return torch.where(curved, power * y.sign(), y / _709_SLOPE)

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.REC709_ENCODE)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.REC709_DECODE)]


class PowerCurve(Stage):
    """Pure power: `y = sign(x) |x|^(1/gamma)`.

    The slope at 0 is infinite for gamma > 1; the gradient there is defined as 0.

    Args:
        gamma: scalar or `[B]`, positive; UPI uses 2.2.
        takes: linear light, 1 = white.
        gives: encoded, 1 = white.

    Raises:
        InvalidArgument: if gamma is not positive.

    Source: Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, "Gamma compression".

    >>> PowerCurve(2.0)(torch.full((1, 3, 1, 1), 0.25), Capture.of("RGGB")).flatten()
    tensor([0.5000, 0.5000, 0.5000])
    """

    contract = _EXACT
    gamma: Tensor

    def __init__(self, gamma: Quantity = 2.2, takes: Space = LINEAR, gives: Space = SRGB) -> None:
        super().__init__()
        self.takes, self.gives = takes, gives
        self.hold("gamma", gamma, ())
        if not (self.gamma > 0).all():
            raise InvalidArgument(f"PowerCurve: gamma must be positive, got {gamma!r}")

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return _power(x.abs(), 1 / self._exponent(x)) * x.sign()

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return _power(y.abs(), self._exponent(y)) * y.sign()

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.POWER, 1 / self.gamma.double())]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.POWER, self.gamma.double())]

    def _exponent(self, like: Tensor) -> Tensor:
        return self.gamma.to(like.dtype).reshape(-1, 1, 1, 1)


class PQCurve(Stage):
    """Perceptual quantizer: `y = ((c1 + c2 x^m1) / (1 + c3 x^m1))^m2`, extended about (0, f(0)).

    Args:
        takes: linear light, 1 = 10000 cd/m2.
        gives: encoded.

    The slope at 0 is infinite; the gradient there is defined as 0. Above x = 1 the curve approaches (c2/c3)^m2.

    Source: SMPTE ST 2084:2014; ITU-R BT.2100-2, table 4.

    >>> PQCurve()(torch.full((1, 3, 1, 1), 0.01, dtype=torch.float64), Capture.of("RGGB")).flatten()
    tensor([0.5081, 0.5081, 0.5081], dtype=torch.float64)
    """

    contract = Contract(round_trip=0.0, re_render=0.0, condition=1024.0, neutral=True)
    _black = float(_PQ_C1**_PQ_M2)

    def __init__(self, takes: Space = LINEAR, gives: Space = PQ) -> None:
        super().__init__()
        self.takes, self.gives = takes, gives

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        power = _power(x.abs(), _PQ_M1)
        curved: Tensor = ((_PQ_C1 + _PQ_C2 * power) / (1 + _PQ_C3 * power)) ** _PQ_M2
        return (curved - self._black) * x.sign() + self._black

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        sign = (y - self._black).sign()
        root: Tensor = ((y - self._black).abs() + self._black) ** (1 / _PQ_M2)
        return _power((root - _PQ_C1).clamp_min(0) / (_PQ_C2 - _PQ_C3 * root), 1 / _PQ_M1) * sign

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.PQ_ENCODE)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.PQ_DECODE)]


class HLGCurve(Stage):
    """Hybrid log-gamma camera curve: `y = sqrt(3 x)` up to 1/12, else `a ln(12 x - b) + c`; odd.

    Args:
        takes: scene-linear light, 1 = nominal peak.
        gives: encoded.

    The slope at 0 is infinite; the gradient there is defined as 0.

    Source: ITU-R BT.2100-2, table 5 (OETF).

    >>> HLGCurve()(torch.full((1, 3, 1, 1), 1 / 12, dtype=torch.float64), Capture.of("RGGB")).flatten()
    tensor([0.5000, 0.5000, 0.5000], dtype=torch.float64)
    """

    contract = _EXACT

    def __init__(self, takes: Space = LINEAR, gives: Space = HLG) -> None:
        super().__init__()
        self.takes, self.gives = takes, gives

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        size = x.abs()
        curved = size > 1 / 12
        safe = torch.where(curved, size, torch.ones_like(size))
        logarithm = _HLG_A * torch.log(12 * safe - _HLG_B) + _HLG_C
        return (
            torch.where(curved, logarithm, _power(torch.where(curved, torch.zeros_like(size), 3 * size), 0.5))
            * x.sign()
        )

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        size = y.abs()
        curved = size > 0.5
        safe = torch.where(curved, size, torch.ones_like(size))
        return torch.where(curved, (torch.exp((safe - _HLG_C) / _HLG_A) + _HLG_B) / 12, size.square() / 3) * y.sign()

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.HLG_ENCODE)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.HLG_DECODE)]

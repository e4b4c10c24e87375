"""Tone curves with closed-form inverses."""

import math

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import Kind, Step, curve, scaled
from ..spaces import LINEAR, SRGB, Space
from ..stage import Quantity, Stage


class Smoothstep(Stage):
    """An S-curve on [0, 1]: `y = (1 - a) x + a (3 x^2 - 2 x^3)`; `a = 1` is the tone curve of UPI.

    With `u = x - 1/2`, `v = y - 1/2` the inverse is the middle root of `2 a u^3 - (1 + a/2) u + v = 0`,
    `u = 2 s sin(asin(v / (4 a s^3)) / 3)`, `s = sqrt((1 + a/2) / (6 a))`; for `a = 1` that is
    `x = 1/2 - sin(asin(1 - 2 y) / 3)`.

    The domain is [0, 1]. The slope at both ends is `1 - a`: with `a = 1` a rounding error e of y near 0 or 1 becomes
    about `sqrt(e)` in the inverse (1e-4 in float32). Outside [0, 1] `inverse` returns the nearer end.

    Args:
        amount: `a`, scalar or `[B]`, above 0 and at most 1.
        space: where it is applied.

    Raises:
        InvalidArgument: if `amount` is out of range.

    Source: Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, "Tone mapping".

    >>> stage = Smoothstep()
    >>> stage.inverse(torch.full((1, 3, 1, 1), 0.25, dtype=torch.float64), Capture.of("RGGB")).flatten()
    tensor([0.3264, 0.3264, 0.3264], dtype=torch.float64)
    """

    contract = Contract(round_trip=0.0, re_render=0.0, condition=4.0, neutral=True)
    amount: Tensor

    def __init__(self, amount: Quantity = 1.0, space: Space = SRGB) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("amount", amount, ())
        if not ((self.amount > 0) & (self.amount <= 1)).all():
            raise InvalidArgument(f"Smoothstep: amount must be above 0 and at most 1, got {amount!r}")

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        a = self._amount(x)
        return x * ((1 - a) + a * x * (3 - 2 * x))

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        a = self._amount(y)
        v = y - 0.5
        s = ((1 + a / 2) / (6 * a)).sqrt()
        inside = v.abs() < 0.5
        sine = torch.where(inside, v, torch.zeros_like(v)) / (4 * a * s**3)
        # For a = 1 rounding can push the argument of asin beyond 1.
        steep = sine.abs() >= 1
        angle = torch.asin(torch.where(steep, torch.zeros_like(sine), sine))
        u = 2 * s * torch.sin(torch.where(steep, sine.sign() * (math.pi / 2), angle) / 3)
        return torch.where(inside, u, v.detach().clamp(-0.5, 0.5)) + 0.5

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.SMOOTHSTEP, self.amount.double())]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.SMOOTHSTEP_INVERSE, self.amount.double())]

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where every channel lies in [0, 1]."""
        return ((x >= 0) & (x <= 1)).all(1, keepdim=True)

    def _amount(self, like: Tensor) -> Tensor:
        return self.amount.to(like.dtype).reshape(-1, 1, 1, 1)


class ExtendedReinhard(Stage):
    """Photographic compression that maps `white` to 1: `y = x (1 + x / white^2) / (1 + x)`; odd.

    The inverse is the positive root of `x^2 / w^2 + (1 - y) x - y = 0`. Increasing for `white >= 1`.

    Args:
        white: scalar or `[B]`, at least 1; the input that maps to 1.
        space: where it is applied, usually linear.

    Raises:
        InvalidArgument: if `white` is below 1.

    Source: Reinhard, Stark, Shirley, Ferwerda, "Photographic tone reproduction for digital images", 2002, equation 4.

    >>> ExtendedReinhard(white=4.0)(torch.full((1, 3, 1, 1), 4.0), Capture.of("RGGB")).flatten()
    tensor([1., 1., 1.])
    """

    contract = Contract(round_trip=0.0, re_render=0.0, condition=16.0, neutral=True)
    white: Tensor

    def __init__(self, white: Quantity = 4.0, space: Space = LINEAR) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("white", white, ())
        if not (self.white >= 1).all():
            raise InvalidArgument(f"ExtendedReinhard: white must be at least 1, got {white!r}")

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        size = x.abs()
        return x * (1 + size / self._square(x)) / (1 + size)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        size = y.abs()
        square = self._square(y)
        return y.sign() * _positive_root(1 / square, 1 - size, size)

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.REINHARD, self.white.double() ** -2)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [curve(Kind.REINHARD_INVERSE, self.white.double() ** -2)]

    def _square(self, like: Tensor) -> Tensor:
        return self.white.to(like.dtype).reshape(-1, 1, 1, 1).square()


# John Hable, "Filmic tonemapping operators", 2010 (the curve of Uncharted 2): shoulder, linear and toe parameters.
_A, _B, _C, _D, _E, _F = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30


class Filmic(Stage):
    """Hable's filmic curve, scaled so that `white` maps to 1: `y = h(e x) / h(white)`; odd.

    `h(x) = (x (A x + C B) + D E) / (x (A x + B) + D F) - E / F`. The inverse is a root of a quadratic; it exists for
    `|y| < (1 - E/F) / h(white)`, the asymptote, and is NaN beyond.

    Args:
        white: scalar or `[B]`, the exposed input that maps to 1.
        exposure: scalar or `[B]`, multiplies the input.
        space: where it is applied, usually linear.

    Raises:
        InvalidArgument: if a value is not positive.

    Source: Hable, "Filmic tonemapping operators", 2010; Hable, "Uncharted 2: HDR lighting", GDC 2010.

    >>> x = torch.full((1, 3, 1, 1), 5.6, dtype=torch.float64)
    >>> Filmic(white=11.2, exposure=2.0)(x, Capture.of("RGGB")).flatten()
    tensor([1., 1., 1.], dtype=torch.float64)
    """

    contract = Contract(round_trip=0.0, re_render=0.0, condition=64.0, neutral=True)
    white: Tensor
    exposure: Tensor

    def __init__(self, white: Quantity = 11.2, exposure: Quantity = 2.0, space: Space = LINEAR) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("white", white, ())
        self.hold("exposure", exposure, ())
        if not ((self.white > 0).all() and (self.exposure > 0).all()):
            raise InvalidArgument(f"Filmic: white and exposure must be positive, got {white!r} and {exposure!r}")

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        white, exposure = self._values(x)
        return _hable(x.abs() * exposure) / _hable(white) * x.sign()

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        white, exposure = self._values(y)
        height = y.abs() * _hable(white)
        # From h(x) = height: A (1 - k) x^2 + B (k' - C) ... with k = height + E/F, arranged so that nothing cancels.
        k = height + _E / _F
        root = _positive_root(_A * (1 - k), _B * (_C - k), _D * _F * height)
        return y.sign() * torch.where(k < 1, root, torch.full_like(root, torch.nan)) / exposure

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [scaled(self.exposure.double()), curve(Kind.HABLE), scaled(1 / _hable(self.white.double()))]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [scaled(_hable(self.white.double())), curve(Kind.HABLE_INVERSE), scaled(1 / self.exposure.double())]

    def _values(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return (
            self.white.to(like.dtype).reshape(-1, 1, 1, 1),
            self.exposure.to(like.dtype).reshape(-1, 1, 1, 1),
        )


def _hable(x: Tensor) -> Tensor:
    # The published form minus E/F, over one denominator: x (A (1 - E/F) x + B (C - E/F)) / (x (A x + B) + D F).
    toe = _E / _F
    return x * (_A * (1 - toe) * x + _B * (_C - toe)) / (x * (_A * x + _B) + _D * _F)


def _positive_root(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The root `x >= 0` of `a x^2 + b x = c` for `a > 0`, `c >= 0`, without cancellation."""
    root = (b.square() + 4 * a * c).sqrt()
    falling = b < 0
    large = (root - b) / (2 * a)
    small = 2 * c / torch.where(falling, torch.ones_like(b), root + b)
    return torch.where(falling, large, small)

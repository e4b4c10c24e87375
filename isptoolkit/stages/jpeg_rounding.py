"""Differentiable stand-ins for rounding: each a function of coefficients in steps of their table."""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

TERMS = 9


Rounding: TypeAlias = Callable[[Tensor], Tensor]
"""From coefficients in steps of their table to coefficients in whole steps, or nearly."""


def series(weights: list[float]) -> Rounding:
    """`x - sum weights[n] (-1)^n sin(2 pi (n + 1) x) / (pi (n + 1))`, a weighted Fourier series of the sawtooth."""
    signed = [weight * (-1) ** n for n, weight in enumerate(weights)]

    def apply(x: Tensor) -> Tensor:
        total = x
        for n, weight in enumerate(signed, 1):
            total = total - weight / (math.pi * n) * torch.sin(2 * math.pi * n * x)
        return total

    return apply


def fourier(terms: int = TERMS) -> Rounding:
    """The plain series, as Xing et al., CVPR 2021, have it."""
    return series([1.0] * terms)


def lanczos(terms: int = TERMS) -> Rounding:
    """With Lanczos' sigma factors `sin(pi n / (K + 1)) / (pi n / (K + 1))`, which damp the overshoot."""
    angles = [math.pi * n / (terms + 1) for n in range(1, terms + 1)]
    return series([math.sin(angle) / angle for angle in angles])


def fejer(terms: int = TERMS) -> Rounding:
    """With Fejer's weights `1 - n / (K + 1)`: a mean of partial sums, whose slope is never negative."""
    return series([1 - n / (terms + 1) for n in range(1, terms + 1)])


def straight_through() -> Rounding:
    """Rounding itself, with the slope of the identity."""
    return lambda x: x.round().detach() + (x - x.detach())


def cubic() -> Rounding:
    """`round(x) + (x - round(x))^3`, of Shin and Song, 2017."""

    def apply(x: Tensor) -> Tensor:
        level = x.detach().round()
        return level + (x - level) ** 3

    return apply


def noise(seed: int = 0) -> Rounding:
    """`x + u`, u uniform over a step; the same for the same input and seed, so that the stage stays a function."""

    def apply(x: Tensor) -> Tensor:
        samples = []
        for sample in x:
            key = hash((seed, float(sample.detach().double().sum()))) & 0x7FFFFFFFFFFFFFFF
            generator = torch.Generator().manual_seed(key)
            u = torch.rand(sample.shape, generator=generator, dtype=torch.float32).to(x.device, x.dtype)
            samples.append(sample + u - 0.5)
        return torch.stack(samples)

    return apply


ROUNDINGS: dict[str, Callable[[], Rounding]] = {
    "straight-through": straight_through,
    "fourier": fourier,
    "lanczos": lanczos,
    "fejer": fejer,
    "cubic": cubic,
    "noise": noise,
}
"""By the name that `Jpeg` takes."""

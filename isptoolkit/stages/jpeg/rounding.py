"""Differentiable surrogates of rounding, as functions of coefficients in steps of their table."""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Rounding: TypeAlias = Callable[[Tensor], Tensor]
"""Maps coefficients in steps of their table to (nearly) integers."""


def series_weights(name: str, terms: int) -> list[float]:
    """The weights of the terms of a series: 1 as in Xing et al., CVPR 2021, or damped against overshoot.

    Lanczos' sigma factors are `sin(pi n / (K + 1)) / (pi n / (K + 1))`; Fejer's weights `1 - n / (K + 1)` turn the
    series into a mean of partial sums, whose derivative is never negative.

    >>> series_weights("fejer", 3)
    [0.75, 0.5, 0.25]
    """
    fractions = [n / (terms + 1) for n in range(1, terms + 1)]
    match name:
        case "lanczos":
            return [math.sin(math.pi * fraction) / (math.pi * fraction) for fraction in fractions]
        case "fejer":
            return [1 - fraction for fraction in fractions]
    return [1.0] * terms


def series(weights: list[float]) -> Rounding:
    """`x - sum weights[n] (-1)^n sin(2 pi (n + 1) x) / (pi (n + 1))`, a weighted Fourier series of the sawtooth."""
    signed = [weight * (-1) ** n for n, weight in enumerate(weights)]

    def apply(x: Tensor) -> Tensor:
        total = x
        for n, weight in enumerate(signed, 1):
            total = total - weight / (math.pi * n) * torch.sin(2 * math.pi * n * x)
        return total

    return apply


def series_slopes(name: str, terms: int) -> list[float]:
    """The weights of `cos(2 pi (n + 1) x)` in the derivative of a series minus 1; empty for `straight-through`."""
    return [-2 * weight * (-1) ** n for n, weight in enumerate(series_weights(name, terms))] if name in SERIES else []


def straight_through() -> Rounding:
    """Rounding, with the gradient of the identity."""
    return lambda x: x.round().detach() + (x - x.detach())


def cubic() -> Rounding:
    """`round(x) + (x - round(x))^3`, by Shin and Song, 2017."""

    def apply(x: Tensor) -> Tensor:
        nearest = x.detach().round()
        return nearest + (x - nearest) ** 3

    return apply


def noise(seed: int = 0) -> Rounding:
    """`x + u`, u uniform over one step; a function of input and seed, so that the stage is deterministic."""

    def apply(x: Tensor) -> Tensor:
        samples = []
        for sample in x:
            key = hash((seed, float(sample.detach().double().sum()))) & 0x7FFFFFFFFFFFFFFF
            generator = torch.Generator().manual_seed(key)
            u = torch.rand(sample.shape, generator=generator, dtype=torch.float32).to(x.device, x.dtype)
            samples.append(sample + u - 0.5)
        return torch.stack(samples)

    return apply


SERIES = ("fourier", "lanczos", "fejer")

ROUNDINGS = ("straight-through", *SERIES, "cubic", "noise")
"""The values of `Jpeg`'s `rounding` other than `hard`."""


def rounding_of(name: str, terms: int) -> Rounding:
    """The rounding of a name in `ROUNDINGS`; `terms` is the number of terms of a series."""
    match name:
        case "straight-through":
            return straight_through()
        case "cubic":
            return cubic()
        case "noise":
            return noise()
    return series(series_weights(name, terms))

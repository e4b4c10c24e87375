"""Differentiable stand-ins for rounding: each a function of coefficients in steps of their table."""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Rounding: TypeAlias = Callable[[Tensor], Tensor]
"""From coefficients in steps of their table to coefficients in whole steps, or nearly."""


def series_weights(name: str, terms: int) -> list[float]:
    """Of the terms of a series: plain as Xing et al., CVPR 2021, have it, or damped against overshoot.

    Lanczos' sigma factors are `sin(pi n / (K + 1)) / (pi n / (K + 1))`; Fejer's weights `1 - n / (K + 1)` make it a
    mean of partial sums, whose slope is never negative.

    >>> series_weights("fejer", 3)
    [0.75, 0.5, 0.25]
    """
    places = [n / (terms + 1) for n in range(1, terms + 1)]
    match name:
        case "lanczos":
            return [math.sin(math.pi * place) / (math.pi * place) for place in places]
        case "fejer":
            return [1 - place for place in places]
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
    """The coefficients of `cos(2 pi (n + 1) x)` in the slope of a series, less 1; none for `straight-through`."""
    return [-2 * weight * (-1) ** n for n, weight in enumerate(series_weights(name, terms))] if name in SERIES else []


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


SERIES = ("fourier", "lanczos", "fejer")

ROUNDINGS = ("straight-through", *SERIES, "cubic", "noise")
"""The names that `Jpeg` takes beside `hard`."""


def rounding_of(name: str, terms: int) -> Rounding:
    """By its name."""
    match name:
        case "straight-through":
            return straight_through()
        case "cubic":
            return cubic()
        case "noise":
            return noise()
    return series(series_weights(name, terms))

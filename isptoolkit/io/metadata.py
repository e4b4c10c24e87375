"""White balance and color as callers pass them, in the form that a `Capture` holds."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import InvalidArgument
from ..spaces import XYZ_FROM_SRGB
from .color_profile import normalized_rows


def green_normalized(gains: Sequence[float] | Tensor) -> list[float]:
    """The multipliers of R, G and B, scaled to green = 1.

    Raises:
        InvalidArgument: unless they are three positive numbers.

    >>> green_normalized([4, 2, 3])
    [2.0, 1.0, 1.5]
    """
    values = _numbers("gains", gains, (3,))
    if not (values > 0).all():
        raise InvalidArgument(f"gains must be three positive multipliers of R, G and B, got {values.tolist()}")
    scaled: list[float] = (values / values[1]).tolist()
    return scaled


def srgb_to_camera_of(matrix: Sequence[Sequence[float]] | Tensor) -> list[list[float]]:
    """Linear sRGB to white-balanced camera RGB, from XYZ (D65) to camera: `rows of (matrix @ XYZ_FROM_SRGB) / sum`.

    Raises:
        InvalidArgument: unless `matrix` is 3x3, finite and invertible, with white positive in every channel.
    """
    values = _numbers("matrix", matrix, (3, 3))
    product = values @ XYZ_FROM_SRGB
    if not (product.sum(1) > 0).all() or not torch.linalg.cond(product) <= 1e6:
        raise InvalidArgument(f"matrix must take XYZ (D65) to camera RGB and be invertible, got {values.tolist()}")
    rows: list[list[float]] = normalized_rows(product).tolist()
    return rows


def _numbers(name: str, value: Any, shape: tuple[int, ...]) -> Tensor:
    try:
        values = torch.as_tensor(value, dtype=torch.float64).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        raise InvalidArgument(f"{name} must be numbers of shape {shape}, got {value!r}") from None
    if tuple(values.shape) != shape or not values.isfinite().all():
        raise InvalidArgument(f"{name} must be finite numbers of shape {shape}, got {values.tolist()}")
    return values

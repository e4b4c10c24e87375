"""Check white balance and color matrices that callers pass, and convert them to the form of a `Capture`."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..errors import InvalidArgument
from ..spaces import XYZ_FROM_SRGB
from .color_profile import normalized_rows


def green_normalized(gains: Sequence[float] | Tensor) -> list[float]:
    """Scale the white-balance multipliers of R, G, and B so that green = 1.

    Args:
        gains: `[3]` positive multipliers, on any scale.

    Raises:
        InvalidArgument: unless they are three positive numbers.

    >>> green_normalized([4, 2, 3])
    [2.0, 1.0, 1.5]
    """
    values = _numbers("gains", gains, (3,))
    if not (values > 0).all():
        raise InvalidArgument(f"gains must be three positive multipliers of R, G, and B, got {values.tolist()}")
    scaled: list[float] = (values / values[1]).tolist()
    return scaled


def srgb_to_camera_of(matrix: Sequence[Sequence[float]] | Tensor) -> list[list[float]]:
    """Convert a matrix XYZ (D65) to camera into linear sRGB to white-balanced camera RGB.

    Each row of `matrix @ XYZ_FROM_SRGB` is divided by its sum, so that white maps to white.

    Args:
        matrix: `[3,3]` XYZ (D65) to camera, like the DNG ColorMatrix.

    Raises:
        InvalidArgument: unless `matrix` is 3x3, finite, and invertible, with a positive response to white.

    >>> torch.allclose(torch.tensor(srgb_to_camera_of(torch.linalg.inv(XYZ_FROM_SRGB))), torch.eye(3), atol=1e-6)
    True
    """
    values = _numbers("matrix", matrix, (3, 3))
    product = values @ XYZ_FROM_SRGB
    if not (product.sum(1) > 0).all() or not torch.linalg.cond(product) <= 1e6:
        raise InvalidArgument(
            "matrix must be invertible and map XYZ (D65) to camera RGB, with a positive response to white, got "
            f"{values.tolist()}"
        )
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

"""Images of RAW and of its errors, for the results page."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...capture import Capture
from ...stages import SRGBCurve, pack_sensor
from ...stages.cfa import cell_colors

ERROR = 0.05
"""RAW error at which error maps are white."""


def visible(raw: Tensor, capture: Capture, exposure: float) -> Tensor:
    """Render packed RAW quickly: one color per cell, white-balanced, exposed, and sRGB-encoded.

    Args:
        raw: `[1,4,h,w]` packed, black 0 and white 1.
        capture: CFA and white-balance gains.
        exposure: factor on linear values.

    Returns:
        `[1,3,h,w]` sRGB in [0, 1].
    """
    image = cell_colors(raw, capture.cfa)
    if capture.gains is not None:
        image = image * capture.gains.to(image.dtype)[:, :, None, None]
    encoded: Tensor = SRGBCurve()((exposure * image).clamp(0, 1), capture)
    return encoded


def draw(
    source: Tensor, truth: Tensor, recovered: Tensor | None, rendered: Tensor | None, capture: Capture
) -> dict[str, Tensor]:
    """Draw a case as images `[1,3,H,W]` sRGB in [0, 1]; RAW is enlarged without interpolation.

    Args:
        source: input, `[1,3,H,W]` sRGB, or `[1,1,H,W]` noisy RAW in digital numbers.
        truth: true RAW, `[1,4,H/2,W/2]` packed.
        recovered: recovered RAW, `[1,4,H/2,W/2]` packed, or None.
        rendered: rendering, `[1,3,H,W]` sRGB, or None.
        capture: metadata of the case.

    Returns:
        `input`, `raw`, and, as far as they exist, `recovered` with its `error` map, and `rendered`.
    """
    bright = truth if capture.gains is None else truth * capture.gains.mean().to(truth.dtype)
    exposure = 0.9 / max(float(torch.quantile(bright[..., ::2, ::2], 0.99)), 1e-3)
    if source.shape[1] == 1:
        source = _large(visible(pack_sensor(source, capture).clamp(0, 1), capture, exposure))
    images = {"input": source, "raw": _large(visible(truth.clamp(0, 1), capture, exposure))}
    if recovered is not None:
        error = (recovered.clamp(0, 1) - truth.clamp(0, 1)).abs().mean(1, keepdim=True) / ERROR
        images["recovered"] = _large(visible(recovered.clamp(0, 1), capture, exposure))
        images["error"] = _large(_heat(error.clamp(0, 1)))
    if rendered is not None:
        images["rendered"] = rendered
    return {name: value.clamp(0, 1).float() for name, value in images.items()}


def _large(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _heat(x: Tensor) -> Tensor:
    """Color map from black over purple and orange to pale yellow: `[1,1,h,w]` in [0, 1] to `[1,3,h,w]`."""
    colors = torch.tensor(
        [[0.0, 0.0, 0.02], [0.32, 0.07, 0.48], [0.72, 0.22, 0.47], [0.99, 0.53, 0.38], [0.99, 0.99, 0.75]]
    )
    position = x * (len(colors) - 1)
    low = position.floor().clamp(0, len(colors) - 2).long()
    share = position - low
    mixed = colors[low] * (1 - share[..., None]) + colors[low + 1] * share[..., None]
    return mixed[:, 0].permute(0, 3, 1, 2)

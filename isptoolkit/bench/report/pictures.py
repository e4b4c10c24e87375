"""Pictures of RAW that people can look at."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...capture import Capture
from ...stages import SRGBCurve, pack_sensor
from ...stages.cfa import cell_colors

ERROR = 0.05
"""Of RAW, where error maps are white."""


def visible(raw: Tensor, capture: Capture, exposure: float) -> Tensor:
    """Planes `[1,4,h,w]` of black 0 and white 1 as sRGB `[1,3,h,w]`: a color for each cell, balanced, brightened."""
    picture = cell_colors(raw, capture.cfa)
    if capture.gains is not None:
        picture = picture * capture.gains.to(picture.dtype)[:, :, None, None]
    made: Tensor = SRGBCurve()((exposure * picture).clamp(0, 1), capture)
    return made


def draw(
    given: Tensor, truth: Tensor, found: Tensor | None, rendered: Tensor | None, capture: Capture
) -> dict[str, Tensor]:
    """By name: what was given and RAW as they are, RAW as it was found, its error, and the picture as it was rendered.

    Args:
        given: `[1,3,H,W]` sRGB, or `[1,1,H,W]` digital numbers with noise.
        truth: `[1,4,H/2,W/2]` planes.
        found: the same, or None.
        rendered: `[1,3,H,W]`, or None.
        capture: of the sample.

    Returns:
        Pictures `[1,3,H,W]`, RAW enlarged without interpolation.
    """
    bright = truth if capture.gains is None else truth * capture.gains.mean().to(truth.dtype)
    exposure = 0.9 / max(float(torch.quantile(bright[..., ::2, ::2], 0.99)), 1e-3)
    if given.shape[1] == 1:
        given = _large(visible(pack_sensor(given, capture).clamp(0, 1), capture, exposure))
    shown = {"given": given, "raw": _large(visible(truth.clamp(0, 1), capture, exposure))}
    if found is not None:
        error = (found.clamp(0, 1) - truth.clamp(0, 1)).abs().mean(1, keepdim=True) / ERROR
        shown["found"] = _large(visible(found.clamp(0, 1), capture, exposure))
        shown["error"] = _large(_heat(error.clamp(0, 1)))
    if rendered is not None:
        shown["rendered"] = rendered
    return {name: value.clamp(0, 1).float() for name, value in shown.items()}


def _large(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _heat(x: Tensor) -> Tensor:
    """Black, purple, orange, pale: `[1,1,h,w]` to `[1,3,h,w]`."""
    colors = torch.tensor(
        [[0.0, 0.0, 0.02], [0.32, 0.07, 0.48], [0.72, 0.22, 0.47], [0.99, 0.53, 0.38], [0.99, 0.99, 0.75]]
    )
    place = x * (len(colors) - 1)
    low = place.floor().clamp(0, len(colors) - 2).long()
    share = place - low
    mixed = colors[low] * (1 - share[..., None]) + colors[low + 1] * share[..., None]
    return mixed[:, 0].permute(0, 3, 1, 2)

"""Classical entrants of the denoising protocols."""

import torch
from torch import Tensor

from ...capture import Capture
from ...errors import MissingMetadata
from ...stages import pack_sensor
from ...stages.demosaic import box_mean
from .entrant import Entrant, Predictor


def noisy(_: bool) -> Entrant:
    """RAW with its noise, unchanged."""
    return Entrant("noisy RAW, unchanged", lambda _: Predictor(pack_sensor), task="denoise")


def wiener_filter(_: bool) -> Entrant:
    """`wiener` on neighborhoods of 5 x 5 cells."""
    about = "local linear filter of least mean square error (Lee 1980), 5 x 5 cells, given the noise level"
    return Entrant(about, lambda _: Predictor(wiener), task="denoise")


def wiener(mosaic: Tensor, capture: Capture, size: int = 5) -> Tensor:
    """`m + max(s - v, 0) / max(s, v) (x - m)`, with local mean m and variance s of each color, and noise variance v.

    Args:
        mosaic: `[B,1,H,W]` noisy digital numbers.
        capture: of the same samples, with noise.
        size: height and width of the neighborhood, in cells.

    Returns:
        Packed RAW `[B,4,H/2,W/2]`, black 0 and white 1.

    Raises:
        MissingMetadata: if the capture does not state its noise.

    Source: Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE TPAMI 1980.

    >>> flat = torch.full((1, 1, 8, 8), 0.5)
    >>> torch.allclose(wiener(flat, Capture.of("RGGB", noise=(1e-3, 0))), pack_sensor(flat, Capture.of("RGGB")))
    True
    """
    if capture.noise is None:
        raise MissingMetadata("wiener: the capture does not state its noise: capture.replace(noise=...)")
    x = pack_sensor(mosaic, capture)
    mean, square = (box_mean(y, size) for y in (x, x.square()))
    spread = (square - mean.square()).clamp(min=0)
    shot, read = capture.noise.to(x.dtype).reshape(-1, 2, 1, 1, 1).unbind(1)
    noise = (shot * mean + read).clamp(min=1e-12)
    return mean + (spread - noise).clamp(min=0) / torch.maximum(spread, noise) * (x - mean)

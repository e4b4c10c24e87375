"""Who takes part where RAW with noise is given."""

import functools
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from ...capture import Capture
from ...errors import MissingMetadata
from ...stages import pack_sensor
from ...stages.demosaic import box_mean
from .entrant import Entrant, Maker, Predictor, recipe, sized

_denoiser = functools.partial(Entrant, task="denoise")


def _noisy(_: bool) -> Entrant:
    return _denoiser("RAW as it is, with its noise", lambda _: Predictor(pack_sensor))


def _wiener(_: bool) -> Entrant:
    about = "local linear filter of least mean square error (Lee 1980), 5 x 5 cells, told the noise"
    return _denoiser(about, lambda _: Predictor(wiener))


def wiener(noisy: Tensor, capture: Capture, size: int = 5) -> Tensor:
    """`m + max(s - v, 0) / max(s, v) (x - m)`: local mean m and variance s of each plane, v the variance of the noise.

    Args:
        noisy: `[B,1,H,W]` digital numbers.
        capture: of the same, with noise.
        size: of the neighborhood, in cells.

    Returns:
        `[B,4,H/2,W/2]` planes, black 0 and white 1.

    Raises:
        MissingMetadata: for a capture that does not state its noise.

    Source: Lee, "Digital image enhancement and noise filtering by use of local statistics", IEEE TPAMI 1980.

    >>> flat = torch.full((1, 1, 8, 8), 0.5)
    >>> torch.allclose(wiener(flat, Capture.of("RGGB", noise=(1e-3, 0))), pack_sensor(flat, Capture.of("RGGB")))
    True
    """
    if capture.noise is None:
        raise MissingMetadata("wiener: the capture does not state its noise: capture.replace(noise=...)")
    x = pack_sensor(noisy, capture)
    mean, square = (box_mean(y, size) for y in (x, x.square()))
    spread = (square - mean.square()).clamp(min=0)
    shot, read = capture.noise.to(x.dtype).reshape(-1, 2, 1, 1, 1).unbind(1)
    noise = (shot * mean + read).clamp(min=1e-12)
    return mean + (spread - noise).clamp(min=0) / torch.maximum(spread, noise) * (x - mean)


def _upi(full: bool) -> Entrant:
    upi = recipe("upi")
    size = upi.Config() if full else upi.Config(widths=(16, 32, 64))
    config = replace(size, domain="raw", line="sidd")
    kept = {"recipe": "upi", **asdict(config)}
    about = "UPI's U-Net" + sized(full, "half as wide, three scales of five") + ", told the noise"

    def predictor(objective: Any) -> Predictor:
        return Predictor(
            lambda noisy, capture: objective.denoiser(pack_sensor(noisy, capture), capture), module=objective
        )

    return _denoiser(about, predictor, lambda: upi.Objective(config), kept, cost=0.6)


def _ssdnet(full: bool) -> Entrant:
    ssdnet = recipe("ssdnet")
    config = replace(ssdnet.Config() if full else ssdnet.TINY, inputs=4)
    kept = {"recipe": "ssdnet", **asdict(config)}
    about = "SSDNet" + sized(full, "a sixth as wide") + ", planes for the picture, not told the noise"

    def predictor(objective: Any) -> Predictor:
        return Predictor(lambda noisy, capture: objective.net(pack_sensor(noisy, capture)), module=objective)

    return _denoiser(about, predictor, lambda: ssdnet.Objective(config), kept, reported="ssdnet-denoiser", cost=2.0)


DENOISERS: dict[str, Maker] = {
    "noisy": _noisy,
    "wiener": _wiener,
    "upi-denoiser": _upi,
    "ssdnet-denoiser": _ssdnet,
}
"""By name."""

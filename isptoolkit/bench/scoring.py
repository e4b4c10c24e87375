"""What an entrant's RAW and pictures are worth, case by case."""

import io
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .. import metrics
from ..capture import Capture
from ..errors import InvalidTensor
from ..report.round_trip import measure, travel
from ..spaces import CAMERA, MOSAIC
from ..stages import DemosaicBilinear, PowerCurve, WhiteBalance, pack_sensor
from ..stages.cfa import unpack
from .data.case import Case
from .data.protocol import Protocol
from .methods.entrant import Predictor

_MS_SSIM = 161
_MAX_PSNR = 999.0
"""In dB, of equal samples: the scoring program of the AIM 2022 challenge."""
_OPTIONAL = ("highlight hue",)
"""Undefined for some pictures, whatever the entrant does."""
Metric = Callable[[Tensor, Tensor], float]
"""Of two pictures `[1,3,H,W]`."""


def as_compared(raw: Tensor, capture: Capture, protocol: Protocol) -> Tensor:
    """Planes of black 0 and white 1 in the domain of the protocol."""
    raw = raw.clamp(0, 1) if protocol.clip else raw
    if protocol.layout == "planes":
        return raw
    mosaic = unpack(raw)
    if protocol.layout == "mosaic":
        return mosaic
    if protocol.balanced:
        mosaic = WhiteBalance(space=MOSAIC, peak=1.0)(mosaic, capture)
    seen = DemosaicBilinear()(mosaic, capture)
    encoded: Tensor = PowerCurve(gamma=protocol.gamma, takes=CAMERA, gives=CAMERA)(seen.clamp(0, 1), capture)
    return encoded


def through_file(picture: Tensor, quality: int = 90, sampling: int = 1) -> Tensor:
    """A picture `[1,3,H,W]` after a JPEG file, as Pillow writes and reads it; sampling 1 is 4:2:2."""
    from PIL import Image

    codes = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG", quality=quality, subsampling=sampling)
    decoded = np.array(Image.open(io.BytesIO(file.getvalue())))
    return torch.from_numpy(decoded).permute(2, 0, 1)[None].float() / 255


def score(
    predictor: Predictor, case: Case, protocol: Protocol, perceptual: Metric | None = None
) -> tuple[dict[str, float], Tensor | None, Tensor | None]:
    """Metrics of a case, the planes that were found, and the picture that was rendered; None for what it does not do.

    Where the protocol's pictures are the entrants' own, one that does not render has no RAW either. With a perceptual
    metric, such as that of `isptoolkit.bench.perceptual`, rendered pictures are compared by that as well.

    Raises:
        InvalidTensor: where RAW, the rendered picture, or a metric that every picture has is not finite: left out, the
            case would improve the mean of the others.
    """
    found: dict[str, float] = {}
    with torch.no_grad():
        rendered = None
        if predictor.forward is not None:
            rendered = _finite(predictor.forward(case.sensor, case.capture), "rendered picture", case).clamp(0, 1)
            found |= _of_pictures(rendered, case.given)
            if perceptual is not None:
                found["sRGB LPIPS"] = perceptual(rendered, case.given)
        given = case.given
        if protocol.jpeg == "own":
            if rendered is None:
                return _defined(found, case), None, None
            given = through_file(rendered).to(rendered)
        start = _now(given)
        raw = predictor.back(given, case.capture)
        found["seconds"] = _now(raw) - start
        _finite(raw, "RAW", case)
        truth = pack_sensor(case.sensor, case.capture)
        made, wanted = (as_compared(x, case.capture, protocol) for x in (raw, truth))
        found["raw PSNR"] = float(metrics.psnr(made, wanted))
        found["raw SSIM"] = float(metrics.ssim(made, wanted, taps=protocol.taps))
        if protocol.white != 1:
            found["raw DN"] = float(metrics.digital_numbers(raw.clamp(0, 1), truth, case.capture))
        if min(made.shape[2:]) >= _MS_SSIM:
            found["raw MS-SSIM"] = float(metrics.ms_ssim(made, wanted))
    return _defined(found, case), raw, rendered


def _finite(made: Tensor, what: str, case: Case) -> Tensor:
    """The tensor itself; checked before it is clipped, which hides infinity."""
    if wrong := int((~made.isfinite()).sum()):
        raise InvalidTensor(
            f"case {case.name!r}: {wrong} of {made.numel()} samples of the {what} are NaN or infinite: check the "
            "entrant's training and the divisions and powers in it"
        )
    return made


def _defined(found: dict[str, float], case: Case) -> dict[str, float]:
    """Without what a picture does not have, such as highlights; PSNR is at most 999 dB, that of equal samples."""
    bounds = {name: _MAX_PSNR if name.endswith("PSNR") else math.inf for name in found}
    kept = {name: min(value, bounds[name]) for name, value in found.items() if not math.isnan(value)}
    if lost := [name for name in found if name not in kept and name not in _OPTIONAL]:
        raise InvalidTensor(f"case {case.name!r}: {lost[0]} of finite samples is NaN: check the metric and the target")
    return kept


def _now(x: Tensor) -> float:
    """Seconds, when all that a GPU was told is done."""
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter()


def by_stage(predictor: Predictor, case: Case) -> list[dict[str, Any]]:
    """For an entrant that is a pipeline: RAW to its own picture of 8 bits and back, looked at behind every stage.

    `median` and `99 %` are of the error of the stage's recovered input, in digital numbers; `codes` is the mean error
    of the picture, in its codes, when it is rendered again from that input.
    """
    if predictor.pipeline is None:
        return []
    pipeline, capture = predictor.pipeline, case.capture
    with torch.no_grad():
        journey = travel(pipeline, case.sensor, capture)
        picture = (255 * journey.output.clamp(0, 1)).round() / 255
        recovered = pipeline.trace_inverse(picture, capture)
        rounded = replace(journey, output=picture, recovered=recovered)
        rows = measure(pipeline, case.sensor, capture, journey=rounded).rows
        again = {row.stage: pipeline.span(row.stage, pipeline.names[-1])(recovered[row.stage], capture) for row in rows}
    return [
        {
            "stage": row.stage,
            "space": row.space,
            "median": row.everywhere[0],
            "99 %": row.everywhere[1],
            "codes": 255 * float((again[row.stage] - picture).abs().mean()),
        }
        for row in rows
    ]


def cost(predictor: Predictor, case: Case) -> dict[str, float]:
    """Parameters, and multiply-adds of the way back for each pixel of the picture."""
    from torch.utils.flop_counter import FlopCounterMode

    count = 0 if predictor.module is None else sum(value.numel() for value in predictor.module.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        predictor.back(case.given, case.capture)
    return {"parameters": count, "MAC per pixel": counter.get_total_flops() / 2 / case.given[0, 0].numel()}


def _of_pictures(made: Tensor, wanted: Tensor) -> dict[str, float]:
    found = {
        "sRGB PSNR": float(metrics.psnr(made, wanted)),
        "sRGB SSIM": float(metrics.ssim(made, wanted)),
        "sRGB dE2000": float(metrics.delta_e2000(made, wanted)),
        "highlight hue": float(metrics.highlight_hue_error(made, wanted)),
    }
    if min(made.shape[2:]) >= _MS_SSIM:
        found["sRGB MS-SSIM"] = float(metrics.ms_ssim(made, wanted))
    return found

"""Score an entrant's RAW and renderings, case by case."""

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
"""PSNR of equal samples in dB, as in the scoring program of the AIM 2022 challenge."""
_OPTIONAL = ("highlight hue",)
"""Metrics that are undefined for some images, whatever the entrant does."""
Metric = Callable[[Tensor, Tensor], float]
"""Compares an output with its target, both `[1,3,H,W]`."""


def as_compared(raw: Tensor, capture: Capture, protocol: Protocol) -> Tensor:
    """Convert RAW to the domain in which a protocol compares it.

    Args:
        raw: `[B,4,H/2,W/2]` packed, black 0 and white 1.
        capture: metadata of the RAW.
        protocol: states layout, white balance, gamma, and clipping.

    Returns:
        `[B,4,H/2,W/2]`, `[B,1,H,W]`, or `[B,3,H,W]`, depending on the layout.

    >>> from .data.protocol import PROTOCOLS
    >>> as_compared(torch.zeros(1, 4, 2, 2), Capture.of("RGGB"), PROTOCOLS["sidd"]).shape
    torch.Size([1, 1, 4, 4])
    """
    raw = raw.clamp(0, 1) if protocol.clip else raw
    if protocol.layout == "packed":
        return raw
    mosaic = unpack(raw)
    if protocol.layout == "mosaic":
        return mosaic
    if protocol.balanced:
        mosaic = WhiteBalance(space=MOSAIC, peak=1.0)(mosaic, capture)
    demosaiced = DemosaicBilinear()(mosaic, capture)
    encoded: Tensor = PowerCurve(gamma=protocol.gamma, takes=CAMERA, gives=CAMERA)(demosaiced.clamp(0, 1), capture)
    return encoded


def through_file(image: Tensor, quality: int = 90, sampling: int = 1) -> Tensor:
    """Compress an image with JPEG, as Pillow writes and reads it.

    Args:
        image: `[1,3,H,W]` sRGB in [0, 1].
        quality: JPEG quality.
        sampling: Pillow's chroma subsampling; 1 is 4:2:2.

    >>> through_file(torch.full((1, 3, 8, 8), 0.5)).unique().tolist()
    [0.501960813999176]
    """
    from PIL import Image

    codes = (image[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG", quality=quality, subsampling=sampling)
    decoded = np.array(Image.open(io.BytesIO(file.getvalue())))
    return torch.from_numpy(decoded).permute(2, 0, 1)[None].float() / 255


def score(
    predictor: Predictor, case: Case, protocol: Protocol, perceptual: Metric | None = None
) -> tuple[dict[str, float], Tensor | None, Tensor | None]:
    """Score an entrant on a case.

    Args:
        predictor: the entrant.
        case: the true RAW and the input.
        protocol: states the input and the comparison.
        perceptual: a perceptual metric for renderings, such as that of `isptoolkit.bench.perceptual`.

    Returns:
        Figures by name, the recovered RAW `[1,4,H/2,W/2]` packed, and the rendering `[1,3,H,W]`. The rendering is None
        for an entrant that does not render; so is RAW if the protocol's input is the entrant's own rendering.

    Raises:
        InvalidTensor: if RAW, the rendering, or a metric that every image has is not finite. Leaving the case out
            would improve the mean of the others.

    >>> from .data.micro import Micro
    >>> from .data.protocol import PROTOCOLS
    >>> from isptoolkit.stages import Mosaic, Pack
    >>> identity = Predictor(lambda image, capture: Pack()(Mosaic()(image, capture), capture))
    >>> figures, raw, rendered = score(identity, Micro().cases[0], PROTOCOLS["micro"])
    >>> tuple(raw.shape), rendered is None, 5 < figures["raw PSNR"] < 20
    ((1, 4, 64, 64), True, True)
    """
    figures: dict[str, float] = {}
    with torch.no_grad():
        rendered = None
        if predictor.forward is not None:
            rendered = _finite(predictor.forward(case.sensor, case.capture), "rendering", case).clamp(0, 1)
            figures |= _of_renderings(rendered, case.input)
            if perceptual is not None:
                figures["sRGB LPIPS"] = perceptual(rendered, case.input)
        image = case.input
        if protocol.jpeg == "own":
            if rendered is None:
                return _defined(figures, case), None, None
            image = through_file(rendered).to(rendered)
        start = _now(image)
        raw = predictor.back(image, case.capture)
        figures["seconds"] = _now(raw) - start
        _finite(raw, "RAW", case)
        truth = pack_sensor(case.sensor, case.capture)
        output, target = (as_compared(x, case.capture, protocol) for x in (raw, truth))
        figures["raw PSNR"] = float(metrics.psnr(output, target))
        figures["raw SSIM"] = float(metrics.ssim(output, target, taps=protocol.taps))
        if protocol.white != 1:
            figures["raw DN"] = float(metrics.digital_numbers(raw.clamp(0, 1), truth, case.capture))
        if min(output.shape[2:]) >= _MS_SSIM:
            figures["raw MS-SSIM"] = float(metrics.ms_ssim(output, target))
    return _defined(figures, case), raw, rendered


def _finite(output: Tensor, name: str, case: Case) -> Tensor:
    """Return a tensor if it is finite; to be called before clipping, which hides infinity."""
    if bad := int((~output.isfinite()).sum()):
        raise InvalidTensor(
            f"case {case.name!r}: {bad} of {output.numel()} samples of the {name} are NaN or infinite: check the "
            "entrant's training and the divisions and powers in it"
        )
    return output


def _defined(figures: dict[str, float], case: Case) -> dict[str, float]:
    """Drop figures that an image does not have, such as those of highlights; bound PSNR by that of equal samples."""
    bounds = {name: _MAX_PSNR if name.endswith("PSNR") else math.inf for name in figures}
    defined = {name: min(value, bounds[name]) for name, value in figures.items() if not math.isnan(value)}
    if lost := [name for name in figures if name not in defined and name not in _OPTIONAL]:
        raise InvalidTensor(f"case {case.name!r}: {lost[0]} of finite samples is NaN: check the metric and the target")
    return defined


def _now(x: Tensor) -> float:
    """The time in seconds, after the GPU has finished its work."""
    if x.is_cuda:
        torch.cuda.synchronize(x.device)
    return time.perf_counter()


def by_stage(predictor: Predictor, case: Case) -> list[dict[str, Any]]:
    """Attribute the round-trip error of a pipeline to its stages: RAW to the entrant's 8-bit rendering, and back.

    Args:
        predictor: the entrant.
        case: the RAW to render.

    Returns:
        A row for each stage, empty for an entrant that is not a pipeline. `median` and `99 %` are quantiles of the
        error of the stage's recovered input in digital numbers; `codes` is the mean error, in 8-bit codes, of the image
        that is rendered again from that input.
    """
    if predictor.pipeline is None:
        return []
    pipeline, capture = predictor.pipeline, case.capture
    with torch.no_grad():
        journey = travel(pipeline, case.sensor, capture)
        image = (255 * journey.output.clamp(0, 1)).round() / 255
        recovered = pipeline.trace_inverse(image, capture)
        rounded = replace(journey, output=image, recovered=recovered)
        rows = measure(pipeline, case.sensor, capture, journey=rounded).rows
        rerendered = {
            row.stage: pipeline.span(row.stage, pipeline.names[-1])(recovered[row.stage], capture) for row in rows
        }
    return [
        {
            "stage": row.stage,
            "space": row.space,
            "median": row.everywhere[0],
            "99 %": row.everywhere[1],
            "codes": 255 * float((rerendered[row.stage] - image).abs().mean()),
        }
        for row in rows
    ]


def cost(predictor: Predictor, case: Case) -> dict[str, float]:
    """Count parameters, and multiply-adds of recovering RAW per pixel of the input.

    Args:
        predictor: the entrant.
        case: an input.

    Returns:
        `parameters` and `MAC per pixel`.
    """
    from torch.utils.flop_counter import FlopCounterMode

    count = 0 if predictor.module is None else sum(value.numel() for value in predictor.module.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        predictor.back(case.input, case.capture)
    return {"parameters": count, "MAC per pixel": counter.get_total_flops() / 2 / case.input[0, 0].numel()}


def _of_renderings(output: Tensor, target: Tensor) -> dict[str, float]:
    figures = {
        "sRGB PSNR": float(metrics.psnr(output, target)),
        "sRGB SSIM": float(metrics.ssim(output, target)),
        "sRGB dE2000": float(metrics.delta_e2000(output, target)),
        "highlight hue": float(metrics.highlight_hue_error(output, target)),
    }
    if min(output.shape[2:]) >= _MS_SSIM:
        figures["sRGB MS-SSIM"] = float(metrics.ms_ssim(output, target))
    return figures

"""UPI's camera, whose inverse turns photographs into realistic RAW with random camera settings.

Brooks, Mildenhall, Xue, Chen, Sharlet and Barron, "Unprocessing images for learned raw denoising", CVPR 2019. One
pipeline of public stages covers both directions. The published programs are not each other's inverse, because the
rendering omits the tone curve and the brightness: the inverse of `published_camera` is the published unprocessing, and
`published_rendering` renders as the published program does.
"""

import functools

import torch
from torch import Tensor

from ..capture import Capture
from ..fusion import fuse
from ..pipeline import Pipeline
from ..priors import UPI, NoiseLine, random_captures
from ..spaces import CAMERA, LINEAR, MOSAIC
from ..stages import (
    Clip,
    ColorMatrix,
    DemosaicBilinear,
    DemosaicMalvar,
    HighlightWhiteBalance,
    Levels,
    PowerCurve,
    Smoothstep,
    WhiteBalance,
)
from ..stages.noise import shot_read_noise


def upi_camera(demosaic: DemosaicBilinear | DemosaicMalvar | None = None) -> Pipeline:
    """UPI's camera: levels, demosaic, highlight-preserving gains, matrix, clip, gamma 2.2, smoothstep.

    Its inverse runs in the published order: tone, gamma, matrix, gains, mosaic. Gains follow the demosaic because
    highlight-preserving gains look at all three channels of a pixel.

    Args:
        demosaic: bilinear if None.

    Source: Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, section 3.

    >>> upi_camera().names
    ('levels', 'demosaic', 'balance', 'matrix', 'clip', 'gamma', 'tone')
    """
    return Pipeline(
        levels=Levels(),
        demosaic=demosaic or DemosaicBilinear(),
        balance=HighlightWhiteBalance(inflection=0.9),
        matrix=ColorMatrix(),
        clip=Clip(space=LINEAR),
        gamma=PowerCurve(gamma=2.2),
        tone=Smoothstep(),
    )


def published_camera() -> Pipeline:
    """The pipeline whose inverse is the published unprocessing: `published_camera().inverse(srgb, capture)`.

    It is `upi_camera` without the clip of the forward direction, and with the program's only clip, before the mosaic.
    The gains of the capture include the brightness: `rgb_gain` times (`red_gain`, 1, `blue_gain`). Its forward
    direction undoes the inverse exactly where nothing was clipped; the program's own rendering, `published_rendering`,
    does not.

    Source: the authors' program, commit 9928956 of timothybrooks/unprocessing.

    >>> published_camera().names
    ('levels', 'demosaic', 'range', 'balance', 'matrix', 'gamma', 'tone')
    """
    return Pipeline(
        levels=Levels(),
        demosaic=DemosaicBilinear(),
        range=Clip(space=CAMERA).inv,
        balance=HighlightWhiteBalance(inflection=0.9),
        matrix=ColorMatrix(),
        gamma=PowerCurve(gamma=2.2),
        tone=Smoothstep(),
    )


def published_rendering() -> Pipeline:
    """The published rendering: gains on the mosaic, clip, demosaic, matrix, clip, gamma 2.2.

    It has neither brightness nor smoothstep, so it does not undo the inverse of `published_camera`. Its gains are those
    of the capture, which equal the program's when the green gain is 1; `process_published` divides by the green gain.
    The second clip starts at 1e-8, which keeps the slope of the curve finite.

    Source: the authors' program, commit 9928956 of timothybrooks/unprocessing.

    >>> published_rendering().names
    ('levels', 'balance', 'highlights', 'demosaic', 'matrix', 'clip', 'gamma')
    """
    return Pipeline(
        levels=Levels(),
        balance=WhiteBalance(),
        highlights=Clip(space=MOSAIC),
        demosaic=DemosaicBilinear(),
        matrix=ColorMatrix(),
        clip=Clip(low=1e-8, space=LINEAR),
        gamma=PowerCurve(gamma=2.2),
    )


def unprocess(
    srgb: Tensor,
    generator: torch.Generator,
    capture: Capture | None = None,
    *,
    cfa: str = "RGGB",
    line: NoiseLine = UPI,
) -> tuple[Tensor, Capture, Tensor]:
    """RAW that a photograph could have been rendered from: a clean mosaic, its capture, and the noisy mosaic.

    `noisy = clean + sqrt(shot clean + read) n`; the clean mosaic is clipped to the levels, the noisy one is not.

    Args:
        srgb: `[B,3,H,W]`, 0 to 1; values outside are clipped first.
        generator: for the captures and the noise, on the CPU; its state advances.
        capture: of the mosaic, with noise; None draws one for each sample.
        cfa: phase of the drawn captures.
        line: noise line of the drawn captures.

    Returns:
        Clean mosaic `[B,1,H,W]`, capture, and noisy mosaic `[B,1,H,W]`, in the capture's digital numbers. Drawn
        captures have black 0 and white 1, and their green gain is the paper's brightness.

    Source: Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, sections 3.1 to 3.5.

    >>> clean, capture, noisy = unprocess(torch.rand(1, 3, 4, 6), torch.Generator().manual_seed(0))
    >>> clean.shape, noisy.shape, float(clean.min()) >= 0
    (torch.Size([1, 1, 4, 6]), torch.Size([1, 1, 4, 6]), True)
    """
    if capture is None:
        capture = random_captures(len(srgb), generator, cfa=cfa, line=line).to(srgb.device)
    strips = (srgb,) if srgb.requires_grad and torch.is_grad_enabled() else torch.split(srgb, _STRIP, 2)
    camera, levels = _fused(srgb.device, "demosaic", "tone"), _fused(srgb.device, "levels", "levels")
    # Every inverse step is pointwise, so strips give equal values, and intermediate results stay in the cache.
    mosaics = [camera.inverse(strip.clamp(0, 1), capture).clamp(0, 1) for strip in strips]
    clean = torch.cat([levels.inverse(strip, capture) for strip in mosaics], 2)
    if capture.noise is None:
        return clean, capture, clean
    noisy = [shot_read_noise(strip, capture.noise, generator) for strip in mosaics]
    return clean, capture, torch.cat([levels.inverse(strip, capture) for strip in noisy], 2)


def process(mosaic: Tensor, capture: Capture) -> Tensor:
    """Render a mosaic with `upi_camera`: undoes `unprocess`, up to what the mosaic and clipping lose.

    Args:
        mosaic: `[B,1,H,W]` in the capture's digital numbers.
        capture: of the same samples.

    Returns:
        `[B,3,H,W]` sRGB.

    Source: Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, section 3.

    >>> capture = Capture.of("RGGB", gains=(2.0, 1.0, 1.7))
    >>> round(float(process(torch.full((1, 1, 4, 4), 1.0), capture).min()), 6)
    1.0
    """
    return _fused(mosaic.device, "levels", "tone").forward(mosaic, capture)


def process_published(mosaic: Tensor, capture: Capture) -> Tensor:
    """Render a mosaic as the published program does, without brightness and smoothstep.

    Args:
        mosaic: `[B,1,H,W]` in the capture's digital numbers.
        capture: of the same samples; its gains are divided by the green gain, which is the brightness.

    Returns:
        `[B,3,H,W]` sRGB, 2.3e-4 (1e-8 encoded) to 1.

    Source: the authors' program, commit 9928956 of timothybrooks/unprocessing.

    >>> capture = Capture.of("RGGB", gains=(2.5, 1.25, 2.0))
    >>> round(float(process_published(torch.full((1, 1, 4, 4), 0.25), capture)[0, 1, 0, 0]), 3)
    0.533
    """
    plain = capture.replace(gains=capture.gains / capture.gains[:, 1:2])
    return _fused_published(mosaic.device).forward(mosaic, plain)


_STRIP = 256
"""Rows; even, so that every strip begins with the same site."""


@functools.cache
def _fused(device: torch.device, first: str, last: str) -> Pipeline:
    return fuse(upi_camera().to(device).span(first, last))


@functools.cache
def _fused_published(device: torch.device) -> Pipeline:
    return fuse(published_rendering().to(device))

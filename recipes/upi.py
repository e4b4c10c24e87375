"""UPI: realistic RAW from photographs, by running a simple camera backwards with random settings.

Brooks, Mildenhall, Xue, Chen, Sharlet and Barron, "Unprocessing images for learned raw denoising", CVPR 2019. One
pipeline of public stages is both directions; the published programs are not each other's inverse, since the forward one
leaves out the tone curve and the brightness.
"""

import functools

import torch
from torch import Tensor

from isptoolkit import LINEAR, Capture, Pipeline, fuse, stages
from isptoolkit.priors import UPI, NoiseLine, random_captures
from isptoolkit.stages.noise import shot_read_noise


def build(demosaic: stages.DemosaicBilinear | stages.DemosaicMalvar | None = None) -> Pipeline:
    """Levels, demosaic, highlight-preserving gains, matrix, clip, gamma 2.2, smoothstep.

    Read backwards it is the published order: tone, gamma, matrix, gains, mosaic. Gains come after the demosaic, because
    those that preserve highlights look at whole pixels.

    >>> build().names
    ('levels', 'demosaic', 'balance', 'matrix', 'clip', 'gamma', 'tone')
    """
    return Pipeline(
        levels=stages.Levels(),
        demosaic=demosaic or stages.DemosaicBilinear(),
        balance=stages.HighlightWhiteBalance(inflection=0.9),
        matrix=stages.ColorMatrix(),
        clip=stages.Clip(space=LINEAR),
        gamma=stages.PowerCurve(gamma=2.2),
        tone=stages.Smoothstep(),
    )


def unprocess(
    srgb: Tensor,
    generator: torch.Generator,
    capture: Capture | None = None,
    *,
    cfa: str = "RGGB",
    line: NoiseLine = UPI,
) -> tuple[Tensor, Capture, Tensor]:
    """RAW that a photograph could have been made of: clean mosaic, its capture, and the mosaic with noise.

    `noisy = clean + sqrt(shot clean + read) n`; the clean mosaic is clipped to the levels, the noisy one is not.

    Args:
        srgb: `[B,3,H,W]`, 0 to 1; values outside are clipped first.
        generator: of the captures and the noise, on the CPU; its state moves on.
        capture: of the mosaic to make, with noise; None draws one for each sample.
        cfa: phase of captures that are drawn.
        line: of their noise.

    Returns:
        Clean and noisy `[B,1,H,W]` in the digital numbers of the capture, in which drawn ones have black 0 and white 1.
        The green gain of drawn captures is the brightness of the paper.

    Source: sections 3.1 to 3.5 of the paper.

    >>> clean, capture, noisy = unprocess(torch.rand(1, 3, 4, 6), torch.Generator().manual_seed(0))
    >>> clean.shape, noisy.shape, float(clean.min()) >= 0
    (torch.Size([1, 1, 4, 6]), torch.Size([1, 1, 4, 6]), True)
    """
    if capture is None:
        capture = random_captures(len(srgb), generator, cfa=cfa, line=line).to(srgb.device)
    back = _fused(srgb.device, "demosaic").inverse(srgb.clamp(0, 1), capture).clamp(0, 1)
    levels = stages.Levels()
    clean = levels.inverse(back, capture)
    noisy = back if capture.noise is None else shot_read_noise(back, capture.noise, generator)
    return clean, capture, levels.inverse(noisy, capture)


def process(mosaic: Tensor, capture: Capture) -> Tensor:
    """The photograph of a mosaic: `unprocess` undone, but for what the mosaic and clipping lose.

    Args:
        mosaic: `[B,1,H,W]` in the digital numbers of the capture.
        capture: of the same samples.

    Returns:
        `[B,3,H,W]` sRGB.

    >>> capture = Capture.of("RGGB", gains=(2.0, 1.0, 1.7))
    >>> round(float(process(torch.full((1, 1, 4, 4), 1.0), capture).min()), 6)
    1.0
    """
    return _fused(mosaic.device, "levels").forward(mosaic, capture)


@functools.cache
def _camera(device: torch.device) -> Pipeline:
    return build().to(device)


@functools.cache
def _fused(device: torch.device, first: str) -> Pipeline:
    return fuse(_camera(device).span(first, "tone"))

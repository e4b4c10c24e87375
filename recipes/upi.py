"""UPI: realistic RAW from photographs, by running a simple camera backwards with random settings.

Brooks, Mildenhall, Xue, Chen, Sharlet and Barron, "Unprocessing images for learned raw denoising", CVPR 2019. One
pipeline of public stages is both directions. The published programs are not each other's inverse, since the forward one
leaves out the tone curve and the brightness: the inverse of `build_published` is their way to RAW, and
`build_published_process` renders as they do.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from isptoolkit import CAMERA, LINEAR, MOSAIC, PACKED, Capture, Contract, Pipeline, Stage, fuse, stages
from isptoolkit.data import Batch, PhotoFolder
from isptoolkit.errors import InvalidArgument, MissingMetadata
from isptoolkit.learned import UNet
from isptoolkit.priors import SIDD, UPI, NoiseLine, random_captures
from isptoolkit.stages import pack_sensor, unpack
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


def build_published() -> Pipeline:
    """The published unprocessing, as the inverse of a pipeline: `build_published().inverse(srgb, capture)`.

    It is `build` without the clip of the forward direction, and with the program's only clip, before the mosaic. The
    gains of the capture hold the brightness: `rgb_gain` times (`red_gain`, 1, `blue_gain`). Its forward direction
    undoes that exactly where nothing was clipped, which the program's own rendering does not: see
    `build_published_process`.

    Source: the authors' program, commit 9928956 of timothybrooks/unprocessing.

    >>> build_published().names
    ('levels', 'demosaic', 'range', 'balance', 'matrix', 'gamma', 'tone')
    """
    return Pipeline(
        levels=stages.Levels(),
        demosaic=stages.DemosaicBilinear(),
        range=stages.Clip(space=CAMERA).inv,
        balance=stages.HighlightWhiteBalance(inflection=0.9),
        matrix=stages.ColorMatrix(),
        gamma=stages.PowerCurve(gamma=2.2),
        tone=stages.Smoothstep(),
    )


def build_published_process() -> Pipeline:
    """The published rendering: gains on the mosaic, clip, demosaic, matrix, clip, gamma 2.2.

    It has neither brightness nor smoothstep, so it does not undo `build_published`. Its gains are those of the capture,
    the program's when green's is 1; `process_published` divides by it. The second clip starts at 1e-8, which keeps the
    slope of the curve finite.

    Source: as `build_published`.

    >>> build_published_process().names
    ('levels', 'balance', 'highlights', 'demosaic', 'matrix', 'clip', 'gamma')
    """
    return Pipeline(
        levels=stages.Levels(),
        balance=stages.WhiteBalance(),
        highlights=stages.Clip(space=MOSAIC),
        demosaic=stages.DemosaicBilinear(),
        matrix=stages.ColorMatrix(),
        clip=stages.Clip(low=1e-8, space=LINEAR),
        gamma=stages.PowerCurve(gamma=2.2),
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
    strips = (srgb,) if srgb.requires_grad and torch.is_grad_enabled() else torch.split(srgb, _STRIP, 2)
    camera, levels = _fused(srgb.device, "demosaic", "tone"), _fused(srgb.device, "levels", "levels")
    # Every step backwards looks at one pixel, so that strips do as well, and what lies between them stays in cache.
    seen = [camera.inverse(strip.clamp(0, 1), capture).clamp(0, 1) for strip in strips]
    clean = torch.cat([levels.inverse(strip, capture) for strip in seen], 2)
    if capture.noise is None:
        return clean, capture, clean
    noisy = [shot_read_noise(strip, capture.noise, generator) for strip in seen]
    return clean, capture, torch.cat([levels.inverse(strip, capture) for strip in noisy], 2)


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
    return _fused(mosaic.device, "levels", "tone").forward(mosaic, capture)


def process_published(mosaic: Tensor, capture: Capture) -> Tensor:
    """The photograph of a mosaic as the published program renders it, without brightness and smoothstep.

    Args:
        mosaic: `[B,1,H,W]` in the digital numbers of the capture.
        capture: of the same samples; its gains are divided by that of green, which is the brightness.

    Returns:
        `[B,3,H,W]` sRGB, 2.3e-4 (1e-8 encoded) to 1.

    Source: as `build_published`.

    >>> capture = Capture.of("RGGB", gains=(2.5, 1.25, 2.0))
    >>> round(float(process_published(torch.full((1, 1, 4, 4), 0.25), capture)[0, 1, 0, 0]), 3)
    0.533
    """
    plain = capture.replace(gains=capture.gains / capture.gains[:, 1:2])
    return _fused_published(mosaic.device).forward(mosaic, plain)


_DOMAINS = ("srgb", "srgb-published", "raw")
_LINES = {"upi": UPI, "sidd": SIDD}


@dataclass(frozen=True)
class Config:
    """Of the denoiser.

    Args:
        widths: of its U-Net; the paper's have 11,776,708 parameters.
        domain: of the loss: `srgb`, after `process`; `srgb-published`, after `process_published`, as in the program;
            or `raw`.
        line: of the noise while training: `upi`, or `sidd` for smartphones.
        scaled: see `Denoiser`.
    """

    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    domain: str = "srgb"
    line: str = "upi"
    scaled: bool = True

    def __post_init__(self) -> None:
        if self.domain not in _DOMAINS or self.line not in _LINES:
            known = f"domain is {', '.join(_DOMAINS)}, line {', '.join(_LINES)}"
            raise InvalidArgument(f"upi: {known}, got {self.domain!r}, {self.line!r}")


PUBLISHED = Config(domain="srgb-published", scaled=False)
"""The published program: plain samples and variances, the loss after a rendering without brightness and tone curve."""


class Denoiser(Stage):
    """A U-Net that sees four noisy planes and the noise of each sample, and adds what it takes off; one-way.

    Args:
        widths: see `Config`.
        scaled: divide samples and noise by the mean deviation of the noise, multiply what is added by it, and
            initialize as the identity; else, as published, take plain samples and variances, some as small as 1e-4,
            and learn for days.

    Raises:
        MissingMetadata: in `forward`, when the capture does not state its noise.

    Source: section 4 of the paper.

    >>> capture = Capture.of("RGGB", noise=(1e-3, 1e-6))
    >>> Denoiser((4, 8))(torch.rand(1, 4, 6, 6), capture).shape
    torch.Size([1, 4, 6, 6])
    """

    takes = gives = PACKED

    def __init__(self, widths: tuple[int, ...] = (32, 64, 128, 256, 512), scaled: bool = True) -> None:
        super().__init__()
        self.widths, self.scaled = tuple(widths), scaled
        self.net = UNet(8, 4, self.widths)
        if scaled:
            nn.init.zeros_(self.net.last.weight)
            nn.init.zeros_(self.net.last.bias)  # type: ignore[arg-type]
        self.contract = Contract(None, None, reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        if capture.noise is None:
            raise MissingMetadata("Denoiser: the capture does not state its noise: capture.replace(noise=...)")
        shot, read = capture.noise.to(x.dtype).reshape(-1, 2, 1, 1, 1).unbind(1)
        noise = (shot * x + read).expand_as(x)
        if not self.scaled:
            made: Tensor = x + self.net(torch.cat((x, noise), 1))
            return made
        noise = noise.clamp(min=0)
        unit = noise.sqrt().mean((1, 2, 3), keepdim=True).clamp(min=1e-6)
        made = x + unit * self.net(torch.cat((x, noise.sqrt()), 1) / unit)
        return made


class Objective(nn.Module):
    """Mean absolute error of what is denoised, in RAW or, both processed, in sRGB.

    The program processes without brightness and smoothstep (`srgb-published`); `srgb` is the exact inverse of
    `unprocess`, with both, so errors weigh what they weigh in the photograph.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        self.denoiser = Denoiser(self.config.widths, self.config.scaled)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss; sensor is noisy, target the photograph that it was made of, or the mosaic without noise."""
        clean, denoised = self._pair(batch)
        if self.config.domain == "raw":
            return (denoised - clean).abs().mean(), {}
        made, wanted = (self._picture(x, batch.capture) for x in (denoised, clean))
        return (made - wanted).abs().mean(), {"raw": (denoised - clean).detach().abs().mean()}

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """Noisy, denoised and clean, processed."""
        clean, denoised = self._pair(batch)
        shown = {"noisy": stages.Levels()(batch.sensor, batch.capture), "denoised": denoised, "clean": clean}
        return {name: self._picture(x, batch.capture) for name, x in shown.items()}

    def _picture(self, x: Tensor, capture: Capture) -> Tensor:
        """As the loss sees it."""
        return (_processed_as_published if self.config.domain == "srgb-published" else _processed)(x, capture)

    def _pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Mosaics of black 0 and white 1."""
        capture, clean = batch.capture, batch.target
        if clean.shape[1] == 3:
            clean = unprocess(clean, torch.Generator(), capture.replace(noise=None))[0]
        return stages.Levels()(clean, capture), unpack(self.denoiser(pack_sensor(batch.sensor, capture), capture))


def _processed(x: Tensor, capture: Capture) -> Tensor:
    """The photograph of a mosaic of black 0 and white 1."""
    return process(stages.Levels().inverse(x.clamp(0, 1), capture), capture)


def _processed_as_published(x: Tensor, capture: Capture) -> Tensor:
    """The same by the published program, which clips after its gains."""
    return process_published(stages.Levels().inverse(x, capture), capture)


class Unprocessed:
    """Photographs as noisy RAW, drawn anew for every sample.

    Args:
        photographs: where patches come from.
        config: of the recipe.
    """

    def __init__(self, photographs: PhotoFolder, config: Config | None = None) -> None:
        self.photographs, self.files, self.skipped = photographs, photographs.files, photographs.skipped
        self.line = _LINES[(config or Config()).line]

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """See `isptoolkit.data.RawFolder.batch`."""
        if patch % 2:
            raise InvalidArgument(f"a patch of a mosaic is even, got {patch}")
        target, seeds = self.photographs.patches(number, size, patch, seed=seed, rank=rank, world=world)
        parts = [
            unprocess(sample, torch.Generator().manual_seed(start), line=self.line)
            for sample, start in zip(torch.split(target, 1), seeds, strict=True)
        ]
        return Batch(torch.cat([noisy for *_, noisy in parts]), Capture.collate([c for _, c, _ in parts]), target)


def source(data: Path, config: Config, on_file: Callable[[int, int], None] | None = None) -> Unprocessed:
    """What `isptoolkit train upi` trains on: a folder of photographs."""
    return Unprocessed(PhotoFolder(data, on_file=on_file), config)


_STRIP = 256
"""Rows; even, so that every strip begins with the same site."""


@functools.cache
def _fused(device: torch.device, first: str, last: str) -> Pipeline:
    return fuse(build().to(device).span(first, last))


@functools.cache
def _fused_published(device: torch.device) -> Pipeline:
    return fuse(build_published_process().to(device))

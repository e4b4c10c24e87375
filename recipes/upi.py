"""UPI: a RAW denoiser that learns from photographs, made RAW by running a simple camera backwards.

Brooks, Mildenhall, Xue, Chen, Sharlet and Barron, "Unprocessing images for learned raw denoising", CVPR 2019. The
camera and its inverse are `isptoolkit.unprocess.camera`.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from isptoolkit import PACKED, Capture, Contract, Stage, stages
from isptoolkit.data import SIDD as SIDD_LAYOUTS
from isptoolkit.data import Batch, PhotoFolder
from isptoolkit.errors import InvalidArgument, MissingMetadata
from isptoolkit.learned import UNet
from isptoolkit.priors import SIDD, UPI
from isptoolkit.stages import pack_sensor, unpack
from isptoolkit.train import Candidate, Card, Paper, Recipe, Task
from isptoolkit.train import Objective as BaseObjective
from isptoolkit.unprocess import process as process
from isptoolkit.unprocess import process_published as process_published
from isptoolkit.unprocess import unprocess as unprocess

_DOMAINS = ("srgb", "srgb-published", "raw")
_LINES = {"upi": UPI, "sidd": SIDD}


@dataclass(frozen=True)
class Config:
    """Options of the denoiser.

    Args:
        widths: channels of the U-Net per scale, finest first; the paper's have 11,776,708 parameters.
        domain: of the loss: `srgb`, after `isptoolkit.unprocess.process`; `srgb-published`, after
            `isptoolkit.unprocess.process_published`, as in the program; or `raw`.
        line: noise line in training: `upi`, or `sidd` for smartphones.
        scaled: divide samples and noise by the mean noise deviation and initialize the network as the identity;
            otherwise, as published, take plain samples and variances.

    Raises:
        InvalidArgument: for an unknown domain or line.
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
SMALL = Config(widths=(16, 32, 64))
"""Sized for two cores."""


class Denoiser(Stage):
    """A U-Net that predicts the noise of packed RAW from four noisy channels and their noise levels; one-way.

    Args:
        widths: channels of the U-Net per scale, finest first; the paper's have 11,776,708 parameters.
        scaled: divide samples and noise by the mean noise deviation, multiply the prediction by it, and initialize as
            the identity; otherwise, as published, take plain samples and variances, some as small as 1e-4, and learn
            for days.

    Raises:
        MissingMetadata: in `forward`, if the capture does not state its noise.

    Source: Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, section 4.

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
            output: Tensor = x + self.net(torch.cat((x, noise), 1))
            return output
        noise = noise.clamp(min=0)
        unit = noise.sqrt().mean((1, 2, 3), keepdim=True).clamp(min=1e-6)
        output = x + unit * self.net(torch.cat((x, noise.sqrt()), 1) / unit)
        return output


def build(config: Config | None = None) -> Denoiser:
    """The denoiser of packed RAW.

    Args:
        config: of the recipe.

    >>> build(SMALL).net.widths
    (16, 32, 64)
    """
    config = config or Config()
    return Denoiser(config.widths, config.scaled)


class Objective(BaseObjective):
    """Mean absolute error of the denoised mosaic, in RAW or in sRGB with both sides processed.

    The program processes without brightness and smoothstep (`srgb-published`); `srgb` is the exact inverse of
    `isptoolkit.unprocess.unprocess`, with both, so errors have the weight they have in the photograph.

    Args:
        config: of the recipe.
    """

    stage: Denoiser

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(build(config))
        self.config = config or Config()

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss; the batch's sensor is noisy, its target the photograph it was made from, or the clean mosaic."""
        clean, denoised = self._pair(batch)
        if self.config.domain == "raw":
            return (denoised - clean).abs().mean(), {}
        output, target = (self._processed(x, batch.capture) for x in (denoised, clean))
        return (output - target).abs().mean(), {"raw": (denoised - clean).detach().abs().mean()}

    def preview(self, batch: Batch) -> dict[str, Tensor]:
        """Noisy, denoised and clean, processed."""
        clean, denoised = self._pair(batch)
        mosaics = {"noisy": stages.Levels()(batch.sensor, batch.capture), "denoised": denoised, "clean": clean}
        return {name: self._processed(x, batch.capture) for name, x in mosaics.items()}

    def _processed(self, x: Tensor, capture: Capture) -> Tensor:
        """The sRGB image in which the loss compares a mosaic of black 0 and white 1."""
        if self.config.domain == "srgb-published":  # whose rendering clips after its gains
            return process_published(stages.Levels().inverse(x, capture), capture)
        return process(stages.Levels().inverse(x.clamp(0, 1), capture), capture)

    def _pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Clean and denoised mosaics of black 0 and white 1."""
        capture, clean = batch.capture, batch.target
        if clean.shape[1] == 3:
            clean = unprocess(clean, torch.Generator(), capture.replace(noise=None))[0]
        return stages.Levels()(clean, capture), unpack(self.stage(pack_sensor(batch.sensor, capture), capture))


class Unprocessed:
    """Photographs as noisy RAW, with camera and noise drawn for every sample.

    Args:
        photographs: source of the patches.
        config: of the recipe.
    """

    def __init__(self, photographs: PhotoFolder, config: Config | None = None) -> None:
        self.photographs, self.files, self.skipped = photographs, photographs.files, photographs.skipped
        self.line = _LINES[(config or Config()).line]

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """The samples `rank`, `rank + world`, ... of batch `number`: noisy RAW, its metadata, and the photographs.

        Args:
            number: index of the batch in the run.
            size: size of the whole batch, over all processes.
            patch: height and width in pixels, even.
            seed: seed of the run; with the indices, it determines patches, cameras, and noise.
            rank: index of this process.
            world: number of processes.

        Raises:
            InvalidArgument: for an odd patch, or one larger than the smallest photograph.
        """
        if patch % 2:
            raise InvalidArgument(f"a patch of a mosaic is even, got {patch}")
        target, seeds = self.photographs.patches(number, size, patch, seed=seed, rank=rank, world=world)
        parts = [
            unprocess(sample, torch.Generator().manual_seed(start), line=self.line)
            for sample, start in zip(torch.split(target, 1), seeds, strict=True)
        ]
        return Batch(torch.cat([noisy for *_, noisy in parts]), Capture.collate([c for _, c, _ in parts]), target)


def official_name(name: str) -> str:
    """The program's name of a tensor of `build(PUBLISHED)`: layers are numbered in the order of use, three per scale.

    >>> official_name("net.down.1.2.weight"), official_name("net.last.bias")
    ('conv2d_4/kernel', 'conv2d_27/bias')
    """
    part, rest = name.removeprefix("net.").split(".", 1)
    block, layer = (0, 0) if part == "last" else map(int, rest.split(".")[:2])
    number = {"down": 3 * block, "join": 15 + 3 * block, "last": 27}[part] + layer // 2
    kind = "kernel" if name.endswith("weight") else "bias"
    return f"conv2d{f'_{number}' if number else ''}/{kind}"


RECIPE = Recipe(
    name="upi",
    title="UPI",
    source=Paper(
        authors=("Brooks", "Mildenhall", "Xue", "Chen", "Sharlet", "Barron"),
        title="Unprocessing images for learned raw denoising",
        venue="CVPR",
        year=2019,
    ),
    tasks=(Task.DENOISE,),
    config=Config,
    published=PUBLISHED,
    small=SMALL,
    parameters=11_776_708,
    build=build,
    objective=Objective,
    layouts=SIDD_LAYOUTS,
    photographs=Unprocessed,
    official_name=official_name,
    candidates=(
        Candidate(
            "upi-denoiser",
            "UPI's U-Net{size}, given the noise level",
            Config(domain="raw", line="sidd"),
            replace(SMALL, domain="raw", line="sidd"),
            "half as wide, three scales of five",
            cost=0.6,
            task=Task.DENOISE,
        ),
    ),
    reported=("upi",),
    card=Card(
        what="A U-Net that denoises RAW, trained on photographs that a random camera model has unprocessed to RAW.",
        data="any photographs. The published denoiser was trained on MIR Flickr and tested on the Darmstadt Noise "
        "Dataset.",
        license="Apache-2.0",
        note="The figures are those of the camera model's inverse, as reported by others.",
        limits="images whose tone is not the result of a global curve, because the camera model undoes one fixed "
        "smoothstep. Brightness and colors come from priors, so the result does not match the RAW of a particular "
        "camera.",
        beside=("upi", "noisy"),
    ),
)

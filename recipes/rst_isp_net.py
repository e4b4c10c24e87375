"""RST-ISP-Net: sRGB to RAW by removing style, block by block, with adaptive instance normalization.

Kinli, Ozcan and Kirac (team OzU VGL), "Reversing image signal processors by reverse style transferring", AIM 2022
challenge on reversed ISP (Conde et al., ECCV workshops 2022).
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isptoolkit import PACKED, Pipeline, Space, presets
from isptoolkit.data import Batch
from isptoolkit.errors import InvalidArgument
from isptoolkit.learned import EqualConv, RawNetwork, StyleRemoval, Upward, WaveletCritic, WeighedFeatures, criticized
from isptoolkit.learned.raw_network import drawn, planes
from isptoolkit.train import load_trained, losses

_ATTENTIVE = 2
"""How many of the coarsest blocks weigh their features."""


@dataclass(frozen=True)
class Config:
    """What the paper and its program leave to choose.

    Args:
        widths: of the six blocks; those that are wider than the one before, but for the first, halve the size.
        layers: of each style extractor: 2 in the program, 5 in the paper.
        reduced: channels that a Gram matrix is taken of; 0 takes all.
        tail: convolutions at the end: 2 for the Samsung S7, 1 for the Huawei P20.
        detail: add a path past all normalization, a few convolutions of the picture's own 2x2 cells.
        l1: weight of the mean absolute error in the loss.
        ms_ssim: weight of `isptoolkit.train.losses.ms_ssim`, 1 in the program.
        variation: weight of the total variation, 0.001 in the program.
        adversarial: weight of what a critic says, 0.001 in the program.
        critic: widths of the critic, see `isptoolkit.learned.WaveletCritic`.
        unused: hold the numbers that the program allocates and never uses (attention of the first four blocks, batch
            norms of the decoder); they count among its published parameters.
    """

    widths: tuple[int, int, int, int, int, int] = (32, 64, 64, 128, 256, 512)
    layers: int = 2
    reduced: int = 0
    tail: int = 2
    detail: bool = False
    l1: float = 1.0
    ms_ssim: float = 0.0
    variation: float = 0.0
    adversarial: float = 0.0
    critic: tuple[int, ...] = (128, 512, 512, 512, 512, 512)
    unused: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != 6 or self.widths[-1] % 16 or self.tail not in (1, 2):
            told = f"{self.widths}, {self.tail}"
            raise InvalidArgument(f"rst_isp_net: six widths, the last of 16s, and a tail of 1 or 2, got {told}")
        weights = (self.l1, self.ms_ssim, self.variation, self.adversarial)
        if min(weights) < 0 or self.l1 + self.ms_ssim == 0:
            raise InvalidArgument(f"rst_isp_net: weights from 0, one of l1 and ms_ssim above it, got {weights}")


PUBLISHED = Config(l1=0.0, ms_ssim=1.0, variation=0.001, adversarial=0.001)
"""With the losses of the program; the default is plain mean absolute error (`docs/training.md` compares them)."""

LEAN = Config(widths=(24, 32, 32, 48, 64, 96), reduced=16, detail=True)
"""Few parameters, and detail past the normalization, which the paper says costs it high frequencies."""
SMALL = Config(widths=(8, 16, 16, 32, 64, 128))
"""The published one, an eighth to a quarter as wide, for two cores."""


class RSTISPNet(nn.Module):
    """sRGB `[B,3,H,W]` to four planes of RAW `[B,4,H/2,W/2]`; any even size, borders repeated up to cells of 16.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or Config()
        pairs = list(itertools.pairwise((3, *config.widths)))
        down = [number > 0 and after > before for number, (before, after) in enumerate(pairs)]
        if sum(down) != 4:
            raise InvalidArgument(f"rst_isp_net: four blocks widen and so halve the size, got widths {config.widths}")
        blocks = []
        for number, pair in enumerate(pairs):
            attentive, kernel = number >= 6 - _ATTENTIVE, 3 if number else 5
            blocks.append(StyleRemoval(*pair, kernel, down[number], attentive, config.layers, config.reduced))
        self.blocks = nn.Sequential(*blocks)
        top = config.widths[-1]
        self.up = nn.Sequential(
            Upward(top, 2 * top, config.unused),
            Upward(top // 2, top, config.unused),
            Upward(top // 4, top // 4, config.unused),
        )
        last = top // 16
        self.tail = nn.Sequential(*(EqualConv(last, last, 3) for _ in range(config.tail - 1)), EqualConv(last, 4, 3))
        self.detail = (
            nn.Sequential(nn.Conv2d(12, 32, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(32, 4, 3, padding=1))
            if config.detail
            else None
        )
        early = config.widths[: 6 - _ATTENTIVE]
        self.unused = nn.ModuleList(WeighedFeatures(width) for width in early) if config.unused else None

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        padded = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
        made: Tensor = self.tail(self.up(self.blocks(padded)))
        if self.detail is not None:
            made = made + self.detail(F.pixel_unshuffle(padded, 2))
        return made[..., : height // 2, : width // 2]


def build(config: Config | None = None, gives: Space = PACKED) -> RawNetwork:
    """The network as a stage, one-way: sRGB to RAW.

    Args:
        config: of the recipe.
        gives: PACKED or MOSAIC.

    >>> from isptoolkit import Capture
    >>> build(SMALL)(torch.zeros(1, 3, 18, 22), Capture.of("RGGB")).isfinite().all()
    tensor(True)
    """
    return RawNetwork(RSTISPNet(config), gives)


def load(path: Path) -> Pipeline:
    """The classical camera forward, a trained network backward, as one two-way stage, for `isptoolkit roundtrip`.

    Args:
        path: `weights.safetensors` of a run of `isptoolkit train rst_isp_net`.

    Raises:
        UnreadableFile: for another file.
    """
    net = load_trained(path, "rst_isp_net", "net", lambda values: RSTISPNet(Config(**values)))
    return presets.classic_undone_by(RawNetwork(net).eval())


class Objective(nn.Module):
    """Mean absolute error of the planes, MS-SSIM, variation and a critic's word, each by its weight.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        self.net = RSTISPNet(self.config)
        self.critic = WaveletCritic(4, self.config.critic) if self.config.adversarial else None

    def forward(self, batch: Batch, critic: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, of the network or of its critic, and its parts."""
        wanted = planes(batch.sensor, batch.capture)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not critic):
            made = self.net(batch.target)
        if critic and self.critic is not None:
            return criticized(self.critic, wanted, made)
        raw, config = (made - wanted).abs().mean(), self.config
        loss, parts = config.l1 * raw, {"raw": raw}
        if config.ms_ssim:
            parts["ms-ssim"] = losses.ms_ssim(made, wanted)
            loss = loss + config.ms_ssim * parts["ms-ssim"]
        if config.variation:
            loss = loss + config.variation * losses.total_variation(made)
        if self.critic is not None:
            parts["adversarial"] = -self.critic(made).mean()
            loss = loss + config.adversarial * parts["adversarial"]
        return loss, parts

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """The picture, RAW found and RAW."""
        return drawn(batch.target, self.net(batch.target), planes(batch.sensor, batch.capture))

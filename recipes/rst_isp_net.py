"""RST-ISP-Net: sRGB to RAW by removing style, block by block, with adaptive instance normalization.

Kinli, Ozcan and Kirac, "Reversing image signal processors by reverse style transferring", AIM 2022 reversed ISP
challenge (Conde, Timofte et al., "Reversed image signal processing and RAW reconstruction. AIM 2022 challenge report",
ECCV workshops 2022). `PUBLISHED` is their program.
"""

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isptoolkit import PACKED, Space, presets
from isptoolkit.data import AIM22, FIVEK, Batch
from isptoolkit.errors import InvalidArgument, InvalidSize
from isptoolkit.learned import (
    BORDERS,
    CBAM,
    EPSILON,
    EqualizedConv2d,
    RawNetwork,
    StyleRemoval,
    UpsampleBlock,
    WaveletCritic,
    critic_loss,
)
from isptoolkit.train import Candidate, Card, PackedObjective, Paper, Recipe, Task, losses

from .rst_isp_net_names import official_name as official_name

_ATTENTIVE = 2
"""Number of coarsest blocks that weigh their features by attention."""


@dataclass(frozen=True)
class Config:
    """Options of the network and its loss.

    Args:
        widths: of the six blocks; each block that is wider than the one before it halves the size, except the first.
        layers: of each style extractor: 2 in the program, 5 in the paper.
        reduced: channels that a Gram matrix is computed from; 0 uses all.
        tail: convolutions at the end: 2 for the Samsung S7, 1 for the Huawei P20.
        detail: add a path that skips all normalization, a few convolutions on the image's own 2x2 cells.
        borders: "repeated" repeats the border of the image up to cells of 16, and that of features before the blur;
            it takes any even size. "published" pads with zeros, as the program does, and does not pad convolutions of
            stride 2; height and width must be 8 modulo 16 (tail 2) or 0 modulo 16 (tail 1).
        epsilon: of the normalization, see `isptoolkit.learned.adain`; with the program's 0 a black image gives NaN.
        l1: weight of the mean absolute error in the loss.
        ms_ssim: weight of `isptoolkit.train.losses.ms_ssim`.
        ms_ssim_published: weight of `isptoolkit.train.losses.ms_ssim_published`, 1 in the program.
        variation: weight of `isptoolkit.train.losses.total_variation`, a mean.
        variation_sum: weight of `isptoolkit.train.losses.total_variation_sum`, 0.001 in the program.
        adversarial: weight of the critic's score, 0.001 in the program.
        critic: widths of the critic, see `isptoolkit.learned.WaveletCritic`.
        unused: hold the parameters that the program allocates and never uses (attention of the first four blocks,
            batch norms of the decoder); they count among its published parameters.

    Raises:
        InvalidArgument: for values outside their ranges.
    """

    widths: tuple[int, int, int, int, int, int] = (32, 64, 64, 128, 256, 512)
    layers: int = 2
    reduced: int = 0
    tail: int = 2
    detail: bool = False
    borders: str = "repeated"
    epsilon: float = EPSILON
    l1: float = 1.0
    ms_ssim: float = 0.0
    ms_ssim_published: float = 0.0
    variation: float = 0.0
    variation_sum: float = 0.0
    adversarial: float = 0.0
    critic: tuple[int, ...] = (128, 512, 512, 512, 512, 512)
    unused: bool = False

    def __post_init__(self) -> None:
        if len(self.widths) != 6 or self.widths[-1] % 16 or self.tail not in (1, 2):
            values = f"{self.widths}, {self.tail}"
            raise InvalidArgument(f"rst_isp_net: six widths, the last divisible by 16, a tail of 1 or 2, got {values}")
        if self.borders not in BORDERS or not 0 <= self.epsilon < math.inf:
            values = f"{self.borders!r} and {self.epsilon}"
            raise InvalidArgument(f"rst_isp_net: borders are {' or '.join(BORDERS)}, epsilon is from 0, got {values}")
        errors = (self.l1, self.ms_ssim, self.ms_ssim_published)
        weights = (*errors, self.variation, self.variation_sum, self.adversarial)
        if not all(0 <= weight < math.inf for weight in weights) or sum(errors) == 0:
            raise InvalidArgument(
                f"rst_isp_net: loss weights must not be negative, and l1 or ms_ssim must be positive, got {weights}"
            )


PUBLISHED = Config(
    borders="published",
    epsilon=0.0,
    l1=0.0,
    ms_ssim_published=1.0,
    variation_sum=0.001,
    adversarial=0.001,
    unused=True,
)
"""The published program for the S7, with its borders, losses and critic: 86,317,068 parameters; 86,307,852 with
`tail=1`, for the P20.

Initial values are ours: those of the program give outputs of order 1e-9."""

LEAN = Config(widths=(24, 32, 32, 48, 64, 96), reduced=16, detail=True)
"""Few parameters, and a path for detail, since the paper says that normalization costs high frequencies."""
SMALL = Config(widths=(8, 16, 16, 32, 64, 128))
"""The published network at a quarter of its width, for two cores."""
PUBLISHED_SMALL = replace(
    PUBLISHED, widths=SMALL.widths, critic=(16, 32, 32), borders="repeated", epsilon=EPSILON, unused=False
)
"""`SMALL` with the published losses and a critic of 52,833 parameters, which sees packed RAW of 32x32.

Borders stay repeated, so that it takes patches of any even size and differs from `SMALL` only in its losses."""


class RSTISPNet(nn.Module):
    """sRGB `[B,3,H,W]` to packed RAW `[B,4,H/2,W/2]`; any even size, borders repeated up to cells of 16.

    Args:
        config: of the recipe.

    Raises:
        InvalidArgument: for widths that do not halve the size four times.
        InvalidSize: in `forward`, for sizes that published borders do not take.

    Source: Kinli, Ozcan and Kirac, "Reversing image signal processors by reverse style transferring", AIM 2022
    reversed ISP challenge.

    >>> RSTISPNet(replace(SMALL, borders="published"))(torch.zeros(1, 3, 24, 40)).shape
    torch.Size([1, 4, 12, 20])
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        config = config or Config()
        self.published, self.remainder = config.borders == "published", 8 if config.tail == 2 else 0
        pairs = list(itertools.pairwise((3, *config.widths)))
        down = [number > 0 and after > before for number, (before, after) in enumerate(pairs)]
        if sum(down) != 4:
            raise InvalidArgument(f"rst_isp_net: four blocks widen and so halve the size, got widths {config.widths}")
        blocks = []
        for number, pair in enumerate(pairs):
            attentive, kernel = number >= 6 - _ATTENTIVE, 3 if number else 5
            block = StyleRemoval(
                *pair,
                kernel,
                down[number],
                attentive,
                config.layers,
                config.reduced,
                borders=config.borders,
                odd=number == 5 and config.tail == 2,
                epsilon=config.epsilon,
            )
            blocks.append(block)
        self.blocks = nn.Sequential(*blocks)
        top = config.widths[-1]
        self.up = nn.Sequential(
            UpsampleBlock(top, 2 * top, config.unused),
            UpsampleBlock(top // 2, top, config.unused),
            UpsampleBlock(top // 4, top // 4, config.unused),
        )
        last = top // 16
        padding = 0 if self.published and config.tail == 2 else 1
        outputs = (4,) if config.tail == 1 else (last, 4)
        self.tail = nn.Sequential(*(EqualizedConv2d(last, count, 3, padding=padding) for count in outputs))
        self.detail = (
            nn.Sequential(nn.Conv2d(12, 32, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(32, 4, 3, padding=1))
            if config.detail
            else None
        )
        early = config.widths[: 6 - _ATTENTIVE]
        self.unused = nn.ModuleList(CBAM(width) for width in early) if config.unused else None

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if self.published:
            self._check(height, width)
        else:
            x = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
        output: Tensor = self.tail(self.up(self.blocks(x)))
        if self.detail is not None:
            output = output + self.detail(F.pixel_unshuffle(x, 2))
        return output[..., : height // 2, : width // 2]

    def _check(self, height: int, width: int) -> None:
        """Check the size; the coarsest scale needs more than one pixel, or there is no variance to normalize by."""
        if {height % 16, width % 16} != {self.remainder} or max(height, width) <= 16:
            sizes = f"height and width of {self.remainder} modulo 16, one above 16"
            raise InvalidSize(f"RSTISPNet with published borders takes {sizes}, got {height} x {width}: crop or pad it")


def build(config: Config | None = None, gives: Space = PACKED) -> RawNetwork:
    """The network as a one-way stage from sRGB to RAW.

    Args:
        config: of the recipe.
        gives: PACKED or MOSAIC.

    >>> from isptoolkit import Capture
    >>> build(SMALL)(torch.zeros(1, 3, 18, 22), Capture.of("RGGB")).isfinite().all()
    tensor(True)
    """
    net = RSTISPNet(config)
    return RawNetwork(net, gives, phases=not net.published)


class Objective(PackedObjective):
    """Mean absolute error of the packed RAW, MS-SSIM, total variation and a critic's score, each by its weight.

    Args:
        config: of the recipe.
    """

    critic: WaveletCritic | None

    def __init__(self, config: Config | None = None) -> None:
        config = config or Config()
        super().__init__(build(config), critic=WaveletCritic(4, config.critic) if config.adversarial else None)
        self.config = config

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its parts."""
        output, target = self.pair(batch)
        raw, config = (output - target).abs().mean(), self.config
        loss, parts = config.l1 * raw, {"raw": raw}
        if config.ms_ssim:
            parts["ms-ssim"] = losses.ms_ssim(output, target)
            loss = loss + config.ms_ssim * parts["ms-ssim"]
        if config.ms_ssim_published:
            parts["published ms-ssim"] = losses.ms_ssim_published(output, target)
            loss = loss + config.ms_ssim_published * parts["published ms-ssim"]
        if config.variation:
            loss = loss + config.variation * losses.total_variation(output)
        if config.variation_sum:
            parts["variation"] = losses.total_variation_sum(output)
            loss = loss + config.variation_sum * parts["variation"]
        if self.critic is not None:
            parts["adversarial"] = -self.critic(output).mean()
            loss = loss + config.adversarial * parts["adversarial"]
        return loss, parts

    def critic_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's loss, and its parts; the penalty is on gradients by the pixels that the critic sees."""
        if self.critic is None:
            return super().critic_loss(batch)
        with torch.no_grad():
            output, target = self.pair(batch)
        return critic_loss(self.critic, self.critic.resized(target), self.critic.resized(output))


_LOSSES = "published losses: MS-SSIM, variation, critic"


def _candidate(name: str, loss: str, full: Config, small: Config, cost: float) -> Candidate[Config]:
    text = "RST-ISP-Net{size}, " + loss
    return Candidate(name, text, full, small, "a quarter as wide", cost=cost, reported="rst")


RECIPE = Recipe(
    name="rst_isp_net",
    title="RST-ISP-Net",
    source=Paper(
        authors=("Kinli", "Ozcan", "Kirac"),
        title="Reversing image signal processors by reverse style transferring",
        venue="AIM 2022 challenge",
        year=2022,
    ),
    tasks=(Task.REVERSE,),
    config=Config,
    published=PUBLISHED,
    small=SMALL,
    parameters=86_317_068,
    build=build,
    objective=Objective,
    layouts=(*AIM22, *FIVEK),
    camera=presets.classic_undone_by,
    official_name=official_name,
    candidates=(
        _candidate("rst", "mean absolute error", Config(), SMALL, 1.2),
        _candidate("rst-published", _LOSSES, PUBLISHED, PUBLISHED_SMALL, 6.0),
        Candidate("rst-lean", "RST-ISP-Net, our lean variant", LEAN, LEAN, cost=2.5),
    ),
    reported=("rst",),
    card=Card(
        what="Style removal by adaptive instance normalization, block by block, from sRGB to packed RAW.",
        data="AIM 2022, Samsung S7 and Huawei P20.",
        license="none stated",
        limits="fine texture, which normalization removes; the lean variant has a separate path for it.",
    ),
)

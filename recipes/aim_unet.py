"""The baseline U-Net that the AIM 2022 challenge on reversed ISPs gave its participants.

Conde et al., "Reversed image signal processing and RAW reconstruction", ECCV workshops 2022, and its starter program.
"""

import itertools
import re
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isptoolkit import PACKED, Space, presets
from isptoolkit.data import AIM22, FIVEK
from isptoolkit.errors import InvalidArgument
from isptoolkit.learned import RawNetwork
from isptoolkit.train import Candidate, Card, PackedObjective, Paper, Recipe, Task


@dataclass(frozen=True)
class Config:
    """Options of the network.

    Args:
        widths: channels of each scale, finest first; the published widths have 1,861,764 parameters.
        sites: take each color from the pixel where its own site lies; the program takes all four from the top left
            pixel of every cell.
    """

    widths: tuple[int, ...] = (64, 128, 256)
    sites: bool = True

    def __post_init__(self) -> None:
        if len(self.widths) < 2:
            raise InvalidArgument(f"aim_unet: widths needs at least two entries, got {self.widths}")


PUBLISHED = Config(sites=False)
"""The starter program's configuration."""
SMALL = Config(widths=(16, 32, 64))
"""Sized for two cores."""


class BaselineUNet(nn.Module):
    """sRGB `[B,3,H,W]` to packed RAW `[B,4,H/2,W/2]`; any even size, borders repeated up to whole cells.

    Where scales join, the channels of the coarser one come first, as in the program. (Weights trained with the finer
    one first, when these layers were called `up`, do not load.) The program also clamps its output to 0 ... 1; here
    `RawNetwork` does so in `eval`.

    Args:
        config: of the recipe.

    Source: the starter program of the AIM 2022 challenge on reversed ISPs.

    >>> BaselineUNet(SMALL)(torch.rand(1, 3, 18, 22)).shape
    torch.Size([1, 4, 9, 11])
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        widths = self.config.widths
        self.down = nn.ModuleList(_convolutions(*pair) for pair in itertools.pairwise((3, *widths)))
        above = list(itertools.pairwise(reversed(widths)))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(below, width, 2, 2) for below, width in above)
        self.join = nn.ModuleList(_convolutions(2 * width, width) for _, width in above)
        self.head = nn.Conv2d(widths[0], 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        cell = 2 ** (len(self.down) - 1)
        y = F.pad(x, (0, -width % cell, 0, -height % cell), mode="replicate")
        skips = []
        for scale, convolutions in enumerate(self.down):
            y = convolutions(y if not scale else F.max_pool2d(y, 2))
            skips.append(y)
        for grow, convolutions, skip in zip(self.grow, self.join, reversed(skips[:-1]), strict=True):
            y = convolutions(torch.cat((grow(y), skip), 1))
        output: Tensor = self.head(y)[..., :height, :width]
        if not self.config.sites:
            return output[..., ::2, ::2]
        return torch.stack([output[:, site, site // 2 :: 2, site % 2 :: 2] for site in range(4)], 1)


def build(config: Config | None = None, gives: Space = PACKED) -> RawNetwork:
    """The network as a stage, one-way: sRGB to RAW.

    Args:
        config: of the recipe.
        gives: PACKED or MOSAIC.

    >>> from isptoolkit import Capture
    >>> build(SMALL)(torch.rand(1, 3, 18, 22), Capture.of("RGGB")).shape
    torch.Size([1, 4, 9, 11])
    """
    return RawNetwork(BaselineUNet(config), gives)


class Objective(PackedObjective):
    """Mean squared error of the packed RAW.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(build(config), F.mse_loss)


def official_name(name: str) -> str:
    """The starter program's name of a tensor of `build(PUBLISHED)`.

    >>> official_name("net.down.1.2.weight"), official_name("net.head.bias")
    ('encoder.enc_blocks.1.conv2.weight', 'head.bias')
    """
    part, rest = name.removeprefix("net.").split(".", 1)
    if part == "grow":
        return f"decoder.upconvs.{rest}"
    if part == "head":
        return f"head.{rest}"
    block, layer = re.sub(r"\.weight$", "", rest).split(".")
    blocks = {"down": "encoder.enc_blocks", "join": "decoder.dec_blocks"}[part]
    return f"{blocks}.{block}.conv{int(layer) // 2 + 1}.weight"


def _convolutions(inputs: int, width: int) -> nn.Sequential:
    pairs = ((inputs, width), (width, width))
    return nn.Sequential(*(part for a, b in pairs for part in (nn.Conv2d(a, b, 3, padding=1, bias=False), nn.ReLU())))


RECIPE = Recipe(
    name="aim_unet",
    title="AIM 2022 U-Net",
    source=Paper(
        authors=("Conde", "Timofte", "others"),
        title="Reversed image signal processing and RAW reconstruction. AIM 2022 challenge report",
        venue="ECCV workshops",
        year=2022,
    ),
    tasks=(Task.REVERSE,),
    config=Config,
    published=PUBLISHED,
    small=SMALL,
    parameters=1_861_764,
    build=build,
    objective=Objective,
    layouts=(*AIM22, *FIVEK),
    camera=presets.classic_undone_by,
    official_name=official_name,
    candidates=(
        Candidate("u-net", "the challenge's U-Net{size}", Config(), SMALL, "a quarter as wide", reported="u-net"),
    ),
    reported=("u-net",),
    card=Card(
        what="The baseline U-Net of the AIM 2022 challenge's starter program, from sRGB to packed RAW.",
        data="AIM 2022, Samsung S7 and Huawei P20.",
        license="none stated",
        limits="anything that depends on pixels more than about twenty away.",
    ),
)

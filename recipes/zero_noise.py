"""0noise's network: three multiplicative gates for what a camera does to light, with 171,112 parameters.

Team 0noise, AIM 2022 challenge on reversed ISP (Conde et al., ECCV workshops 2022): a gate of single pixels undoes
tone, one of three pixels' reach undoes color, and one between 0 and 1 undoes shading.
"""

import itertools
import re
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from isptoolkit import PACKED, Space, presets
from isptoolkit.data import AIM22, FIVEK
from isptoolkit.learned import RawNetwork
from isptoolkit.train import Candidate, Card, PackedObjective, Paper, Recipe, Task


@dataclass(frozen=True)
class Config:
    """Options of the network.

    Args:
        width: channels; the published network has 36.
    """

    width: int = 36


PUBLISHED = Config()
"""The program's configuration."""
SMALL = Config(width=12)
"""Sized for two cores."""


class GatedNet(nn.Module):
    """sRGB `[B,3,H,W]` to packed RAW `[B,4,H/2,W/2]`; any even size.

    `x = p tone(p)`, a residual block, `x color(p)`, a residual block, `x shading(p)`, one convolution of stride 2;
    `p = silu(W x)` mixes the channels of the image, a residual block is `silu(x + W silu(W x))`. Tone and color gates
    are initialized near 1. (The program ends with a ReLU, under which a channel that starts negative never learns;
    `RawNetwork` clips in `eval` instead.)

    Args:
        config: of the recipe.

    Source: the program of team 0noise, AIM 2022 challenge on reversed ISP.

    >>> import torch
    >>> GatedNet(SMALL)(torch.rand(1, 3, 18, 22)).shape
    torch.Size([1, 4, 9, 11])
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        width = self.config.width
        self.mix = nn.Sequential(nn.Conv2d(3, width, 1), nn.SiLU())
        self.tone = _gate(width, (1, 1, 1, 1))
        self.color = _gate(width, (3, 3, 3, 1))
        self.shading = _gate(width, (3, 3, 3))
        self.blocks = nn.ModuleList(_Residual(width) for _ in range(2))
        self.last = nn.Conv2d(width, 4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        p = self.mix(x)
        y = p * self.tone(p)
        y = self.blocks[0](y) * self.color(p)
        y = self.blocks[1](y) * F.sigmoid(self.shading(p))
        output: Tensor = self.last(y)
        return output


def build(config: Config | None = None, gives: Space = PACKED) -> RawNetwork:
    """The network as a stage, one-way: sRGB to RAW.

    Args:
        config: of the recipe.
        gives: PACKED or MOSAIC.

    >>> import torch
    >>> from isptoolkit import Capture
    >>> build(SMALL)(torch.rand(1, 3, 18, 22), Capture.of("RGGB")).shape
    torch.Size([1, 4, 9, 11])
    """
    return RawNetwork(GatedNet(config), gives)


class Objective(PackedObjective):
    """Mean absolute error of the packed RAW.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(build(config))


def official_name(name: str) -> str:
    """The program's name of a tensor of `build(PUBLISHED)`; layers here are numbered with the activations between them.

    >>> official_name("net.tone.2.weight"), official_name("net.blocks.0.2.bias")
    ('tm.block.1.conv.weight', 'r1.conv2.bias')
    """
    match = re.fullmatch(r"(?:net\.)?(\w+)\.(?:(\d+)\.)?(.*)", name)
    if match is None:
        return name
    part, number, rest = match.groups()
    gates = {"tone": "tm", "color": "cstb", "shading": "lsb"}
    if part in gates:
        layer = int(number) // 2
        return f"{gates[part]}.block.{layer}{'' if layer == 3 else '.conv'}.{rest}"
    if part == "blocks":
        place, rest = rest.split(".")
        return f"r{int(number) + 1}.conv{int(place) // 2 + 1}.{rest}"
    return f"p.conv.{rest}" if part == "mix" else f"cout.{rest}"


class _Residual(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(*_convolutions((width, 2 * width, width), (3, 3)))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self:
            y = layer(y)
        return F.silu(x + y)


def _convolutions(widths: tuple[int, ...], kernels: tuple[int, ...]) -> nn.Sequential:
    """Convolutions with SiLU between them; borders are reflected."""
    layers: list[nn.Module] = []
    for pair, kernel in zip(itertools.pairwise(widths), kernels, strict=True):
        layers += [nn.Conv2d(*pair, kernel, padding=kernel // 2, padding_mode="reflect"), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _gate(width: int, kernels: tuple[int, ...]) -> nn.Sequential:
    layers = _convolutions((width,) * (len(kernels) + 1), kernels)
    last = layers[-1]
    if isinstance(last, nn.Conv2d) and last.bias is not None:
        nn.init.ones_(last.bias)
    return layers


RECIPE = Recipe(
    name="zero_noise",
    title="0noise",
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
    parameters=171_112,
    build=build,
    objective=Objective,
    layouts=(*AIM22, *FIVEK),
    camera=presets.classic_undone_by,
    official_name=official_name,
    candidates=(
        Candidate(
            "zero-noise",
            "0noise's gates{size}",
            Config(),
            SMALL,
            "a third as wide",
            cost=1.5,
            reported="zero-noise",
        ),
    ),
    reported=("zero-noise",),
    card=Card(
        what="Team 0noise's network: three multiplicative gates, for tone, color and shading, from sRGB to packed RAW.",
        data="AIM 2022, Samsung S7 and Huawei P20.",
        license="none stated",
        limits="tone that depends on more than a few neighboring pixels.",
    ),
)

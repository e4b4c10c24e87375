"""The U-Net that the AIM 2022 challenge on reversed ISPs gave its participants to begin with.

Conde et al., "Reversed image signal processing and RAW reconstruction", ECCV workshops 2022, and its starter program.
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
from isptoolkit.learned import RawNetwork
from isptoolkit.learned.raw_network import drawn
from isptoolkit.stages import pack_sensor
from isptoolkit.train import load_trained


@dataclass(frozen=True)
class Config:
    """What the program leaves to choose.

    Args:
        widths: of the scales, finest first; the published ones have 1,861,764 parameters.
        sites: of the planes, which the network gives at every pixel, keep each where its own site lies; the program
            keeps the top left pixel of every cell for all four.
    """

    widths: tuple[int, ...] = (64, 128, 256)
    sites: bool = True

    def __post_init__(self) -> None:
        if len(self.widths) < 2:
            raise InvalidArgument(f"aim_unet: at least two widths, got {self.widths}")


PUBLISHED = Config(sites=False)
"""As the starter program has it."""
SMALL = Config(widths=(16, 32, 64))
"""For two cores."""


class BaselineUNet(nn.Module):
    """sRGB `[B,3,H,W]` to four planes of RAW `[B,4,H/2,W/2]`; any even size, borders repeated up to whole cells.

    Where scales join, the channels of the coarser one come first, as in the program. (Weights trained with the finer
    one first, when these layers were called `up`, do not load.) The program also clamps the planes to 0 ... 1; here
    `RawNetwork` does so in `eval`.

    Args:
        config: of the recipe.
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
        kept = []
        for scale, convolutions in enumerate(self.down):
            y = convolutions(y if not scale else F.max_pool2d(y, 2))
            kept.append(y)
        for grow, convolutions, across in zip(self.grow, self.join, reversed(kept[:-1]), strict=True):
            y = convolutions(torch.cat((grow(y), across), 1))
        found: Tensor = self.head(y)[..., :height, :width]
        if not self.config.sites:
            return found[..., ::2, ::2]
        return torch.stack([found[:, site, site // 2 :: 2, site % 2 :: 2] for site in range(4)], 1)


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


def load(path: Path) -> Pipeline:
    """The classical camera forward, a trained network backward, as one two-way stage, for `isptoolkit roundtrip`.

    Args:
        path: `weights.safetensors` of a run of `isptoolkit train aim_unet`.

    Raises:
        UnreadableFile: for another file.
    """
    net = load_trained(path, "aim_unet", "net", lambda values: BaselineUNet(Config(**values)))
    return presets.classic_undone_by(RawNetwork(net).eval())


class Objective(nn.Module):
    """Mean squared error of the planes.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        self.net = BaselineUNet(self.config)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and the mean absolute error."""
        wanted = pack_sensor(batch.sensor, batch.capture)
        error = self.net(batch.target) - wanted
        return error.square().mean(), {"raw": error.detach().abs().mean()}

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """The picture, RAW found and RAW."""
        return drawn(batch.target, self.net(batch.target), pack_sensor(batch.sensor, batch.capture))


def _convolutions(inputs: int, width: int) -> nn.Sequential:
    pairs = ((inputs, width), (width, width))
    return nn.Sequential(*(part for a, b in pairs for part in (nn.Conv2d(a, b, 3, padding=1, bias=False), nn.ReLU())))

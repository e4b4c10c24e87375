"""0noise's network: three multiplicative gates for what a camera does to light, with 171,112 parameters.

Team 0noise, AIM 2022 challenge on reversed ISP (Conde et al., ECCV workshops 2022): tone is undone by a gate that looks
at one pixel, color by one that looks three pixels far, shading by one between 0 and 1.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from isptoolkit import PACKED, Pipeline, Space, presets
from isptoolkit.data import Batch
from isptoolkit.learned import RawNetwork
from isptoolkit.learned.raw_network import drawn
from isptoolkit.stages import pack_sensor
from isptoolkit.train import load_trained


@dataclass(frozen=True)
class Config:
    """What the program leaves to choose.

    Args:
        width: channels; the published network has 36.
    """

    width: int = 36


SMALL = Config(width=12)
"""For two cores."""


class GatedNet(nn.Module):
    """sRGB `[B,3,H,W]` to four planes of RAW `[B,4,H/2,W/2]`; any even size.

    `x = p tone(p)`, a residual block, `x color(p)`, a residual block, `x shading(p)`, one convolution of stride 2;
    `p = silu(W x)` mixes the channels of the picture, a residual block is `silu(x + W silu(W x))`. Tone and color gates
    begin near 1. (The program ends with a ReLU, under which a plane that begins negative never learns; RAW is clipped
    at use instead.)

    Args:
        config: of the recipe.
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
        made: Tensor = self.last(y)
        return made


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


def load(path: Path) -> Pipeline:
    """The classical camera forward, a trained network backward, as one two-way stage, for `isptoolkit roundtrip`.

    Args:
        path: `weights.safetensors` of a run of `isptoolkit train zero_noise`.

    Raises:
        UnreadableFile: for another file.
    """
    net = load_trained(path, "zero_noise", "net", lambda values: GatedNet(Config(**values)))
    return presets.classic_undone_by(RawNetwork(net).eval())


class Objective(nn.Module):
    """Mean absolute error of the planes.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        self.net = GatedNet(self.config)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss."""
        wanted = pack_sensor(batch.sensor, batch.capture)
        return (self.net(batch.target) - wanted).abs().mean(), {}

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """The picture, RAW found and RAW."""
        return drawn(batch.target, self.net(batch.target), pack_sensor(batch.sensor, batch.capture))


class _Residual(nn.Sequential):
    def __init__(self, width: int) -> None:
        super().__init__(*_convolutions((width, 2 * width, width), (3, 3)))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self:
            y = layer(y)
        return F.silu(x + y)


def _convolutions(widths: tuple[int, ...], kernels: tuple[int, ...]) -> nn.Sequential:
    """With SiLU between; borders reflected."""
    layers: list[nn.Module] = []
    for pair, kernel in zip(itertools.pairwise(widths), kernels, strict=True):
        layers += [nn.Conv2d(*pair, kernel, padding=kernel // 2, padding_mode="reflect"), nn.SiLU()]
    return nn.Sequential(*layers[:-1])


def _gate(width: int, kernels: tuple[int, ...]) -> nn.Sequential:
    made = _convolutions((width,) * (len(kernels) + 1), kernels)
    last = made[-1]
    if isinstance(last, nn.Conv2d) and last.bias is not None:
        nn.init.ones_(last.bias)
    return made

"""SSDNet's network: a U of context fusion modules, with a variance branch.

Zou and Zhang, "Learned reverse ISP with soft supervision", for the AIM 2022 challenge on reversed ISP.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from isptoolkit.errors import InvalidArgument
from isptoolkit.learned import SUPERVISIONS, ContextFusion, VarianceHead


@dataclass(frozen=True)
class Config:
    """Options of the network and its loss.

    Args:
        width: channels of the finest scale.
        blocks: modules of the three finer scales, on either side.
        middle: modules of the coarsest scale.
        last: modules of the finest scale before its refinement.
        refinement: modules after them; the paper's figure has none, the program 4.
        heads: of the attention, by scale.
        kernel: of the context branch; 0 for none.
        channel_interaction: reweight the attention's values by the context branch.
        spatial_interaction: reweight the context branch by the attention.
        expansion: of the feed-forward parts: the program has 2.66; 0 is the simplified part that the paper describes.
        supervision: `hard`, plain mean absolute error; `branch`, a variance branch beside it that does not affect the
            target; `testing`, the same loss, with draws averaged at inference; `training`, the target moved by the
            error times a normal number, as in the program; `training-detached`, the same target with the error held
            fixed, as the paper reads.
        weight: of the branch's error: alpha in the paper, 0.001; under `testing` the paper has 1.
        draws: averaged under `testing`.
        published_loss: the program's loss, under any supervision: outputs are clamped to 0 ... 1 and errors to
            1/1024 ... 1; under `training` the branch learns the target image in place of the error. See
            `isptoolkit.learned.softened_error`.
        recompute: train without keeping activations inside modules: less memory, one more forward pass.
        inputs: 3 for an sRGB image; 4 for noisy packed RAW, which the network denoises (section 4.4).

    Raises:
        InvalidArgument: for an unknown supervision, or inputs that it does not go with.
    """

    width: int = 48
    blocks: tuple[int, int, int] = (4, 6, 6)
    middle: int = 8
    last: int = 4
    refinement: int = 4
    heads: tuple[int, int, int, int] = (1, 2, 4, 8)
    kernel: int = 7
    channel_interaction: bool = True
    spatial_interaction: bool = True
    expansion: float = 2.66
    supervision: str = "hard"
    weight: float = 0.001
    draws: int = 50
    published_loss: bool = False
    recompute: bool = False
    inputs: int = 3

    def __post_init__(self) -> None:
        if self.supervision not in SUPERVISIONS:
            raise InvalidArgument(f"ssdnet: supervision is {', '.join(SUPERVISIONS)}, got {self.supervision!r}")
        if self.inputs not in (3, 4) or (self.inputs == 4 and self.supervision != "hard"):
            got = f"got {self.inputs!r} and {self.supervision!r}"
            raise InvalidArgument(
                f"ssdnet: inputs are 3, an image, or 4, noisy packed RAW under hard supervision, {got}"
            )


SMALL = Config(width=16, blocks=(1, 1, 1), middle=2, last=1, refinement=1)
"""Sized for two cores."""
PUBLISHED = Config(supervision="training", published_loss=True)
"""The program's configuration: the target moved by the error, and its own losses."""
TINY = replace(SMALL, width=8, middle=1)
"""Sized for a minute of training on two cores."""


class SSDNet(nn.Module):
    """sRGB `[B,3,H,W]` to packed RAW `[B,4,H/2,W/2]`; or noisy packed RAW `[B,4,H,W]` to packed RAW without noise.

    It takes any even sRGB size from 16, and packed RAW of any size: borders are reflected up to whole cells of 16 and
    cut off again. In `eval` under `testing` it averages draws, as the paper does; otherwise it returns the mean.

    Args:
        config: of the recipe.
        branch: with the variance branch; None has it unless the supervision is hard.

    Source: Zou and Zhang, "Learned reverse ISP with soft supervision", AIM 2022 challenge on reversed ISP.

    >>> SSDNet(TINY)(torch.rand(1, 3, 16, 18)).shape
    torch.Size([1, 4, 8, 9])
    """

    def __init__(self, config: Config | None = None, branch: bool | None = None) -> None:
        super().__init__()
        config = config or Config()
        self.config, width, inputs = config, config.width, config.inputs
        self.first = nn.Sequential(_conv(inputs, inputs), _conv(inputs, width))
        widths = [width * 2**scale for scale in range(4)]
        counts = (*config.blocks, config.middle)
        self.down = nn.ModuleList(
            _Modules(config, channels, heads, count)
            for channels, heads, count in zip(widths, config.heads, counts, strict=True)
        )
        self.shrink = nn.ModuleList(
            nn.Sequential(_conv(channels, channels // 2), nn.PixelUnshuffle(2)) for channels in widths[:3]
        )
        self.grow = nn.ModuleList(
            nn.Sequential(_conv(channels, 2 * channels), nn.PixelShuffle(2)) for channels in reversed(widths[1:])
        )
        self.join = nn.ModuleList(nn.Conv2d(2 * c, c, 1, bias=False) for c in reversed(widths[1:3]))
        self.up = nn.ModuleList(
            _Modules(config, channels, heads, count)
            for channels, heads, count in zip(widths[2:0:-1], config.heads[2:0:-1], config.blocks[2:0:-1], strict=True)
        )
        self.last = _Modules(config, 2 * width, config.heads[0], config.last)
        self.refine = _Modules(config, 2 * width, config.heads[0], config.refinement)
        self.picture = nn.Sequential(_conv(2 * width, inputs), nn.GELU())
        self.out = nn.Sequential(_conv(3, 1), nn.PixelUnshuffle(2)) if inputs == 3 else _conv(4, 4)
        with_branch = config.supervision != "hard" if branch is None else branch
        self.branch = VarianceHead(2 * width, _Modules(config, 2 * width, config.heads[0], 4)) if with_branch else None

    def forward(self, x: Tensor) -> Tensor:
        averages = self.config.supervision == "testing" and not self.training
        if self.branch is None or not averages:
            return self._cropped(self.out(self._rendered(x)), x)
        mean, deviation = self.softened(x)
        # The mean of n standard normal numbers is one such number over the root of n.
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0)) / self.config.draws**0.5
        return mean if deviation is None else mean + deviation * noise.to(mean)

    def softened(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The packed RAW, and its standard deviation if there is a branch."""
        image = self._rendered(x)
        mean = self._cropped(self.out(image), x)
        deviation = None if self.branch is None else self._cropped(self.branch(image), x)
        if self.config.published_loss:
            return mean.clamp(0, 1), None if deviation is None else deviation.clamp(0, 1)
        return mean, deviation

    def _cropped(self, output: Tensor, x: Tensor) -> Tensor:
        cell = 2 if self.config.inputs == 3 else 1
        return output[..., : x.shape[2] // cell, : x.shape[3] // cell]

    def _rendered(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        padded = F.pad(x, (0, -width % 16, 0, -height % 16), mode="reflect")
        y = self.first(padded)
        skips = []
        for scale, modules in enumerate(self.down):
            y = modules(y)
            if scale < 3:
                skips.append(y)
                y = self.shrink[scale](y)
        for scale, modules in enumerate(self.up):
            y = modules(self.join[scale](torch.cat((self.grow[scale](y), skips[2 - scale]), 1)))
        y = self.refine(self.last(torch.cat((self.grow[2](y), skips[0]), 1)))
        rendered: Tensor = self.picture(y) + padded
        return rendered


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


class _Modules(nn.Sequential):
    def __init__(self, config: Config, channels: int, heads: int, count: int) -> None:
        options = (config.kernel, config.channel_interaction, config.spatial_interaction, config.expansion)
        super().__init__(*(ContextFusion(channels, heads, *options) for _ in range(count)))
        self.recompute = config.recompute

    def forward(self, x: Tensor) -> Tensor:
        for module in self:
            recomputed = self.recompute and torch.is_grad_enabled()
            x = checkpoint(module, x, use_reentrant=False) if recomputed else module(x)
        return x

"""SSDNet: sRGB to RAW by a U of context fusion modules, with soft supervision by a variance branch.

Zou and Zhang, "Learned reverse ISP with soft supervision", for the AIM 2022 challenge on reversed ISP (Conde et al.,
ECCV workshops 2022). Where the paper and the published program differ, `Config` chooses.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from isptoolkit import PACKED, Pipeline, Space, presets
from isptoolkit.data import Batch
from isptoolkit.errors import InvalidArgument
from isptoolkit.learned import ContextFusion, RawNetwork, VarianceHead, clamped_error, softened_error
from isptoolkit.learned.raw_network import drawn
from isptoolkit.learned.soft_supervision import SUPERVISIONS
from isptoolkit.stages import pack_sensor
from isptoolkit.train import load_trained


@dataclass(frozen=True)
class Config:
    """What the paper and its program leave to choose.

    Args:
        width: channels of the finest scale.
        blocks: modules of the three scales, on either side.
        middle: modules of the coarsest scale.
        last: modules of the finest scale before its refinement.
        refinement: modules after them; the paper's figure has none, the program 4.
        heads: of the attention, by scale.
        kernel: of the context branch; 0 for none.
        channel_interaction: see `isptoolkit.learned.ContextAttention`.
        spatial_interaction: see there.
        expansion: of the feed-forward parts: the program has 2.66; 0 is the simplified part that the paper describes.
        supervision: `hard`, plain mean absolute error; `branch`, the variance branch beside it, unused in the target;
            `testing`, the same, draws averaged when it is used; `training`, the target moved by the error times a
            normal number, as the program does; `training-detached`, the same, the error held fixed, as the paper reads.
        weight: of the branch's error: alpha in the paper, 0.001; under `testing` the paper has 1.
        draws: averaged under `testing`.
        published_loss: the loss as the program computes it, whatever the supervision: what the network gives is clamped
            to 0 ... 1, errors to 1/1024 ... 1; under `training` the branch learns the target picture in place of the
            error. See `isptoolkit.learned.softened_error`.
        recompute: train without keeping what happens inside modules: less memory, one more pass forward.
        inputs: 3, a picture; or 4, planes of RAW with noise, which it gives without (section 4.4).
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
            raise InvalidArgument(f"ssdnet: inputs are 3, a picture, or 4, planes with noise, supervised hard, {got}")


SMALL = Config(width=16, blocks=(1, 1, 1), middle=2, last=1, refinement=1)
"""For two cores."""
PUBLISHED = Config(supervision="training", published_loss=True)
"""As the program trains: the target moved by the error, its own losses."""
TINY = replace(SMALL, width=8, middle=1)
"""For a minute on two cores."""


class SSDNet(nn.Module):
    """sRGB `[B,3,H,W]` to four planes of RAW `[B,4,H/2,W/2]`; or planes with noise `[B,4,H,W]` to planes without.

    Any even size from 16, of planes any size: borders are reflected up to whole cells of 16 and cut off again. In
    `eval` under `testing` it averages draws, as the paper does; under all other supervisions it gives the mean.

    Args:
        config: of the recipe.
        branch: with the variance branch.
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
        wanted = config.supervision != "hard" if branch is None else branch
        self.branch = VarianceHead(2 * width, _Modules(config, 2 * width, config.heads[0], 4)) if wanted else None

    def forward(self, x: Tensor) -> Tensor:
        averages = self.config.supervision == "testing" and not self.training
        if self.branch is None or not averages:
            return self._cropped(self.out(self._rendered(x)), x)
        mean, deviation = self.softened(x)
        # The mean of so many normal numbers is one normal number over the root of how many they are.
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0)) / self.config.draws**0.5
        return mean if deviation is None else mean + deviation * noise.to(mean)

    def softened(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The planes, and their deviations where there is a branch."""
        picture = self._rendered(x)
        mean = self._cropped(self.out(picture), x)
        deviation = None if self.branch is None else self._cropped(self.branch(picture), x)
        if self.config.published_loss:
            return mean.clamp(0, 1), None if deviation is None else deviation.clamp(0, 1)
        return mean, deviation

    def _cropped(self, made: Tensor, x: Tensor) -> Tensor:
        cell = 2 if self.config.inputs == 3 else 1
        return made[..., : x.shape[2] // cell, : x.shape[3] // cell]

    def _rendered(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        padded = F.pad(x, (0, -width % 16, 0, -height % 16), mode="reflect")
        y = self.first(padded)
        kept = []
        for scale, modules in enumerate(self.down):
            y = modules(y)
            if scale < 3:
                kept.append(y)
                y = self.shrink[scale](y)
        for scale, modules in enumerate(self.up):
            y = modules(self.join[scale](torch.cat((self.grow[scale](y), kept[2 - scale]), 1)))
        y = self.refine(self.last(torch.cat((self.grow[2](y), kept[0]), 1)))
        rendered: Tensor = self.picture(y) + padded
        return rendered


def build(config: Config | None = None, gives: Space = PACKED) -> RawNetwork:
    """The network as a stage, one-way: sRGB to RAW.

    Args:
        config: of the recipe.
        gives: PACKED or MOSAIC.

    >>> from isptoolkit import Capture
    >>> stage = build(Config(width=8, blocks=(1, 1, 1), middle=1, last=1, refinement=0))
    >>> stage(torch.rand(1, 3, 16, 18), Capture.of("RGGB")).shape
    torch.Size([1, 4, 8, 9])
    """
    return RawNetwork(SSDNet(config), gives, cell=16)


def load(path: Path) -> Pipeline:
    """The classical camera forward, a trained network backward, as one two-way stage, for `isptoolkit roundtrip`.

    Args:
        path: `weights.safetensors` of a run of `isptoolkit train ssdnet`.

    Raises:
        UnreadableFile: for another file.
    """
    net = load_trained(path, "ssdnet", "net", lambda values: SSDNet(Config(**values)))
    return presets.classic_undone_by(RawNetwork(net, cell=16).eval())


class Objective(nn.Module):
    """Mean absolute error of the planes, hard or softened, and that of the branch.

    With `published_loss`, means and deviations are clamped to 0 ... 1 first, as the program's network does while it
    trains, and errors are those of `clamped_error`: no gradient where either is clamped.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        self.net = SSDNet(self.config)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and the plain error."""
        seen, wanted = self._sides(batch)
        mean, deviation = self.net.softened(seen)
        published = self.config.published_loss
        error = (mean - wanted).abs().mean()
        if deviation is None:
            return clamped_error(mean, wanted) if published else error, {"raw": error.detach()}
        how = (self.config.supervision, self.config.weight)
        return softened_error(mean, deviation, wanted, *how, published=published), {"raw": error.detach()}

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """The picture, RAW found and RAW."""
        seen, wanted = self._sides(batch)
        shown = batch.target if self.config.inputs == 3 else F.interpolate(seen[:, :3], scale_factor=2)
        return drawn(shown, self.net(seen), wanted)

    def _sides(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the network sees, and what it is to find."""
        sensor = pack_sensor(batch.sensor, batch.capture)
        return (batch.target, sensor) if self.config.inputs == 3 else (sensor, pack_sensor(batch.target, batch.capture))


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


class _Modules(nn.Sequential):
    def __init__(self, config: Config, channels: int, heads: int, count: int) -> None:
        how = (config.kernel, config.channel_interaction, config.spatial_interaction, config.expansion)
        super().__init__(*(ContextFusion(channels, heads, *how) for _ in range(count)))
        self.recompute = config.recompute

    def forward(self, x: Tensor) -> Tensor:
        for module in self:
            recomputed = self.recompute and torch.is_grad_enabled()
            x = checkpoint(module, x, use_reentrant=False) if recomputed else module(x)
        return x

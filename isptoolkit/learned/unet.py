"""A U-Net: an encoder and a decoder at several scales, with skip connections."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InvalidArgument


class UNet(nn.Module):
    """Three 3x3 convolutions with leaky ReLU (0.2) per scale, max pooling, bilinear upsampling.

    `[B,inputs,H,W]` to `[B,outputs,H,W]`, for any size. Upsampling preserves samples: `y[2i] = x[i]`,
    `y[2i+1] = (x[i] + x[i+1]) / 2`, with the last sample repeated. Borders are repeated up to whole cells of the
    coarsest scale, and the output is cropped. (Weights trained with half-pixel upsampling, in which `join` is called
    `up`, do not load.)

    Args:
        inputs: input channels.
        outputs: output channels.
        widths: channels per scale, finest first.

    Raises:
        InvalidArgument: for fewer than two widths.

    Source: Ronneberger et al., "U-Net", MICCAI 2015; in this form Brooks et al., CVPR 2019, with the upsampling of
    their code, TensorFlow 1's.

    >>> UNet(8, 4, (4, 8))(torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 4, 5, 7])
    """

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...] = (32, 64, 128, 256, 512)) -> None:
        super().__init__()
        if len(widths) < 2:
            raise InvalidArgument(f"UNet needs at least two widths, got {widths}")
        self.widths = tuple(widths)
        down = itertools.pairwise((inputs, *widths))
        self.down = nn.ModuleList(_convolutions(before, width) for before, width in down)
        up = itertools.pairwise(reversed(widths))
        self.join = nn.ModuleList(_convolutions(below + width, width) for below, width in up)
        self.last = nn.Conv2d(widths[0], outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        cell = 2 ** (len(self.widths) - 1)
        x = F.pad(x, (0, -width % cell, 0, -height % cell), mode="replicate")
        skips = []
        for scale, convolutions in enumerate(self.down):
            x = convolutions(x if not scale else F.max_pool2d(x, 2))
            skips.append(x)
        for convolutions, skip in zip(self.join, reversed(skips[:-1]), strict=True):
            x = convolutions(torch.cat((_upsample(x), skip), 1))
        output: Tensor = self.last(x)
        return output[..., :height, :width]


def _upsample(x: Tensor) -> Tensor:
    """Double height and width; with one more sample per axis, aligned corners result in steps of exactly one half."""
    height, width = x.shape[2:]
    padded = F.pad(x, (0, 1, 0, 1), mode="replicate")
    size = (2 * height + 1, 2 * width + 1)
    return F.interpolate(padded, size, mode="bilinear", align_corners=True)[..., :-1, :-1]


def _convolutions(inputs: int, width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for channels in (inputs, width, width):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)

"""A decoder block that spreads channels over pixels."""

from torch import Tensor, nn
from torch.nn import functional as F


class UpsampleBlock(nn.Module):
    """Two 1x1 convolutions beside a straight way, and every four channels spread over a 2x2 cell (PixelShuffle).

    `[B,C,H,W]` to `[B,outputs/4,2H,2W]`.

    Args:
        inputs: channels.
        outputs: channels before they are spread, a multiple of 4.
        unused: hold a batch normalization that is never run, as the published program does.

    Source: Kinli et al. (OzU VGL), RST-ISP-Net; Shi et al., "Real-time single image and video super-resolution using an
    efficient sub-pixel convolutional neural network", CVPR 2016.

    >>> import torch
    >>> UpsampleBlock(8, 16)(torch.rand(1, 8, 3, 4)).shape
    torch.Size([1, 4, 6, 8])
    """

    def __init__(self, inputs: int, outputs: int, unused: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(inputs, outputs, 1), nn.Conv2d(outputs, outputs, 1)
        self.straight = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None
        self.unused = nn.BatchNorm2d(outputs) if unused else None

    def forward(self, x: Tensor) -> Tensor:
        straight = x if self.straight is None else self.straight(x)
        return F.pixel_shuffle(F.leaky_relu(self.second(self.first(x)) + straight, 0.2), 2)

"""A residual decoder block that upsamples by pixel shuffle."""

from torch import Tensor, nn
from torch.nn import functional as F


class UpsampleBlock(nn.Module):
    """Two 1x1 convolutions with a shortcut, leaky ReLU (0.2), and a pixel shuffle by 2.

    `[B,inputs,H,W]` to `[B,outputs/4,2H,2W]`.

    Args:
        inputs: input channels.
        outputs: channels before the pixel shuffle, a multiple of 4.
        unused: include a batch normalization that never runs, as in the published code.

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
        shortcut = x if self.straight is None else self.straight(x)
        return F.pixel_shuffle(F.leaky_relu(self.second(self.first(x)) + shortcut, 0.2), 2)

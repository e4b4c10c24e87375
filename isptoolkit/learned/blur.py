"""The blur before features are halved."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Blur(nn.Module):
    """Every channel by `(1, 3, 3, 1) / 8` down and across, borders repeated; two samples of four lie after the pixel.

    Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020.

    >>> Blur()(torch.ones(1, 2, 3, 5)).shape
    torch.Size([1, 2, 3, 5])
    """

    taps: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("taps", torch.outer(line, line)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        taps = self.taps.to(x.dtype).expand(channels, -1, -1, -1)
        return F.conv2d(F.pad(x, (1, 2, 1, 2), mode="replicate"), taps, groups=channels)

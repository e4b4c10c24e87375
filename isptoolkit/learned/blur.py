"""The blur before features are downsampled."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Blur(nn.Module):
    """Filter every channel by `(1, 3, 3, 1) / 8` vertically and horizontally: `[B,C,H,W]` to `[B,C,H+p,W+p]`.

    `p = before + after - 3`.

    Args:
        before: padding above and to the left.
        after: padding below and to the right.
        repeated: pad by repeating the border, otherwise with zeros.

    Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020.

    >>> Blur()(torch.ones(1, 2, 3, 5)).shape
    torch.Size([1, 2, 3, 5])
    >>> Blur(2, 2, repeated=False)(torch.full((1, 1, 1, 1), 64.0))[0, 0].tolist()
    [[9.0, 9.0], [9.0, 9.0]]
    """

    taps: Tensor

    def __init__(self, before: int = 1, after: int = 2, repeated: bool = True) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("taps", torch.outer(line, line)[None, None], persistent=False)
        self.pad = (before, after, before, after)
        self.mode = "replicate" if repeated else "constant"

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        taps = self.taps.to(x.dtype).expand(channels, -1, -1, -1)
        return F.conv2d(F.pad(x, self.pad, mode=self.mode), taps, groups=channels)

"""The affine coupling layer of a normalizing flow, and its dense blocks."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InvalidArgument
from .coupling import couple, log_scale, uncouple
from .flow_step import FlowStep


class DenseBlock(nn.Module):
    """Five densely connected 3x3 convolutions with leaky ReLU (0.2) in between: `[B,inputs,H,W]` to `[B,outputs,H,W]`.

    Each convolution takes the input and the outputs of all previous ones.

    Args:
        inputs: input channels.
        outputs: output channels.
        growth: output channels of each hidden convolution.

    Source: Xing et al., "Invertible image signal processing", CVPR 2021, supplementary material.
    """

    def __init__(self, inputs: int, outputs: int, growth: int = 32) -> None:
        super().__init__()
        widths = [growth] * 4 + [outputs]
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs + k * growth, width, 3, padding=1) for k, width in enumerate(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        *hidden, last = self.convs
        for conv in hidden:
            x = torch.cat((x, F.leaky_relu(conv(x), 0.2)), 1)
        output: Tensor = last(x)
        return output


class AffineCoupling(FlowStep):
    """An affine coupling of two groups of channels: `y1 = x1 + r(x2)`, `y2 = x2 exp(s(y1)) + t(y1)`.

    `s = limit (2 sigmoid(h) - 1)`, where h is the output of a dense block, so the factor lies in
    `exp(-limit) ... exp(limit)`. `[B,C,H,W]` to `[B,C,H,W]`.

    Args:
        channels: C.
        kept: number of channels in x1; the others are x2.
        growth: of the dense blocks r, s and t.
        limit: bound of the log-scale; 0 for `s = h`.

    Raises:
        InvalidArgument: for a number of kept channels that leaves one group empty.

    Source: Xing et al., "Invertible image signal processing", CVPR 2021, equations 3 and 4.

    >>> step, x = AffineCoupling(3, kept=1, growth=4), torch.rand(1, 3, 4, 4)
    >>> bool((step.inverse(step(x)) - x).abs().max() < 1e-5)
    True
    """

    def __init__(self, channels: int, kept: int, growth: int = 32, limit: float = 0.8) -> None:
        super().__init__()
        if not 0 < kept < channels:
            raise InvalidArgument(f"AffineCoupling: kept must be between 1 and {channels - 1}, got {kept}")
        self.kept, self.limit = kept, limit
        self.r = DenseBlock(channels - kept, kept, growth)
        self.s = DenseBlock(kept, channels - kept, growth)
        self.t = DenseBlock(kept, channels - kept, growth)

    def forward(self, x: Tensor) -> Tensor:
        first, others = x[:, : self.kept], x[:, self.kept :]
        first = first + self.r(others)
        return torch.cat((first, couple(others, self.s(first), self.t(first), self.limit)), 1)

    def inverse(self, y: Tensor) -> Tensor:
        first, others = y[:, : self.kept], y[:, self.kept :]
        others = uncouple(others, self.s(first), self.t(first), self.limit)
        return torch.cat((first - self.r(others), others), 1)

    @torch.no_grad()
    def set_identity(self) -> None:
        """Initialize to the identity, by zeroing the last convolution of each dense block."""
        for block in (self.r, self.s, self.t):
            last: Any = block.convs[-1]
            last.weight.zero_()
            last.bias.zero_()

    def log_determinant(self, x: Tensor) -> Tensor:
        first = x[:, : self.kept] + self.r(x[:, self.kept :])
        return log_scale(self.s(first), self.limit).sum((1, 2, 3))

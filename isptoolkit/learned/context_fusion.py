"""The context fusion module: channel attention and a large-kernel convolution that reweight each other."""

import functools
import operator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InvalidArgument
from .strips import in_strips, large, strips


class ChannelNorm(nn.Module):
    """Divide each pixel by the deviation of its channels and scale: `y = w x / sqrt(variance + 1e-5)`; no mean.

    `[B,C,H,W]` to `[B,C,H,W]`.

    Args:
        channels: C.

    Source: Zamir et al., "Restormer", CVPR 2022, layer normalization without bias, which does not subtract the mean.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = torch.rsqrt(x.var(1, unbiased=False, keepdim=True) + 1e-5)
        return x * scale * self.weight[:, None, None]


class ContextAttention(nn.Module):
    """Transposed attention in parallel with a large depth-wise convolution, each of which reweights the other.

    `c` is the depth-wise convolution of x. Channels attend to channels, `a = softmax(t q k^T) v`, with q and k
    normalized over the pixels: a matrix of C/heads by C/heads per head, for any image size. Channel interaction
    multiplies v by weights computed from the mean of c; spatial interaction multiplies c by weights computed from a; a
    1x1 convolution then mixes both. `[B,C,H,W]` to `[B,C,H,W]`.

    Args:
        channels: C.
        heads: of the attention; C is a multiple.
        kernel: of the depth-wise convolution, odd; 0 removes the branch.
        channel_interaction: reweight v by c.
        spatial_interaction: reweight c by a.

    Raises:
        InvalidArgument: for heads that do not divide the channels, or an even kernel.

    Source: Zou and Zhang, "Learned reverse ISP with soft supervision" (SSDNet), AIM 2022 challenge on reversed ISP:
    EMDTA; the attention is MDTA of Zamir et al., "Restormer", CVPR 2022.

    >>> ContextAttention(8, heads=2)(torch.rand(1, 8, 5, 6)).shape
    torch.Size([1, 8, 5, 6])
    """

    def __init__(
        self,
        channels: int,
        heads: int = 1,
        kernel: int = 7,
        channel_interaction: bool = True,
        spatial_interaction: bool = True,
    ) -> None:
        super().__init__()
        if channels % heads:
            raise InvalidArgument(f"ContextAttention: channels must be a multiple of heads, got {channels} and {heads}")
        if kernel and kernel % 2 == 0:
            raise InvalidArgument(f"ContextAttention: kernel must be odd, or 0 for none, got {kernel}")
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.projection = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.spread = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False)
        self.context = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels) if kernel else None
        self.of_channels = _weights(channels) if kernel and channel_interaction else None
        self.of_pixels = _weights(channels) if kernel and spatial_interaction else None
        self.last = nn.Conv2d(2 * channels if kernel else channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v, context = self._project(x)
        return self._attend(v, context, *self._weights(_Statistics.of(self.heads, q, k, context)))

    def residual_in_strips(self, x: Tensor, norm: nn.Module) -> Tensor:
        """`x + forward(norm(x))` for large maps, in two passes over strips (see `isptoolkit.learned.strips`)."""
        totals = []
        for part, own in strips(x, self.reach):
            q, k, _, context = self._project(norm(part))
            own_context = None if context is None else context[:, :, own]
            totals.append(_Statistics.of(self.heads, q[:, :, own], k[:, :, own], own_context))
        weights, of_channels = self._weights(functools.reduce(operator.add, totals))

        def work(part: Tensor) -> Tensor:
            _, _, v, context = self._project(norm(part))
            return part + self._attend(v, context, weights, of_channels)

        return in_strips(work, x, self.reach)

    @property
    def reach(self) -> int:
        """Rows above and below that the convolutions read."""
        return 1 if self.context is None else max(1, self.context.kernel_size[0] // 2)

    def _project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        q, k, v = self.spread(self.projection(x)).chunk(3, 1)
        return q, k, v, None if self.context is None else self.context(x)

    def _weights(self, statistics: "_Statistics") -> tuple[Tensor, Tensor | None]:
        of_channels = None
        if self.of_channels is not None and statistics.context is not None:
            of_channels = self.of_channels(statistics.context / statistics.pixels)
        return (statistics.cosines() * self.temperature).softmax(-1), of_channels

    def _attend(self, v: Tensor, context: Tensor | None, weights: Tensor, of_channels: Tensor | None) -> Tensor:
        if of_channels is not None:
            v = v * of_channels
        attended = (weights @ v.reshape(len(v), self.heads, -1, v.shape[2] * v.shape[3])).reshape(v.shape)
        if context is None:
            output: Tensor = self.last(attended)
            return output
        if self.of_pixels is not None:
            context = context * self.of_pixels(attended)
        output = self.last(torch.cat((context, attended), 1))
        return output


@dataclass(frozen=True)
class _Statistics:
    """Sums over pixels from which the attention weights of a feature map are computed."""

    product: Tensor
    energies: tuple[Tensor, Tensor]
    context: Tensor | None
    pixels: int

    @staticmethod
    def of(heads: int, q: Tensor, k: Tensor, context: Tensor | None) -> "_Statistics":
        split = (len(q), heads, -1, q.shape[2] * q.shape[3])
        first, second = (part.reshape(split) for part in (q, k))
        energies = (first.square().sum(-1), second.square().sum(-1))
        total = None if context is None else context.sum((2, 3), keepdim=True)
        return _Statistics(first @ second.transpose(-2, -1), energies, total, split[-1])

    def __add__(self, other: "_Statistics") -> "_Statistics":
        context = None if self.context is None or other.context is None else self.context + other.context
        first, second = (a + b for a, b in zip(self.energies, other.energies, strict=True))
        return _Statistics(self.product + other.product, (first, second), context, self.pixels + other.pixels)

    def cosines(self) -> Tensor:
        """The cosine similarity of the channels of q and k."""
        first, second = (energy.sqrt().clamp_min(1e-12) for energy in self.energies)
        return self.product / (first[..., None] * second[..., None, :])


class GatedFeedForward(nn.Module):
    """A gated feed-forward network: `y = W (gelu(a) b)`, a and b the halves of expanded features.

    `[B,C,H,W]` to `[B,C,H,W]`.

    Args:
        channels: C.
        expansion: hidden channels per channel.

    Source: Zamir et al., "Restormer", CVPR 2022: GDFN.

    >>> GatedFeedForward(4)(torch.rand(1, 4, 3, 3)).shape
    torch.Size([1, 4, 3, 3])
    """

    def __init__(self, channels: int, expansion: float = 2.66) -> None:
        super().__init__()
        hidden = int(channels * expansion)
        self.widen = nn.Conv2d(channels, 2 * hidden, 1, bias=False)
        self.spread = nn.Conv2d(2 * hidden, 2 * hidden, 3, padding=1, groups=2 * hidden, bias=False)
        self.last = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.spread(self.widen(x)).chunk(2, 1)
        output: Tensor = self.last(F.gelu(gate) * value)
        return output


class SimplifiedFeedForward(nn.Module):
    """A gated feed-forward network without expansion and output convolution: `y = gelu(a) b`.

    About a quarter of the parameters of `GatedFeedForward`. `[B,C,H,W]` to `[B,C,H,W]`.

    Args:
        channels: C.

    Source: Zou and Zhang, "Learned reverse ISP with soft supervision" (SSDNet), AIM 2022 challenge on reversed ISP,
    equation 6: SGDFN. The published code has GDFN instead; "compressed" in the paper is read as "without expansion".

    >>> sum(value.numel() for value in SimplifiedFeedForward(48).parameters())
    5472
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.spread = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.spread(self.mix(x)).chunk(2, 1)
        output: Tensor = F.gelu(gate) * value
        return output


class ContextFusion(nn.Module):
    """The context fusion module: `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.

    `[B,C,H,W]` to `[B,C,H,W]`. Large maps without gradients are processed in strips, with equal results.

    Args:
        channels: C.
        heads: of the attention; C is a multiple.
        kernel: of the attention's depth-wise convolution, odd; 0 removes the branch.
        channel_interaction: reweight the attention's values by the convolution.
        spatial_interaction: reweight the convolution by the attention.
        expansion: of `GatedFeedForward`; 0 uses `SimplifiedFeedForward`.

    Raises:
        InvalidArgument: for heads that do not divide the channels, or an even kernel.

    Source: Zou and Zhang, "Learned reverse ISP with soft supervision" (SSDNet), AIM 2022 challenge on reversed ISP:
    CFM.

    >>> sum(value.numel() for value in ContextFusion(48).parameters())
    45103
    """

    def __init__(
        self,
        channels: int,
        heads: int = 1,
        kernel: int = 7,
        channel_interaction: bool = True,
        spatial_interaction: bool = True,
        expansion: float = 2.66,
    ) -> None:
        super().__init__()
        self.norms = nn.ModuleList(ChannelNorm(channels) for _ in range(2))
        self.attention = ContextAttention(channels, heads, kernel, channel_interaction, spatial_interaction)
        self.feed_forward = GatedFeedForward(channels, expansion) if expansion else SimplifiedFeedForward(channels)

    def forward(self, x: Tensor) -> Tensor:
        if large(x):
            y = self.attention.residual_in_strips(x, self.norms[0])
            return in_strips(lambda part: part + self.feed_forward(self.norms[1](part)), y, 1, into=y)
        x = x + self.attention(self.norms[0](x))
        output: Tensor = x + self.feed_forward(self.norms[1](x))
        return output


def _weights(channels: int) -> nn.Sequential:
    """Layers from features to weights in (0, 1)."""
    layers = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(2))
    first, second = layers
    return nn.Sequential(first, nn.GELU(), second, nn.Sigmoid())

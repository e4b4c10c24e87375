"""The context fusion module: channel attention and a large-kernel convolution that weigh each other, then gates."""

import functools
import operator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InvalidArgument
from .strips import in_strips, large, strips


class ChannelNorm(nn.Module):
    """Channels divided by their deviation at each pixel and scaled: `y = w x / sqrt(variance + 1e-5)`, without a mean.

    Args:
        channels: how many.

    Source: Zamir et al., "Restormer", CVPR 2022, layer normalization without bias, which subtracts no mean.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = torch.rsqrt(x.var(1, unbiased=False, keepdim=True) + 1e-5)
        return x * scale * self.weight[:, None, None]


class ContextAttention(nn.Module):
    """Transposed attention beside a large depth-wise convolution, each of which weighs the other.

    `c` is the convolution of x. Channels attend to channels, `a = softmax(t q k^T) v`, q and k of unit length over the
    pixels: a matrix of channels by channels for each head, whatever the size. Channel interaction weighs v by the means
    of c; spatial interaction weighs c by a; both then mix in a 1x1 convolution.

    Args:
        channels: how many.
        heads: of the attention; they divide the channels.
        kernel: of the depth-wise convolution, odd; 0 leaves the branch out.
        channel_interaction: weigh v by c.
        spatial_interaction: weigh c by a.

    Raises:
        InvalidArgument: for heads that do not divide the channels, or an even kernel.

    Source: Zou and Zhang (CS2U), SSDNet, AIM 2022 challenge on reversed ISP: EMDTA; the attention is MDTA of Zamir
    et al., "Restormer", CVPR 2022.

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
            raise InvalidArgument(f"ContextAttention: {heads} heads do not divide {channels} channels")
        if kernel and kernel % 2 == 0:
            raise InvalidArgument(f"ContextAttention: kernel is odd, or 0 for none, got {kernel}")
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.projection = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.spread = nn.Conv2d(3 * channels, 3 * channels, 3, padding=1, groups=3 * channels, bias=False)
        self.context = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels) if kernel else None
        self.of_channels = _weights(channels) if kernel and channel_interaction else None
        self.of_pixels = _weights(channels) if kernel and spatial_interaction else None
        self.last = nn.Conv2d(2 * channels if kernel else channels, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v, context = self._seen(x)
        return self._mixed(v, context, *self._weights(_Found.of(self.heads, q, k, context)))

    def added(self, x: Tensor, norm: nn.Module) -> Tensor:
        """`x + forward(norm(x))` for large maps, in two passes over strips (see `isptoolkit.learned.strips`)."""
        totals = []
        for part, own in strips(x, self.reach):
            q, k, _, context = self._seen(norm(part))
            own_context = None if context is None else context[:, :, own]
            totals.append(_Found.of(self.heads, q[:, :, own], k[:, :, own], own_context))
        weights, of_channels = self._weights(functools.reduce(operator.add, totals))

        def work(part: Tensor) -> Tensor:
            _, _, v, context = self._seen(norm(part))
            return part + self._mixed(v, context, weights, of_channels)

        return in_strips(work, x, self.reach)

    @property
    def reach(self) -> int:
        """How many rows the convolutions look far."""
        return 1 if self.context is None else max(1, self.context.kernel_size[0] // 2)

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        q, k, v = self.spread(self.projection(x)).chunk(3, 1)
        return q, k, v, None if self.context is None else self.context(x)

    def _weights(self, found: "_Found") -> tuple[Tensor, Tensor | None]:
        of_channels = None
        if self.of_channels is not None and found.context is not None:
            of_channels = self.of_channels(found.context / found.pixels)
        return (found.cosines() * self.temperature).softmax(-1), of_channels

    def _mixed(self, v: Tensor, context: Tensor | None, weights: Tensor, of_channels: Tensor | None) -> Tensor:
        if of_channels is not None:
            v = v * of_channels
        attended = (weights @ v.reshape(len(v), self.heads, -1, v.shape[2] * v.shape[3])).reshape(v.shape)
        if context is None:
            made: Tensor = self.last(attended)
            return made
        if self.of_pixels is not None:
            context = context * self.of_pixels(attended)
        made = self.last(torch.cat((context, attended), 1))
        return made


@dataclass(frozen=True)
class _Found:
    """Sums over the pixels: what attention knows of a map."""

    product: Tensor
    energies: tuple[Tensor, Tensor]
    context: Tensor | None
    pixels: int

    @staticmethod
    def of(heads: int, q: Tensor, k: Tensor, context: Tensor | None) -> "_Found":
        split = (len(q), heads, -1, q.shape[2] * q.shape[3])
        first, second = (part.reshape(split) for part in (q, k))
        energies = (first.square().sum(-1), second.square().sum(-1))
        total = None if context is None else context.sum((2, 3), keepdim=True)
        return _Found(first @ second.transpose(-2, -1), energies, total, split[-1])

    def __add__(self, other: "_Found") -> "_Found":
        context = None if self.context is None or other.context is None else self.context + other.context
        first, second = (a + b for a, b in zip(self.energies, other.energies, strict=True))
        return _Found(self.product + other.product, (first, second), context, self.pixels + other.pixels)

    def cosines(self) -> Tensor:
        """The product of q and k at unit length."""
        first, second = (energy.sqrt().clamp_min(1e-12) for energy in self.energies)
        return self.product / (first[..., None] * second[..., None, :])


class GatedFeedForward(nn.Module):
    """Two halves of widened features, one of which gates the other: `y = W (gelu(a) b)`.

    Args:
        channels: how many.
        expansion: hidden channels for each.

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
        made: Tensor = self.last(F.gelu(gate) * value)
        return made


class SimplifiedFeedForward(nn.Module):
    """As `GatedFeedForward`, neither widened nor mixed again: `y = gelu(a) b`, about a quarter of its parameters.

    Args:
        channels: how many.

    Source: Zou and Zhang (CS2U), SSDNet, equation 6: SGDFN, which the paper describes and the published program, which
    has GDFN, does not hold; "compressed" is read as without expansion.

    >>> sum(value.numel() for value in SimplifiedFeedForward(48).parameters())
    5472
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, 2 * channels, 1, bias=False)
        self.spread = nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.spread(self.mix(x)).chunk(2, 1)
        made: Tensor = F.gelu(gate) * value
        return made


class ContextFusion(nn.Module):
    """The module as a whole: `x + attention(norm(x))`, then `x + feed_forward(norm(x))`.

    Args:
        channels: how many.
        heads: see `ContextAttention`.
        kernel: see there.
        channel_interaction: see there.
        spatial_interaction: see there.
        expansion: see `GatedFeedForward`; 0 takes `SimplifiedFeedForward`.

    Source: as `ContextAttention`: CFM.

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
            y = self.attention.added(x, self.norms[0])
            return in_strips(lambda part: part + self.feed_forward(self.norms[1](part)), y, 1, into=y)
        x = x + self.attention(self.norms[0](x))
        made: Tensor = x + self.feed_forward(self.norms[1](x))
        return made


def _weights(channels: int) -> nn.Sequential:
    """Features to weights between 0 and 1."""
    layers = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(2))
    first, second = layers
    return nn.Sequential(first, nn.GELU(), second, nn.Sigmoid())

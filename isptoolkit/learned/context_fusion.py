"""The context fusion module: channel attention and a large-kernel convolution that weigh each other, then gates."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InvalidArgument


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

    Source: Choi et al. (CS2U), SSDNet, AIM 2022 challenge on reversed ISP: EMDTA; the attention is MDTA of Zamir et
    al., "Restormer", CVPR 2022.

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
        q, k, v = self.spread(self.projection(x)).chunk(3, 1)
        context = None if self.context is None else self.context(x)
        if self.of_channels is not None and context is not None:
            v = v * self.of_channels(context.mean((2, 3), keepdim=True))
        attended = self._attend(q, k, v)
        if context is None:
            made: Tensor = self.last(attended)
            return made
        if self.of_pixels is not None:
            context = context * self.of_pixels(attended)
        made = self.last(torch.cat((context, attended), 1))
        return made

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        split = (len(q), self.heads, -1, q.shape[2] * q.shape[3])
        q, k = (F.normalize(part.reshape(split), dim=-1) for part in (q, k))
        weights = (q @ k.transpose(-2, -1) * self.temperature).softmax(-1)
        return (weights @ v.reshape(split)).reshape(v.shape)


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

    Source: Choi et al. (CS2U), SSDNet, equation 6: SGDFN, which the paper describes and the published program, which
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
        x = x + self.attention(self.norms[0](x))
        made: Tensor = x + self.feed_forward(self.norms[1](x))
        return made


def _weights(channels: int) -> nn.Sequential:
    """Features to weights between 0 and 1."""
    layers = (nn.Conv2d(channels, channels, 1, bias=False) for _ in range(2))
    first, second = layers
    return nn.Sequential(first, nn.GELU(), second, nn.Sigmoid())

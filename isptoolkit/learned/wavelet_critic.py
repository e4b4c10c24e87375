"""A critic of packed RAW on multi-scale Haar bands, and its Wasserstein losses."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ..errors import InvalidArgument, InvalidTensor
from .blur import Blur
from .flow import Haar
from .style_removal import BiasedLeaky

_GROUP = 4
"""Group size of the minibatch deviation."""
_ORDER = [0, 2, 1, 3]
"""The order of the published code's bands in those of `Haar`: differences of rows before differences of columns."""


class WaveletCritic(nn.Module):
    """Score samples: `[B,C,H,W]` to `[B]`, high for RAW that looks real.

    Samples are resized to `4 2^(n+1)` pixels, n the number of downsamplings. At every scale a 1x1 convolution of their
    Haar bands is added to the features, which two convolutions, the second with blur and stride 2, reduce to 4x4; the
    deviation of features within groups of samples is appended as a channel. Convolutions have spectral norm 1 and zero
    padding, and every layer but the last ends in a `BiasedLeaky`.

    Args:
        channels: C, of a sample.
        widths: channels per scale, finest first; the published widths have 26,222,337 parameters.

    Raises:
        InvalidArgument: for fewer than two widths.
        InvalidTensor: in `forward`, for another number of channels.

    Source: Kinli, Ozcan and Kirac, "Reversing image signal processors by reverse style transferring", AIM 2022
    reversed ISP challenge, and its code; after Gal et al., "SWAGAN: a style-based wavelet-driven generative model",
    SIGGRAPH 2021.

    >>> WaveletCritic(4, (8, 16))(torch.rand(3, 4, 20, 24)).shape
    torch.Size([3])
    """

    def __init__(self, channels: int = 4, widths: tuple[int, ...] = (128, 512, 512, 512, 512, 512)) -> None:
        super().__init__()
        if len(widths) < 2:
            raise InvalidArgument(f"WaveletCritic needs at least two widths, got {widths}")
        self.channels, self.size, self.haar = channels, 4 * 2 ** len(widths), Haar()
        self.from_bands = nn.ModuleList(_layer(nn.Conv2d(4 * channels, width, 1, bias=False)) for width in widths)
        self.convs = nn.ModuleList(_layer(nn.Conv2d(width, width, 3, padding=1, bias=False)) for width in widths[:-1])
        self.downs = nn.ModuleList(
            nn.Sequential(Blur(2, 2, repeated=False), *_layer(nn.Conv2d(*pair, 3, 2, bias=False)))
            for pair in itertools.pairwise(widths)
        )
        self.last = _layer(nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1, bias=False))
        # As in the published code, the first linear layer and its activation both have a bias.
        self.head = nn.Sequential(
            *_layer(nn.Linear(16 * widths[-1], widths[-1])), spectral_norm(nn.Linear(widths[-1], 1))
        )
        self.blur = Blur(1, 1, repeated=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.resized(x)
        y = x.new_zeros(())
        for scale, from_bands in enumerate(self.from_bands):
            if scale:
                x = self.halved(x)
            y = y + from_bands(self.bands(x))
            if scale < len(self.downs):
                y = self.downs[scale](self.convs[scale](y))
        y = torch.cat((y, _group_deviation(y)), 1)
        score: Tensor = self.head(self.last(y).flatten(1))
        return score[:, 0]

    def resized(self, x: Tensor) -> Tensor:
        """Resize samples `[B,C,H,W]` bilinearly to the input size of the critic.

        Raises:
            InvalidTensor: for another number of channels.
        """
        if x.ndim != 4 or x.shape[1] != self.channels:
            raise InvalidTensor(f"WaveletCritic needs [B,{self.channels},H,W], got {list(x.shape)}")
        if x.shape[2:] == (self.size, self.size):
            return x
        return F.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)

    def halved(self, x: Tensor) -> Tensor:
        """Blur samples and keep every second row and column: the next scale."""
        halved: Tensor = self.blur(x)[..., ::2, ::2]
        return halved

    def bands(self, x: Tensor) -> Tensor:
        """Haar bands of `[B,C,H,W]`, `[B,4C,H/2,W/2]`: the means of all channels, then each kind of difference.

        >>> WaveletCritic(1, (4, 4)).bands(torch.tensor([[[[4.0, 3.0], [2.0, 1.0]]]])).flatten()
        tensor([5., 2., 1., 0.])
        """
        bands: Tensor = self.haar(x).unflatten(1, (-1, 4))[:, :, _ORDER]
        return bands.transpose(1, 2).flatten(1, 2)


def critic_loss(
    critic: nn.Module, real: Tensor, generated: Tensor, penalty: float = 10.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """The Wasserstein loss of a critic with gradient penalty: `D(generated) - D(real) + penalty P`.

    Args:
        critic: `[B,C,H,W]` to `[B]`.
        real: `[B,C,H,W]`.
        generated: `[B,C,H,W]`; detached.
        penalty: weight of the gradient penalty P, see `gradient_penalty`.

    Returns:
        The loss, and its parts `distance` and `penalty`.

    Source: Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017, equation 3.
    """
    generated = generated.detach()
    alpha = torch.rand(len(real), 1, 1, 1, device=real.device)
    gradient_term = gradient_penalty(critic, generated, real, alpha)
    distance = critic(generated).mean() - critic(real).mean()
    return distance + penalty * gradient_term, {"distance": -distance.detach(), "penalty": gradient_term.detach()}


def gradient_penalty(critic: nn.Module, generated: Tensor, real: Tensor, alpha: Tensor) -> Tensor:
    """`P = mean of (|grad D(alpha generated + (1 - alpha) real)| - 1)^2`, the norm over all elements of a sample.

    Args:
        critic: `[B,C,H,W]` to `[B]`.
        generated: `[B,C,H,W]`.
        real: `[B,C,H,W]`.
        alpha: `[B,1,1,1]`, 0 to 1.

    Source: Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017, equation 3; alpha multiplies the
    generated sample in the code of RST-ISP-Net.

    >>> critic = lambda x: x.square().sum((1, 2, 3)) / 2  # its gradient is x
    >>> generated, real = torch.full((1, 1, 1, 1), 4.0), torch.zeros(1, 1, 1, 1)
    >>> gradient_penalty(critic, generated, real, torch.full((1, 1, 1, 1), 0.75)).item()  # (3 - 1)^2
    4.0
    """
    between = (alpha * generated + (1 - alpha) * real).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norms: Tensor = gradient.flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


def _layer(linear: nn.Conv2d | nn.Linear) -> nn.Sequential:
    return nn.Sequential(spectral_norm(linear), BiasedLeaky(linear.weight.shape[0]))


def _group_deviation(x: Tensor) -> Tensor:
    """The deviation within each group of samples, averaged over channels and pixels, as a channel `[B,1,H,W]`."""
    size = next(n for n in range(min(_GROUP, len(x)), 0, -1) if len(x) % n == 0)
    groups = x.reshape(size, -1, *x.shape[1:])
    deviation = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return deviation.repeat(size).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])

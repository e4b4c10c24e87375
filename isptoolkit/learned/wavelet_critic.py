"""A critic that looks at RAW in Haar bands, scale by scale, and the Wasserstein losses that it is for."""

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
"""Samples whose deviation from each other the critic sees."""
_ORDER = [0, 2, 1, 3]
"""The program's bands among those of `Haar`: it has differences of rows before differences of columns."""


class WaveletCritic(nn.Module):
    """One number for each sample: high for RAW that looks real.

    Samples are resized to `4 2^(n+1)` pixels, n the number of halvings. At every scale their Haar bands, 1x1 convolved,
    are added to the features, which two convolutions, the second blurred and of stride 2, take down to 4x4; then the
    deviation of features among samples of a group is put beside them. Convolutions have spectral norm 1, borders are
    zero, and every layer but the last ends in a `BiasedLeaky`.

    Args:
        planes: channels of a sample.
        widths: features of each scale, finest first; the published ones have 26,222,337 parameters.

    Raises:
        InvalidArgument: for fewer than two widths.
        InvalidTensor: in `forward`, for other channels.

    Source: Kinli, Ozcan and Kirac, "Reversing image signal processors by reverse style transferring", AIM 2022
    reversed ISP challenge, and its program; after Gal et al., "SWAGAN: a style-based wavelet-driven generative model",
    SIGGRAPH 2021.

    >>> WaveletCritic(4, (8, 16))(torch.rand(3, 4, 20, 24)).shape
    torch.Size([3])
    """

    def __init__(self, planes: int = 4, widths: tuple[int, ...] = (128, 512, 512, 512, 512, 512)) -> None:
        super().__init__()
        if len(widths) < 2:
            raise InvalidArgument(f"WaveletCritic: at least two widths, got {widths}")
        self.planes, self.size, self.haar = planes, 4 * 2 ** len(widths), Haar()
        self.seen = nn.ModuleList(_layer(nn.Conv2d(4 * planes, width, 1, bias=False)) for width in widths)
        self.looked = nn.ModuleList(_layer(nn.Conv2d(width, width, 3, padding=1, bias=False)) for width in widths[:-1])
        self.shrunk = nn.ModuleList(
            nn.Sequential(Blur(2, 2, repeated=False), *_layer(nn.Conv2d(*pair, 3, 2, bias=False)))
            for pair in itertools.pairwise(widths)
        )
        self.last = _layer(nn.Conv2d(widths[-1] + 1, widths[-1], 3, padding=1, bias=False))
        # As in the program, the first linear layer and its activation both have a bias.
        self.judged = nn.Sequential(
            *_layer(nn.Linear(16 * widths[-1], widths[-1])), spectral_norm(nn.Linear(widths[-1], 1))
        )
        self.blur = Blur(1, 1, repeated=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.resized(x)
        y = x.new_zeros(())
        for scale, seen in enumerate(self.seen):
            if scale:
                x = self.halved(x)
            y = y + seen(self.bands(x))
            if scale < len(self.shrunk):
                y = self.shrunk[scale](self.looked[scale](y))
        y = torch.cat((y, _among(y)), 1)
        made: Tensor = self.judged(self.last(y).flatten(1))
        return made[:, 0]

    def resized(self, x: Tensor) -> Tensor:
        """Samples `[B,planes,H,W]`, resized bilinearly to the size that the critic sees.

        Raises:
            InvalidTensor: for other channels.
        """
        if x.ndim != 4 or x.shape[1] != self.planes:
            raise InvalidTensor(f"WaveletCritic takes [B,{self.planes},H,W], got {list(x.shape)}")
        if x.shape[2:] == (self.size, self.size):
            return x
        return F.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)

    def halved(self, x: Tensor) -> Tensor:
        """Planes at the next scale: blurred, every second sample."""
        made: Tensor = self.blur(x)[..., ::2, ::2]
        return made

    def bands(self, x: Tensor) -> Tensor:
        """Haar bands `[B,4P,H/2,W/2]` of planes `[B,P,H,W]`: the means of all planes, then each kind of difference.

        >>> WaveletCritic(1, (4, 4)).bands(torch.tensor([[[[4.0, 3.0], [2.0, 1.0]]]])).flatten()
        tensor([5., 2., 1., 0.])
        """
        found: Tensor = self.haar(x).unflatten(1, (-1, 4))[:, :, _ORDER]
        return found.transpose(1, 2).flatten(1, 2)


def critic_loss(
    critic: nn.Module, real: Tensor, made: Tensor, penalty: float = 10.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """What a critic minimizes: `D(made) - D(real) + penalty P`, and its parts.

    Args:
        critic: `[B,C,H,W]` to `[B]`.
        real: `[B,C,H,W]`.
        made: the same shape; no gradient goes through.
        penalty: of gradients whose norm is not 1, at points between the two: see `gradient_penalty`.

    Source: Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017, equation 3.
    """
    made = made.detach()
    alpha = torch.rand(len(real), 1, 1, 1, device=real.device)
    steep = gradient_penalty(critic, made, real, alpha)
    distance = critic(made).mean() - critic(real).mean()
    return distance + penalty * steep, {"distance": -distance.detach(), "penalty": steep.detach()}


def gradient_penalty(critic: nn.Module, generated: Tensor, real: Tensor, alpha: Tensor) -> Tensor:
    """`P = mean of (|grad D(alpha generated + (1 - alpha) real)| - 1)^2`, the norm over all elements of a sample.

    Args:
        critic: `[B,C,H,W]` to `[B]`.
        generated: `[B,C,H,W]`.
        real: the same shape.
        alpha: `[B,1,1,1]`, 0 to 1.

    Source: as `critic_loss`; alpha multiplies the generated sample in the program of RST-ISP-Net.

    >>> critic = lambda x: x.square().sum((1, 2, 3)) / 2  # its gradient is x
    >>> generated, real = torch.full((1, 1, 1, 1), 4.0), torch.zeros(1, 1, 1, 1)
    >>> gradient_penalty(critic, generated, real, torch.full((1, 1, 1, 1), 0.75)).item()  # (3 - 1)^2
    4.0
    """
    between = (alpha * generated + (1 - alpha) * real).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    norms: Tensor = slope.flatten(1).norm(dim=1)
    return (norms - 1).square().mean()


def _layer(linear: nn.Conv2d | nn.Linear) -> nn.Sequential:
    return nn.Sequential(spectral_norm(linear), BiasedLeaky(linear.weight.shape[0]))


def _among(x: Tensor) -> Tensor:
    """The deviation among the samples of each group, its mean over features and pixels, as a plane for each sample."""
    size = next(n for n in range(min(_GROUP, len(x)), 0, -1) if len(x) % n == 0)
    groups = x.reshape(size, -1, *x.shape[1:])
    found = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return found.repeat(size).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])

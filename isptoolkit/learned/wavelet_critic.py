"""A critic that looks at RAW in Haar bands, scale by scale, and the Wasserstein losses that it is for."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from ..errors import InvalidArgument, InvalidTensor
from .blur import Blur
from .flow import Haar

_GROUP = 4
"""Samples whose deviation from each other the critic is told."""


class WaveletCritic(nn.Module):
    """One number for each sample: high for RAW that looks real.

    Samples are resized to `4 2^(n+1)` pixels, n the number of halvings. At every scale their Haar bands, 1x1 convolved,
    are added to the features, which two convolutions, the second blurred and of stride 2, take down to 4x4; then the
    deviation of features among samples of a group is put beside them. Convolutions have spectral norm 1.

    Args:
        planes: channels of a sample.
        widths: features of each scale, finest first; the published ones have 26.2 million parameters.

    Raises:
        InvalidArgument: for fewer than two widths.
        InvalidTensor: in `forward`, for other channels.

    Source: Kinli, Ozcan and Kirac (OzU VGL), RST-ISP-Net, AIM 2022 challenge on reversed ISP; after Gal et al.,
    "SWAGAN: a style-based wavelet-driven generative model", SIGGRAPH 2021.

    >>> WaveletCritic(4, (8, 16))(torch.rand(3, 4, 20, 24)).shape
    torch.Size([3])
    """

    def __init__(self, planes: int = 4, widths: tuple[int, ...] = (128, 512, 512, 512, 512, 512)) -> None:
        super().__init__()
        if len(widths) < 2:
            raise InvalidArgument(f"WaveletCritic: at least two widths, got {widths}")
        self.planes, self.size, self.haar = planes, 4 * 2 ** len(widths), Haar()
        self.seen = nn.ModuleList(spectral_norm(nn.Conv2d(4 * planes, width, 1)) for width in widths)
        self.looked = nn.ModuleList(_conv(width, width) for width in widths[:-1])
        self.shrunk = nn.ModuleList(_conv(*pair, stride=2) for pair in itertools.pairwise(widths))
        self.last = _conv(widths[-1] + 1, widths[-1])
        self.judged = nn.Sequential(
            spectral_norm(nn.Linear(16 * widths[-1], widths[-1])),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Linear(widths[-1], 1)),
        )
        self.blur = Blur()

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] != self.planes:
            raise InvalidTensor(f"WaveletCritic takes [B,{self.planes},H,W], got {list(x.shape)}")
        x = F.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        y = x.new_zeros(())
        for scale, seen in enumerate(self.seen):
            if scale:
                x = self.blur(x)[..., ::2, ::2]
            y = y + F.leaky_relu(seen(self.haar(x)), 0.2)
            if scale < len(self.shrunk):
                y = F.leaky_relu(self.looked[scale](y), 0.2)
                y = F.leaky_relu(self.shrunk[scale](self.blur(y)), 0.2)
        y = torch.cat((y, _among(y)), 1)
        made: Tensor = self.judged(F.leaky_relu(self.last(y), 0.2).flatten(1))
        return made[:, 0]


def criticized(
    critic: nn.Module, real: Tensor, made: Tensor, penalty: float = 10.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """What a critic minimizes: `D(made) - D(real) + penalty (|grad D(between)| - 1)^2`, and its parts.

    Args:
        critic: `[B,C,H,W]` to `[B]`.
        real: `[B,C,H,W]`.
        made: the same shape; no gradient goes through.
        penalty: of gradients whose norm is not 1, at points between the two.

    Source: Gulrajani et al., "Improved training of Wasserstein GANs", NeurIPS 2017, equation 3.
    """
    made = made.detach()
    share = torch.rand(len(real), 1, 1, 1, device=real.device)
    between = (share * real + (1 - share) * made).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    steep = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    distance = critic(made).mean() - critic(real).mean()
    return distance + penalty * steep, {"distance": -distance.detach(), "penalty": steep.detach()}


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Module:
    return spectral_norm(nn.Conv2d(inputs, outputs, 3, stride, padding=1))


def _among(x: Tensor) -> Tensor:
    """The deviation among the samples of each group, its mean over features and pixels, as a plane for each sample."""
    size = next(n for n in range(min(_GROUP, len(x)), 0, -1) if len(x) % n == 0)
    groups = x.reshape(size, -1, *x.shape[1:])
    found = (groups.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    return found.repeat(size).view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])

"""Losses of images and packed RAW besides the mean absolute error."""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InvalidArgument, InvalidTensor

_SIGMAS = (0.5, 1.0, 2.0, 4.0)
"""Standard deviations in pixels of the Gaussian masks of MS-SSIM, on 17x17 taps."""
_SMOOTHING = (2.0, 4.0, 4.0, 4.0)
"""Standard deviations of the masks by which the published MS-SSIM smooths the absolute errors, by channel."""


def ms_ssim(output: Tensor, target: Tensor) -> Tensor:
    """`200 (0.025 (1 - MS-SSIM) + 0.975 mean of Gaussian-weighted |output - target|)`, kornia's.

    Four scales of sigma 0.5 to 4 pixels, equal for every channel. (kornia before 0.9 gave each channel its own
    scale: `ms_ssim_published`.)

    Args:
        output: `[B,C,H,W]`, 0 to 1.
        target: `[B,C,H,W]`, 0 to 1.

    Source: Zhao, Gallo, Frosio and Kautz, "Loss functions for image restoration with neural networks", IEEE TCI 2017.

    >>> x = torch.rand(1, 4, 24, 24)
    >>> abs(float(ms_ssim(x, x))) < 1e-4
    True
    """
    loss: Tensor = _ms_ssim(output.device)(output, target)
    return loss


def ms_ssim_published(output: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """`200 (0.025 (1 - l_B^3 product of c_p^3) + 0.975 mean of |output - target| * g_p)`, RST-ISP-Net's loss.

    It is `ms_ssim` as kornia of mid 2022 computed it. Channel p has one scale: sigma is 0.5 for R, 1 for the green
    beside it, 2 for the other green, 4 for B. `c_p` is its contrast term and `l_B` the luminance term of B; the
    Gaussians `g_p` have sigma 2 for R and 4 for the others. Borders are zero.

    Args:
        output: packed RAW `[B,4,H,W]`, RGGB, 0 to 1.
        target: `[B,4,H,W]`.
        reduction: "mean" over samples and pixels, or "none" for `[B,H,W]`.

    Raises:
        InvalidTensor: unless both have the same shape, with four channels.
        InvalidArgument: for another reduction.

    Source: kornia 0.6.6, of mid 2022, as the program of RST-ISP-Net calls it: Kinli, Ozcan and Kirac, "Reversing
    image signal processors by reverse style transferring", AIM 2022 reversed ISP challenge.

    >>> x = torch.rand(1, 4, 24, 24)
    >>> abs(float(ms_ssim_published(x, x))) < 1e-4
    True
    """
    if output.ndim != 4 or output.shape[1] != 4 or output.shape != target.shape:
        raise InvalidTensor(
            f"ms_ssim_published takes [B,4,H,W] twice, got {list(output.shape)} and {list(target.shape)}"
        )
    if reduction not in ("mean", "none"):
        raise InvalidArgument(f"ms_ssim_published: reduction is mean or none, got {reduction!r}")
    with torch.autocast(output.device.type, enabled=False):  # variances are differences of nearly equal numbers
        single = torch.promote_types(torch.promote_types(output.dtype, target.dtype), torch.float32)
        loss = _ms_ssim_published(output.to(single), target.to(single))
    return loss if reduction == "none" else loss.mean()


def _ms_ssim_published(output: Tensor, target: Tensor) -> Tensor:
    """The loss of each pixel, `[B,H,W]`."""
    scales = _masks(_SIGMAS, output)
    means = [_smoothed(x, scales) for x in (output, target)]
    squares = [_smoothed(x.square(), scales) - mean.square() for x, mean in zip((output, target), means, strict=True)]
    product = means[0] * means[1]
    both = _smoothed(output * target, scales) - product
    contrast = (2 * both + 0.03**2) / (squares[0] + squares[1] + 0.03**2)
    luminance = (2 * product + 0.01**2) / (means[0].square() + means[1].square() + 0.01**2)
    similar = luminance[:, -1].pow(3) * contrast.pow(3).prod(1)
    error = _smoothed((output - target).abs(), _masks(_SMOOTHING, output)).mean(1)
    return 200 * (0.025 * (1 - similar) + 0.975 * error)


def total_variation(x: Tensor) -> Tensor:
    """The mean absolute difference of neighbors, down plus across, kornia's.

    Args:
        x: `[B,C,H,W]`.

    Source: Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992.

    >>> float(total_variation(torch.ones(1, 4, 5, 5)))
    0.0
    """
    from kornia.losses import total_variation as summed

    variation: Tensor = summed(x, reduction="mean").mean()
    return variation


def total_variation_sum(x: Tensor) -> Tensor:
    """The sum of a sample's absolute differences of neighbors, down and across, its mean over the batch.

    It grows with the image: for packed RAW of 252x252 it is 253,008 times `total_variation`.

    Args:
        x: `[B,C,H,W]`.

    Source: the program of RST-ISP-Net: Kinli, Ozcan and Kirac, "Reversing image signal processors by reverse style
    transferring", AIM 2022 reversed ISP challenge.

    >>> float(total_variation_sum(torch.arange(4.0).view(1, 1, 2, 2)))  # 2 + 2 down, 1 + 1 across
    6.0
    """
    down, across = x.diff(dim=2).abs(), x.diff(dim=3).abs()
    return (down.sum((1, 2, 3)) + across.sum((1, 2, 3))).mean()


def _masks(sigmas: tuple[float, ...], like: Tensor) -> Tensor:
    """For each channel a Gaussian of 17x17 taps that sum to 1, `[C,1,17,17]`, in single precision as kornia's."""
    taps = torch.arange(-8.0, 9.0, device=like.device)
    deviations = torch.tensor(sigmas, device=like.device)[:, None]
    lines = torch.exp(-taps.square() / (2 * deviations.square()))
    lines = lines / lines.sum(1, keepdim=True)
    return (lines[:, :, None] * lines[:, None, :])[:, None].to(like.dtype)


def _smoothed(x: Tensor, masks: Tensor) -> Tensor:
    """Each channel smoothed by its own mask, with zero borders."""
    return F.conv2d(x, masks, padding=8, groups=len(masks))


@functools.cache
def _ms_ssim(device: torch.device) -> nn.Module:
    from kornia.losses import MS_SSIMLoss

    return MS_SSIMLoss(sigmas=list(_SIGMAS), alpha=0.025).to(device)

"""Losses of pictures and RAW that training is given beside the plain mean absolute error."""

import functools

import torch
from torch import Tensor, nn


def ms_ssim(made: Tensor, wanted: Tensor) -> Tensor:
    """`200 (0.025 (1 - MS-SSIM) + 0.975 mean of Gaussian-weighted |made - wanted|)`, kornia's.

    Four scales of sigma 0.5 to 4 pixels, on every channel alike. (kornia before 0.9 gave each channel a scale of its
    own.)

    Args:
        made: `[B,C,H,W]`, 0 to 1.
        wanted: the same shape.

    Source: Zhao, Gallo, Frosio and Kautz, "Loss functions for image restoration with neural networks", IEEE TCI 2017.

    >>> x = torch.rand(1, 4, 24, 24)
    >>> abs(float(ms_ssim(x, x))) < 1e-4
    True
    """
    loss: Tensor = _ms_ssim(made.device)(made, wanted)
    return loss


def total_variation(x: Tensor) -> Tensor:
    """The mean absolute difference of neighbors, down plus across, kornia's.

    Args:
        x: `[B,C,H,W]`.

    Source: Rudin, Osher and Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 1992.

    >>> float(total_variation(torch.ones(1, 4, 5, 5)))
    0.0
    """
    from kornia.losses import total_variation as summed

    found: Tensor = summed(x, reduction="mean").mean()
    return found


@functools.cache
def _ms_ssim(device: torch.device) -> nn.Module:
    from kornia.losses import MS_SSIMLoss

    return MS_SSIMLoss(sigmas=[0.5, 1.0, 2.0, 4.0], alpha=0.025).to(device)

"""LPIPS for the benchmark: by files that lie in a folder, left out with a reason where it cannot be had."""

from pathlib import Path

import torch
from torch import Tensor

from .. import metrics
from ..errors import IspError
from .scoring import Metric

LAYERS = "alex.pth"
BACKBONE = "alexnet-owt-7be5be79.pth"


def perceptual(folder: Path | None) -> tuple[Metric | None, str]:
    """LPIPS, or None and why there is none.

    Args:
        folder: that holds `alex.pth` of lpips, version 0.1, and torchvision's `alexnet-owt-7be5be79.pth`.

    >>> perceptual(None)
    (None, 'LPIPS left out: no folder with its weights (--lpips) was given')
    """
    if folder is None:
        return None, "LPIPS left out: no folder with its weights (--lpips) was given"

    def metric(made: Tensor, wanted: Tensor) -> float:
        return float(metrics.lpips(made.cpu(), wanted.cpu(), folder / LAYERS, folder / BACKBONE))

    try:
        metric(*torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    except IspError as error:
        return None, f"LPIPS left out: {error}"
    return metric, ""

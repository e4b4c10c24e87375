"""LPIPS for the benchmark, if its weights are available."""

from pathlib import Path

import torch
from torch import Tensor

from .. import metrics
from ..errors import IspError
from .scoring import Metric

LAYERS = "alex.pth"
BACKBONE = "alexnet-owt-7be5be79.pth"


def perceptual(folder: Path | None) -> tuple[Metric | None, str]:
    """Load LPIPS, or explain why it is not measured.

    Args:
        folder: folder with `alex.pth` of lpips, version 0.1, and torchvision's `alexnet-owt-7be5be79.pth`; None leaves
            LPIPS out.

    Returns:
        The metric and an empty string, or None and the reason.

    >>> perceptual(None)
    (None, 'LPIPS left out: pass the folder of its weights with --lpips')
    """
    if folder is None:
        return None, "LPIPS left out: pass the folder of its weights with --lpips"

    def metric(output: Tensor, target: Tensor) -> float:
        return float(metrics.lpips(output.cpu(), target.cpu(), folder / LAYERS, folder / BACKBONE))

    try:
        metric(*torch.rand(2, 1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    except IspError as error:
        return None, f"LPIPS left out: {error}"
    return metric, ""

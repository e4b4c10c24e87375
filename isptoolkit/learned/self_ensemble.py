"""Self-ensemble: the mean of a network's outputs for an image rotated and mirrored in all eight ways."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import Capture
from ..errors import InvalidArgument
from ..spaces import PACKED, SRGB
from ..stage import Stage
from ..stages.cfa import pack, unpack


class SelfEnsemble(Stage):
    """Average a stage from sRGB to packed RAW over the eight flips and transpositions of its input.

    Packed RAW cannot be flipped with its image: every site would move by one pixel. Instead, flipped images are shifted
    by one pixel, so that all sites are aligned after the mosaic is flipped back. For a stage that commutes with these
    transformations the ensemble equals the stage.

    Args:
        stage: from SRGB to PACKED, trained for RGGB.

    Raises:
        InvalidArgument: for another stage.

    >>> from isptoolkit import Pipeline, stages
    >>> class Sampled(Stage):
    ...     takes, gives, contract = SRGB, PACKED, stages.Pack().contract
    ...     def forward(self, x, capture):
    ...         return stages.Pack()(stages.Mosaic()(x, capture), capture)
    >>> x, capture = torch.rand(1, 3, 4, 6), Capture.of("RGGB")
    >>> torch.allclose(SelfEnsemble(Sampled())(x, capture), Sampled()(x, capture))
    True
    """

    takes, gives = SRGB, PACKED

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        if (stage.takes, stage.gives) != (SRGB, PACKED):
            raise InvalidArgument(f"SelfEnsemble needs a stage srgb -> packed, got {stage.takes!r} -> {stage.gives!r}")
        self.stage, self.contract = stage, stage.contract

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        total = torch.zeros_like(x[:, :1])
        for transposed in (False, True):
            for axes in ((), (3,), (2,), (2, 3)):
                image = x.transpose(2, 3) if transposed else x
                padding = (int(3 in axes),) * 2 + (int(2 in axes),) * 2
                image = F.pad(image.flip(axes), padding, mode="replicate")
                mosaic = unpack(self.stage.forward(image, capture))
                left, top = padding[0], padding[2]
                mosaic = mosaic[..., top : mosaic.shape[2] - top, left : mosaic.shape[3] - left].flip(axes)
                total = total + (mosaic.transpose(2, 3) if transposed else mosaic)
        return pack((total / 8).contiguous())

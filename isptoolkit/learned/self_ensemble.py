"""The mean of what a network says of a picture turned and mirrored in all eight ways."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import Capture
from ..errors import InvalidArgument
from ..spaces import PACKED, SRGB
from ..stage import Stage
from ..stages.cfa import pack, unpack


class SelfEnsemble(Stage):
    """A stage from sRGB to packed RAW, eight times, each site of the mosaic averaged with itself.

    Packed planes must not be flipped together with their picture: every site would move by a pixel. A mirrored picture
    is moved by one pixel instead, so that the sites of the mosaic that is mirrored back lie where they were. For a
    stage that commutes with all this the ensemble is the stage itself.

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
            raise InvalidArgument(f"SelfEnsemble takes a stage srgb -> packed, got {stage.takes!r} -> {stage.gives!r}")
        self.stage, self.contract = stage, stage.contract

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        total = torch.zeros_like(x[:, :1])
        for turned in (False, True):
            for axes in ((), (3,), (2,), (2, 3)):
                seen = x.transpose(2, 3) if turned else x
                beside = (int(3 in axes),) * 2 + (int(2 in axes),) * 2
                seen = F.pad(seen.flip(axes), beside, mode="replicate")
                mosaic = unpack(self.stage.forward(seen, capture))
                left, top = beside[0], beside[2]
                mosaic = mosaic[..., top : mosaic.shape[2] - top, left : mosaic.shape[3] - left].flip(axes)
                total = total + (mosaic.transpose(2, 3) if turned else mosaic)
        return pack((total / 8).contiguous())

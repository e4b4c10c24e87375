"""The JPEG simulator as the program published with InvISP has it, for comparison: no part of the toolkit."""

import torch
from torch import Tensor
from torch.nn import functional as F

from isptoolkit import SRGB, Capture, Contract, Stage
from isptoolkit.stages import Jpeg
from isptoolkit.stages.jpeg_blocks import real_blocks
from isptoolkit.stages.jpeg_rounding import rounding_of


class PublishedJpeg(Stage):
    """4:2:0, chroma repeated, tables neither rounded nor, for luma, the right way around; a plain Fourier series.

    Args:
        quality: 50 to 99.
        transposed: the luma table as published; False mends that.
    """

    takes = gives = SRGB
    contract = Contract(None, None)

    def __init__(self, quality: float = 90.0, transposed: bool = True) -> None:
        super().__init__()
        self.quality, self.transposed = quality, transposed
        tables = Jpeg(quality=50).quantizers() * (200 - 2 * quality) / 100
        luma, chroma = tables.unbind(1)
        self.register_buffer("_luma", luma.transpose(1, 2) if transposed else luma, persistent=False)
        self.register_buffer("_chroma", chroma, persistent=False)
        mix = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
        back = [[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]]
        self.register_buffer("_mix", torch.tensor(mix), persistent=False)
        self.register_buffer("_back", torch.tensor(back), persistent=False)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        y, blue, red = torch.einsum("kc,bchw->kbhw", self._mix, 255 * x)
        rounding = rounding_of("fourier", 9)
        small = [real_blocks(F.avg_pool2d(c, 2) + 128, self._chroma, rounding) - 128 for c in (blue, red)]
        chroma = [c.repeat_interleave(2, 1).repeat_interleave(2, 2) for c in small]
        planes = torch.stack([real_blocks(y, self._luma, rounding), *chroma])
        return torch.einsum("ck,kbhw->bchw", self._back, planes).clamp(0, 255) / 255

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

"""The JPEG simulator published with InvISP."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ...capture import Capture
from ...contract import Contract
from ...errors import InvalidArgument, InvalidTensor
from ...spaces import SRGB
from ...stage import Quantity, Stage
from .blocks import real_blocks
from .jpeg import CHROMINANCE, LUMINANCE
from .rounding import ROUNDINGS, rounding_of

# JFIF's conversion with the digits of the published program.
_FROM_RGB = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


class DiffJpeg(Stage):
    """JPEG as InvISP's code simulates it in training: real numbers, smooth rounding, 4:2:0 by means and replication.

    `y = clamp(RGB(up(IDCT(T round(DCT(down(YCbCr(255 x)) - 128) / T)) + 128)), 0, 255) / 255`, where `T` is the
    standard table times `50 / quality` below quality 50 and `2 - quality / 50` otherwise. Only coefficients are
    rounded, by the truncated Fourier series `c - sum_n (-1)^(n+1) sin(2 pi n c) / (pi n)`, n from 1 to `terms`.

    It differs from JPEG files on purpose, to reproduce published training: table entries are real and may be below 1,
    chroma is neither rounded nor filtered when upsampled, and the luma table is transposed, which swaps the steps of
    horizontal and vertical frequencies. Use `Jpeg` for the arithmetic of files. The inverse is the identity, and no
    round trip is promised.

    Args:
        quality: at least 1 and below 100 (where the published tables become 0); scalar or `[B]`.
        rounding: of coefficients: `fourier`, another rounding of `Jpeg`, or `hard`, to the nearest step, which has
            no gradient.
        terms: number of terms of the series.
        transposed: use the luma table as published; False undoes the transposition.

    Shapes:
        `[B,3,H,W]`, nominally 0 to 1, to `[B,3,H,W]`. The published code needs multiples of 16; other sizes are padded
        by repeating the last row and column, then cropped.

    Raises:
        InvalidArgument: for values outside these, in `forward` too if the quality is a tensor.
        InvalidTensor: in `forward`, for a number of qualities that is neither 1 nor B.

    Source: Xing, Qian, Chen, "Invertible image signal processing", CVPR 2021, and `utils/JPEG.py` of
    github.com/yzxing87/Invertible-ISP; ITU-T T.81, tables K.1 and K.2.

    >>> x = torch.full((1, 3, 16, 16), 100 / 255)
    >>> bool((DiffJpeg(quality=90)(x, Capture.of("RGGB")) - x).abs().max() < 2 / 255)
    True
    """

    subsampling = "4:2:0"
    """Chroma subsampling; the published code has no other."""

    quality: Tensor
    _base: Tensor

    def __init__(
        self, quality: Quantity = 90.0, rounding: str = "fourier", terms: int = 9, transposed: bool = True
    ) -> None:
        super().__init__()
        if rounding not in ("hard", *ROUNDINGS):
            raise InvalidArgument(f"DiffJpeg: rounding must be one of hard, {', '.join(ROUNDINGS)}, got {rounding!r}")
        if not isinstance(terms, int) or terms < 1:
            raise InvalidArgument(f"DiffJpeg: terms must be an integer of at least 1, got {terms!r}")
        self.hold("quality", quality, ())
        _check_quality(self.quality)
        self.rounding, self.terms, self.transposed = rounding, terms, transposed
        self.takes = self.gives = SRGB
        luma, chroma = torch.tensor([LUMINANCE, CHROMINANCE], dtype=torch.float64)
        tables = torch.stack((luma.T if transposed else luma, chroma))
        self.register_buffer("_base", tables, persistent=False)
        self.contract = Contract(None, None, differentiable=rounding not in ("hard", "straight-through"), reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        # In half precision the error of the DCT alone exceeds a quantization step.
        with torch.autocast(x.device.type, enabled=False):
            return self._compress(x.to(torch.promote_types(x.dtype, torch.float32))).to(x.dtype)

    def _compress(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        padded = F.pad(x, (0, -width % 16, 0, -height % 16), mode="replicate")
        y, *colors = torch.einsum("kc,bchw->kbhw", x.new_tensor(_FROM_RGB), 255 * padded)
        luma, chroma = self.quantizers().to(x.device).unbind(1)
        if len(luma) not in (1, len(x)):
            raise InvalidTensor(f"DiffJpeg: {len(luma)} qualities for {len(x)} images")
        rounding = torch.round if self.rounding == "hard" else rounding_of(self.rounding, self.terms)
        planes = [real_blocks(y, luma, rounding)]
        for color in colors:
            halved = real_blocks(F.avg_pool2d(color, 2) + 128, chroma, rounding) - 128
            planes.append(halved.repeat_interleave(2, 1).repeat_interleave(2, 2))
        output = torch.einsum("ck,kbhw->bchw", x.new_tensor(_TO_RGB), torch.stack(planes))
        return output[..., :height, :width].clamp(0, 255) / 255

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def quantizers(self) -> Tensor:
        """The tables of luma and chroma, `[B,2,8,8]` float64; as in the published code, neither rounded nor bounded."""
        quality = self.quality.reshape(-1, 1, 1, 1).double()
        if not torch.compiler.is_compiling():
            _check_quality(quality)
        return self._base * torch.where(quality < 50, 50 / quality, 2 - quality / 50)


def _check_quality(quality: Tensor) -> None:
    low, high = float(quality.detach().min()), float(quality.detach().max())
    if not (low >= 1 and high < 100):
        values = f"{low:g}{f' to {high:g}' if high != low else ''}"
        raise InvalidArgument(f"DiffJpeg: quality must be at least 1 and below 100, got {values}")

"""Networks that reconstruct RAW from an sRGB image, as stages: packed RAW or a mosaic, for any CFA phase."""

from torch import Tensor, nn
from torch.nn import functional as F

from ..capture import BAYER, Capture
from ..contract import Contract
from ..errors import InvalidArgument, InvalidCapture, InvalidSize
from ..spaces import MOSAIC, PACKED, SRGB, Space
from ..stage import Stage
from ..stages import pack, unpack


class RawNetwork(Stage):
    """Run a network from sRGB to packed RGGB RAW as a one-way stage, for captures of any CFA phase.

    For phases other than RGGB the image is shifted by one pixel, with repeated borders, so that every site lies where
    the network expects it; the mosaic is cropped afterwards. In `eval` mode RAW is clamped to [0, 1].

    Args:
        net: `[B,3,H,W]` to `[B,4,H/2,W/2]`.
        gives: PACKED, or MOSAIC `[B,1,H,W]`.
        cell: smallest height and width that the network accepts.
        phases: accept every phase; False for a network whose size restrictions rule out the shift, which accepts RGGB
            only.

    Raises:
        InvalidArgument: for another space.
        InvalidCapture: in `forward`, for phases other than RGGB if `phases` is False.
        InvalidSize: in `forward`, for odd sizes and sizes below the cell.

    >>> import torch
    >>> from isptoolkit.learned import UNet
    >>> stage = RawNetwork(nn.Sequential(UNet(3, 1, (4, 8)), nn.PixelUnshuffle(2)), gives=MOSAIC)
    >>> stage(torch.rand(1, 3, 6, 8), Capture.of("GBRG")).shape
    torch.Size([1, 1, 6, 8])
    """

    takes = SRGB
    layouts = BAYER

    def __init__(self, net: nn.Module, gives: Space = PACKED, cell: int = 2, phases: bool = True) -> None:
        super().__init__()
        if gives not in (PACKED, MOSAIC):
            raise InvalidArgument(f"RawNetwork: gives must be {PACKED.name} or {MOSAIC.name}, got {gives.name}")
        self.net, self.gives, self.cell, self.phases = net, gives, cell, phases
        self.contract = Contract(None, None, reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        height, width = x.shape[2:]
        if height % 2 or width % 2 or min(height, width) < self.cell:
            raise InvalidSize(
                f"{type(self.net).__name__} needs even sizes of at least {self.cell} pixels, got {height} x {width}"
            )
        top, left = _SHIFTS[capture.cfa]
        if (top or left) and not self.phases:
            raise InvalidCapture(f"{type(self.net).__name__} in this configuration needs RGGB, got {capture.cfa}")
        packed: Tensor = self.net(F.pad(x, (left, left, top, top), mode="replicate"))
        if not self.training:
            packed = packed.clamp(0, 1)
        if self.gives == PACKED and not top and not left:
            return packed
        mosaic = unpack(packed)[..., top : top + height, left : left + width]
        return mosaic if self.gives == MOSAIC else pack(mosaic.contiguous())


_SHIFTS = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}
"""Rows and columns by which each phase is offset from RGGB."""

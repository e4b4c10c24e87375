"""Networks that find RAW in a picture, as stages: planes or a mosaic, of any phase."""

from torch import Tensor, nn
from torch.nn import functional as F

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument, InvalidCapture, InvalidSize
from ..spaces import MOSAIC, PACKED, SRGB, Space
from ..stage import Stage
from ..stages import pack, unpack


class RawNetwork(Stage):
    """A network from sRGB to four planes of RGGB as a stage, one-way, for captures of any phase.

    For another phase than RGGB the picture is moved by a pixel, its border repeated, so that every site lies where the
    network has learned it, and the mosaic is cut to size again. In `eval` RAW is clipped to 0 ... 1.

    Args:
        net: `[B,3,H,W]` to `[B,4,H/2,W/2]`.
        gives: PACKED, or MOSAIC `[B,1,H,W]`.
        cell: what the network needs in height and width.
        phases: accept every phase; a network whose sizes leave no room to move the picture takes RGGB alone.

    Raises:
        InvalidArgument: for another space.
        InvalidCapture: in `forward`, for another phase than RGGB where `phases` is false.
        InvalidSize: in `forward`, for odd sizes and sizes below the cell.

    >>> import torch
    >>> from isptoolkit.learned import UNet
    >>> stage = RawNetwork(nn.Sequential(UNet(3, 1, (4, 8)), nn.PixelUnshuffle(2)), gives=MOSAIC)
    >>> stage(torch.rand(1, 3, 6, 8), Capture.of("GBRG")).shape
    torch.Size([1, 1, 6, 8])
    """

    takes = SRGB

    def __init__(self, net: nn.Module, gives: Space = PACKED, cell: int = 2, phases: bool = True) -> None:
        super().__init__()
        if gives not in (PACKED, MOSAIC):
            raise InvalidArgument(f"RawNetwork gives {PACKED.name} or {MOSAIC.name}, got {gives.name}")
        self.net, self.gives, self.cell, self.phases = net, gives, cell, phases
        self.contract = Contract(None, None, reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        height, width = x.shape[2:]
        if height % 2 or width % 2 or min(height, width) < self.cell:
            raise InvalidSize(
                f"{type(self.net).__name__} takes even sizes from {self.cell} pixels, got {height} x {width}"
            )
        top, left = _SHIFTS[capture.cfa]
        if (top or left) and not self.phases:
            raise InvalidCapture(f"{type(self.net).__name__} as it is configured takes RGGB alone, got {capture.cfa}")
        made: Tensor = self.net(F.pad(x, (left, left, top, top), mode="replicate"))
        if not self.training:
            made = made.clamp(0, 1)
        if self.gives == PACKED and not top and not left:
            return made
        mosaic = unpack(made)[..., top : top + height, left : left + width]
        return mosaic if self.gives == MOSAIC else pack(mosaic.contiguous())


def drawn(picture: Tensor, made: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """The picture, and green of RAW as it is found and as it is, brightened: what training draws.

    Args:
        picture: `[B,3,H,W]` sRGB.
        made: `[B,4,H/2,W/2]` planes of RGGB.
        wanted: the same.
    """
    shown = {"RAW found": made, "RAW": wanted}
    green = {name: F.interpolate(x[:, 1:2].clamp(0, 1) ** (1 / 2.2), scale_factor=2) for name, x in shown.items()}
    return {"picture": picture, **{name: x.expand(-1, 3, -1, -1) for name, x in green.items()}}


_SHIFTS = {"RGGB": (0, 0), "GRBG": (0, 1), "GBRG": (1, 0), "BGGR": (1, 1)}
"""How many rows and columns of RGGB precede each phase."""

"""A demosaic that learns what Malvar's leaves undone."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..spaces import CAMERA, MOSAIC
from ..stage import Stage
from ..stages.cfa import mosaic, site_masks
from ..stages.demosaic import box_mean, demosaic_malvar, mirror_pad


class ResidualDemosaic(Stage):
    """Malvar's demosaic and a small network that adds to the colors it interpolates; the inverse samples again.

    `[B,1,H,W]` mosaic of any phase to `[B,3,H,W]` camera RGB. The network sees how far the interpolated picture, and
    the measured samples, each in its own channel, are from the mean of 5x5 pixels, the frame mirrored at its borders,
    and has no biases: flat fields stay flat, and a gain before it is a gain behind it. Measured samples stay bit for
    bit, so `mosaic(demosaic(m)) == m` exactly, whatever was learned. It begins as Malvar's.

    Args:
        width: channels of the network.
        layers: its 3x3 convolutions, at least 2.

    Raises:
        InvalidArgument: for less.

    Source: this project's; residual demosaicing by a network as in Gharbi, Chaurasia, Paris and Durand, "Deep joint
    demosaicking and denoising", ACM Transactions on Graphics 35(6), 2016.

    >>> x, capture = torch.rand(1, 1, 6, 7), Capture.of("GBRG")
    >>> stage = ResidualDemosaic()
    >>> torch.equal(stage(x, capture), demosaic_malvar(x, "GBRG"))
    True
    """

    takes, gives = MOSAIC, CAMERA

    def __init__(self, width: int = 16, layers: int = 3) -> None:
        super().__init__()
        if width < 1 or layers < 2:
            raise InvalidArgument(f"ResidualDemosaic has a width and at least 2 layers, got {width} and {layers}")
        self.width, self.layers = width, layers
        counts = [6, *[width] * (layers - 1), 3]
        self.net = nn.ModuleList(nn.Conv2d(*pair, 3, bias=False) for pair in itertools.pairwise(counts))
        nn.init.zeros_(next(self.net[-1].parameters()))
        self.contract = Contract(0.0, 0.0, condition=1e3, reach=layers + 4)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        known = site_masks(capture.cfa, x)
        picture = demosaic_malvar(x, capture.cfa)
        apart = picture - box_mean(picture, 5)
        y = mirror_pad(torch.cat((apart, torch.where(known, apart, 0)), 1), self.layers)
        for number, weight in enumerate(self.net.parameters()):
            y = F.conv2d(F.relu(y) if number else y, weight.to(y))
        return torch.where(known, x, picture + y)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return mosaic(y, capture.cfa)

"""A demosaic that learns the residual of Malvar's."""

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..capture import BAYER, Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..spaces import CAMERA, MOSAIC
from ..stage import Stage
from ..stages.cfa import mosaic, site_masks
from ..stages.demosaic import box_mean, demosaic_malvar, mirror_pad


class ResidualDemosaic(Stage):
    """Malvar's demosaic plus a small network that corrects the interpolated colors; the inverse resamples the CFA.

    `[B,1,H,W]` mosaic of any phase to `[B,3,H,W]` camera RGB. The network's inputs are the differences of the
    interpolated image, and of the measured samples in their channels, to the mean of 5x5 pixels, with mirrored borders.
    It has no biases, so flat fields stay flat and the stage is homogeneous: a gain before it equals a gain after it.
    Measured samples are kept bit for bit, so `mosaic(demosaic(m)) == m` exactly for any weights. Initialized to
    Malvar's demosaic.

    Args:
        width: channels of the network.
        layers: number of 3x3 convolutions, at least 2.

    Raises:
        InvalidArgument: for a width below 1 or fewer than 2 layers.

    Source: this project's; residual demosaicing by a network as in Gharbi, Chaurasia, Paris and Durand, "Deep joint
    demosaicking and denoising", ACM Transactions on Graphics 35(6), 2016.

    >>> x, capture = torch.rand(1, 1, 6, 7), Capture.of("GBRG")
    >>> stage = ResidualDemosaic()
    >>> torch.equal(stage(x, capture), demosaic_malvar(x, "GBRG"))
    True
    """

    takes, gives = MOSAIC, CAMERA
    layouts = BAYER

    def __init__(self, width: int = 16, layers: int = 3) -> None:
        super().__init__()
        if width < 1 or layers < 2:
            raise InvalidArgument(f"ResidualDemosaic needs at least 1 channel and 2 layers, got {width} and {layers}")
        self.width, self.layers = width, layers
        counts = [6, *[width] * (layers - 1), 3]
        self.net = nn.ModuleList(nn.Conv2d(*pair, 3, bias=False) for pair in itertools.pairwise(counts))
        nn.init.zeros_(next(self.net[-1].parameters()))
        self.contract = Contract(0.0, 0.0, condition=1e3, reach=layers + 4)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        measured = site_masks(capture.cfa, x)
        image = demosaic_malvar(x, capture.cfa)
        detail = image - box_mean(image, 5)
        y = mirror_pad(torch.cat((detail, torch.where(measured, detail, 0)), 1), self.layers)
        for layer, weight in enumerate(self.net.parameters()):
            y = F.conv2d(F.relu(y) if layer else y, weight.to(y))
        return torch.where(measured, x, image + y)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return mosaic(y, capture.cfa)

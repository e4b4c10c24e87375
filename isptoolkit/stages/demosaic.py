"""Linear demosaicing: bilinear and Malvar-He-Cutler. Both keep the measured samples, up to the border."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import BAYER, Capture
from ..contract import Contract
from ..errors import InvalidSize
from ..kernels import usable
from ..kernels.steps import DemosaicMethod
from ..spaces import CAMERA, MOSAIC
from ..stage import Stage
from .cfa import mosaic, site_channels, site_masks

# Four filters on the mosaic itself: green at a red or blue site; the other of red and blue there; and, at a green site,
# the color of its left and right neighbors (that of its upper and lower neighbors is the transpose).
_BILINEAR = (
    [[0, 1, 0], [1, 0, 1], [0, 1, 0]],
    [[1, 0, 1], [0, 0, 0], [1, 0, 1]],
    [[0, 0, 0], [2, 0, 2], [0, 0, 0]],
)
"""Means of the nearest neighbors, in quarters."""
_MALVAR = (
    [[0, 0, -2, 0, 0], [0, 0, 4, 0, 0], [-2, 4, 8, 4, -2], [0, 0, 4, 0, 0], [0, 0, -2, 0, 0]],
    [[0, 0, -3, 0, 0], [0, 4, 0, 4, 0], [-3, 0, 12, 0, -3], [0, 4, 0, 4, 0], [0, 0, -3, 0, 0]],
    [[0, 0, 1, 0, 0], [0, -2, 0, -2, 0], [-2, 8, 10, 8, -2], [0, -2, 0, -2, 0], [0, 0, 1, 0, 0]],
)
"""Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images", ICASSP 2004,
in sixteenths."""


def mirror_pad(x: Tensor, margin: int) -> Tensor:
    """Pad by reflection without repeating the edge, which continues the CFA: `[..,H,W]` to `[..,H+2m,W+2m]`.

    Raises:
        InvalidSize: for a height or width of 1, which has only two of the four sites.
    """
    if min(x.shape[-2:]) < 2:
        raise InvalidSize(f"a 2x2 CFA needs at least 2 x 2 pixels, got {x.shape[-2]} x {x.shape[-1]}")
    for dim in (-2, -1):
        size = x.shape[dim]
        period = 2 * (size - 1)
        place = torch.arange(-margin, size + margin, device=x.device).remainder(period)
        x = x.index_select(dim, torch.minimum(place, period - place))
    return x


def box_mean(x: Tensor, size: int) -> Tensor:
    """The mean over the `size` x `size` window around each pixel, `size` odd, borders mirrored; keeps the shape."""
    return F.avg_pool2d(mirror_pad(x, size // 2), size, 1)


def demosaic_bilinear(plane: Tensor, cfa: str) -> Tensor:
    """Fill each missing color with the mean of its nearest samples: `[B,1,H,W]` to `[B,3,H,W]`."""
    if _has_kernel(plane):
        return _native(plane, cfa, DemosaicMethod.BILINEAR)
    return _interpolate(plane, cfa, _BILINEAR, 4)


def demosaic_malvar(plane: Tensor, cfa: str) -> Tensor:
    """Bilinear interpolation plus a gain-corrected Laplacian of the measured color, 5x5: `[B,1,H,W]` to `[B,3,H,W]`."""
    if _has_kernel(plane):
        return _native(plane, cfa, DemosaicMethod.MALVAR)
    return _interpolate(plane, cfa, _MALVAR, 16)


def _has_kernel(plane: Tensor) -> bool:
    return usable(plane) and min(plane.shape[-2:]) >= 2


def _native(plane: Tensor, cfa: str, method: DemosaicMethod) -> Tensor:
    from ..kernels.demosaic import demosaic as kernel

    image: Tensor = kernel(plane, site_channels(cfa), method)
    return image


def _interpolate(plane: Tensor, cfa: str, filters: tuple[list[list[int]], ...], scale: int) -> Tensor:
    cross, diagonal, across = torch.tensor(filters, dtype=plane.dtype, device=plane.device) / scale
    bank = torch.stack((cross, diagonal, across, across.T))[:, None]
    green_here, other, sideways, upright = F.conv2d(mirror_pad(plane, bank.shape[-1] // 2), bank).chunk(4, 1)
    red, green, blue = site_masks(cfa, plane).chunk(3, 1)
    # The red neighbors of a green site lie in its row if the row has red, else above and below it.
    red_row = torch.arange(plane.shape[-2], device=plane.device).remainder(2) == int("R" in cfa[2:])
    beside = red_row[:, None]
    at_green_red = torch.where(beside, sideways, upright)
    at_green_blue = torch.where(beside, upright, sideways)
    return torch.cat(
        (
            torch.where(red, plane, torch.where(green, at_green_red, other)),
            torch.where(green, plane, green_here),
            torch.where(blue, plane, torch.where(green, at_green_blue, other)),
        ),
        1,
    )


class DemosaicBilinear(Stage):
    """Interpolate the two missing colors of each pixel from their nearest samples; the inverse resamples the CFA.

    Each missing color is the mean of its two or four nearest samples. `[B,1,H,W]` mosaic to `[B,3,H,W]` camera
    RGB, same scale, any size from 2 x 2; the frame is mirrored at its borders. Measured samples are kept bit for bit,
    so `mosaic(demosaic(m)) == m` exactly. The other order holds only for outputs of this demosaic.

    Raises:
        InvalidSize: in `forward`, for a height or width of 1.

    Source: by definition.

    >>> import torch
    >>> DemosaicBilinear()(torch.ones(1, 1, 3, 3), Capture.of("GBRG")).unique()
    tensor([1.])
    """

    takes, gives = MOSAIC, CAMERA
    layouts = BAYER
    contract = Contract(round_trip=0.0, re_render=0.0, reach=1, neutral=True)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return demosaic_bilinear(x, capture.cfa)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return mosaic(y, capture.cfa)


class DemosaicMalvar(Stage):
    """Malvar-He-Cutler demosaicing, linear 5x5 filters; the inverse resamples the CFA.

    Bilinear interpolation plus a share of the Laplacian of the measured color: 1/2 of it for green, 5/8 for red or blue
    at a green site, 3/4 for red at a blue site and blue at a red one. `[B,1,H,W]` mosaic to `[B,3,H,W]` camera RGB,
    same scale, any size from 2 x 2; the frame is mirrored at its borders. Measured samples are kept bit for bit, so
    `mosaic(demosaic(m)) == m` exactly. The other order holds only for outputs of this demosaic. Interpolated
    values may exceed the range of the samples.

    Raises:
        InvalidSize: in `forward`, for a height or width of 1.

    Source: Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images",
    ICASSP 2004.

    >>> import torch
    >>> DemosaicMalvar()(torch.ones(1, 1, 3, 3), Capture.of("GBRG")).unique()
    tensor([1.])
    """

    takes, gives = MOSAIC, CAMERA
    layouts = BAYER
    contract = Contract(round_trip=0.0, re_render=0.0, condition=2.0, reach=2, neutral=True)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return demosaic_malvar(x, capture.cfa)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return mosaic(y, capture.cfa)

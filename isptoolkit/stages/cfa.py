"""The color filter array: the color of each site of the 2x2 cell, and the mosaic's two layouts, flat and packed."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import ADVICE, BAYER, Capture
from ..contract import Contract
from ..errors import InvalidCapture, InvalidSize
from ..kernels import usable
from ..spaces import CAMERA, MOSAIC, PACKED
from ..stage import Stage


def site_channels(cfa: str) -> tuple[int, int, int, int]:
    """The channel (R 0, G 1, B 2) of each site of the 2x2 cell, row-major.

    Raises:
        InvalidCapture: for samples without a mosaic.

    >>> site_channels("GRBG")
    (1, 0, 2, 1)
    """
    if cfa not in BAYER:
        raise InvalidCapture(f"the samples of a capture with the cfa {cfa!r} have no Bayer phase: {ADVICE[cfa]}")
    first, second, third, fourth = ("RGB".index(letter) for letter in cfa)
    return first, second, third, fourth


def site_plane(values: Tensor, height: int, width: int) -> Tensor:
    """Tile one value per site over a mosaic: `[B,4]` (row-major) to `[B,1,height,width]`.

    >>> site_plane(torch.tensor([[1, 2, 3, 4]]), 3, 3)[0, 0].tolist()
    [[1, 2, 1], [3, 4, 3], [1, 2, 1]]
    """
    cells = values.reshape(-1, 1, 2, 2).repeat(1, 1, (height + 1) // 2, (width + 1) // 2)
    return cells[..., :height, :width]


def site_masks(cfa: str, like: Tensor) -> Tensor:
    """Which pixels see R, G and B: `[1,3,H,W]` bool for a mosaic `like` `[B,1,H,W]`."""
    channels = torch.tensor(site_channels(cfa), device=like.device)
    plane = site_plane(channels[None], *like.shape[-2:])
    return plane == torch.arange(3, device=like.device).view(1, 3, 1, 1)


def mosaic(image: Tensor, cfa: str) -> Tensor:
    """Sample an image through the CFA: `[B,3,H,W]` to `[B,1,H,W]`, at each pixel the channel that its site sees.

    >>> mosaic(torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1).expand(1, 3, 2, 2), "RGGB")[0, 0].tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    if usable(image):
        from ..kernels.demosaic import mosaic as kernel

        sampled: Tensor = kernel(image, site_channels(cfa))
        return sampled
    red, green, _ = site_masks(cfa, image).unbind(1)
    return torch.where(red, image[:, 0], torch.where(green, image[:, 1], image[:, 2]))[:, None]


def cell_colors(packed: Tensor, cfa: str) -> Tensor:
    """One color per 2x2 cell, the two greens averaged: `[B,4,h,w]` to `[B,3,h,w]`.

    >>> cell_colors(torch.tensor([1.0, 2.0, 4.0, 5.0]).view(1, 4, 1, 1), "RGGB").flatten().tolist()
    [1.0, 3.0, 5.0]
    """
    channels = site_channels(cfa)
    means = [torch.stack([packed[:, site] for site in range(4) if channels[site] == c]).mean(0) for c in range(3)]
    return torch.stack(means, 1)


def pack(plane: Tensor) -> Tensor:
    """Pack the four sites of each 2x2 cell as channels, row-major: `[B,1,H,W]` to `[B,4,H/2,W/2]`.

    Raises:
        InvalidSize: for an odd height or width.
    """
    height, width = plane.shape[-2:]
    if height % 2 or width % 2:
        raise InvalidSize(f"packing 2x2 cells needs an even height and width, got {height} x {width}: crop() first")
    if usable(plane):
        from ..kernels.demosaic import pack as kernel

        packed: Tensor = kernel(plane)
        return packed
    return F.pixel_unshuffle(plane, 2)


def unpack(packed: Tensor) -> Tensor:
    """Put four channels back on the sites of each 2x2 cell, row-major: `[B,4,h,w]` to `[B,1,2h,2w]`.

    >>> unpack(torch.arange(4.0).view(1, 4, 1, 1))[0, 0].tolist()
    [[0.0, 1.0], [2.0, 3.0]]
    """
    if usable(packed):
        from ..kernels.demosaic import unpack as kernel

        plane: Tensor = kernel(packed)
        return plane
    return F.pixel_shuffle(packed, 2)


class Mosaic(Stage):
    """Sample an image through the CFA: `[B,3,H,W]` camera RGB to `[B,1,H,W]`; one-way.

    `y[0, i, j] = x[c, i, j]`, c the channel that the site of pixel (i, j) sees. Two thirds of the values are lost. For
    a two-way stage, invert a demosaic: the `forward` of `DemosaicMalvar().inv` is the same sampling.

    Source: Bayer, "Color imaging array", US patent 3971065, 1976.

    >>> Mosaic()(torch.ones(1, 3, 2, 2), Capture.of("RGGB")).shape
    torch.Size([1, 1, 2, 2])
    """

    takes, gives = CAMERA, MOSAIC
    layouts = BAYER
    contract = Contract(round_trip=None, re_render=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return mosaic(x, capture.cfa)


class Pack(Stage):
    """Pack the four sites of each 2x2 cell as channels, row-major for every CFA phase; exact in both directions.

    `y[2 a + b, i, j] = x[0, 2 i + a, 2 j + b]` for a and b 0 or 1: `[B,1,H,W]` to `[B,4,H/2,W/2]`. The inverse
    unpacks, for any size; `Pack().inv` is a stage that unpacks.

    Raises:
        InvalidSize: in `forward`, for an odd height or width.

    >>> Pack()(torch.arange(4.0).view(1, 1, 2, 2), Capture.of("RGGB")).flatten()
    tensor([0., 1., 2., 3.])
    """

    takes, gives = MOSAIC, PACKED
    contract = Contract(round_trip=0.0, re_render=0.0, period=2)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return pack(x)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return unpack(y)

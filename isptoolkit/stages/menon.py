"""Directional demosaicing with a posteriori decision: Menon, Andriani, Calvagno 2007 (DDFAPD)."""

import torch
from torch import Tensor

from ..capture import BAYER, Capture
from ..contract import Contract
from ..spaces import CAMERA, MOSAIC
from ..stage import Stage
from .cfa import mosaic, site_masks
from .demosaic import mirror_pad

# Directional interpolation of green: half of each neighbor plus a quarter of the Laplacian of the measured color.
_GREEN = (-0.25, 0.5, 0.5, 0.5, -0.25)
_MEAN = (0.5, 0.0, 0.5)
_SMOOTH = (1 / 3, 1 / 3, 1 / 3)
# Weights of the color-difference gradients around a pixel, for the horizontal direction.
_DECISION = ((0, 0, 1, 0, 1), (0, 0, 0, 1, 0), (0, 0, 3, 0, 3), (0, 0, 0, 1, 0), (0, 0, 1, 0, 1))


def _along(x: Tensor, weights: tuple[float, ...], dim: int) -> Tensor:
    """Correlate the last (`dim=-1`) or second to last (`dim=-2`) dimension with an odd filter, with mirrored ends."""
    margin, size = len(weights) // 2, x.shape[dim]
    padded = mirror_pad(x, margin)
    padded = padded.narrow(-3 - dim, margin, x.shape[-3 - dim])
    terms = [weight * padded.narrow(dim, i, size) for i, weight in enumerate(weights) if weight]
    return torch.stack(terms).sum(0)


def _activity(difference: Tensor, dim: int) -> Tensor:
    """The weighted sum of the gradients of a directional color difference around each pixel, in that direction."""
    padded = mirror_pad(difference, 4)
    rows, columns = difference.shape[-2:]
    step = (padded.narrow(dim, 0, padded.shape[dim] - 2) - padded.narrow(dim, 2, padded.shape[dim] - 2)).abs()
    total = torch.zeros_like(difference)
    for i, line in enumerate(_DECISION):
        for j, weight in enumerate(line):
            # The step that starts at offset 2 - j along the direction and i - 2 across it.
            along, across = 4 + 2 - j, 4 + i - 2
            row, column = (across, along) if dim == -1 else (along, across)
            if weight:
                total = total + weight * step[..., row : row + rows, column : column + columns]
    return total


def demosaic_menon(plane: Tensor, cfa: str, refine: bool = True) -> Tensor:
    """Interpolate along the direction in which the color difference varies least: `[B,1,H,W]` to `[B,3,H,W]`."""
    red_site, green_site, blue_site = site_masks(cfa, plane).chunk(3, 1)
    candidates = [torch.where(green_site, plane, _along(plane, _GREEN, dim)) for dim in (-1, -2)]
    activity = [_activity(plane - candidate, dim) for candidate, dim in zip(candidates, (-1, -2), strict=True)]
    horizontal = activity[1] >= activity[0]

    def directed(x: Tensor, weights: tuple[float, ...]) -> Tensor:
        return torch.where(horizontal, _along(x, weights, -1), _along(x, weights, -2))

    green = torch.where(horizontal, candidates[0], candidates[1])
    rows = torch.arange(plane.shape[-2], device=plane.device).remainder(2)[:, None]
    red_row = rows == int("R" in cfa[2:])

    def at_green(color: Tensor, green: Tensor, in_row: Tensor) -> Tensor:
        """Red or blue at green sites, from the mean difference to green of the two measured neighbors."""
        return green + torch.where(in_row, _along(color - green, _MEAN, -1), _along(color - green, _MEAN, -2))

    red = torch.where(green_site, at_green(plane, green, red_row), plane)
    blue = torch.where(green_site, at_green(plane, green, ~red_row), plane)
    # At red sites `blue` still holds the measured red, and vice versa: fill both from their neighbors.
    offset = directed(red - blue, _MEAN)
    red, blue = torch.where(blue_site, plane + offset, red), torch.where(red_site, plane - offset, blue)
    if refine:
        own = torch.where(red_site, red, blue)
        green = torch.where(
            green_site,
            plane,
            own - torch.where(red_site, directed(red - green, _SMOOTH), directed(blue - green, _SMOOTH)),
        )
        red = torch.where(green_site, at_green(red, green, red_row), red)
        blue = torch.where(green_site, at_green(blue, green, ~red_row), blue)
        offset = directed(red - blue, _SMOOTH)
        red, blue = torch.where(blue_site, plane + offset, red), torch.where(red_site, plane - offset, blue)
    return torch.cat((red, green, blue), 1)


class DemosaicMenon(Stage):
    """Demosaic along the better of two directions, decided per pixel a posteriori; the inverse resamples the CFA.

    Green is interpolated along rows and along columns, `(left + right) / 2 + (2 here - left2 - right2) / 4`; the
    direction in which the difference to green varies less around the pixel is chosen, for red and blue too.
    `[B,1,H,W]` mosaic to `[B,3,H,W]` camera RGB, same scale, any size from 2 x 2; the frame is mirrored at its borders.
    Measured samples are kept bit for bit, so `mosaic(demosaic(m)) == m` exactly; the other order holds only for outputs
    of this demosaic. Differentiable wherever the decision does not flip.

    Args:
        refine: smooth the color differences along the chosen direction once more, the refining step of the paper.

    Raises:
        InvalidSize: in `forward`, for a height or width of 1.

    Source: Menon, Andriani, Calvagno, "Demosaicing with directional filtering and a posteriori decision", IEEE
    Transactions on Image Processing 16(1), 2007.

    >>> import torch
    >>> DemosaicMenon()(torch.ones(1, 1, 4, 4), Capture.of("RGGB")).unique()
    tensor([1.])
    """

    takes, gives = MOSAIC, CAMERA
    layouts = BAYER

    def __init__(self, refine: bool = True) -> None:
        super().__init__()
        self.refine = refine
        self.contract = Contract(round_trip=0.0, re_render=0.0, condition=4.0, reach=9, neutral=True)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return demosaic_menon(x, capture.cfa, self.refine)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return mosaic(y, capture.cfa)

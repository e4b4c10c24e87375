"""The simplest of what is learned: for each site a polynomial of the pixel that lies there."""

import torch
from torch import Tensor, nn

from ...capture import Capture
from ...stages import pack_sensor
from ...train.loop import Source

_SITES = [(..., slice(site // 2, None, 2), slice(site % 2, None, 2)) for site in range(4)]


class Cubic(nn.Module):
    """Planes of RAW as polynomials of degree 3 of red, green and blue.

    Args:
        weights: `[4,20,1]`, by site.
    """

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights, requires_grad=False)

    def forward(self, picture: Tensor, capture: Capture) -> Tensor:
        """`[B,3,H,W]` sRGB to `[B,4,H/2,W/2]` planes, black 0 and white 1."""
        size = (len(picture), *(extent // 2 for extent in picture.shape[2:]))
        sites = zip(_SITES, self.weights, strict=True)
        parts = [(features(picture[at]) @ weight).reshape(size) for at, weight in sites]
        return torch.stack(parts, 1).to(picture.dtype)


def fitted(source: Source, batches: int = 40, patch: int = 64, seed: int = 0) -> Cubic:
    """Fitted to the pixels of so many batches of four, all at once.

    Args:
        source: of RAW and pictures.
        batches: how many.
        patch: height and width.
        seed: of the batches.
    """
    parts = [source.batch(number, 4, patch, seed=seed, rank=0, world=1) for number in range(batches)]
    wanted = torch.cat([pack_sensor(part.sensor, part.capture) for part in parts]).double()
    pictures = torch.cat([part.target for part in parts])
    columns = [wanted[:, site].reshape(-1, 1) for site in range(4)]
    found = [torch.linalg.lstsq(features(pictures[at]), y).solution for at, y in zip(_SITES, columns, strict=True)]
    return Cubic(torch.stack(found))


def features(picture: Tensor) -> Tensor:
    """All products of up to three of r, g, b and 1, float64: `[B,3,H,W]` to `[pixels,20]`.

    >>> features(torch.full((1, 3, 1, 1), 0.5)).shape
    torch.Size([1, 20])
    """
    red, green, blue = picture.clamp(0, 1).double().permute(0, 2, 3, 1).reshape(-1, 3).unbind(1)
    base = (torch.ones_like(red), red, green, blue)
    return torch.stack([base[i] * base[j] * base[k] for i in range(4) for j in range(i, 4) for k in range(j, 4)], 1)

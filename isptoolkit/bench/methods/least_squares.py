"""The simplest learned entrant: for each site a polynomial of the pixel that lies there."""

import torch
from torch import Tensor, nn

from ...capture import Capture
from ...stages import pack_sensor
from ...train.loop import Source

_SITES = [(..., slice(site // 2, None, 2), slice(site % 2, None, 2)) for site in range(4)]


class Cubic(nn.Module):
    """Packed RAW as polynomials of degree 3 in red, green and blue.

    Args:
        weights: `[4,20,1]`, by site.
    """

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights, requires_grad=False)

    def forward(self, image: Tensor, capture: Capture) -> Tensor:
        """`[B,3,H,W]` sRGB to packed RAW `[B,4,H/2,W/2]`, black 0 and white 1."""
        size = (len(image), *(extent // 2 for extent in image.shape[2:]))
        sites = zip(_SITES, self.weights, strict=True)
        parts = [(features(image[at]) @ weight).reshape(size) for at, weight in sites]
        return torch.stack(parts, 1).to(image.dtype)


def fitted(source: Source, batches: int = 40, patch: int = 64, seed: int = 0) -> Cubic:
    """A least-squares fit to the pixels of a number of batches of four.

    Args:
        source: of RAW and sRGB images.
        batches: number of batches.
        patch: height and width of the samples.
        seed: of the batches.
    """
    parts = [source.batch(number, 4, patch, seed=seed, rank=0, world=1) for number in range(batches)]
    target = torch.cat([pack_sensor(part.sensor, part.capture) for part in parts]).double()
    images = torch.cat([part.target for part in parts])
    columns = [target[:, site].reshape(-1, 1) for site in range(4)]
    weights = [torch.linalg.lstsq(features(images[at]), y).solution for at, y in zip(_SITES, columns, strict=True)]
    return Cubic(torch.stack(weights))


def features(image: Tensor) -> Tensor:
    """All products of up to three of r, g, b and 1, float64: `[B,3,H,W]` to `[pixels,20]`.

    >>> features(torch.full((1, 3, 1, 1), 0.5)).shape
    torch.Size([1, 20])
    """
    red, green, blue = image.clamp(0, 1).double().permute(0, 2, 3, 1).reshape(-1, 3).unbind(1)
    base = (torch.ones_like(red), red, green, blue)
    return torch.stack([base[i] * base[j] * base[k] for i in range(4) for j in range(i, 4) for k in range(j, 4)], 1)

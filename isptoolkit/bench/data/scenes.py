"""Computed scenes: light with edges, texture, colors, and highlights, as functions of a seed."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_OBJECTS = 14


def scene(seed: int, size: int) -> Tensor:
    """Compute a scene in linear sRGB primaries: `[1,3,size,size]`, mostly below 1, with highlights above.

    A ramp of background light; disks and rectangles of random colors, some with stripes or with noise whose spectrum
    decays like that of photographs; a row of color patches; small lights brighter than white.

    Args:
        seed: seed of all random numbers.
        size: height and width in pixels.

    >>> torch.equal(scene(3, 32), scene(3, 32)), scene(0, 32).shape
    (True, torch.Size([1, 3, 32, 32]))
    """
    random = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=random)

    line = torch.linspace(0, 1, 2 * size)  # twice the resolution, so that not all edges are at pixel borders
    rows, columns = line[:, None], line[None, :]
    slope = draw(2) - 0.5
    light = 0.25 + 0.5 * draw(1) + 0.4 * (slope[0] * (rows - 0.5) + slope[1] * (columns - 0.5))
    image = (light * (0.2 + 0.5 * draw(3, 1, 1))).clamp_min(0.005)
    for _ in range(_OBJECTS):
        center, extent, turn = draw(2), 0.04 + 0.22 * draw(2), float(draw(1)) * math.pi
        y, x = rows - center[0], columns - center[1]
        along = x * math.cos(turn) + y * math.sin(turn)
        across = y * math.cos(turn) - x * math.sin(turn)
        inside = (along / extent[0]).square() + (across / extent[1]).square() < 1
        if draw(1) < 0.5:
            inside = (along.abs() < extent[0]) & (across.abs() < extent[1])
        color = draw(3, 1, 1) ** 2
        kind = float(draw(1))
        texture = torch.ones_like(along)
        if kind < 0.35:
            texture = 0.6 + 0.4 * torch.sin(along * (40 + 260 * float(draw(1))))
        elif kind < 0.75:
            texture = (1 + 0.35 * _noise(2 * size, random)).clamp(0.1, 2)
        image = torch.where(inside, light * color * texture, image)
    patches = 6
    width = 2 * size // 10
    top, left = (int(draw(1) * (2 * size - width * n)) for n in (1, patches))
    for number in range(patches):
        part = (slice(None), slice(top, top + width), slice(left + number * width, left + (number + 1) * width))
        image[part] = light[..., :width, :width].mean() * draw(3, 1, 1)
    for _ in range(3):
        center, radius = draw(2), 0.01 + 0.03 * float(draw(1))
        spot = torch.exp(-((rows - center[0]) ** 2 + (columns - center[1]) ** 2) / radius**2)
        image = image + 2 * spot * (0.5 + draw(3, 1, 1))
    return F.avg_pool2d(image[None], 2)


def _noise(size: int, random: torch.Generator) -> Tensor:
    """Noise `[size,size]` with amplitudes that decay with the frequency, mean 0 and standard deviation 1."""
    white = torch.fft.rfft2(torch.randn(size, size, generator=random))
    rows, columns = torch.fft.fftfreq(size)[:, None], torch.fft.rfftfreq(size)[None, :]
    noise = torch.fft.irfft2(white / (rows**2 + columns**2).sqrt().clamp_min(1 / size), s=(size, size))
    scaled: Tensor = (noise - noise.mean()) / noise.std()
    return scaled

"""Procedural examples of every space and CFA phase."""

import torch
from torch import Tensor

from ..capture import BAYER, LAYOUTS, RGB, Capture
from ..spaces import DIGITAL, Space
from ..stage import Stage

SIZES = (("RGGB", (20, 22)), ("BGGR", (22, 20)), ("GRBG", (20, 20)), ("GBRG", (24, 20)))
"""A phase and a size, height and width, for each of the larger examples."""


def suitable_layouts(stage: Stage) -> tuple[str, ...]:
    """The Bayer phases that a stage accepts; what else it accepts if it takes no mosaic.

    >>> from isptoolkit.stages import Gain, Monochrome
    >>> suitable_layouts(Gain()), suitable_layouts(Monochrome())
    (('RGGB', 'BGGR', 'GRBG', 'GBRG'), ('MONO',))
    """
    return tuple(cfa for cfa in stage.layouts if cfa in BAYER) or stage.layouts


def typical_capture(cfa: str) -> Capture:
    """A 12-bit camera with uneven black levels, strong gains, a real color matrix and an exposure."""
    return Capture.of(
        cfa,
        black=(512, 500, 500 if cfa == RGB else 520, 530),
        white=4095,
        gains=(2.1, 1.0, 1.6),
        srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
        noise=(1e-3, 1e-6),
        exposure=0.25,
    )


def example(space: Space, size: tuple[int, int], phase: str, seed: int = 0) -> Tensor:
    """Two random samples of a space, with exact 0 and 1 and out-of-range values, except in digital numbers."""
    generator = torch.Generator().manual_seed(seed + LAYOUTS.index(phase))
    height, width = (n // space.downscale for n in size)
    x = torch.rand(2, space.channels, height, width, generator=generator, dtype=torch.float64)
    if space in DIGITAL:
        return 550 + 3000 * x
    x[1] = 0.05 + 0.3 * x[1]
    x[0, 0, 0, :4] = torch.tensor([0.0, 1.0, 1.2, -0.1], dtype=torch.float64)
    return x


def described(x: Tensor, capture: Capture) -> str:
    """A description of an input in one line."""
    values = ", ".join(f"{value:.6g}" for value in x.flatten()[:12].tolist())
    more = ", ..." if x.numel() > 12 else ""
    return f"x {tuple(x.shape)} = [{values}{more}], cfa {capture.cfa}, gains {capture.gains[0].tolist()}"

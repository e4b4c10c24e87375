"""Hard inputs for stages: Hypothesis strategies and procedural examples of every space and CFA phase."""

import torch
from hypothesis import strategies as st
from torch import Tensor

from ..capture import BAYER, Capture
from ..spaces import MOSAIC, SENSOR, Space

_HARD = st.sampled_from((0.0, 1.0, 0.5, 1e-40, -0.25, 1.5, 2**-12, 1 - 2**-20))


def sizes(smallest: int = 1, largest: int = 9) -> st.SearchStrategy[tuple[int, int]]:
    """Heights and widths, including odd ones and single pixels."""
    return st.tuples(st.integers(smallest, largest), st.integers(smallest, largest))


def captures() -> st.SearchStrategy[Capture]:
    """Single captures of every CFA phase, with uneven black levels, strong gains and a real color matrix."""
    level = st.floats(0, 600)
    return st.builds(
        lambda cfa, black, red, blue: typical_capture(cfa).replace(
            black=torch.tensor([black], dtype=torch.float64),
            gains=torch.tensor([[red, 1.0, blue]], dtype=torch.float64),
        ),
        st.sampled_from(BAYER),
        st.lists(level, min_size=4, max_size=4),
        st.floats(0.5, 3),
        st.floats(0.5, 3),
    )


def inputs(space: Space) -> st.SearchStrategy[Tensor]:
    """Float64 tensors `[1,C,H,W]` of any space: exact 0 and 1, denormals, out-of-range values, odd sizes."""

    @st.composite
    def tensors(draw: st.DrawFn) -> Tensor:
        height, width = draw(sizes(2 if space in (SENSOR, MOSAIC) else 1))
        if space == MOSAIC:
            height, width = 2 * height, 2 * width
        seed = draw(st.integers(0, 99))
        x = torch.rand(1, space.channels, height, width, generator=torch.Generator().manual_seed(seed)).double()
        for value in draw(st.lists(_HARD, max_size=4)):
            x[0, 0, draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))] = value
        return 600 + 3000 * x if space == SENSOR else x

    return tensors()


def mosaics() -> st.SearchStrategy[Tensor]:
    """MOSAIC tensors, `[1,1,H,W]` float64 with hard values."""
    return inputs(MOSAIC)


def images() -> st.SearchStrategy[Tensor]:
    """Three-channel tensors, `[1,3,H,W]` float64 with hard values and odd sizes."""
    return inputs(Space("image", 3))


SIZES = (("RGGB", (20, 22)), ("BGGR", (22, 20)), ("GRBG", (20, 20)), ("GBRG", (24, 20)))


def typical_capture(cfa: str) -> Capture:
    """A 12-bit camera with uneven black levels, strong gains and a real color matrix."""
    return Capture.of(
        cfa,
        black=(512, 500, 520, 530),
        white=4095,
        gains=(2.1, 1.0, 1.6),
        srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
        noise=(1e-3, 1e-6),
    )


def example(space: Space, size: tuple[int, int], phase: str, seed: int = 0) -> Tensor:
    """Two random samples of a space, with exact 0 and 1 and out-of-range values, except in digital numbers."""
    generator = torch.Generator().manual_seed(seed + BAYER.index(phase))
    height, width = (n // space.downscale for n in size)
    x = torch.rand(2, space.channels, height, width, generator=generator, dtype=torch.float64)
    if space == SENSOR:
        return 550 + 3000 * x
    x[1] = 0.05 + 0.3 * x[1]
    x[0, 0, 0, :4] = torch.tensor([0.0, 1.0, 1.2, -0.1], dtype=torch.float64)
    return x


def described(x: Tensor, capture: Capture) -> str:
    """A description of an input in one line."""
    values = ", ".join(f"{value:.6g}" for value in x.flatten()[:12].tolist())
    more = ", ..." if x.numel() > 12 else ""
    return f"x {tuple(x.shape)} = [{values}{more}], cfa {capture.cfa}, gains {capture.gains[0].tolist()}"

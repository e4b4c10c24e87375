"""Hypothesis strategies of hard inputs for stages."""

from collections.abc import Sequence

import torch
from hypothesis import strategies as st
from torch import Tensor

from ..capture import BAYER, RGB, Capture
from ..spaces import DIGITAL, MOSAIC, SENSOR, Space
from .examples import typical_capture

_HARD = st.sampled_from((0.0, 1.0, 0.5, 1e-40, -0.25, 1.5, 2**-12, 1 - 2**-20))


def sizes(smallest: int = 1, largest: int = 9) -> st.SearchStrategy[tuple[int, int]]:
    """Heights and widths, including odd ones and single pixels."""
    return st.tuples(st.integers(smallest, largest), st.integers(smallest, largest))


def captures(layouts: Sequence[str] = BAYER) -> st.SearchStrategy[Capture]:
    """Single captures of every CFA phase, with uneven black levels, strong gains, a real color matrix and an exposure.

    Args:
        layouts: the cfa of the captures, one of these.
    """

    def capture(cfa: str, black: list[float], red: float, blue: float, exposure: float | None) -> Capture:
        if cfa == RGB:
            black[2] = black[1]
        return typical_capture(cfa).replace(
            black=torch.tensor([black], dtype=torch.float64),
            gains=torch.tensor([[red, 1.0, blue]], dtype=torch.float64),
            exposure=None if exposure is None else torch.tensor([exposure], dtype=torch.float64),
        )

    return st.builds(
        capture,
        st.sampled_from(tuple(layouts)),
        st.lists(st.floats(0, 600), min_size=4, max_size=4),
        st.floats(0.5, 3),
        st.floats(0.5, 3),
        st.none() | st.floats(-1, 0.5),
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
        return 600 + 3000 * x if space in DIGITAL else x

    return tensors()


def mosaics() -> st.SearchStrategy[Tensor]:
    """MOSAIC tensors, `[1,1,H,W]` float64 with hard values."""
    return inputs(MOSAIC)


def images() -> st.SearchStrategy[Tensor]:
    """Three-channel tensors, `[1,3,H,W]` float64 with hard values and odd sizes."""
    return inputs(Space("image", 3))

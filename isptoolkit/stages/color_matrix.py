"""Color correction: camera primaries to sRGB primaries by one 3x3 matrix per capture."""

import torch
from torch import Tensor, nn

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import Step
from ..kernels.steps import matrix as matrix_step
from ..spaces import CAMERA, LINEAR
from ..stage import Quantity, Stage

_SINGULAR = 1e6
"""Matrices with a larger condition number count as singular; `Capture` uses the same limit."""


def apply_matrix(x: Tensor, matrix: Tensor) -> Tensor:
    """Mix the channels of every pixel: `y[b,:,h,w] = matrix[b] @ x[b,:,h,w]`.

    Args:
        x: `[B,C,H,W]`.
        matrix: `[B,C,C]`, or `[1,C,C]` shared by all samples.

    >>> apply_matrix(torch.ones(1, 2, 1, 1), torch.tensor([[[0.0, 2.0], [1.0, 3.0]]])).flatten()
    tensor([2., 4.])
    """
    mixed: Tensor = matrix @ x.flatten(2)
    return mixed.reshape(x.shape)


class ColorMatrix(Stage):
    """Convert camera RGB to linear sRGB by the inverse of the capture's matrix M: `y = M^-1 x`, `x = M y`.

    M is inverted in float64 and then rounded to the dtype of `x`. Rows of M sum to 1, so white stays white. Exact;
    colors outside the sRGB gamut become negative or exceed 1 and are not clipped.

    Args:
        srgb_to_camera: `[3,3]` or `[B,3,3]`, linear sRGB to white-balanced camera RGB; None reads the capture. The
            rows of this matrix may have any sum; the contract's `neutral` tells whether all sums are 1.

    Raises:
        InvalidArgument: for another shape or a singular matrix.

    Source: DNG 1.6 specification, "Mapping Camera Color Space to CIE XYZ Space", with the matrix taken to the sRGB
    primaries; Brooks et al., "Unprocessing images for learned raw denoising", CVPR 2019, for the color correction.

    >>> capture = Capture.of("RGGB", srgb_to_camera=((0.75, 0.25, 0), (0, 1, 0), (0, 0.5, 0.5)))
    >>> ColorMatrix()(torch.tensor([0.5, 0.5, 0.75]).view(1, 3, 1, 1), capture).flatten()
    tensor([0.5000, 0.5000, 1.0000])
    """

    takes, gives = CAMERA, LINEAR
    srgb_to_camera: Tensor | None

    def __init__(self, srgb_to_camera: Quantity | None = None) -> None:
        super().__init__()
        self.hold("srgb_to_camera", srgb_to_camera, (3, 3))
        neutral = True
        if self.srgb_to_camera is not None:
            matrix = self.srgb_to_camera.detach().double()
            if (torch.linalg.cond(matrix) > _SINGULAR).any():
                raise InvalidArgument(f"ColorMatrix: srgb_to_camera must be invertible, got {matrix.tolist()}")
            fitted = isinstance(self.srgb_to_camera, nn.Parameter)
            neutral = not fitted and bool((matrix.sum(-1) - 1).abs().max() <= 1e-4)
        self.contract = Contract(round_trip=0.0, re_render=0.0, condition=32.0, neutral=neutral)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        matrix = self._matrix(capture)
        return apply_matrix(x, torch.linalg.inv_ex(matrix).inverse.to(x.dtype))

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return apply_matrix(y, self._matrix(capture).to(y.dtype))

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [matrix_step(torch.linalg.inv_ex(self._matrix(capture)).inverse)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [matrix_step(self._matrix(capture))]

    def _matrix(self, capture: Capture) -> Tensor:
        own = self.srgb_to_camera
        matrix: Tensor = capture.srgb_to_camera if own is None else own
        return matrix.double().reshape(-1, 3, 3)

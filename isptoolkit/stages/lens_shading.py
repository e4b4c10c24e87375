"""Lens shading correction: gains that depend on the position in the frame, radial or from a mesh."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..kernels.steps import RADIAL_TERMS, Kind, Step
from ..spaces import MOSAIC, Space
from ..stage import Quantity, Stage


def radial_gain(height: int, width: int, coefficients: Tensor, center: tuple[float, float]) -> Tensor:
    """The gain `1 + k_0 r^2 + k_1 r^4 + ...` as `[B,1,H,W]`; r = 1 at the corner pixel farthest from the center.

    Args:
        height: of the frame in pixels.
        width: of the frame in pixels.
        coefficients: `[B,K]` k_0, k_1, ...
        center: of the shading, (x, y), from (0, 0) at the top left pixel to (1, 1) at the bottom right one.

    >>> radial_gain(3, 3, torch.tensor([[0.5]]), (0.5, 0.5))[0, 0]
    tensor([[1.5000, 1.2500, 1.5000],
            [1.2500, 1.0000, 1.2500],
            [1.5000, 1.2500, 1.5000]])
    """
    across, down = max(center[0], 1 - center[0]) * (width - 1), max(center[1], 1 - center[1]) * (height - 1)
    farthest = across**2 + down**2
    x = _indices(width, coefficients) - center[0] * (width - 1)
    y = _indices(height, coefficients) - center[1] * (height - 1)
    square = ((x**2 + y[:, None] ** 2) / max(farthest, 1.0)).to(coefficients.dtype)
    gain = torch.zeros_like(square)[None, None]
    for k in reversed(coefficients.unbind(-1)):
        gain = (gain + k.view(-1, 1, 1, 1)) * square
    return 1 + gain


def mesh_gain(height: int, width: int, mesh: Tensor) -> Tensor:
    """Bilinearly interpolate a mesh `[B,P,rows,cols]` that spans the frame, to `[B,P,H,W]`.

    The pixel (i, j) lies at `((i + 1/2) / H, (j + 1/2) / W)`; the outer nodes lie on the frame's edges, 0 and 1.

    >>> mesh_gain(1, 4, torch.tensor([[[[1.0, 2.0]]]]))
    tensor([[[[1.1250, 1.3750, 1.6250, 1.8750]]]])
    """
    gain: Tensor = _hats(height, mesh.shape[-2], mesh) @ mesh @ _hats(width, mesh.shape[-1], mesh).mT
    return gain


def site_mesh_gain(height: int, width: int, mesh: Tensor) -> Tensor:
    """Bilinearly interpolate a mesh per 2x2 site, `[B,4,rows,cols]` row-major, to a mosaic `[B,1,H,W]`.

    Each pixel uses the plane of its site, and its position in the frame as in `mesh_gain`.

    >>> site_mesh_gain(2, 2, torch.arange(1.0, 5.0).view(1, 4, 1, 1))
    tensor([[[[1., 2.],
              [3., 4.]]]])
    """
    rows, cols = mesh.shape[-2:]
    # Block (a, b) of this matrix is the plane of the sites in rows of parity a and columns of parity b.
    blocks = mesh.reshape(-1, 2, 2, rows, cols).transpose(2, 3).reshape(-1, 1, 2 * rows, 2 * cols)
    gain: Tensor = _by_parity(_hats(height, rows, mesh)) @ blocks @ _by_parity(_hats(width, cols, mesh)).mT
    return gain


def _hats(pixels: int, nodes: int, like: Tensor) -> Tensor:
    """`[pixels, nodes]` the interpolation weights of each pixel's center in nodes that span the frame."""
    return tent_weights((_indices(pixels, like) + 0.5) / pixels * (nodes - 1), nodes, like)


def tent_weights(place: Tensor, nodes: int, like: Tensor) -> Tensor:
    """`[pixels, nodes]` the linear interpolation weights at places in [0, nodes - 1], `[pixels]`; rows sum to 1.

    >>> tent_weights(torch.tensor([0.0, 0.25, 2.0]), 3, torch.ones(1)).tolist()
    [[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.0, 0.0, 1.0]]
    """
    hats: Tensor = 1 - (place[:, None] - _indices(nodes, like)).abs()
    return hats.clamp(min=0).to(like.dtype)


def _indices(count: int, like: Tensor) -> Tensor:
    """0, 1, ... in float64, so that positions do not depend on the dtype of the image."""
    return torch.arange(count, dtype=torch.float64, device=like.device)


def _by_parity(weights: Tensor) -> Tensor:
    """`[pixels, 2 nodes]`: the weights in the left half for even pixels, in the right half for odd ones."""
    odd = torch.arange(weights.shape[0], device=weights.device)[:, None] % 2
    return torch.cat([weights * (1 - odd), weights * odd], 1)


class LensShadingRadial(Stage):
    """Brighten the corners by a polynomial of the distance to the center: `y = g x`, `x = y / g`; exact.

    `g = 1 + k_0 r^2 + k_1 r^4 + ...`, r the distance to the center divided by that of the farthest corner pixel.

    Args:
        coefficients: `[K]` or `[B,K]` k_0, k_1, ... (the standard has five).
        center: (x, y), from (0, 0) at the top left pixel to (1, 1) at the bottom right one.
        space: where it is applied; linear light.

    Raises:
        InvalidArgument: if the gain is not positive for every r in [0, 1], or the center lies outside the frame.

    Source: DNG 1.6 specification, opcode FixVignetteRadial.

    >>> stage = LensShadingRadial([0.5])
    >>> stage(torch.ones(1, 1, 3, 3), Capture.of("RGGB"))[0, 0, 0]
    tensor([1.5000, 1.2500, 1.5000])
    """

    coefficients: Tensor

    def __init__(self, coefficients: Quantity, center: tuple[float, float] = (0.5, 0.5), space: Space = MOSAIC) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("coefficients", coefficients, (None,))
        if len(center) != 2 or not all(0 <= place <= 1 for place in center):
            raise InvalidArgument(f"LensShadingRadial: center must be two numbers in [0, 1], got {center!r}")
        self.center = center
        if not self.coefficients.numel():
            raise InvalidArgument("LensShadingRadial: coefficients must have at least one entry, got none")
        rows = self.coefficients.detach().double().cpu().reshape(-1, self.coefficients.shape[-1]).numpy()
        if not all(_least_gain(row) > 0 for row in rows):
            raise InvalidArgument(
                f"LensShadingRadial: coefficients must keep the gain positive up to the corner, got {rows.tolist()}"
            )
        self.contract = Contract(0.0, 0.0, condition=4.0, reach=None, neutral=space.channels > 1)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x * self._gain(x)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y / self._gain(y)

    def forward_steps(self, capture: Capture) -> list[Step] | None:
        return self._steps(Kind.RADIAL_MULTIPLY)

    def inverse_steps(self, capture: Capture) -> list[Step] | None:
        return self._steps(Kind.RADIAL_DIVIDE)

    def _steps(self, kind: Kind) -> list[Step] | None:
        coefficients = self.coefficients.double().reshape(-1, self.coefficients.shape[-1])
        missing = RADIAL_TERMS - coefficients.shape[1]
        if missing < 0:
            return None
        center = coefficients.new_tensor([self.center]).expand(len(coefficients), 2)
        return [Step(kind, torch.cat((center, F.pad(coefficients, (0, missing))), 1))]

    def _gain(self, x: Tensor) -> Tensor:
        coefficients = self.coefficients.to(x.dtype).reshape(-1, self.coefficients.shape[-1])
        return radial_gain(x.shape[-2], x.shape[-1], coefficients, (self.center[0], self.center[1]))


def _least_gain(coefficients: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float:
    """The minimum over the unit interval of `1 + k_0 u + k_1 u^2 + ...`: at an end or where the slope is zero."""
    gain = np.polynomial.Polynomial(np.concatenate([[1.0], coefficients]))
    # A leading coefficient this small changes no gain, but division by it overflows.
    slope = gain.deriv().trim(1e-200 * np.abs(coefficients).max())
    extrema = [complex(root) for root in slope.roots()]
    inside = [root.real for root in extrema if abs(root.imag) < 1e-9 and 0 < root.real < 1]
    return float(min(gain(u) for u in (0.0, 1.0, *inside)))


class LensShadingMesh(Stage):
    """Multiply by a coarse mesh of gains, interpolated bilinearly over the frame: `y = g x`, `x = y / g`; exact.

    Args:
        mesh: `[planes,rows,cols]` or `[B,planes,rows,cols]`, positive: one plane for all channels, four for the 2x2
            sites row-major (spaces with one channel), or one per channel of the space. The outer nodes lie on the
            frame's edges; the center of pixel (i, j) lies at `((i + 1/2) / H, (j + 1/2) / W)` of the frame.
        space: where it is applied; linear light.

    Raises:
        InvalidArgument: for gains that are not positive, an empty mesh, or another number of planes.

    Source: DNG 1.6 specification, opcode GainMap, with map origin 0 and spacing `1 / (rows - 1)`, `1 / (cols - 1)`.

    >>> stage = LensShadingMesh([[[1.0, 2.0]]])
    >>> stage(torch.ones(1, 1, 1, 4), Capture.of("RGGB"))
    tensor([[[[1.1250, 1.3750, 1.6250, 1.8750]]]])
    """

    mesh: Tensor

    def __init__(self, mesh: Quantity, space: Space = MOSAIC) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("mesh", mesh, (None, None, None))
        planes = self.mesh.shape[-3]
        if planes not in (1, 4 if space.channels == 1 else space.channels):
            raise InvalidArgument(
                f"LensShadingMesh: mesh must have 1 plane, 4 on one channel, or one per channel of {space.name} "
                f"({space.channels}), got {planes}"
            )
        if not self.mesh.numel() or not (self.mesh > 0).all():
            raise InvalidArgument(
                f"LensShadingMesh: mesh must contain positive gains, got shape {tuple(self.mesh.shape)}"
                f" with minimum {self.mesh.min().item() if self.mesh.numel() else None}"
            )
        neutral = planes == 1 and space.channels > 1
        self.contract = Contract(0.0, 0.0, condition=4.0, reach=None, neutral=neutral)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x * self._gain(x)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y / self._gain(y)

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [self._step(Kind.MESH_MULTIPLY)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [self._step(Kind.MESH_DIVIDE)]

    def _step(self, kind: Kind) -> Step:
        planes, rows, columns = self.mesh.shape[-3:]
        return Step(kind, self.mesh.double().reshape(-1, planes * rows * columns), (planes, rows, columns))

    def _gain(self, x: Tensor) -> Tensor:
        mesh = self.mesh.to(x.dtype).reshape(-1, *self.mesh.shape[-3:])
        interpolate = site_mesh_gain if self.takes.channels == 1 and mesh.shape[1] == 4 else mesh_gain
        return interpolate(x.shape[-2], x.shape[-1], mesh)

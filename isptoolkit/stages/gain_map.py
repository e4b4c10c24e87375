"""Gain maps: gains on a coarse grid, anywhere on the frame, for chosen rows, columns and planes."""

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument
from ..spaces import MOSAIC, Space
from ..stage import Quantity, Stage
from .lens_shading import tent_weights


class GainMap(Stage):
    """Multiply an area of the frame by a gain map, interpolated bilinearly: `y = g x`, `x = y / g`; exact.

    The center of pixel (i, j) of an H x W frame lies at row `((i + 1/2) / H - origin_0) / spacing_0` and column
    `((j + 1/2) / W - origin_1) / spacing_1` of the map; outside the map, its border is continued. Pixels outside the
    area, between the pitches, and of other planes keep their values (g = 1). Plane p of the image reads plane p of the
    map, or the map's last plane if it has fewer. A map that spans the frame is a `LensShadingMesh`, which kernels fuse.

    Args:
        mesh: `[planes,rows,cols]` or `[B,planes,rows,cols]`, positive gains.
        origin: row and column of the map's first node, as fractions of the frame.
        spacing: of the nodes in rows and columns, as fractions of the frame, positive; None spans it.
        area: top, left, bottom, right in pixels, the last two exclusive; None is the whole frame.
        pitch: every how many rows and columns of the area are multiplied, counted from `top` and `left`.
        planes: first plane of the image to multiply, and the number of planes; None is all.
        space: where it is applied; linear light.

    Raises:
        InvalidArgument: for gains that are not positive, an empty area, or a spacing or pitch that is not positive.

    Source: DNG 1.6 specification, opcode GainMap. Its values are limited to 1 by a `Clip`, not here.

    >>> stage = GainMap([[[2.0, 4.0]]], origin=(0.0, 0.25), spacing=(1.0, 0.5), area=(0, 0, 1, 3))
    >>> stage(torch.ones(1, 1, 1, 4), Capture.of("RGGB"))
    tensor([[[[2.0000, 2.5000, 3.5000, 1.0000]]]])
    """

    mesh: Tensor

    def __init__(
        self,
        mesh: Quantity,
        origin: tuple[float, float] = (0.0, 0.0),
        spacing: tuple[float, float] | None = None,
        area: tuple[int, int, int, int] | None = None,
        pitch: tuple[int, int] = (1, 1),
        planes: tuple[int, int] | None = None,
        space: Space = MOSAIC,
    ) -> None:
        super().__init__()
        self.takes = self.gives = self.space = space
        self.hold("mesh", mesh, (None, None, None))
        if not self.mesh.numel() or not (self.mesh > 0).all():
            raise InvalidArgument(
                f"GainMap: mesh must contain positive gains, got shape {tuple(self.mesh.shape)}"
                f" with minimum {self.mesh.min().item() if self.mesh.numel() else None}"
            )
        if spacing is not None and not min(spacing) > 0:
            raise InvalidArgument(f"GainMap: spacing must be positive, got {spacing!r}")
        if area is not None and not (area[0] < area[2] and area[1] < area[3]):
            raise InvalidArgument(f"GainMap: area must be top, left, bottom, right with pixels inside, got {area!r}")
        if min(pitch) < 1:
            raise InvalidArgument(f"GainMap: pitch must be at least 1 row and column, got {pitch!r}")
        if planes is not None and not (planes[0] >= 0 and planes[1] >= 1):
            raise InvalidArgument(f"GainMap: planes must be the first plane and a number of planes, got {planes!r}")
        self.origin, self.spacing, self.area, self.pitch, self.planes = origin, spacing, area, pitch, planes
        every_plane = planes is None or (planes[0] == 0 and planes[1] >= space.channels)
        neutral = space.channels > 1 and every_plane and self.mesh.shape[-3] == 1
        self.contract = Contract(0.0, 0.0, condition=4.0, reach=None, neutral=neutral)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x * self._gain(x)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y / self._gain(y)

    def _gain(self, x: Tensor) -> Tensor:
        """`[B,C,H,W]` the gain of every value."""
        channels, height, width = x.shape[1:]
        mesh = self.mesh.to(x.dtype).reshape(-1, *self.mesh.shape[-3:])
        last = mesh.shape[1] - 1
        mesh = mesh[:, [min(channel, last) for channel in range(channels)]]
        gain: Tensor = self._weights(height, 0, mesh) @ mesh @ self._weights(width, 1, mesh).mT
        rows, columns = (self._selected(size, axis, x) for axis, size in enumerate((height, width)))
        first, count = self.planes or (0, channels)
        chosen = torch.tensor([first <= channel < first + count for channel in range(channels)], device=x.device)
        return torch.where(chosen[:, None, None] & rows[:, None] & columns, gain, 1)

    def _weights(self, size: int, axis: int, mesh: Tensor) -> Tensor:
        """`[size, nodes]` the interpolation weights of the pixels' centers along one axis."""
        nodes = mesh.shape[axis - 2]
        spacing = 1 / max(nodes - 1, 1) if self.spacing is None else self.spacing[axis]
        center = (torch.arange(size, dtype=torch.float64, device=mesh.device) + 0.5) / size
        return tent_weights(((center - self.origin[axis]) / spacing).clamp(0, nodes - 1), nodes, mesh)

    def _selected(self, size: int, axis: int, x: Tensor) -> Tensor:
        """`[size]` bool: which rows or columns the map multiplies."""
        start, stop = (0, size) if self.area is None else (self.area[axis], self.area[axis + 2])
        index = torch.arange(size, device=x.device)
        return (index >= start) & (index < stop) & ((index - start) % self.pitch[axis] == 0)

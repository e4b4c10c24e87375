"""The colour model of a DNG file: two calibrated illuminants, and the colour matrices between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .errors import InvalidArgument

XYZ_FROM_SRGB = torch.tensor(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
    dtype=torch.float64,
)
"""Linear sRGB to XYZ, D65; IEC 61966-2-1 primaries, as tabulated by Lindbloom."""
_BRADFORD = torch.tensor(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]], dtype=torch.float64
)
"""Lam 1985; DNG 1.6 specification, chapter 6, recommends this adaptation."""
_D50 = torch.tensor([0.9642, 1.0, 0.8249], dtype=torch.float64)
"""The profile connection space white; ICC.1:2022, 7.2.16."""

# Correlated colour temperatures of EXIF LightSource codes (Exif 2.32, tag 37384; CIE 15:2004 for the named illuminants).
_TEMPERATURES = {
    1: 5500.0, 2: 4200.0, 3: 2856.0, 4: 5500.0, 9: 5500.0, 10: 6500.0, 11: 7500.0, 12: 6430.0, 13: 5000.0, 14: 4150.0,
    15: 3450.0, 16: 2940.0, 17: 2856.0, 18: 4874.0, 19: 6774.0, 20: 5503.0, 21: 6504.0, 22: 7504.0, 23: 5003.0, 24: 3200.0,
}  # fmt: skip
_TAGS = {
    "color_matrix1": 50721, "color_matrix2": 50722, "camera_calibration1": 50723, "camera_calibration2": 50724,
    "analog_balance": 50727, "illuminant1": 50778, "illuminant2": 50779, "forward_matrix1": 50964, "forward_matrix2": 50965,
}  # fmt: skip


def normalized_rows(matrix: Tensor) -> Tensor:
    """Divide each row by its sum, so that white goes to white.

    Raises:
        InvalidArgument: when a row sums to zero or less.
    """
    sums = matrix.sum(-1, keepdim=True)
    if not (sums > 0).all():
        raise InvalidArgument(f"the rows of a colour matrix must have positive sums, got {sums.flatten().tolist()}")
    return matrix / sums


@dataclass(frozen=True)
class ColorProfile:
    """The colour tags of a DNG file; the second illuminant is optional.

    Args:
        color_matrix1: `[3,3]` XYZ to camera under `illuminant1`.
        color_matrix2: the same under `illuminant2`.
        forward_matrix1: `[3,3]` white-balanced camera to XYZ D50.
        forward_matrix2: the same under `illuminant2`.
        camera_calibration1: `[3,3]` of the individual camera.
        camera_calibration2: the same under `illuminant2`.
        analog_balance: `[3]` gains applied before digitising.
        illuminant1: EXIF LightSource code.
        illuminant2: EXIF LightSource code.

    Source: DNG 1.6 specification, chapter 6, "Mapping Camera Color Space to CIE XYZ Space".
    """

    color_matrix1: Tensor
    color_matrix2: Tensor | None = None
    forward_matrix1: Tensor | None = None
    forward_matrix2: Tensor | None = None
    camera_calibration1: Tensor | None = None
    camera_calibration2: Tensor | None = None
    analog_balance: Tensor | None = None
    illuminant1: int = 21
    illuminant2: int = 0

    @classmethod
    def from_dng(cls, path: str | Path) -> "ColorProfile | None":
        """The profile of a DNG file, or None where the file has no ColorMatrix1."""
        import tifffile

        try:
            with tifffile.TiffFile(path) as tiff:
                tags = {tag.code: tag.value for tag in tiff.pages[0].tags}  # type: ignore[union-attr]
        except (tifffile.TiffFileError, OSError, ValueError):
            return None
        values: dict[str, Any] = {}
        for name, code in _TAGS.items():
            if code not in tags:
                continue
            if name.startswith("illuminant"):
                values[name] = int(tags[code])
                continue
            numbers = torch.tensor(tags[code], dtype=torch.float64)
            if name != "analog_balance":
                numbers = numbers.reshape(-1, 2)
                numbers = (numbers[:, 0] / numbers[:, 1])[:9].reshape(3, 3)
            else:
                numbers = numbers.reshape(-1, 2)
                numbers = numbers[:, 0] / numbers[:, 1]
            values[name] = numbers
        return cls(**values) if "color_matrix1" in values else None

    def weight(self, temperature: float) -> float:
        """The share of illuminant 1, linear in the inverse of the correlated colour temperature, 0 to 1."""
        if self.color_matrix2 is None or self.illuminant2 == 0:
            return 1.0
        first, second = (self._temperature(code) for code in (self.illuminant1, self.illuminant2))
        if first == second:
            return 1.0
        share = (1 / temperature - 1 / second) / (1 / first - 1 / second)
        return min(1.0, max(0.0, share))

    def xyz_to_camera(self, xy: Sequence[float]) -> Tensor:
        """`[3,3]` XYZ to camera under the white `xy`: AnalogBalance x CameraCalibration x ColorMatrix."""
        share = self.weight(_temperature_of(xy))
        matrix = _mixed(self.color_matrix1, self.color_matrix2, share)
        return self._camera_side(share) @ matrix

    def white_xy(self, neutral: Sequence[float]) -> tuple[float, float]:
        """The chromaticity of the light under which the camera records `neutral` for white, by fixed point."""
        seen = torch.as_tensor(neutral, dtype=torch.float64)
        xy = (0.3457, 0.3585)
        for _ in range(30):
            xyz = torch.linalg.solve(self.xyz_to_camera(xy), seen)
            x, y, _ = (xyz / xyz.sum()).tolist()
            if abs(x - xy[0]) + abs(y - xy[1]) < 1e-9:
                break
            xy = (x, y)
        return xy

    def srgb_to_camera(self, neutral: Sequence[float]) -> Tensor:
        """`[3,3]` linear sRGB to white-balanced camera RGB, rows summing to 1, for an as-shot neutral."""
        xy = self.white_xy(neutral)
        if self.forward_matrix1 is None:
            white = torch.tensor([xy[0] / xy[1], 1.0, (1 - xy[0] - xy[1]) / xy[1]], dtype=torch.float64)
            adapted = _adaptation(XYZ_FROM_SRGB.sum(1), white) @ XYZ_FROM_SRGB
            return normalized_rows(self.xyz_to_camera(xy) @ adapted)
        forward = _mixed(self.forward_matrix1, self.forward_matrix2, self.weight(_temperature_of(xy)))
        to_srgb = torch.linalg.solve(XYZ_FROM_SRGB, _adaptation(_D50, XYZ_FROM_SRGB.sum(1)) @ forward)
        return normalized_rows(torch.linalg.inv(to_srgb))

    def _camera_side(self, share: float) -> Tensor:
        eye = torch.eye(3, dtype=torch.float64)
        first = eye if self.camera_calibration1 is None else self.camera_calibration1
        calibration = _mixed(first, self.camera_calibration2, share)
        return calibration if self.analog_balance is None else torch.diag(self.analog_balance) @ calibration

    @staticmethod
    def _temperature(code: int) -> float:
        if code not in _TEMPERATURES:
            raise InvalidArgument(f"unknown EXIF LightSource code {code} of a calibration illuminant")
        return _TEMPERATURES[code]


def _mixed(first: Tensor, second: Tensor | None, share: float) -> Tensor:
    return first if second is None else share * first + (1 - share) * second


def _temperature_of(xy: Sequence[float]) -> float:
    from colour.temperature import xy_to_CCT

    return float(xy_to_CCT(list(xy), method="Hernandez 1999"))


def _adaptation(source: Tensor, target: Tensor) -> Tensor:
    """Bradford adaptation of XYZ from one white to another."""
    scale = (_BRADFORD @ target) / (_BRADFORD @ source)
    adapted: Tensor = torch.linalg.solve(_BRADFORD, torch.diag(scale) @ _BRADFORD)
    return adapted

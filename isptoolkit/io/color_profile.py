"""The color model of a DNG file: two calibrated illuminants, and the color matrices between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidArgument
from ..spaces import XYZ_FROM_SRGB
from .color_temperature import correlated_temperature as _temperature_of
from .tag_values import numbers, text
from .tiff import tiff_tags

_BRADFORD = torch.tensor(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]], dtype=torch.float64
)
"""Lam 1985; DNG 1.6 specification, chapter 6, recommends this adaptation."""
_D50 = torch.tensor([0.9642, 1.0, 0.8249], dtype=torch.float64)
"""The profile connection space white; ICC.1:2022, 7.2.16."""
_D50_XY = (0.3457, 0.3585)
_PASSES = 30
_CONDITION = 1e8
"""Matrices with a larger condition number count as singular."""

# Correlated color temperatures of EXIF LightSource codes (Exif 2.32, tag 37384): CIE 15:2004 for the named
# illuminants, the middle of the range that Exif states for fluorescent lamps.
TEMPERATURES = {
    1: 5500.0, 2: 4150.0, 3: 2856.0, 4: 5500.0, 9: 5500.0, 10: 6500.0, 11: 7500.0, 12: 6400.0, 13: 5050.0, 14: 4150.0,
    15: 3525.0, 16: 2925.0, 17: 2856.0, 18: 4874.0, 19: 6774.0, 20: 5503.0, 21: 6504.0, 22: 7504.0, 23: 5003.0,
    24: 3200.0,
}  # fmt: skip
MATRIX_TAGS = {
    "color_matrix1": 50721, "color_matrix2": 50722, "camera_calibration1": 50723, "camera_calibration2": 50724,
    "analog_balance": 50727, "forward_matrix1": 50964, "forward_matrix2": 50965,
}  # fmt: skip
LIGHT_TAGS = {"illuminant1": 50778, "illuminant2": 50779}
PROFILE_TAGS = MATRIX_TAGS | LIGHT_TAGS
"""The DNG tag of each field of a `ColorProfile`."""
_SIGNATURES = (50931, 50932)
"""CameraCalibrationSignature and ProfileCalibrationSignature."""


def tag_name(field: str) -> str:
    """The name of the DNG tag that a field of a `ColorProfile` holds.

    >>> tag_name("camera_calibration1")
    'CameraCalibration1'
    """
    return field.title().replace("_", "")


def count_of(field: str) -> int:
    """How many numbers the tag of a field of a `ColorProfile` holds for three colors.

    >>> count_of("analog_balance"), count_of("color_matrix1")
    (3, 9)
    """
    return 3 if field == "analog_balance" else 9


def normalized_rows(matrix: Tensor) -> Tensor:
    """Divide each row of a matrix by its sum, so that white maps to white.

    Args:
        matrix: `[...,n]`.

    Raises:
        InvalidArgument: if a row sums to zero or less.

    >>> normalized_rows(torch.tensor([[1.0, 3.0], [2.0, 0.0]]))
    tensor([[0.2500, 0.7500],
            [1.0000, 0.0000]])
    """
    sums = matrix.sum(-1, keepdim=True)
    if not (sums > 0).all():
        raise InvalidArgument(f"the rows of a color matrix must have positive sums, got {sums.flatten().tolist()}")
    return matrix / sums


@dataclass(frozen=True)
class ColorProfile:
    """The color tags of a DNG file; the second illuminant is optional.

    Args:
        color_matrix1: `[3,3]` XYZ to camera under `illuminant1`.
        color_matrix2: `[3,3]` XYZ to camera under `illuminant2`.
        forward_matrix1: `[3,3]` white-balanced camera to XYZ D50 under `illuminant1`.
        forward_matrix2: `[3,3]` white-balanced camera to XYZ D50 under `illuminant2`.
        camera_calibration1: `[3,3]` reference camera to this camera under `illuminant1`.
        camera_calibration2: `[3,3]` reference camera to this camera under `illuminant2`.
        analog_balance: `[3]` gains applied before digitization.
        illuminant1: EXIF LightSource code; if either code is unknown, only the first matrices are used.
        illuminant2: EXIF LightSource code.

    All computations are in float64. The third illuminant of DNG 1.6 is not used.

    Raises:
        InvalidArgument: for a wrong shape, non-finite values, or a singular matrix.

    Source: DNG 1.6 specification, chapter 6, "Mapping Camera Color Space to CIE XYZ Space".

    >>> profile = ColorProfile(torch.linalg.inv(XYZ_FROM_SRGB))
    >>> [round(value, 4) for value in profile.white_xy([1, 1, 1])]
    [0.3127, 0.329]
    """

    color_matrix1: Tensor
    color_matrix2: Tensor | None = None
    forward_matrix1: Tensor | None = None
    forward_matrix2: Tensor | None = None
    camera_calibration1: Tensor | None = None
    camera_calibration2: Tensor | None = None
    analog_balance: Tensor | None = None
    illuminant1: int = 0
    illuminant2: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or field.name.startswith("illuminant"):
                continue
            value = torch.as_tensor(value, dtype=torch.float64)
            object.__setattr__(self, field.name, value)
            shape = (3,) if field.name == "analog_balance" else (3, 3)
            if tuple(value.shape) != shape or not value.isfinite().all():
                raise InvalidArgument(f"{field.name} must be finite, of shape {shape}, got {value.tolist()}")
            if matrix_defect(value.detach().cpu().flatten().numpy()):
                raise InvalidArgument(f"{field.name} must be invertible, got {value.tolist()}")

    @classmethod
    def from_tags(cls, tags: Mapping[int, Any]) -> "ColorProfile | None":
        """Build the profile from the tags of a DNG file; None without a usable 3x3 color matrix.

        Malformed tags are left out; if ColorMatrix1 is one, the second illuminant is the only one. CameraCalibration1
        and 2 count only if CameraCalibrationSignature equals ProfileCalibrationSignature, both empty by default.

        Args:
            tags: values by tag code, as `tiff_tags` returns them.
        """
        signatures = {text(tags.get(code)) for code in _SIGNATURES}
        lights = {field: numbers(tags[code], 1) for field, code in LIGHT_TAGS.items() if code in tags}
        values: dict[str, Any] = {field: int(light[0]) for field, light in lights.items() if light is not None}
        for field, code in MATRIX_TAGS.items():
            if code not in tags or (field.startswith("camera_calibration") and len(signatures) > 1):
                continue
            matrix = numbers(tags[code], count_of(field))
            if matrix is not None and not matrix_defect(matrix):
                values[field] = torch.from_numpy(matrix if len(matrix) == 3 else matrix.reshape(3, 3))
        if "color_matrix1" not in values:
            values = {name.replace("2", "1"): value for name, value in values.items() if not name.endswith("1")}
        return cls(**values) if "color_matrix1" in values else None

    @classmethod
    def from_dng(cls, path: str | Path) -> "ColorProfile | None":
        """Read the profile of a DNG file; None if it is not a TIFF or has no usable 3x3 ColorMatrix1."""
        return cls.from_tags(tiff_tags(path))

    @property
    def parts(self) -> str:
        """The tags that the profile consists of.

        >>> ColorProfile(torch.eye(3), torch.eye(3), analog_balance=torch.ones(3)).parts
        'ColorMatrix1, ColorMatrix2 and AnalogBalance'
        """
        tags = [tag_name(field) for field in MATRIX_TAGS if getattr(self, field) is not None]
        return " and ".join([", ".join(tags[:-1]), tags[-1]] if len(tags) > 1 else tags)

    def weight(self, xy: Sequence[float]) -> float:
        """The weight of illuminant 1, 0 to 1, under light of chromaticity `xy`.

        `(1/T - 1/T2) / (1/T1 - 1/T2)`, linear in the inverse correlated color temperature and clamped; the two
        illuminants may be in either order.

        Args:
            xy: CIE 1931 chromaticity of the light.
        """
        first, second = (TEMPERATURES.get(code) for code in (self.illuminant1, self.illuminant2))
        if first is None or second is None or first == second:
            return 1.0
        share = (1 / _temperature_of(xy) - 1 / second) / (1 / first - 1 / second)
        return min(1.0, max(0.0, share))

    def xyz_to_camera(self, xy: Sequence[float]) -> Tensor:
        """`[3,3]` XYZ to camera under light of chromaticity `xy`: AnalogBalance x CameraCalibration x ColorMatrix."""
        share = self.weight(xy)
        matrix: Tensor = _mixed(self.color_matrix1, self.color_matrix2, share)
        return self._camera_side(share) @ matrix

    def neutral(self, xy: Sequence[float]) -> Tensor:
        """`[3]` the camera's response to white under light of chromaticity `xy`, green = 1."""
        response = self.xyz_to_camera(xy) @ _xyz(xy)
        return response / response[1]

    def white_xy(self, neutral: Sequence[float] | Tensor) -> tuple[float, float]:
        """Solve for the chromaticity of the light under which the camera responds to white with `neutral`.

        By fixed-point iteration; if it oscillates between two solutions, their midpoint is returned.

        Args:
            neutral: `[3]` camera response to white, on any scale.

        Raises:
            InvalidArgument: unless `neutral` is three positive numbers that some light of positive XYZ explains.
        """
        response = torch.as_tensor(neutral, dtype=torch.float64)
        if tuple(response.shape) != (3,) or not (response.isfinite() & (response > 0)).all():
            raise InvalidArgument(f"a camera neutral must be three positive numbers, got {response.tolist()}")
        xy = _D50_XY
        for step in range(_PASSES):
            xyz = torch.linalg.solve(self.xyz_to_camera(xy), response)
            if not (xyz[:2] > 0).all() or xyz.sum() <= 0:
                raise InvalidArgument(
                    f"no light explains the camera neutral {response.tolist()}: its XYZ would be {xyz.tolist()}; check "
                    "the white balance and the color matrix"
                )
            x, y, _ = (xyz / xyz.sum()).tolist()
            if abs(x - xy[0]) + abs(y - xy[1]) < 1e-10:
                break
            xy = (x, y) if step < _PASSES - 1 else ((x + xy[0]) / 2, (y + xy[1]) / 2)
        return xy

    def srgb_to_camera(self, neutral: Sequence[float] | Tensor) -> Tensor:
        """`[3,3]` linear sRGB to white-balanced camera RGB, rows summing to 1, for an as-shot neutral.

        With forward matrices: the inverse of camera -> XYZ D50 -> D65 (Bradford) -> linear sRGB. Without: D65 is
        adapted to the light of the shot (Bradford), then multiplied by `xyz_to_camera` for that light.

        Args:
            neutral: `[3]` camera response to white, on any scale.

        Raises:
            InvalidArgument: unless `neutral` is three positive numbers that some light of positive XYZ explains.
        """
        response = torch.as_tensor(neutral, dtype=torch.float64)
        xy = self.white_xy(response)
        d65 = XYZ_FROM_SRGB.sum(1)
        share = self.weight(xy)
        forward = _mixed(self.forward_matrix1, self.forward_matrix2, share)
        if forward is None:
            return normalized_rows(self.xyz_to_camera(xy) @ _adaptation(d65, _xyz(xy)) @ XYZ_FROM_SRGB)
        # Forward matrices are for the reference camera: undo the calibration of this camera first.
        camera_side = self._camera_side(share)
        reference = torch.linalg.solve(camera_side, response)
        balanced = torch.diag(1 / reference) @ torch.linalg.inv(camera_side) @ torch.diag(response)
        exact = torch.diag(_D50 / forward.sum(1)) @ forward  # tags have four decimals: make white exactly D50
        to_srgb = torch.linalg.solve(XYZ_FROM_SRGB, _adaptation(_D50, d65) @ exact @ balanced)
        return normalized_rows(torch.linalg.inv(to_srgb))

    def _camera_side(self, share: float) -> Tensor:
        eye = torch.eye(3, dtype=torch.float64)
        first, second = (eye if c is None else c for c in (self.camera_calibration1, self.camera_calibration2))
        calibration = share * first + (1 - share) * second
        return calibration if self.analog_balance is None else torch.diag(self.analog_balance) @ calibration


def matrix_defect(values: "np.ndarray[Any, Any] | None") -> str:
    """What makes the numbers of a color tag unusable, as a phrase; empty if nothing does.

    Args:
        values: 9 numbers of a matrix or 3 of a diagonal; None for another count or numbers that are not finite.

    >>> matrix_defect(np.zeros(9))
    'is all zeros'
    """
    if values is None:
        return "does not hold finite numbers for three colors"
    if not values.any():
        return "is all zeros"
    square = np.diag(values) if len(values) == 3 else values.reshape(3, 3)
    return "" if np.linalg.cond(square) <= _CONDITION else "is not invertible"


def _mixed(first: Any, second: Any, share: float) -> Any:
    if first is None or second is None:
        return second if first is None else first
    return share * first + (1 - share) * second


def _xyz(xy: Sequence[float]) -> Tensor:
    x, y = xy
    return torch.tensor([x / y, 1.0, (1 - x - y) / y], dtype=torch.float64)


def _adaptation(source: Tensor, target: Tensor) -> Tensor:
    """Bradford adaptation of XYZ from one white to another."""
    scale = (_BRADFORD @ target) / (_BRADFORD @ source)
    adapted: Tensor = torch.linalg.solve(_BRADFORD, torch.diag(scale) @ _BRADFORD)
    return adapted

"""Random captures for unprocessing photographs to RAW: cameras, illuminants, brightness and noise."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .capture import Capture
from .errors import InvalidArgument
from .spaces import XYZ_FROM_SRGB

__all__ = [
    "CAMERAS",
    "SIDD",
    "UPI",
    "XYZ_TO_CAMERA",
    "NoiseLine",
    "matrix_of",
    "matrix_of_camera",
    "random_captures",
]

XYZ_TO_CAMERA = (
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.6130, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.8380, -0.2630, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.0970, 0.1581, 0.5181)),
)
"""XYZ to camera RGB for the four cameras of the Darmstadt Noise Dataset, from UPI's code."""
CAMERAS = ("Huawei Nexus 6P", "Sony ILCE-7R", "Olympus E-M10", "Sony DSC-RX100")
"""The cameras of `XYZ_TO_CAMERA`, in order."""


@dataclass(frozen=True)
class NoiseLine:
    """Read noise as a line over log shot noise: `log read = slope log shot + intercept + N(0, deviation)`.

    Args:
        low: smallest shot variance; `log shot` is uniform between `low` and `high`.
        high: largest shot variance.
        slope: of the line.
        intercept: of the line, in the base of the logarithms.
        deviation: standard deviation about the line, in the base of the logarithms.
        base: of all logarithms: e or 10. UPI's line is in natural logarithms; reading it in base 10, as some programs
            do, multiplies the read variance by 4.77.

    Source: Brooks et al., CVPR 2019, section 3.1, fitted to the Darmstadt Noise Dataset.
    """

    low: float = 1e-4
    high: float = 0.012
    slope: float = 2.18
    intercept: float = 1.20
    deviation: float = 0.26
    base: float = torch.e

    def read_of(self, shot: Tensor, offset: Tensor | float = 0.0) -> Tensor:
        """The read variance for a shot variance, `offset` standard deviations off the line.

        >>> round(float(NoiseLine().read_of(torch.tensor(1e-3))) * 1e7, 2)
        9.58
        """
        scale = torch.log(torch.tensor(self.base, dtype=shot.dtype))
        return torch.exp(self.slope * shot.log() + (self.intercept + self.deviation * offset) * scale)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Random shot and read variances, `[count,2]` float64."""
        low, high = torch.tensor([self.low, self.high], dtype=torch.float64).log()
        shot = torch.exp(low + (high - low) * torch.rand(count, generator=generator, dtype=torch.float64))
        return torch.stack((shot, self.read_of(shot, _normal(count, generator))), 1)


UPI = NoiseLine()
"""Natural logarithms, as in the authors' code."""
SIDD = NoiseLine(low=0.00068674, high=0.02194856, slope=1.85, intercept=0.30, deviation=0.20, base=10.0)
"""Smartphones: Zamir et al., "CycleISP", CVPR 2020, fitted to the Smartphone Image Denoising Dataset."""


def matrix_of(weights: Tensor) -> Tensor:
    """Linear sRGB to camera RGB for a mixture of the four cameras, `[B,4]` weights to `[B,3,3]`; rows sum to 1.

    >>> matrix_of(torch.ones(1, 4))[0, 0]
    tensor([0.6460, 0.2714, 0.0826], dtype=torch.float64)
    """
    cameras = torch.tensor(XYZ_TO_CAMERA, dtype=torch.float64)
    mixed = torch.einsum("bk,kij->bij", weights.double() / weights.double().sum(1, keepdim=True), cameras)
    matrix = mixed @ XYZ_FROM_SRGB
    return matrix / matrix.sum(2, keepdim=True)


def matrix_of_camera(name: str) -> Tensor:
    """Linear sRGB to camera RGB for one of `CAMERAS`, `[1,3,3]`; rows sum to 1.

    Raises:
        InvalidArgument: for an unknown camera.
    """
    if name not in CAMERAS:
        raise InvalidArgument(f"unknown camera {name!r}: choose one of {', '.join(CAMERAS)}")
    return matrix_of(torch.eye(len(CAMERAS))[[CAMERAS.index(name)]])


def random_captures(
    count: int, generator: torch.Generator, *, cfa: str = "RGGB", line: NoiseLine | None = UPI
) -> Capture:
    """Random captures with UPI's distributions, black 0 and white 1.

    Weights uniform on (1e-8, 1e8) mix the four cameras. The red gain is uniform on 1.9 to 2.4 and the blue gain on 1.5
    to 1.9; the brightness `1 / N(0.8, 0.1)` multiplies all three gains. Noise follows the line.

    Args:
        count: batch size.
        generator: on the CPU; its state advances.
        cfa: phase of the mosaics.
        line: of the noise; None leaves the noise unknown.

    Raises:
        InvalidArgument: for a count below 1.

    Source: Brooks et al., CVPR 2019, sections 3.1, 3.3 and 3.4, and the code of its authors.

    >>> random_captures(2, torch.Generator().manual_seed(0)).gains.shape
    torch.Size([2, 3])
    """
    if count < 1:
        raise InvalidArgument(f"random_captures: count must be at least 1, got {count}")
    matrix = matrix_of(_uniform((count, 4), 1e-8, 1e8, generator))
    brightness = 1 / (0.8 + 0.1 * _normal(count, generator)).clamp(min=0.3)
    red, blue = (_uniform((count,), *bounds, generator) for bounds in ((1.9, 2.4), (1.5, 1.9)))
    gains = torch.stack((red, torch.ones_like(red), blue), 1) * brightness[:, None]
    one = torch.ones(count, dtype=torch.float64)
    noise = None if line is None else line.sample(count, generator)
    return Capture(
        cfa, black=0 * one[:, None].expand(-1, 4), white=one, gains=gains, srgb_to_camera=matrix, noise=noise
    )


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator, dtype=torch.float64)


def _normal(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, generator=generator, dtype=torch.float64)


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

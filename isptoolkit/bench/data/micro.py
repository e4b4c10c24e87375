"""Data of the protocol `micro`: computed scenes through two simulated cameras; nothing to download."""

import functools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...capture import Capture
from ...data import Batch
from ...errors import InvalidArgument
from ...pipeline import Pipeline
from ...priors import matrix_of_camera
from ...spaces import LINEAR, MOSAIC
from ...stages import Clip, ColorMatrix, DemosaicMalvar, Jpeg, Levels, PowerCurve, Smoothstep, WhiteBalance
from ...stages.cfa import mosaic
from ...stages.noise import shot_read_noise
from .case import Case, Cases
from .scenes import scene

CAMERAS = (
    Capture.of("RGGB", black=64, white=1023, gains=(2.1, 1.0, 1.6), noise=(2e-4, 1e-6), camera="simulated A").replace(
        srgb_to_camera=matrix_of_camera("Huawei Nexus 6P")
    ),
    Capture.of("RGGB", black=128, white=4095, gains=(1.7, 1.0, 1.9), noise=(1e-4, 3e-7), camera="simulated B").replace(
        srgb_to_camera=matrix_of_camera("Sony DSC-RX100")
    ),
)
NOISES = ((2e-3, 1e-5), (6e-3, 6e-5), (1.5e-2, 3e-4))
"""Shot and read noise of `micro-noise`: about ISO 800, 3200 and 12800 of a telephone."""
_SCENES, _SIZE, _TESTS, _TEST_SIZE, _FIRST_TEST = 40, 192, 24, 128, 1_000_000


def rendering() -> Pipeline:
    """What the simulated cameras do, up to the codes of a JPEG file of quality 92, 4:2:0: not what `classic()` does.

    Gains, highlights clipped, Malvar's demosaic, matrix, a gamma of 2.2 and most of a smoothstep.
    """
    return Pipeline(
        levels=Levels(),
        balance=WhiteBalance(space=MOSAIC),
        highlights=Clip(space=MOSAIC),
        demosaic=DemosaicMalvar(),
        matrix=ColorMatrix(),
        clip=Clip(space=LINEAR),
        gamma=PowerCurve(gamma=2.2),
        tone=Smoothstep(amount=0.8),
        jpeg=Jpeg(quality=92, subsampling="4:2:0"),
    )


def exposed(light: Tensor, camera: Capture, generator: torch.Generator) -> Tensor:
    """Whole digital numbers of a sensor that sees the light, with noise, clipped at white: `[1,1,H,W]`."""
    matrix = camera.srgb_to_camera
    if matrix is None or camera.gains is None or camera.noise is None:
        raise InvalidArgument("a simulated camera states its matrix, gains and noise")
    seen = torch.einsum("ij,bjhw->bihw", matrix[0].to(light.dtype), light)
    seen = seen.clamp_min(0) / camera.gains[0].to(light.dtype)[:, None, None]
    noisy = shot_read_noise(mosaic(seen, camera.cfa), camera.noise, generator)
    black, white = float(camera.black.mean()), float(camera.white)
    return (black + (white - black) * noisy).clamp(0, white).round()


def pair(seed: int, size: int) -> Batch:
    """A scene through one of the cameras, and that camera's picture of it."""
    camera = CAMERAS[seed % len(CAMERAS)]
    sensor = exposed(scene(seed, size), camera, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return Batch(sensor, camera, rendering()(sensor, camera))


def noisy_pair(seed: int, size: int) -> Batch:
    """A scene through one of the cameras at high gain, and the mosaic without noise as target."""
    camera = CAMERAS[seed % len(CAMERAS)].replace(noise=torch.tensor([NOISES[seed // 2 % len(NOISES)]]))
    light, generator = scene(seed, size), torch.Generator().manual_seed(seed)
    silent = camera.replace(noise=torch.zeros(1, 2))
    clean = exposed(light, silent, torch.Generator())
    return Batch(exposed(light, camera, generator), camera, clean)


class Micro:
    """`Pairs` of 40 scenes of 192 pixels to learn from, 24 others of 128 pixels for the test."""

    def __init__(self) -> None:
        self.train = Scenes(pair)
        self.cases = Cases(
            _TESTS, lambda number: Case.of(f"scene {number:02d}", pair(_FIRST_TEST + number, _TEST_SIZE))
        )
        self.fingerprint = "micro 1"
        self.notes: list[str] = []


class MicroNoise:
    """The same scenes and cameras for denoisers: RAW with the noise of high gains, and without."""

    def __init__(self) -> None:
        self.train = Scenes(noisy_pair)
        self.cases = Cases(_TESTS, self._case)
        self.fingerprint = "micro-noise 1"
        self.notes: list[str] = []

    @staticmethod
    def _case(number: int) -> Case:
        made = noisy_pair(_FIRST_TEST + number, _TEST_SIZE)
        return Case(f"scene {number:02d}", made.target, made.capture, made.sensor)


class Scenes:
    """Patches of the scenes to learn from, at even places.

    Args:
        make: of a seed and a size.
    """

    def __init__(self, make: Callable[[int, int], Batch]) -> None:
        self._make = make

    @functools.cached_property
    def _pairs(self) -> list[Batch]:
        return [self._make(seed, _SIZE) for seed in range(_SCENES)]

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """See `isptoolkit.data.RawFolder.batch`."""
        if patch % 2 or not 2 <= patch <= _SIZE:
            raise InvalidArgument(f"a patch is even and at most {_SIZE} pixels wide here, got {patch}")

        def draw(rng: np.random.Generator) -> tuple[Tensor, Capture, Tensor]:
            chosen = self._pairs[int(rng.integers(_SCENES))]
            top, left = (2 * int(rng.integers((_SIZE - patch) // 2 + 1)) for _ in range(2))
            part = (..., slice(top, top + patch), slice(left, left + patch))
            return chosen.sensor[part], chosen.capture, chosen.target[part]

        return Batch.drawn(draw, number, size, seed, rank, world)

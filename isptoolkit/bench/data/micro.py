"""Data of the protocols `micro` and `micro-noise`: computed scenes through two simulated cameras."""

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
"""Shot and read noise of `micro-noise`: about ISO 800, 3200, and 12800 of a phone."""
_SCENES, _SIZE, _TESTS, _TEST_SIZE, _FIRST_TEST = 40, 192, 24, 128, 1_000_000


def rendering() -> Pipeline:
    """The pipeline of the simulated cameras, which differs from `classic()`.

    White balance, clipped highlights, Malvar's demosaic, color matrix, a gamma of 2.2, most of a smoothstep, and a JPEG
    of quality 92, 4:2:0.

    >>> rendering().names[0], rendering().names[-1]
    ('levels', 'jpeg')
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
    """Expose a simulated sensor: integer digital numbers with noise, clipped at white.

    Args:
        light: `[1,3,H,W]` scene in linear sRGB primaries.
        camera: capture with its matrix, gains, and noise.
        generator: random number generator of the noise.

    Returns:
        `[1,1,H,W]` in digital numbers.

    Raises:
        InvalidArgument: for a capture without matrix, gains, or noise.

    >>> exposed(torch.full((1, 3, 4, 4), 9.0), CAMERAS[0], torch.Generator()).unique().tolist()
    [1023.0]
    """
    matrix = camera.srgb_to_camera
    if matrix is None or camera.gains is None or camera.noise is None:
        raise InvalidArgument("a simulated camera needs srgb_to_camera, gains, and noise: pass a capture that has them")
    signal = torch.einsum("ij,bjhw->bihw", matrix[0].to(light.dtype), light)
    signal = signal.clamp_min(0) / camera.gains[0].to(light.dtype)[:, None, None]
    noisy = shot_read_noise(mosaic(signal, camera.cfa), camera.noise, generator)
    black, white = float(camera.black.mean()), float(camera.white)
    return (black + (white - black) * noisy).clamp(0, white).round()


def pair(seed: int, size: int) -> Batch:
    """A scene exposed by one of the cameras, and that camera's rendering as target.

    Args:
        seed: seed of the scene and the noise; it also selects the camera.
        size: height and width in pixels.

    >>> batch = pair(0, 32)
    >>> tuple(batch.sensor.shape), tuple(batch.target.shape)
    ((1, 1, 32, 32), (1, 3, 32, 32))
    """
    camera = CAMERAS[seed % len(CAMERAS)]
    sensor = exposed(scene(seed, size), camera, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return Batch(sensor, camera, rendering()(sensor, camera))


def noisy_pair(seed: int, size: int) -> Batch:
    """A scene exposed by one of the cameras at high gain, and the clean mosaic as target.

    Args:
        seed: seed of the scene and the noise; it also selects the camera and the gain.
        size: height and width in pixels.

    >>> batch = noisy_pair(0, 32)
    >>> torch.equal(batch.sensor, batch.target)
    False
    """
    camera = CAMERAS[seed % len(CAMERAS)].replace(noise=torch.tensor([NOISES[seed // 2 % len(NOISES)]]))
    light, generator = scene(seed, size), torch.Generator().manual_seed(seed)
    silent = camera.replace(noise=torch.zeros(1, 2))
    clean = exposed(light, silent, torch.Generator())
    return Batch(exposed(light, camera, generator), camera, clean)


class Micro:
    """The scenes as benchmark data, see `isptoolkit.bench.data.case.Pairs`.

    40 scenes of 192 pixels to train on, 24 others of 128 pixels to test on.
    """

    def __init__(self) -> None:
        self.train = Scenes(pair)
        self.cases = Cases(
            _TESTS, lambda number: Case.of(f"scene {number:02d}", pair(_FIRST_TEST + number, _TEST_SIZE))
        )
        self.fingerprint = "micro 1"
        self.notes: list[str] = []


class MicroNoise:
    """The scenes of `Micro` at high gain as benchmark data for denoisers: noisy and clean RAW."""

    def __init__(self) -> None:
        self.train = Scenes(noisy_pair)
        self.cases = Cases(_TESTS, self._case)
        self.fingerprint = "micro-noise 1"
        self.notes: list[str] = []

    @staticmethod
    def _case(number: int) -> Case:
        batch = noisy_pair(_FIRST_TEST + number, _TEST_SIZE)
        return Case(f"scene {number:02d}", batch.target, batch.capture, batch.sensor)


class Scenes:
    """Training batches of random patches of the scenes, at even positions.

    Args:
        make: makes the pair of a seed and a size, such as `pair`.
    """

    def __init__(self, make: Callable[[int, int], Batch]) -> None:
        self._make = make

    @functools.cached_property
    def _pairs(self) -> list[Batch]:
        return [self._make(seed, _SIZE) for seed in range(_SCENES)]

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """The samples `rank`, `rank + world`, ... of batch `number`, a function of the seed and these numbers alone.

        Args:
            number: index of the batch in the run.
            size: size of the whole batch, over all processes.
            patch: height and width in pixels, even.
            seed: seed of the run.
            rank: index of this process.
            world: number of processes.

        Raises:
            InvalidArgument: for an odd patch, or one larger than a scene.
        """
        if patch % 2 or not 2 <= patch <= _SIZE:
            raise InvalidArgument(
                f"the patch must be even and at most {_SIZE} pixels, the size of a scene, got {patch}"
            )

        def draw(rng: np.random.Generator) -> tuple[Tensor, Capture, Tensor]:
            scene_pair = self._pairs[int(rng.integers(_SCENES))]
            top, left = (2 * int(rng.integers((_SIZE - patch) // 2 + 1)) for _ in range(2))
            part = (..., slice(top, top + patch), slice(left, left + patch))
            return scene_pair.sensor[part], scene_pair.capture, scene_pair.target[part]

        return Batch.drawn(draw, number, size, seed, rank, world)

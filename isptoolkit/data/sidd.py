"""Published files of SIDD: RAW of five phones, noisy and clean."""

import csv
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture
from ..errors import InvalidArgument, UnreadableFile, needs
from .batch import Batch
from .sidd_scenes import SCENES
from .turning import MARGIN, turned_at_random

WHERE = "https://abdokamel.github.io/sidd (validation blocks, noise level functions, SIDD-Medium RAW)"
_NOISY, _CLEAN, _TABLE = "ValidationNoisyBlocksRaw", "ValidationGtBlocksRaw", "noise_level_functions.csv"
BLOCKS = 32
"""Number of validation blocks per scene."""
_SIZE = 256
PHASES = {"GP": "BGGR", "IP": "RGGB", "S6": "GRBG", "N6": "BGGR", "G4": "BGGR"}
"""CFA of each phone, by its code in the scene names."""
_MIRRORED: dict[str, tuple[int, ...]] = {"RGGB": (), "GRBG": (-1,), "GBRG": (-2,), "BGGR": (-2, -1)}
"""Dimensions along which to mirror a mosaic of even size so that it begins with RGGB, by its CFA."""


class Blocks:
    """The validation blocks of SIDD: 32 blocks of 256 x 256 pixels per scene, noisy and clean.

    `ValidationNoisyBlocksRaw.mat` and `ValidationGtBlocksRaw.mat` hold `[40,32,256,256]` samples from 0 to 1. Each
    mosaic is mirrored to begin with RGGB, which does not affect any metric.

    Args:
        data: folder with both files.

    Attributes:
        scenes: names of the scenes, by row.

    Raises:
        InvalidArgument: if a file is missing; the message names it and where to get it.
        UnreadableFile: for files of another shape or type.
    """

    def __init__(self, data: Path) -> None:
        self._paths = {name: data / f"{name}.mat" for name in (_NOISY, _CLEAN)}
        if missing := [path for path in self._paths.values() if not path.is_file()]:
            raise InvalidArgument(f"{missing[0]} is missing: download the data from {WHERE}")
        rows, clean = (_shape(path, name) for name, path in self._paths.items())
        if rows != clean:
            raise UnreadableFile(
                f"{data} holds {rows} noisy scenes but {clean} clean ones: download both files again from {WHERE}"
            )
        self.scenes = SCENES[:rows]

    def pair(self, row: int, block: int) -> tuple[Tensor, Tensor]:
        """Read a noisy block and its clean version, `[1,1,256,256]` each, from 0 to 1.

        Args:
            row: index of the scene.
            block: index of the block within the scene.

        Raises:
            UnreadableFile: for truncated files, or samples of another range.
        """
        phase = _phase_of(self.scenes[row])
        noisy, clean = (torch.from_numpy(self._read[name][row, block].astype(np.float32)) for name in self._paths)
        return mirrored(noisy, phase), mirrored(clean, phase)

    def noisy(self, row: int) -> tuple[Tensor, str]:
        """Read all noisy blocks of a scene, stacked vertically as `[1,1,8192,256]`, and their CFA.

        Args:
            row: index of the scene.

        Raises:
            UnreadableFile: for truncated files, or samples of another range.
        """
        frame = np.concatenate(self._read[_NOISY][row], 0).astype(np.float32)
        return torch.from_numpy(frame)[None, None], _phase_of(self.scenes[row])

    @functools.cached_property
    def _read(self) -> dict[str, Any]:
        return {name: _read_blocks(path, name) for name, path in self._paths.items()}


class Frames:
    """Training batches of random patches of noisy frames, with the clean mosaics as targets.

    `Data/{scene}/{number}_NOISY_RAW_{frame}.MAT` and `..._GT_RAW_...` of SIDD-Medium RAW are whole frames, transposed,
    in HDF5 files; `noise_level_functions.csv` has the shot and read noise of each scene. Each patch begins with RGGB,
    in one of the eight orientations.

    Args:
        data: folder with all of these.

    Attributes:
        files: paths of the noisy frames.
        skipped: always empty; a damaged file is an error.

    Raises:
        InvalidArgument: if a file is missing; the message names it and where to get it.
        UnreadableFile: for another table, or scenes of unknown phones.
    """

    def __init__(self, data: Path) -> None:
        self.files, self._noise = frames_of(data), noise_of_scenes(data)
        self.skipped: dict[Path, str] = {}
        if not self.files:
            raise InvalidArgument(f"{data / 'Data'} has no noisy frames to train on: download them from {WHERE}")
        self.pairs = [(path, path.with_name(path.name.replace("_NOISY_", "_GT_"))) for path in self.files]
        if missing := [clean for _, clean in self.pairs if not clean.is_file()]:
            raise InvalidArgument(
                f"{missing[0]} and {len(missing) - 1} more clean frames are missing: download them again from {WHERE}"
            )
        for path in self.files:
            _phase_of(path.parent.name)
        if unknown := [path for path in self.files if path.parent.name not in self._noise]:
            raise InvalidArgument(f"{_TABLE} has no row for {unknown[0].parent.name}: download it again from {WHERE}")

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
            InvalidArgument: for an odd patch, or one larger than a frame.
            MissingPackage: if h5py is not installed.
            UnreadableFile: for truncated files, or samples of another range.
        """
        if patch % 2 or patch < 2:
            raise InvalidArgument(f"the patch must be even and at least 2 pixels, got {patch}")

        def draw(rng: np.random.Generator) -> tuple[Tensor, Capture, Tensor]:
            paths = self.pairs[int(rng.integers(len(self.pairs)))]
            position = tuple(float(share) for share in rng.random(2))
            scene = paths[0].parent.name
            capture = described(scene, self._noise[scene], _phase_of(scene))
            noisy, clean = _crops(paths, position, patch)
            return turned_at_random(rng, noisy, capture, clean, patch)

        return Batch.drawn(draw, number, size, seed, rank, world)


def frames_of(data: Path) -> list[Path]:
    """List the noisy frames below `Data/`.

    Args:
        data: folder of SIDD.

    >>> frames_of(Path("missing"))
    []
    """
    return sorted((data / "Data").glob("*/*_NOISY_RAW_*.MAT"))


def noise_of_scenes(data: Path) -> dict[str, tuple[float, float]]:
    """Read the shot and read noise of green, by scene, from `noise_level_functions.csv` in a folder.

    Args:
        data: folder of SIDD.

    Raises:
        InvalidArgument: if the table is missing.
        UnreadableFile: if it lacks a column or has other values than numbers.

    >>> noise_of_scenes(Path("missing"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: missing/noise_level_functions.csv is missing: download the data from https://...
    """
    path = data / _TABLE
    if not path.is_file():
        raise InvalidArgument(f"{path} is missing: download the data from {WHERE}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
            return {row["scene_instance_id"]: (float(row["beta1_g"]), max(float(row["beta2_g"]), 0.0)) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise UnreadableFile(
            f"{path} is not a table of scene_instance_id, beta1_g, and beta2_g ({type(error).__name__}: {error}): "
            f"download it again from {WHERE}"
        ) from None


def described(scene: str, noise: tuple[float, float], cfa: str = "RGGB") -> Capture:
    """The capture of a scene: black 0, white 1, its noise, and the phone that its name states.

    Args:
        scene: name of the scene, such as `0009_001_S6_00800_00350_3200_L`.
        noise: shot and read noise variance on the MOSAIC scale.
        cfa: letters of the top-left 2x2 pixels.

    >>> described("0009_001_S6_00800_00350_3200_L", (1e-3, 1e-6)).camera
    ('S6',)
    """
    return Capture.of(cfa, noise=noise, camera=scene.split("_")[2])


def mirrored(mosaic: Tensor, cfa: str) -> Tensor:
    """Mirror a mosaic `[H,W]` of even size so that it begins with RGGB; returns `[1,1,H,W]`.

    Args:
        mosaic: `[H,W]`.
        cfa: letters of its top-left 2x2 pixels.

    >>> mirrored(torch.tensor([[2.0, 1.0], [3.0, 2.0]]), "GRBG")
    tensor([[[[1., 2.],
              [2., 3.]]]])
    """
    return mosaic.flip(_MIRRORED[cfa])[None, None]


def _phase_of(scene: str) -> str:
    phone = (scene.split("_") + [""] * 3)[2]
    if phone not in PHASES:
        raise UnreadableFile(f"the scene {scene} does not name a phone of SIDD: {', '.join(PHASES)}")
    return PHASES[phone]


def _shape(path: Path, name: str) -> int:
    """Number of scenes in a file of blocks; only its headers are read."""
    from scipy.io import whosmat

    try:
        variables = {variable: (shape, kind) for variable, shape, kind in whosmat(str(path))}
    except Exception as error:  # scipy raises any kind of error for damaged files
        raise UnreadableFile(f"{path} is not a MATLAB file of version 5 ({error}): download it again") from None
    shape, kind = variables.get(name, ((), "nothing"))
    expected = (BLOCKS, _SIZE, _SIZE)
    if len(shape) != 4 or shape[1:] != expected or not 1 <= shape[0] <= len(SCENES) or kind not in ("single", "double"):
        raise UnreadableFile(f"{path}: {name} is {kind} {list(shape)}, not single [{len(SCENES)}, 32, 256, 256]")
    return int(shape[0])


def _read_blocks(path: Path, name: str) -> Any:
    from scipy.io import loadmat

    try:
        blocks = loadmat(str(path), variable_names=[name])[name]
    except Exception as error:  # scipy raises any kind of error for damaged files
        raise UnreadableFile(
            f"{path} is truncated or damaged ({type(error).__name__}: {error}): download it again"
        ) from None
    _check_range(blocks, path)
    return blocks


def _crops(paths: tuple[Path, Path], position: tuple[float, ...], patch: int) -> list[Tensor]:
    """The same crop of two frames of equal size, `[1,1,H,W]` each.

    The crop has a margin for rotation, unless it spans the whole frame. The position is relative, 0 to 1 in x and y.
    """
    shapes = [_frame(path, lambda frame: frame.shape) for path in paths]
    if shapes[0] != shapes[1]:
        raise UnreadableFile(f"{paths[0]} has {shapes[0]} pixels but {paths[1]} has {shapes[1]}: download them again")
    if min(shapes[0]) < patch:
        raise InvalidArgument(
            f"{paths[0]} has {shapes[0]} pixels, too few for a patch of {patch}: choose a smaller patch"
        )
    extents = [min(extent // 2 * 2, patch + MARGIN) for extent in shapes[0]]
    left, top = (2 * int(p * ((n - m) // 2 + 1)) for p, n, m in zip(position, shapes[0], extents, strict=True))
    part = (slice(left, left + extents[0]), slice(top, top + extents[1]))
    crops = []
    for path in paths:
        values = _frame(path, lambda frame: np.asarray(frame[part]).T)
        _check_range(values, path)
        crops.append(torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None])
    return crops


def _frame(path: Path, read: Callable[[Any], Any]) -> Any:
    """Apply a function to the frame of a file, an HDF5 data set `[W,H]`: MATLAB stores columns first."""
    with needs("sidd", "reading frames of SIDD-Medium needs h5py"):
        import h5py
    try:
        with h5py.File(path, "r") as file:
            # Links, which could point to any other file, are not followed.
            if not isinstance(file.get("x", getlink=True), h5py.HardLink):
                raise UnreadableFile(f"{path} does not contain its frame x: download it again")
            frame = file["x"]
            if not isinstance(frame, h5py.Dataset) or frame.external or frame.is_virtual or frame.ndim != 2:
                raise UnreadableFile(f"{path} does not contain its frame x: download it again")
            if frame.dtype.kind != "f":
                raise UnreadableFile(
                    f"{path} holds a frame of {frame.dtype}, not of floating-point numbers: download it again"
                )
            return read(frame)
    except (OSError, KeyError) as error:
        raise UnreadableFile(
            f"{path} is not a complete HDF5 file with a frame x ({error}): download it again"
        ) from None


def _check_range(values: Any, path: Path) -> None:
    low, high = float(values.min()), float(values.max())
    if not (low >= -0.5 and high <= 1.5):  # also for NaN
        raise UnreadableFile(
            f"{path} holds samples from {low:g} to {high:g}, but RAW of SIDD is between 0 and 1: download it again"
        )

"""Published files of SIDD: RAW of five phones with real noise, and the same without."""

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
"""Of each scene of the validation."""
_SIZE = 256
PHASES = {"GP": "BGGR", "IP": "RGGB", "S6": "GRBG", "N6": "BGGR", "G4": "BGGR"}
"""By the letters of the phone in the name of a scene."""
_MIRRORED: dict[str, tuple[int, ...]] = {"RGGB": (), "GRBG": (-1,), "GBRG": (-2,), "BGGR": (-2, -1)}
"""Dimensions along which a mosaic of even size is mirrored to begin with RGGB."""


class Blocks:
    """The validation blocks: 256 x 256 pixels, 32 of each scene, with noise and without.

    `ValidationNoisyBlocksRaw.mat` and `ValidationGtBlocksRaw.mat` hold `[40,32,256,256]` numbers from 0 to 1. Every
    mosaic is mirrored to begin with RGGB, which no metric sees.

    Args:
        data: folder of both.

    Attributes:
        scenes: their names, by row.

    Raises:
        InvalidArgument: where a file is missing, with what it is and where to get it.
        UnreadableFile: for files of another shape or type.
    """

    def __init__(self, data: Path) -> None:
        self._paths = {name: data / f"{name}.mat" for name in (_NOISY, _CLEAN)}
        if missing := [path for path in self._paths.values() if not path.is_file()]:
            raise InvalidArgument(f"{missing[0]} is not there: get the data from {WHERE}")
        rows, clean = (_shape(path, name) for name, path in self._paths.items())
        if rows != clean:
            raise UnreadableFile(f"{data} holds {rows} scenes with noise and {clean} without")
        self.scenes = SCENES[:rows]

    def pair(self, row: int, block: int) -> tuple[Tensor, Tensor]:
        """A block with noise and the same without, `[1,1,256,256]` each.

        Raises:
            UnreadableFile: for files that are cut off, or of another range.
        """
        phase = _phase_of(self.scenes[row])
        noisy, clean = (torch.from_numpy(self._read[name][row, block].astype(np.float32)) for name in self._paths)
        return mirrored(noisy, phase), mirrored(clean, phase)

    def noisy(self, row: int) -> tuple[Tensor, str]:
        """All noisy blocks of a scene below each other, `[1,1,8192,256]`, and their phase.

        Raises:
            UnreadableFile: for files that are cut off, or of another range.
        """
        frame = np.concatenate(self._read[_NOISY][row], 0).astype(np.float32)
        return torch.from_numpy(frame)[None, None], _phase_of(self.scenes[row])

    @functools.cached_property
    def _read(self) -> dict[str, Any]:
        return {name: _read_blocks(path, name) for name, path in self._paths.items()}


class Frames:
    """Patches of frames with noise as training batches, the same mosaics without noise as targets.

    `Data/{scene}/{number}_NOISY_RAW_{frame}.MAT` and `..._GT_RAW_...` of SIDD-Medium RAW are whole frames, HDF5,
    transposed; `noise_level_functions.csv` holds shot and read noise of each scene. Every patch begins with RGGB, in
    one of the eight orientations.

    Args:
        data: folder of all these.

    Attributes:
        files: the frames with noise.
        skipped: nothing: a damaged file is an error.

    Raises:
        InvalidArgument: where a file is missing, with what it is and where to get it.
        UnreadableFile: for another table, or phones of another data set.
    """

    def __init__(self, data: Path) -> None:
        self.files, self._noise = frames_of(data), noise_of_scenes(data)
        self.skipped: dict[Path, str] = {}
        if not self.files:
            raise InvalidArgument(f"{data / 'Data'} holds no frames to learn from: get them from {WHERE}")
        self.pairs = [(path, path.with_name(path.name.replace("_NOISY_", "_GT_"))) for path in self.files]
        if lacking := [clean for _, clean in self.pairs if not clean.is_file()]:
            told = f"{lacking[0]} and {len(lacking) - 1} more frames without noise are missing"
            raise InvalidArgument(f"{told}: download them again from {WHERE}")
        for path in self.files:
            _phase_of(path.parent.name)
        if unknown := [path for path in self.files if path.parent.name not in self._noise]:
            raise InvalidArgument(f"{_TABLE} says nothing of {unknown[0].parent.name}: download it again from {WHERE}")

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """See `isptoolkit.data.RawFolder.batch`."""
        if patch % 2 or patch < 2:
            raise InvalidArgument(f"a patch is even, got {patch}")

        def draw(rng: np.random.Generator) -> tuple[Tensor, Capture, Tensor]:
            paths = self.pairs[int(rng.integers(len(self.pairs)))]
            places = tuple(float(place) for place in rng.random(2))
            scene = paths[0].parent.name
            capture = described(scene, self._noise[scene], _phase_of(scene))
            noisy, clean = _regions(paths, places, patch)
            return turned_at_random(rng, noisy, capture, clean, patch)

        return Batch.drawn(draw, number, size, seed, rank, world)


def frames_of(data: Path) -> list[Path]:
    """The frames with noise below `Data/`."""
    return sorted((data / "Data").glob("*/*_NOISY_RAW_*.MAT"))


def noise_of_scenes(data: Path) -> dict[str, tuple[float, float]]:
    """Shot and read noise of green, by scene, of `noise_level_functions.csv` in a folder.

    Raises:
        InvalidArgument: where it is missing.
        UnreadableFile: for another table.
    """
    path = data / _TABLE
    if not path.is_file():
        raise InvalidArgument(f"{path} is not there: get the data from {WHERE}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
            return {row["scene_instance_id"]: (float(row["beta1_g"]), max(float(row["beta2_g"]), 0.0)) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        told = f"{type(error).__name__}: {error}"
        raise UnreadableFile(f"{path} is no table of scene_instance_id, beta1_g and beta2_g ({told})") from None


def described(scene: str, noise: tuple[float, float], cfa: str = "RGGB") -> Capture:
    """The capture of a scene: black 0, white 1, the noise that is stated, and the phone of its name."""
    return Capture.of(cfa, noise=noise, camera=scene.split("_")[2])


def mirrored(mosaic: Tensor, cfa: str) -> Tensor:
    """A mosaic `[H,W]` of even size, mirrored to begin with RGGB, as `[1,1,H,W]`.

    >>> mirrored(torch.tensor([[2.0, 1.0], [3.0, 2.0]]), "GRBG")
    tensor([[[[1., 2.],
              [2., 3.]]]])
    """
    return mosaic.flip(_MIRRORED[cfa])[None, None]


def _phase_of(scene: str) -> str:
    phone = (scene.split("_") + [""] * 3)[2]
    if phone not in PHASES:
        raise UnreadableFile(f"{scene} names no phone of the data: {', '.join(PHASES)}")
    return PHASES[phone]


def _shape(path: Path, name: str) -> int:
    """How many scenes a file of blocks holds; only its headers are read."""
    from scipy.io import whosmat

    try:
        found = {variable: (shape, kind) for variable, shape, kind in whosmat(str(path))}
    except Exception as error:  # scipy raises any kind of error for other files
        raise UnreadableFile(f"{path} is no MATLAB file of version 5 ({error}): download it again") from None
    shape, kind = found.get(name, ((), "nothing"))
    wanted = (BLOCKS, _SIZE, _SIZE)
    if len(shape) != 4 or shape[1:] != wanted or not 1 <= shape[0] <= len(SCENES) or kind not in ("single", "double"):
        raise UnreadableFile(f"{path}: {name} is {kind} {list(shape)}, not single [{len(SCENES)}, 32, 256, 256]")
    return int(shape[0])


def _read_blocks(path: Path, name: str) -> Any:
    from scipy.io import loadmat

    try:
        blocks = loadmat(str(path), variable_names=[name])[name]
    except Exception as error:  # the same
        raise UnreadableFile(f"{path} is not whole ({type(error).__name__}: {error}): download it again") from None
    _check_range(blocks, path)
    return blocks


def _regions(paths: tuple[Path, Path], places: tuple[float, ...], patch: int) -> list[Tensor]:
    """The same square of frames of one size, `[1,1,H,W]` each, at two shares of the room that they have.

    It has a margin for turning, except where it is a whole frame.
    """
    shapes = [_frame(path, lambda frame: frame.shape) for path in paths]
    if shapes[0] != shapes[1]:
        raise UnreadableFile(f"{paths[0]} has {shapes[0]} pixels, {paths[1]} {shapes[1]}: download them again")
    if min(shapes[0]) < patch:
        raise InvalidArgument(f"{paths[0]} has {shapes[0]} pixels: no patch of {patch} lies in it")
    extents = [min(extent // 2 * 2, patch + MARGIN) for extent in shapes[0]]
    left, top = (2 * int(p * ((n - m) // 2 + 1)) for p, n, m in zip(places, shapes[0], extents, strict=True))
    part = (slice(left, left + extents[0]), slice(top, top + extents[1]))
    found = []
    for path in paths:
        values = _frame(path, lambda frame: np.asarray(frame[part]).T)
        _check_range(values, path)
        found.append(torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None])
    return found


def _frame(path: Path, read: Callable[[Any], Any]) -> Any:
    """What is read of the frame of a file, columns first, as MATLAB leaves it."""
    with needs("sidd", "reading frames of SIDD-Medium needs h5py"):
        import h5py
    try:
        with h5py.File(path, "r") as file:
            # A link could lead to another file, which is none of the data's: it is not followed.
            if not isinstance(file.get("x", getlink=True), h5py.HardLink):
                raise UnreadableFile(f"{path} holds no frame itself")
            frame = file["x"]
            if not isinstance(frame, h5py.Dataset) or frame.external or frame.is_virtual or frame.ndim != 2:
                raise UnreadableFile(f"{path} holds no frame itself")
            if frame.dtype.kind != "f":
                raise UnreadableFile(f"{path} holds a frame of {frame.dtype}, not of floating-point numbers")
            return read(frame)
    except (OSError, KeyError) as error:
        raise UnreadableFile(f"{path} is no whole HDF5 file with the frame x ({error}): download it again") from None


def _check_range(values: Any, path: Path) -> None:
    low, high = float(values.min()), float(values.max())
    if not (low >= -0.5 and high <= 1.5):  # also for NaN
        raise UnreadableFile(f"{path} holds numbers from {low:g} to {high:g}: RAW of the data lies between 0 and 1")

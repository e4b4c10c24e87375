"""Data of the protocol `sidd`: RAW of five telephones with real noise, and the same without."""

import csv
import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture
from ..data import Batch
from ..errors import InvalidArgument, MissingPackage, UnreadableFile
from ..noise_calibration import noise_of_picture
from .case import Case, Cases
from .sidd_scenes import SCENES

WHERE = "https://abdokamel.github.io/sidd (validation blocks, noise level functions, SIDD-Medium RAW)"
_NOISY, _CLEAN, _TABLE = "ValidationNoisyBlocksRaw", "ValidationGtBlocksRaw", "noise_level_functions.csv"
_BLOCKS = 32
_SIZE = 256
PHASES = {"GP": "BGGR", "IP": "RGGB", "S6": "GRBG", "N6": "BGGR", "G4": "BGGR"}
"""By the letters of the telephone in the name of a scene."""
_MIRRORED: dict[str, tuple[int, ...]] = {"RGGB": (), "GRBG": (-1,), "GBRG": (-2,), "BGGR": (-2, -1)}
"""Dimensions along which a mosaic of even size is mirrored to begin with RGGB."""


class Sidd:
    """As `isptoolkit.bench.case.Pairs`: validation blocks to test on, `Data/` of SIDD-Medium RAW to learn from.

    `ValidationNoisyBlocksRaw.mat` and `ValidationGtBlocksRaw.mat` hold `[40,32,256,256]` numbers from 0 to 1;
    `noise_level_functions.csv` shot and read noise of each scene; `Data/{scene}/{number}_NOISY_RAW_{frame}.MAT` and
    `..._GT_RAW_...` whole frames, HDF5, transposed. Every mosaic is mirrored to begin with RGGB, which no metric sees.

    Args:
        data: folder of all these.

    Raises:
        InvalidArgument: where a file of the test is missing, with what it is and where it is to be had.
        UnreadableFile: for files of another shape, type or range.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        if missing := [n for n in (f"{_NOISY}.mat", f"{_CLEAN}.mat", _TABLE) if not (data / n).is_file()]:
            raise InvalidArgument(f"{data / missing[0]} is not there: the data are to be had from {WHERE}")
        self._noise = _noise_of_scenes(data / _TABLE)
        shapes = {name: _shape(data / f"{name}.mat", name) for name in (_NOISY, _CLEAN)}
        rows = shapes[_NOISY]
        if rows != shapes[_CLEAN]:
            raise UnreadableFile(f"{data} holds {rows} scenes with noise and {shapes[_CLEAN]} without")
        self.cases = Cases(rows * _BLOCKS, self._case)
        self._frames = sorted((data / "Data").glob("*/*_NOISY_RAW_*.MAT"))
        words = [f"{path.name} {path.stat().st_size}" for path in (*sorted(data.glob("*.mat")), *self._frames)]
        self.fingerprint = hashlib.sha256("\n".join(words).encode()).hexdigest()
        unknown = sum(scene not in self._noise for scene in SCENES[:rows])
        self.notes = [f"{len(self._frames)} frames of Data/ to learn from, where the paper has synthetic ones"]
        self.notes += [f"noise of {unknown} scenes measured: {_TABLE} lacks them"] if unknown else []

    @functools.cached_property
    def train(self) -> "Frames":
        """Whole frames."""
        return Frames(self._data, self._frames, self._noise)

    @functools.cached_property
    def _blocks(self) -> dict[str, Any]:
        return {name: _read_blocks(self._data / f"{name}.mat", name) for name in (_NOISY, _CLEAN)}

    def _capture(self, row: int) -> Capture:
        scene = SCENES[row]
        if scene not in self._noise:
            frame = torch.from_numpy(np.concatenate(self._blocks[_NOISY][row], 0).astype(np.float32))[None, None]
            self._noise[scene] = noise_of_picture(frame, Capture.of(_phase_of(scene))).as_tuple()
        return _described(scene, self._noise[scene])

    def _case(self, number: int) -> Case:
        row, block = divmod(number, _BLOCKS)
        noisy, clean = (
            mirrored(torch.from_numpy(self._blocks[name][row, block].astype(np.float32)), _phase_of(SCENES[row]))
            for name in (_NOISY, _CLEAN)
        )
        return Case(f"{SCENES[row]} block {block:02d}", clean, self._capture(row), noisy)


class Frames:
    """Patches of frames with noise and without, at even places; batches have the mosaic without noise as target."""

    def __init__(self, data: Path, noisy: list[Path], noise: dict[str, tuple[float, float]]) -> None:
        if not noisy:
            raise InvalidArgument(f"{data / 'Data'} holds no frames to learn from: they are to be had from {WHERE}")
        self.pairs = [(path, path.with_name(path.name.replace("_NOISY_", "_GT_"))) for path in noisy]
        if lacking := [clean for _, clean in self.pairs if not clean.is_file()]:
            told = f"{lacking[0]} and {len(lacking) - 1} more frames without noise are missing"
            raise InvalidArgument(f"{told}: download them again from {WHERE}")
        if unknown := [path for path in noisy if path.parent.name not in noise]:
            raise InvalidArgument(f"{_TABLE} says nothing of {unknown[0].parent.name}: download it again from {WHERE}")
        self._noise = noise

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """See `isptoolkit.data.RawFolder.batch`."""
        if patch % 2 or patch < 2:
            raise InvalidArgument(f"a patch is even, got {patch}")

        def draw(rng: np.random.Generator) -> tuple[Tensor, Capture, Tensor]:
            paths = self.pairs[int(rng.integers(len(self.pairs)))]
            places = tuple(float(place) for place in rng.random(2))
            scene = paths[0].parent.name
            noisy, clean = (mirrored(part, _phase_of(scene)) for part in _patches(paths, places, patch))
            return noisy, _described(scene, self._noise[scene]), clean

        return Batch.drawn(draw, number, size, seed, rank, world)


def mirrored(mosaic: Tensor, cfa: str) -> Tensor:
    """A mosaic `[H,W]` of even size, mirrored to begin with RGGB, as `[1,1,H,W]`.

    >>> mirrored(torch.tensor([[2.0, 1.0], [3.0, 2.0]]), "GRBG")
    tensor([[[[1., 2.],
              [2., 3.]]]])
    """
    return mosaic.flip(_MIRRORED[cfa])[None, None]


def _described(scene: str, noise: tuple[float, float]) -> Capture:
    return Capture.of("RGGB", noise=noise, camera=scene.split("_")[2])


def _phase_of(scene: str) -> str:
    telephone = (scene.split("_") + [""] * 3)[2]
    if telephone not in PHASES:
        raise UnreadableFile(f"{scene} names no telephone of the data: {', '.join(PHASES)}")
    return PHASES[telephone]


def _noise_of_scenes(path: Path) -> dict[str, tuple[float, float]]:
    """Shot and read noise of green, by scene."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
            return {row["scene_instance_id"]: (float(row["beta1_g"]), max(float(row["beta2_g"]), 0.0)) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        told = f"{type(error).__name__}: {error}"
        raise UnreadableFile(f"{path} is no table of scene_instance_id, beta1_g and beta2_g ({told})") from None


def _shape(path: Path, name: str) -> int:
    """How many scenes a file of blocks holds; only its headers are read."""
    from scipy.io import whosmat

    try:
        found = {variable: (shape, kind) for variable, shape, kind in whosmat(str(path))}
    except Exception as error:  # scipy has no error of its own for files that are none
        raise UnreadableFile(f"{path} is no MATLAB file of version 5 ({error}): download it again") from None
    shape, kind = found.get(name, ((), "nothing"))
    wanted = (_BLOCKS, _SIZE, _SIZE)
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


def _patches(paths: tuple[Path, Path], places: tuple[float, ...], patch: int) -> list[Tensor]:
    """The same square of frames of one size, `[patch,patch]` each, at two shares of the room that they have."""
    shapes = [_frame(path, lambda frame: frame.shape) for path in paths]
    if shapes[0] != shapes[1]:
        raise UnreadableFile(f"{paths[0]} has {shapes[0]} pixels, {paths[1]} {shapes[1]}: download them again")
    if min(shapes[0]) < patch:
        raise InvalidArgument(f"{paths[0]} has {shapes[0]} pixels: no patch of {patch} lies in it")
    left, top = (2 * int(p * ((extent - patch) // 2 + 1)) for p, extent in zip(places, shapes[0], strict=True))
    found = []
    for path in paths:
        values = _frame(path, lambda frame: np.asarray(frame[left : left + patch, top : top + patch]).T)
        _check_range(values, path)
        found.append(torch.from_numpy(np.ascontiguousarray(values, np.float32)))
    return found


def _frame(path: Path, read: Callable[[Any], Any]) -> Any:
    """What is read of the frame of a file, columns first, as MATLAB leaves it."""
    try:
        import h5py
    except ImportError:
        raise MissingPackage('frames of SIDD-Medium are read with h5py: pip install "isptoolkit[sidd]"') from None
    try:
        with h5py.File(path, "r") as file:
            frame = file["x"]
            # A frame may lie in another file, which is none of the data's.
            here = isinstance(file.get("x", getlink=True), h5py.HardLink) and isinstance(frame, h5py.Dataset)
            if not here or frame.external or frame.is_virtual or frame.ndim != 2:
                raise UnreadableFile(f"{path} holds no frame of its own")
            return read(frame)
    except (OSError, KeyError) as error:
        raise UnreadableFile(f"{path} is no whole HDF5 file with the frame x ({error}): download it again") from None


def _check_range(values: Any, path: Path) -> None:
    low, high = float(values.min()), float(values.max())
    if not (low >= -0.5 and high <= 1.5):  # also for NaN
        raise UnreadableFile(f"{path} holds numbers from {low:g} to {high:g}: RAW of the data lies between 0 and 1")

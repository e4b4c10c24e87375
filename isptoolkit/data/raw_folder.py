"""A folder of RAW files as aligned training patches."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..atomic import replacing
from ..capture import Capture
from ..errors import InvalidArgument, IspError, UnreadableFile
from ..geometry import crop, flip, rotate
from ..io import read_raw
from ..io.raw import render_by_libraw
from .batch import Batch

PHASE = "RGGB"
"""All patches begin with this cell, whatever the camera's phase and however they are turned."""


@dataclass(frozen=True)
class _Pair:
    sensor: Tensor  # [1,1,H,W] float32
    capture: Capture
    target: Tensor  # [1,3,H,W] uint8


class RawFolder:
    """Patches of the RAW files of a folder, with LibRaw's rendering of the same pixels as target.

    Every file is decoded once, by this process, and kept in memory, 7 bytes for a pixel; with a cache folder decoded
    files are kept on disk as well, the oldest given up when it grows too large. Which patches a batch holds is a
    function of the seed and the number of the batch alone: a run that is stopped and resumed sees what it would have
    seen.

    Args:
        folder: searched with all folders below; files that are no RAW mosaic are passed over.
        mixed: allow RAW files of several cameras.
        cache: where decoded files are kept, or None.
        cache_bytes: of that folder, at most.

    Raises:
        InvalidArgument: when there is no folder, no RAW file in it, or several cameras without `mixed`.
    """

    def __init__(
        self, folder: str | Path, *, mixed: bool = False, cache: Path | None = None, cache_bytes: int = 4 << 30
    ) -> None:
        self.folder, self.cache, self.cache_bytes = Path(folder), cache, cache_bytes
        if not self.folder.is_dir():
            raise InvalidArgument(f"{folder} is not a folder")
        self._pairs: list[_Pair] = []
        self.files: list[Path] = []
        for path in sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in _SUFFIXES):
            try:
                self._pairs.append(self._pair(path))
            except UnreadableFile:
                continue
            self.files.append(path)
        if not self.files:
            raise InvalidArgument(f"{folder} holds no RAW file that LibRaw decodes to a Bayer mosaic")
        cameras = sorted({name for pair in self._pairs for name in pair.capture.camera})
        if len(cameras) > 1 and not mixed:
            raise InvalidArgument(f"{folder} holds RAW files of several cameras ({', '.join(cameras)}): ask for mixed")

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """The samples `rank`, `rank + world`, ... of a batch of `size` patches.

        Args:
            number: of the batch in the run.
            size: of the whole batch, over all processes.
            patch: height and width, even.
            seed: of the run.
            rank: of this process.
            world: how many processes there are.

        Raises:
            InvalidArgument: for an odd patch, or one larger than a file.
        """
        smallest = min(min(pair.sensor.shape[2:]) for pair in self._pairs) - 2
        if patch % 2 or not 2 <= patch <= smallest:
            raise InvalidArgument(f"a patch is even and at most {smallest} pixels wide here, got {patch}")
        parts = [self._patch(np.random.default_rng((seed, number, n)), patch) for n in range(rank, size, world)]
        sensors, captures, targets = zip(*parts, strict=True)
        sensor, target = torch.cat(sensors), torch.cat(targets).to(torch.float32) / 255
        return Batch(sensor, Capture.collate(captures), target)

    def _patch(self, rng: np.random.Generator, patch: int) -> tuple[Tensor, Capture, Tensor]:
        pair = self._pairs[int(rng.integers(len(self._pairs)))]
        height, width = pair.sensor.shape[2:]
        top, left = (int(rng.integers((n - patch - 2) // 2 + 1)) * 2 for n in (height, width))
        sensor, capture = crop(pair.sensor, pair.capture, top, left, patch + 2, patch + 2)
        target = pair.target[..., top : top + patch + 2, left : left + patch + 2]
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        sensor, capture = rotate(sensor, capture, turns)
        target = torch.rot90(target, turns, (2, 3))
        if mirrored:
            sensor, capture = flip(sensor, capture, horizontal=True)
            target = target.flip(3)
        return _phased(sensor, capture, target, patch, patch)

    def _pair(self, path: Path) -> _Pair:
        kept = None if self.cache is None else self.cache / f"{_fingerprint(path)}.safetensors"
        if kept is not None and kept.is_file():
            return _load(kept)
        sensor, capture = read_raw(path)
        target = render_by_libraw(path)
        if target.shape[2:] != sensor.shape[2:]:
            raise UnreadableFile(f"{path}: LibRaw renders {list(target.shape[2:])} of {list(sensor.shape[2:])} pixels")
        height, width = (n - 1 for n in sensor.shape[2:])
        made = _Pair(*_phased(sensor, capture, target, height, width))
        if kept is not None:
            self._keep(kept, made)
        return made

    def _keep(self, path: Path, pair: _Pair) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        others = sorted(path.parent.glob("*.safetensors"), key=lambda file: file.stat().st_mtime, reverse=True)
        room = self.cache_bytes - pair.sensor.nbytes - pair.target.nbytes
        for file in others:
            room -= file.stat().st_size
            if room < 0:
                file.unlink(missing_ok=True)
        _save(path, pair)


_SUFFIXES = {
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"),
    *(".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".srf", ".sr2", ".srw", ".x3f"),
}


def _phased(
    sensor: Tensor, capture: Capture, target: Tensor, height: int, width: int
) -> tuple[Tensor, Capture, Tensor]:
    """The first `height` x `width` pixels that begin with the wanted phase, of both."""
    for top in (0, 1):
        for left in (0, 1):
            part, described = crop(sensor, capture, top, left, height, width)
            if described.cfa == PHASE:
                return part, described, target[..., top : top + height, left : left + width]
    raise InvalidArgument(f"a mosaic {capture.cfa} has no cell {PHASE}")


def _fingerprint(path: Path) -> str:
    found = path.stat()
    return hashlib.sha256(f"{path.resolve()}\0{found.st_size}\0{found.st_mtime_ns}".encode()).hexdigest()[:32]


def _save(path: Path, pair: _Pair) -> None:
    from safetensors.torch import save_file

    capture = pair.capture
    tensors = {name: getattr(capture, name) for name in ("black", "white", "gains", "srgb_to_camera")}
    words = {"cfa": capture.cfa, "camera": list(capture.camera), "orientation": list(capture.orientation)}
    with replacing(path) as temporary:
        content = {"sensor": pair.sensor.contiguous(), "target": pair.target.contiguous(), **tensors}
        save_file(content, temporary, metadata={"capture": json.dumps(words)})


def _load(path: Path) -> _Pair:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            words = json.loads(file.metadata()["capture"])
        described = {name: tensors[name] for name in ("black", "white", "gains", "srgb_to_camera")}
        camera, orientation = tuple(words["camera"]), tuple(words["orientation"])
        capture = Capture(words["cfa"], **described, noise=None, camera=camera, orientation=orientation)
        return _Pair(tensors["sensor"], capture, tensors["target"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, IspError) as error:
        raise InvalidArgument(f"{path} is no decoded file of this version ({error}): delete it") from None

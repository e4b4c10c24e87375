"""Aligned training patches from a folder of RAW files."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture
from ..errors import InvalidArgument, MissingMetadata, UnreadableFile
from .batch import Batch
from .decoded import TARGETS, DecodedFiles
from .turning import MARGIN, turned_at_random


class RawFolder:
    """Random patches of the RAW files of a folder, each with a rendering of the same pixels as its target.

    Each file is decoded once, in threads, to a cache on disk, from which only patches are read. The patches of a batch
    depend on the seed and the batch number alone: interrupted runs resume with the batches that would have followed,
    and data workers, forked or not, share no lock.

    Args:
        folder: folder to search recursively; files without a Bayer mosaic or without white balance are skipped, see
            `skipped`.
        names: names of the files to use, without suffix, all of which must exist; None uses all files.
        target: `libraw`, LibRaw's rendering with as-shot gains and no automatic brightness, in which white may be the
            largest sample of a file; `libraw-fixed`, LibRaw's rendering with the camera's white level in every file;
            `libraw-jpeg`, the rendering `libraw` after a JPEG of quality 90, 4:2:2, as in the published InvISP;
            `camera`, the embedded preview, registered in the frame and resampled onto its pixels.
        mixed: allow RAW files of several cameras.
        cache: folder that keeps decoded files for other runs; None creates a temporary one that is removed with this
            object.
        cache_bytes: size of the cache in bytes; evicted files are decoded again when a patch needs them.
        on_file: called with the number of files decoded so far and the number of all files.

    Attributes:
        files: paths of the files in use.
        skipped: reason for each skipped file, by path.

    Raises:
        InvalidArgument: if the folder does not exist or has no usable RAW file, one of `names` is missing, or there are
            several cameras without `mixed`.

    >>> RawFolder("missing")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: missing is not a folder
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        names: Sequence[str] | None = None,
        target: str = "libraw",
        mixed: bool = False,
        cache: Path | None = None,
        cache_bytes: int = 16 << 30,
        on_file: Callable[[int, int], None] | None = None,
    ) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise InvalidArgument(f"{folder} is not a folder")
        if target not in TARGETS:
            raise InvalidArgument(f"target must be one of {', '.join(TARGETS)}, got {target!r}")
        candidates = sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
        selected = candidates if names is None else _named(candidates, names, self.folder)
        self._decoded = DecodedFiles(target, cache, cache_bytes)
        self.files: list[Path] = []
        self.skipped: dict[Path, str] = {}
        self._sizes: dict[Path, tuple[int, int]] = {}
        cameras: set[str] = set()
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for count, (path, result) in enumerate(zip(selected, pool.map(self._describe, selected), strict=True), 1):
                if isinstance(result, str):
                    self.skipped[path] = result
                else:
                    capture, self._sizes[path] = result
                    cameras.update(capture.camera)
                    self.files.append(path)
                if on_file is not None:
                    on_file(count, len(selected))
        if not self.files:
            reason = f": {next(iter(self.skipped.values()))}" if self.skipped else ""
            raise InvalidArgument(f"{folder} contains no RAW file that LibRaw decodes to a Bayer mosaic{reason}")
        if names is not None and self.skipped:
            raise InvalidArgument(
                f"{len(self.skipped)} of the listed files cannot be read: {next(iter(self.skipped.values()))}"
            )
        if len(cameras) > 1 and not mixed:
            raise InvalidArgument(
                f"{folder} has RAW files of several cameras ({', '.join(sorted(cameras))}): pass mixed=True (--mixed "
                "on the command line)"
            )

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
            InvalidArgument: for an odd patch, or one larger than the smallest file.
        """
        smallest = min(min(size) for size in self._sizes.values()) - MARGIN
        if patch % 2 or not 2 <= patch <= smallest:
            raise InvalidArgument(
                f"the patch must be even and at most {smallest} pixels, for the smallest file, got {patch}"
            )
        return Batch.drawn(lambda rng: self._patch(rng, patch), number, size, seed, rank, world)

    def tile(self, path: Path, row: int, column: int, count: int) -> Batch:
        """One of `count` x `count` equal tiles of a file, not rotated, as a batch of one sample.

        Args:
            path: one of `files`.
            row: row of the tile, from 0 at the top.
            column: column of the tile, from 0 at the left.
            count: number of rows and of columns; a remainder at the lower and right borders is in no tile.
        """
        height, width = (extent // (2 * count) * 2 for extent in self._sizes[path])
        part = self._decoded.patch(path, row * height, column * width, height, width)
        return Batch(part.sensor, part.capture, part.target.to(torch.float32) / 255)

    def _patch(self, rng: np.random.Generator, patch: int) -> tuple[Tensor, Capture, Tensor]:
        path = self.files[int(rng.integers(len(self.files)))]
        top, left = (int(rng.integers((n - patch - MARGIN) // 2 + 1)) * 2 for n in self._sizes[path])
        part = self._decoded.patch(path, top, left, patch + MARGIN, patch + MARGIN)
        sensor, capture, target = turned_at_random(rng, part.sensor, part.capture, part.target, patch)
        return sensor, capture, target.to(torch.float32) / 255

    def _describe(self, path: Path) -> tuple[Capture, tuple[int, int]] | str:
        try:
            return self._decoded.describe(path)
        except (UnreadableFile, MissingMetadata) as error:
            return str(error)


def fivek(root: str | Path, camera: str, part: str, **options: object) -> RawFolder:
    """Read a split of MIT-Adobe FiveK in InvISP's layout: `CAMERA/DNG/*.dng`, `CAMERA_train.txt`, `CAMERA_test.txt`.

    Black and white levels are those of the files. (The published script should subtract Canon's black level but,
    because of a misspelled name, never does; use `invisp.Config(black=0, white=4095)` with weights trained on such
    data.)

    Args:
        root: folder with the lists.
        camera: `NIKON_D700` or `Canon_EOS_5D`.
        part: `train` or `test`.
        options: keyword arguments of `RawFolder`.

    Raises:
        InvalidArgument: if a list or one of its files is missing.

    >>> fivek("missing", "NIKON_D700", "train")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: missing/NIKON_D700_train.txt is not a readable list of file names: ...
    """
    listed = Path(root) / f"{camera}_{part}.txt"
    return RawFolder(Path(root) / camera / "DNG", names=names_of(listed), **options)  # type: ignore[arg-type]


def names_of(path: Path) -> list[str]:
    """Read a list of file names, one per line; empty lines are ignored.

    Raises:
        InvalidArgument: if the list cannot be read or is empty.

    >>> names_of(Path("missing.txt"))
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: missing.txt is not a readable list of file names: No such file or directory
    """
    try:
        names = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidArgument(f"{path} is not a readable list of file names: {reason}") from None
    stripped = [name.strip() for name in names if name.strip()]
    if not stripped:
        raise InvalidArgument(f"{path} is empty: list the names of the files, one per line")
    return stripped


def _named(candidates: Sequence[Path], names: Sequence[str], folder: Path) -> list[Path]:
    by_name = {path.stem: path for path in candidates}
    if missing := [name for name in names if name not in by_name]:
        raise InvalidArgument(f"{len(missing)} of {len(names)} listed files are not in {folder}, such as {missing[0]}")
    return [by_name[name] for name in names]


_SUFFIXES = {
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"),
    *(".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".srf", ".sr2", ".srw", ".x3f"),
}

"""A folder of RAW files as aligned training patches."""

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
    """Patches of the RAW files of a folder, each with a picture of the same pixels as target.

    Every file is decoded once, in threads, and kept on disk; of what is kept, only the patches are read. Which patches
    a batch holds is a function of the seed and the number of the batch alone: a run that is stopped and resumed sees
    what it would have seen, and workers, forked or not, share nothing that could lock.

    Args:
        folder: searched with all folders below; files that are no RAW mosaic, or state no gains, are passed over, see
            `skipped`.
        names: of the files to take, without suffix, each of which has to be there; None takes all.
        target: `libraw`, its rendering with as-shot gains and no automatic brightness, whose white may be the largest
            sample of a file; `libraw-fixed`, the same with the camera's white level in every file; `libraw-jpeg`,
            `libraw` through a JPEG of quality 90 and 4:2:2, as the published InvISP has it; `camera`, the picture that
            the camera left in the file, found in the frame and resampled to its pixels.
        mixed: allow RAW files of several cameras.
        cache: folder where decoded files stay for other runs; None is one that goes with this object.
        cache_bytes: of that folder, at most; files that were given up are decoded again when a patch needs them.
        on_file: called with how many files are decoded, and of how many.

    Attributes:
        files: those that are used.
        skipped: the reason, by file, for those that are not.

    Raises:
        InvalidArgument: when there is no folder, no RAW file in it, one of `names` missing, or several cameras without
            `mixed`.
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
            raise InvalidArgument(f"the target is {', '.join(TARGETS)}, got {target!r}")
        found = sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
        wanted = found if names is None else _named(found, names, self.folder)
        self._decoded = DecodedFiles(target, cache, cache_bytes)
        self.files: list[Path] = []
        self.skipped: dict[Path, str] = {}
        self._sizes: dict[Path, tuple[int, int]] = {}
        cameras: set[str] = set()
        with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
            for count, (path, made) in enumerate(zip(wanted, pool.map(self._describe, wanted), strict=True), 1):
                if isinstance(made, str):
                    self.skipped[path] = made
                else:
                    capture, self._sizes[path] = made
                    cameras.update(capture.camera)
                    self.files.append(path)
                if on_file is not None:
                    on_file(count, len(wanted))
        if not self.files:
            why = f": {next(iter(self.skipped.values()))}" if self.skipped else ""
            raise InvalidArgument(f"{folder} holds no RAW file that LibRaw decodes to a Bayer mosaic{why}")
        if names is not None and self.skipped:
            raise InvalidArgument(f"not all files of the list can be read: {next(iter(self.skipped.values()))}")
        if len(cameras) > 1 and not mixed:
            told = ", ".join(sorted(cameras))
            raise InvalidArgument(f"{folder} holds RAW files of several cameras ({told}): ask for mixed")

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
        smallest = min(min(size) for size in self._sizes.values()) - MARGIN
        if patch % 2 or not 2 <= patch <= smallest:
            raise InvalidArgument(f"a patch is even and at most {smallest} pixels wide here, got {patch}")
        return Batch.drawn(lambda rng: self._patch(rng, patch), number, size, seed, rank, world)

    def tile(self, path: Path, row: int, column: int, count: int) -> Batch:
        """One of `count` x `count` equal tiles of a file, not turned: a batch of one.

        Args:
            path: one of `files`.
            row: from 0, at the top.
            column: from 0, at the left.
            count: of rows and of columns; what is left over at the lower and right borders is in no tile.
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


def fivek(root: str | Path, camera: str, part: str, **how: object) -> RawFolder:
    """A split of MIT-Adobe FiveK as InvISP lays it out: `CAMERA/DNG/*.dng`, `CAMERA_train.txt`, `CAMERA_test.txt`.

    Black and white come from the files. (The published script means to subtract Canon's black and, by a misspelt name,
    never does; `invisp.Config(black=0, white=4095)` goes with weights of such data.)

    Args:
        root: folder of the lists.
        camera: `NIKON_D700` or `Canon_EOS_5D` there.
        part: `train` or `test`.
        how: as `RawFolder` has it.

    Raises:
        InvalidArgument: when a list or one of its files is missing.
    """
    listed = Path(root) / f"{camera}_{part}.txt"
    return RawFolder(Path(root) / camera / "DNG", names=names_of(listed), **how)  # type: ignore[arg-type]


def names_of(path: Path) -> list[str]:
    """The lines of a list of files.

    Raises:
        InvalidArgument: when it cannot be read, or is empty.
    """
    try:
        names = path.read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"{path} is no list of files that can be read ({error})") from None
    found = [name.strip() for name in names if name.strip()]
    if not found:
        raise InvalidArgument(f"{path} lists no file")
    return found


def _named(found: Sequence[Path], names: Sequence[str], folder: Path) -> list[Path]:
    by_name = {path.stem: path for path in found}
    if missing := [name for name in names if name not in by_name]:
        raise InvalidArgument(
            f"{len(missing)} of {len(names)} files of the list are not in {folder}, such as {missing[0]}"
        )
    return [by_name[name] for name in names]


_SUFFIXES = {
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef"),
    *(".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".srf", ".sr2", ".srw", ".x3f"),
}

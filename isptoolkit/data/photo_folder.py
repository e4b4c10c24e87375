"""Training patches from a folder of photographs."""

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from ..errors import InvalidArgument, UnreadableFile
from ..io.photograph import read_photograph

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff")


class PhotoFolder:
    """Random square patches of the photographs of a folder, rotated and mirrored.

    The patches of a batch depend on the seed and the batch number alone. Decoded photographs are cached in memory; the
    least recently used are evicted.

    Args:
        folder: folder to search recursively; damaged files are skipped, see `skipped`.
        memory: size of the cache in bytes.
        on_file: called with the number of files checked so far and the number of all files.

    Attributes:
        files: paths of the readable photographs.
        skipped: reason for each skipped file, by path.

    Raises:
        InvalidArgument: if the folder does not exist or has no readable photograph.

    >>> PhotoFolder("missing")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: missing is not a folder
    """

    def __init__(
        self, folder: str | Path, *, memory: int = 2 << 30, on_file: Callable[[int, int], None] | None = None
    ) -> None:
        self.folder, self.memory = Path(folder), memory
        if not self.folder.is_dir():
            raise InvalidArgument(f"{folder} is not a folder")
        self._cache: OrderedDict[Path, Tensor] = OrderedDict()
        self._lock = Lock()
        self.files: list[Path] = []
        self.skipped: dict[Path, str] = {}
        candidates = sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        sizes = []
        for count, path in enumerate(candidates, 1):
            try:
                sizes.append(min(self._photograph(path).shape[1:]))
                self.files.append(path)
            except UnreadableFile as error:
                self.skipped[path] = str(error)
            if on_file is not None:
                on_file(count, len(candidates))
        if not self.files:
            reason = f": {next(iter(self.skipped.values()))}" if self.skipped else f" ({', '.join(SUFFIXES)})"
            raise InvalidArgument(f"{folder} has no photograph that can be read{reason}")
        self._smallest = min(sizes)

    def patches(
        self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, list[int]]:
        """The samples `rank`, `rank + world`, ... of batch `number`, and a random seed for each.

        Args:
            number: index of the batch in the run.
            size: size of the whole batch, over all processes.
            patch: height and width in pixels.
            seed: seed of the run.
            rank: index of this process.
            world: number of processes.

        Returns:
            Patches `[B,3,patch,patch]` float32 sRGB in [0, 1], and B integer seeds.

        Raises:
            InvalidArgument: for a patch larger than the smallest photograph.
        """
        if not 1 <= patch <= self._smallest:
            raise InvalidArgument(
                f"the patch must be 1 to {self._smallest} pixels, the size of the smallest photograph, got {patch}"
            )
        parts, seeds = [], []
        for n in range(rank, size, world):
            rng = np.random.default_rng((seed, number, n))
            photograph = self._photograph(self.files[int(rng.integers(len(self.files)))])
            top, left = (int(rng.integers(extent - patch + 1)) for extent in photograph.shape[1:])
            part = torch.rot90(photograph[:, top : top + patch, left : left + patch], int(rng.integers(4)), (1, 2))
            parts.append(part.flip(2) if rng.integers(2) else part)
            seeds.append(int(rng.integers(2**62)))
        return torch.stack(parts).to(torch.float32) / 255, seeds

    def _photograph(self, path: Path) -> Tensor:
        with self._lock:
            if path in self._cache:
                self._cache.move_to_end(path)
                return self._cache[path]
        codes = (read_photograph(path)[0] * 255).round().to(torch.uint8)
        with self._lock:
            self._cache[path] = codes
            while sum(photograph.nbytes for photograph in self._cache.values()) > self.memory and len(self._cache) > 1:
                self._cache.popitem(last=False)
        return codes

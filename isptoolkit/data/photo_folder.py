"""A folder of photographs as training patches."""

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
    """Square patches of the photographs of a folder, turned and mirrored at random.

    Which patches a batch holds is a function of the seed and its number alone. Decoded photographs are kept in memory,
    the longest unused given up.

    Args:
        folder: searched with all folders below; damaged files are passed over, see `skipped`.
        memory: bytes of decoded photographs, at most.
        on_file: called with how many files are looked at, and of how many.

    Attributes:
        files: those that are used.
        skipped: the reason, by file, for those that are not.

    Raises:
        InvalidArgument: when there is no folder, or no photograph in it.
    """

    def __init__(
        self, folder: str | Path, *, memory: int = 2 << 30, on_file: Callable[[int, int], None] | None = None
    ) -> None:
        self.folder, self.memory = Path(folder), memory
        if not self.folder.is_dir():
            raise InvalidArgument(f"{folder} is not a folder")
        self._kept: OrderedDict[Path, Tensor] = OrderedDict()
        self._lock = Lock()
        self.files: list[Path] = []
        self.skipped: dict[Path, str] = {}
        found = sorted(p for p in self.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        sizes = []
        for count, path in enumerate(found, 1):
            try:
                sizes.append(min(self._photograph(path).shape[1:]))
                self.files.append(path)
            except UnreadableFile as error:
                self.skipped[path] = str(error)
            if on_file is not None:
                on_file(count, len(found))
        if not self.files:
            raise InvalidArgument(f"{folder} holds no photograph ({', '.join(SUFFIXES)})")
        self._smallest = min(sizes)

    def patches(
        self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1
    ) -> tuple[Tensor, list[int]]:
        """The samples `rank`, `rank + world`, ... of a batch of `size` patches, and a seed for each.

        Returns:
            `[B,3,patch,patch]` float32 sRGB, and B whole numbers.

        Raises:
            InvalidArgument: for a patch larger than a photograph.
        """
        if not 1 <= patch <= self._smallest:
            raise InvalidArgument(f"a patch is at most {self._smallest} pixels wide here, got {patch}")
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
            if path in self._kept:
                self._kept.move_to_end(path)
                return self._kept[path]
        made = (read_photograph(path)[0] * 255).round().to(torch.uint8)
        with self._lock:
            self._kept[path] = made
            while sum(photograph.nbytes for photograph in self._kept.values()) > self.memory and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return made

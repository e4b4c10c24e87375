"""Data of the protocols `aim22-s7` and `aim22-p20`: tiles of photographs as JPEG files, and their RAW as arrays."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture
from ..data import Batch
from ..errors import InvalidArgument, UnreadableFile
from ..io import read_image
from ..stages.cfa import unpack
from .case import Case, Cases

WHERE = "https://github.com/mv-lab/AISP, folder aim22-reverseisp"
WHITE = 1024.0
"""What the challenge divides by, though the largest digital number is 1023."""
_NAME = re.compile(r"(.+)_(\d+)")
_HELD = 10
"""Of so many photographs one is for the test, where RAW of the real test is not there."""


@dataclass(frozen=True)
class _Tile:
    photograph: str
    picture: Path
    raw: Path


class Aim22:
    """As `isptoolkit.bench.case.Pairs`: `train/{photograph}_{tile}.jpg` and `.npy`, and `test/` the same where it is.

    RAW of the challenge's own test was never published: without `test/`, a tenth of the photographs are held out.

    Args:
        data: the folder of a phone, such as `data-s7`.
        size: height and width of its pictures.

    Raises:
        InvalidArgument: where files are missing, with what they are and where they are to be had.
        UnreadableFile: for arrays of another shape, type or depth.
    """

    def __init__(self, data: Path, size: int) -> None:
        tiles = _tiles(data / "train", size)
        if (data / "test").is_dir():
            learned, held = tiles, _tiles(data / "test", size)
            self.notes = [f"{len(learned)} tiles to learn from, {len(held)} of test/"]
        else:
            photographs = sorted({tile.photograph for tile in tiles})
            chosen = set(photographs[_HELD - 1 :: _HELD] or photographs[-1:])
            learned = [tile for tile in tiles if tile.photograph not in chosen]
            held = [tile for tile in tiles if tile.photograph in chosen]
            self.notes = [f"no test/: {len(held)} tiles of {len(chosen)} photographs of train/ held out instead"]
        if not learned:
            raise InvalidArgument(f"{data / 'train'} holds tiles of one photograph only: nothing is left to learn from")
        self.train = Tiles(learned, size)
        self.cases = Cases(len(held), lambda number: Case(held[number].raw.stem, *_read(held[number], size)))
        everything = [*learned, *held]
        named = "\n".join(
            f"{tile.raw.name} {tile.raw.stat().st_size} {tile.picture.stat().st_size}" for tile in everything
        )
        self.fingerprint = hashlib.sha256(named.encode()).hexdigest()


class Tiles:
    """Patches of tiles, at even places; not turned or mirrored, since that moves every site."""

    def __init__(self, tiles: list[_Tile], size: int) -> None:
        self.tiles, self.size = tiles, size

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """See `isptoolkit.data.RawFolder.batch`."""
        if patch % 2 or not 2 <= patch <= self.size:
            raise InvalidArgument(f"a patch is even and at most {self.size} pixels wide here, got {patch}")

        def draw(rng: np.random.Generator) -> tuple[Tensor, Capture, Tensor]:
            sensor, capture, picture = _read(self.tiles[int(rng.integers(len(self.tiles)))], self.size)
            top, left = (2 * int(rng.integers((self.size - patch) // 2 + 1)) for _ in range(2))
            part = (..., slice(top, top + patch), slice(left, left + patch))
            return sensor[part], capture, picture[part]

        return Batch.drawn(draw, number, size, seed, rank, world)


def _tiles(folder: Path, size: int) -> list[_Tile]:
    """All tiles of a folder, each with both of its files, of the right shape."""
    if not folder.is_dir():
        raise InvalidArgument(f"{folder} is not there: the challenge's data are to be had from {WHERE}")
    pictures, arrays = ({path.stem: path for path in sorted(folder.glob(f"*.{kind}"))} for kind in ("jpg", "npy"))
    if alone := sorted(pictures.keys() ^ arrays.keys()):
        lacks = f"{alone[0]}.npy" if alone[0] in pictures else f"{alone[0]}.jpg"
        raise InvalidArgument(f"{folder} lacks {lacks} and {len(alone) - 1} more files: download it again from {WHERE}")
    if not pictures:
        raise InvalidArgument(f"{folder} holds no tiles (*.jpg and *.npy): they are to be had from {WHERE}")
    tiles = []
    for stem, picture in pictures.items():
        found = _NAME.fullmatch(stem)
        if found is None:
            raise InvalidArgument(f"{picture} is not named as a tile, PHOTOGRAPH_NUMBER.jpg")
        _array(arrays[stem], size)
        tiles.append(_Tile(found[1], picture, arrays[stem]))
    return tiles


def _array(path: Path, size: int) -> Any:
    """An array as it lies on disk: only its header is read before its size is known to be right."""
    try:
        made = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UnreadableFile(f"{path} is not a whole array ({error}): download it again") from None
    wanted = (size // 2, size // 2, 4)
    if made.dtype != np.uint16 or made.shape != wanted:
        raise UnreadableFile(f"{path} holds {made.dtype} {list(made.shape)}, not uint16 {list(wanted)}")
    return made


def _read(tile: _Tile, size: int) -> tuple[Tensor, Capture, Tensor]:
    raw = np.asarray(_array(tile.raw, size)).astype(np.float32)
    if raw.max() >= WHITE:
        raise UnreadableFile(f"{tile.raw} holds {raw.max():g}: RAW of the challenge has 10 bits, at most 1023")
    picture = read_image(tile.picture)
    if picture.shape[2:] != (size, size):
        raise UnreadableFile(f"{tile.picture} has {picture.shape[3]} x {picture.shape[2]} pixels, not {size} x {size}")
    sensor = unpack(torch.from_numpy(np.ascontiguousarray(raw.transpose(2, 0, 1)))[None])
    return sensor, Capture.of("RGGB", black=0, white=WHITE), picture

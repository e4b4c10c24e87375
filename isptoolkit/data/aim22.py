"""Tiles of the AIM 2022 challenge on reversed ISP: photographs as JPEG files, and their RAW as arrays."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture
from ..errors import InvalidArgument, UnreadableFile
from ..io import read_image
from ..stages.cfa import unpack
from .batch import Batch
from .turning import MARGIN, turned_at_random

WHERE = "https://github.com/mv-lab/AISP, folder aim22-reverseisp"
WHITE = 1024.0
"""What the challenge divides by, though the largest digital number is 1023."""
SIZES = {"aim22-s7": 504, "aim22-p20": 496}
"""Height and width of a phone's pictures."""
_NAME = re.compile(r"(.+)_(\d+)")
_HELD = 10
"""Of so many photographs one is for the test, where RAW of the real test is not there."""


@dataclass(frozen=True)
class Tile:
    """Two files of one tile.

    Args:
        photograph: that it was cut out of.
        picture: `{photograph}_{tile}.jpg`.
        raw: `{photograph}_{tile}.npy`, `[size/2,size/2,4]` uint16 planes of RGGB, at most 1023.
        size: height and width of the picture.
    """

    photograph: str
    picture: Path
    raw: Path
    size: int

    def read(self) -> tuple[Tensor, Capture, Tensor]:
        """The mosaic `[1,1,H,W]` in digital numbers, its capture, and the picture `[1,3,H,W]`, 0 to 1.

        Raises:
            UnreadableFile: for files of another size or depth, or cut off.
        """
        raw = np.asarray(_array(self.raw, self.size)).astype(np.float32)
        if raw.max() >= WHITE:
            raise UnreadableFile(f"{self.raw} holds {raw.max():g}: RAW of the challenge has 10 bits, at most 1023")
        picture = read_image(self.picture)
        if picture.shape[2:] != (self.size, self.size):
            width, height = picture.shape[3], picture.shape[2]
            raise UnreadableFile(f"{self.picture} has {width} x {height} pixels, not {self.size} x {self.size}")
        sensor = unpack(torch.from_numpy(np.ascontiguousarray(raw.transpose(2, 0, 1)))[None])
        return sensor, Capture.of("RGGB", black=0, white=WHITE), picture


@dataclass(frozen=True)
class Split:
    """Tiles to learn from and tiles for the test, and a sentence about them."""

    learned: list[Tile]
    held: list[Tile]
    note: str


def split(data: Path, size: int) -> Split:
    """The tiles of a phone: `train/{photograph}_{tile}.jpg` and `.npy`, and `test/` the same where it is.

    RAW of the challenge's own test was never published: without `test/`, a tenth of the photographs are held out.

    Args:
        data: the folder of a phone, such as `data-s7`.
        size: height and width of its pictures.

    Raises:
        InvalidArgument: where files are missing, with what they are and where to get them.
        UnreadableFile: for arrays of another shape or type.
    """
    tiles = _tiles(data / "train", size)
    if (data / "test").is_dir():
        learned, held = tiles, _tiles(data / "test", size)
        note = f"{len(learned)} tiles to learn from, {len(held)} of test/"
    else:
        photographs = sorted({tile.photograph for tile in tiles})
        chosen = set(photographs[_HELD - 1 :: _HELD] or photographs[-1:])
        learned = [tile for tile in tiles if tile.photograph not in chosen]
        held = [tile for tile in tiles if tile.photograph in chosen]
        note = f"no test/: {len(held)} tiles of {len(chosen)} photographs of train/ held out instead"
    if not learned:
        raise InvalidArgument(f"{data / 'train'} holds tiles of one photograph only: nothing is left to learn from")
    return Split(learned, held, note)


class Tiles:
    """Patches of tiles as training batches, in the eight orientations; whole tiles are not turned.

    Args:
        tiles: of one size.

    Attributes:
        files: the pictures of the tiles.
        skipped: nothing: a damaged file is an error.
    """

    def __init__(self, tiles: Sequence[Tile]) -> None:
        self.tiles, self.files = tiles, [tile.picture for tile in tiles]
        self.skipped: dict[Path, str] = {}

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """See `isptoolkit.data.RawFolder.batch`."""
        whole = self.tiles[0].size
        if patch % 2 or not 2 <= patch <= whole:
            raise InvalidArgument(f"a patch is even and at most {whole} pixels wide here, got {patch}")
        region = min(patch + MARGIN, whole)

        def draw(rng: np.random.Generator) -> tuple[Tensor, Capture, Tensor]:
            sensor, capture, picture = self.tiles[int(rng.integers(len(self.tiles)))].read()
            top, left = (2 * int(rng.integers((whole - region) // 2 + 1)) for _ in range(2))
            part = (..., slice(top, top + region), slice(left, left + region))
            return turned_at_random(rng, sensor[part], capture, picture[part], patch)

        return Batch.drawn(draw, number, size, seed, rank, world)


def _tiles(folder: Path, size: int) -> list[Tile]:
    """All tiles of a folder, each with both of its files, of the right shape."""
    if not folder.is_dir():
        raise InvalidArgument(f"{folder} is not there: get the challenge's data from {WHERE}")
    pictures, arrays = ({path.stem: path for path in sorted(folder.glob(f"*.{kind}"))} for kind in ("jpg", "npy"))
    if alone := sorted(pictures.keys() ^ arrays.keys()):
        lacks = f"{alone[0]}.npy" if alone[0] in pictures else f"{alone[0]}.jpg"
        raise InvalidArgument(f"{folder} lacks {lacks} and {len(alone) - 1} more files: download it again from {WHERE}")
    if not pictures:
        raise InvalidArgument(f"{folder} holds no tiles (*.jpg and *.npy): get them from {WHERE}")
    tiles = []
    for stem, picture in pictures.items():
        found = _NAME.fullmatch(stem)
        if found is None:
            raise InvalidArgument(f"{picture} is not named as a tile, PHOTOGRAPH_NUMBER.jpg")
        _array(arrays[stem], size)
        tiles.append(Tile(found[1], picture, arrays[stem], size))
    return tiles


def _array(path: Path, size: int) -> Any:
    """An array as it lies on disk: only its header is read before its size is known to be right."""
    try:
        made = np.lib.format.open_memmap(path, mode="r")  # unlike numpy.load it takes nothing but an array
    except Exception as error:  # a header that was made up fails in many ways
        raise UnreadableFile(f"{path} is not a whole array ({error}): download it again") from None
    wanted = (size // 2, size // 2, 4)
    if made.dtype != np.uint16 or made.shape != wanted:
        raise UnreadableFile(f"{path} holds {made.dtype} {list(made.shape)}, not uint16 {list(wanted)}")
    return made

"""Tiles of the AIM 2022 challenge on reversed ISP: images as JPEG files, and their RAW as arrays."""

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
"""The challenge divides by this white level, though the largest digital number is 1023."""
SIZES = {"aim22-s7": 504, "aim22-p20": 496}
"""Height and width of the images of each phone, in pixels."""
_NAME = re.compile(r"(.+)_(\d+)")
_TEST_SHARE = 10
"""One photograph in this many is held out for the test if the folder `test/` is missing."""


@dataclass(frozen=True)
class Tile:
    """The two files of a tile.

    Args:
        photograph: name of the photograph that the tile was cropped from.
        image: path of `{photograph}_{tile}.jpg`.
        raw: path of `{photograph}_{tile}.npy`, packed RGGB `[size/2,size/2,4]` uint16, at most 1023.
        size: height and width of the image in pixels.
    """

    photograph: str
    image: Path
    raw: Path
    size: int

    def read(self) -> tuple[Tensor, Capture, Tensor]:
        """Read the mosaic `[1,1,H,W]` in digital numbers, its capture, and the image `[1,3,H,W]` in [0, 1].

        Raises:
            UnreadableFile: for truncated files, or files of another size or depth.
        """
        raw = np.asarray(_array(self.raw, self.size)).astype(np.float32)
        if raw.max() >= WHITE:
            raise UnreadableFile(
                f"{self.raw} holds {raw.max():g}: RAW of the challenge has 10 bits, at most 1023; download it again"
            )
        image = read_image(self.image)
        if image.shape[2:] != (self.size, self.size):
            width, height = image.shape[3], image.shape[2]
            raise UnreadableFile(f"{self.image} has {width} x {height} pixels, not {self.size} x {self.size}")
        sensor = unpack(torch.from_numpy(np.ascontiguousarray(raw.transpose(2, 0, 1)))[None])
        return sensor, Capture.of("RGGB", black=0, white=WHITE), image


@dataclass(frozen=True)
class Split:
    """Training and test tiles of a phone.

    Args:
        train: tiles to train on.
        test: tiles to test on.
        note: a sentence about the split, for reports.
    """

    train: list[Tile]
    test: list[Tile]
    note: str


def split(data: Path, size: int) -> Split:
    """List the tiles of a phone, `{photograph}_{tile}.jpg` and `.npy` in `train/` and, if it exists, `test/`.

    The RAW files of the challenge's test set were never published. Without `test/`, a tenth of the photographs is held
    out.

    Args:
        data: folder of a phone, such as `data-s7`.
        size: height and width of its images in pixels.

    Raises:
        InvalidArgument: if files are missing; the message names them and where to get them.
        UnreadableFile: for arrays of another shape or type.

    >>> split(Path("missing"), 504)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: missing/train is not a folder: download the challenge's data from https://...
    """
    tiles = _tiles(data / "train", size)
    if (data / "test").is_dir():
        train, test = tiles, _tiles(data / "test", size)
        note = f"{len(train)} tiles to train on, {len(test)} of test/"
    else:
        photographs = sorted({tile.photograph for tile in tiles})
        held_out = set(photographs[_TEST_SHARE - 1 :: _TEST_SHARE] or photographs[-1:])
        train = [tile for tile in tiles if tile.photograph not in held_out]
        test = [tile for tile in tiles if tile.photograph in held_out]
        note = f"no test/: {len(test)} tiles of {len(held_out)} photographs of train/ held out instead"
    if not train:
        raise InvalidArgument(
            f"{data / 'train'} has tiles of only one photograph, which is held out: at least two photographs are needed"
        )
    return Split(train, test, note)


class Tiles:
    """Training batches of random patches of tiles, in the eight orientations; whole tiles are not rotated.

    Args:
        tiles: tiles of one size.

    Attributes:
        files: the images of the tiles.
        skipped: always empty; a damaged file is an error.
    """

    def __init__(self, tiles: Sequence[Tile]) -> None:
        self.tiles, self.files = tiles, [tile.image for tile in tiles]
        self.skipped: dict[Path, str] = {}

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
            InvalidArgument: for an odd patch, or one larger than a tile.
            UnreadableFile: for truncated files, or files of another size or depth.
        """
        whole = self.tiles[0].size
        if patch % 2 or not 2 <= patch <= whole:
            raise InvalidArgument(f"the patch must be even and at most {whole} pixels, the size of a tile, got {patch}")
        region = min(patch + MARGIN, whole)

        def draw(rng: np.random.Generator) -> tuple[Tensor, Capture, Tensor]:
            sensor, capture, image = self.tiles[int(rng.integers(len(self.tiles)))].read()
            top, left = (2 * int(rng.integers((whole - region) // 2 + 1)) for _ in range(2))
            part = (..., slice(top, top + region), slice(left, left + region))
            return turned_at_random(rng, sensor[part], capture, image[part], patch)

        return Batch.drawn(draw, number, size, seed, rank, world)


def _tiles(folder: Path, size: int) -> list[Tile]:
    """All tiles of a folder; both files of each exist, and the arrays have the right shape."""
    if not folder.is_dir():
        raise InvalidArgument(f"{folder} is not a folder: download the challenge's data from {WHERE}")
    images, arrays = ({path.stem: path for path in sorted(folder.glob(f"*.{kind}"))} for kind in ("jpg", "npy"))
    if unpaired := sorted(images.keys() ^ arrays.keys()):
        missing = f"{unpaired[0]}.npy" if unpaired[0] in images else f"{unpaired[0]}.jpg"
        raise InvalidArgument(
            f"{folder} lacks {missing} and {len(unpaired) - 1} more files: download it again from {WHERE}"
        )
    if not images:
        raise InvalidArgument(f"{folder} has no tiles (*.jpg and *.npy): download them from {WHERE}")
    tiles = []
    for stem, image in images.items():
        match = _NAME.fullmatch(stem)
        if match is None:
            raise InvalidArgument(f"{image} is not named like a tile, PHOTOGRAPH_NUMBER.jpg: rename or remove it")
        _array(arrays[stem], size)
        tiles.append(Tile(match[1], image, arrays[stem], size))
    return tiles


def _array(path: Path, size: int) -> Any:
    """Map an array file into memory; only its header is read before its shape is checked."""
    try:
        array = np.lib.format.open_memmap(path, mode="r")  # unlike numpy.load, refuses archives and pickles
    except Exception as error:  # a crafted header raises any kind of error
        raise UnreadableFile(f"{path} is not a complete array ({error}): download it again") from None
    expected = (size // 2, size // 2, 4)
    if array.dtype != np.uint16 or array.shape != expected:
        raise UnreadableFile(f"{path} holds {array.dtype} {list(array.shape)}, not uint16 {list(expected)}")
    return array

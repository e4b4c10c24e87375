"""Data of the protocols `aim22-s7` and `aim22-p20`, the AIM 2022 challenge on reversed ISP."""

import hashlib
from pathlib import Path

from ...data.aim22 import Tiles, split
from .case import Case, Cases


class Aim22:
    """The tiles of a phone as benchmark data, see `isptoolkit.bench.data.case.Pairs`.

    Args:
        data: folder of a phone, such as `data-s7`.
        size: height and width of its images in pixels.

    Raises:
        InvalidArgument: if files are missing; the message names them and where to get them.
        UnreadableFile: for arrays of another shape, type, or depth.
    """

    def __init__(self, data: Path, size: int) -> None:
        tiles = split(data, size)
        test = tiles.test
        self.train, self.notes = Tiles(tiles.train), [tiles.note]
        self.cases = Cases(len(test), lambda number: Case(test[number].raw.stem, *test[number].read()))
        files = "\n".join(
            f"{tile.raw.name} {tile.raw.stat().st_size} {tile.image.stat().st_size}" for tile in (*tiles.train, *test)
        )
        self.fingerprint = hashlib.sha256(files.encode()).hexdigest()

"""Data of the protocols `aim22-s7` and `aim22-p20`: see `isptoolkit.data.aim22`."""

import hashlib
from pathlib import Path

from ...data.aim22 import Tiles, split
from .case import Case, Cases


class Aim22:
    """As `isptoolkit.bench.data.case.Pairs`: the tiles of a phone, those of `isptoolkit.data.aim22.split`.

    Args:
        data: the folder of a phone, such as `data-s7`.
        size: height and width of its pictures.

    Raises:
        InvalidArgument: where files are missing, with what they are and where to get them.
        UnreadableFile: for arrays of another shape, type or depth.
    """

    def __init__(self, data: Path, size: int) -> None:
        tiles = split(data, size)
        held = tiles.held
        self.train, self.notes = Tiles(tiles.learned), [tiles.note]
        self.cases = Cases(len(held), lambda number: Case(held[number].raw.stem, *held[number].read()))
        named = "\n".join(
            f"{tile.raw.name} {tile.raw.stat().st_size} {tile.picture.stat().st_size}"
            for tile in (*tiles.learned, *held)
        )
        self.fingerprint = hashlib.sha256(named.encode()).hexdigest()

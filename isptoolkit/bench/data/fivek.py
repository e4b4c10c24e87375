"""Data of the protocols `fivek-...`: MIT-Adobe FiveK in InvISP's layout.

In `fivek-nikon` and `fivek-canon`, the input is the entrant's own rendering; in those that end in `-libraw`, it is a
JPEG file of LibRaw's rendering, which is the training target in all of them.
"""

import hashlib
from pathlib import Path
from typing import Any

from ...data import fivek
from ...data.layouts import FIVEK_WHERE
from ...errors import InvalidArgument
from .case import Case, Cases

_ROWS = 3


class FiveK:
    """FiveK as benchmark data, see `isptoolkit.bench.data.case.Pairs`.

    The folder has `CAMERA/DNG/*.dng`, `CAMERA_train.txt`, and `CAMERA_test.txt`. Each test file is split into nine
    cases of a third of its height and width, as in the published program. Their input is LibRaw's rendering through a
    JPEG file of quality 90, 4:2:2, like the targets of the published program.

    Args:
        data: folder with the lists.
        camera: `NIKON_D700` or `Canon_EOS_5D`.
        cache: folder of decoded files.

    Raises:
        InvalidArgument: if a list, or a file of one, is missing.
    """

    def __init__(self, data: Path, camera: str, cache: Path) -> None:
        lists = [data / f"{camera}_{part}.txt" for part in ("train", "test")]
        if missing := [path for path in lists if not path.is_file()]:
            raise InvalidArgument(f"{missing[0]} is missing: download the data from {FIVEK_WHERE}")
        options: dict[str, Any] = {"target": "libraw-jpeg", "mixed": True, "cache": cache}
        self.train = fivek(data, camera, "train", **options)
        test = fivek(data, camera, "test", **options)

        def tile(number: int) -> Case:
            path, (row, column) = test.files[number // _ROWS**2], divmod(number % _ROWS**2, _ROWS)
            return Case.of(f"{path.stem} tile {row}{column}", test.tile(path, row, column, _ROWS))

        self.cases = Cases(_ROWS**2 * len(test.files), tile)
        parts = {"train": self.train.files, "test": test.files}
        sizes = [f"{part} {path.name} {path.stat().st_size}" for part, files in parts.items() for path in files]
        self.fingerprint = hashlib.sha256("\n".join(sizes).encode()).hexdigest()
        self.notes = [f"{len(self.train.files)} files to train on, {len(test.files)} to test on, nine tiles of each"]

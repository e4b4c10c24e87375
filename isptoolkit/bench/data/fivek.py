"""Data of the protocols `fivek-...`: MIT-Adobe FiveK as InvISP lays it out.

`fivek-nikon` and `fivek-canon` give an entrant its own rendering back, those that end in `-libraw` the JPEG file of
LibRaw's rendering, which is the target of training in all of them.
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
    """As `isptoolkit.bench.data.case.Pairs`: `CAMERA/DNG/*.dng`, `CAMERA_train.txt` and `CAMERA_test.txt`.

    Every file of the test is nine cases, as in the published program: a third of the frame high and wide. What is given
    in each is LibRaw's rendering through a JPEG file of quality 90, 4:2:2, as the published program has its targets.

    Args:
        data: folder of the lists.
        camera: `NIKON_D700` or `Canon_EOS_5D`.
        cache: folder where decoded files stay.

    Raises:
        InvalidArgument: where a list or a file of one is missing.
    """

    def __init__(self, data: Path, camera: str, cache: Path) -> None:
        lists = [data / f"{camera}_{part}.txt" for part in ("train", "test")]
        if missing := [path for path in lists if not path.is_file()]:
            raise InvalidArgument(f"{missing[0]} is not there: get the data from {FIVEK_WHERE}")
        how: dict[str, Any] = {"target": "libraw-jpeg", "mixed": True, "cache": cache}
        self.train = fivek(data, camera, "train", **how)
        test = fivek(data, camera, "test", **how)

        def tile(number: int) -> Case:
            path, place = test.files[number // _ROWS**2], divmod(number % _ROWS**2, _ROWS)
            return Case.of(f"{path.stem} tile {place[0]}{place[1]}", test.tile(path, *place, _ROWS))

        self.cases = Cases(_ROWS**2 * len(test.files), tile)
        parts = {"train": self.train.files, "test": test.files}
        sizes = [f"{part} {path.name} {path.stat().st_size}" for part, files in parts.items() for path in files]
        self.fingerprint = hashlib.sha256("\n".join(sizes).encode()).hexdigest()
        self.notes = [
            f"{len(self.train.files)} files to learn from, {len(test.files)} for the test, nine tiles of each"
        ]

"""Data of the protocols `fivek-nikon` and `fivek-canon`: MIT-Adobe FiveK as InvISP lays it out."""

import functools
import hashlib
from pathlib import Path

from ..data import fivek
from ..errors import InvalidArgument
from .case import Case

WHERE = "https://data.csail.mit.edu/graphics/fivek (DNG files) and https://github.com/yzxing87/Invertible-ISP (lists)"
_PATCH = 512


class FiveK:
    """As `isptoolkit.bench.case.Pairs`: `CAMERA/DNG/*.dng`, `CAMERA_train.txt` and `CAMERA_test.txt`.

    Of every file of the test the middle 512 pixels are compared; the published program has nine thirds of the frame.

    Args:
        data: folder of the lists.
        camera: `NIKON_D700` or `Canon_EOS_5D`.

    Raises:
        InvalidArgument: where a list or a file of one is missing.
    """

    def __init__(self, data: Path, camera: str) -> None:
        lists = [data / f"{camera}_{part}.txt" for part in ("train", "test")]
        if missing := [path for path in lists if not path.is_file()]:
            raise InvalidArgument(f"{missing[0]} is not there: the data are to be had from {WHERE}")
        self.train = fivek(data, camera, "train", target="libraw-jpeg", mixed=True)
        self._test = fivek(data, camera, "test", target="libraw-jpeg", mixed=True)
        words = "\n".join(path.read_text() for path in lists)
        self.fingerprint = hashlib.sha256(words.encode()).hexdigest()
        self.notes = [f"{len(self.train.files)} files to learn from; of each test file the middle {_PATCH} pixels"]

    @functools.cached_property
    def cases(self) -> list[Case]:
        """The middle of each file."""
        return [Case.of(path.stem, self._test.middle(path, _PATCH)) for path in self._test.files]

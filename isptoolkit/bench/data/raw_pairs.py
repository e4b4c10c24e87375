"""Data of the protocol `pairs`: any folder of RAW files with renderings of them."""

import hashlib
import math
from pathlib import Path
from typing import Any

from ...data import RawFolder
from ...errors import InvalidArgument
from .case import Case, Cases
from .protocol import PAIRS

_EACH = 8
"""Pictures that are cut out of a test file."""


class RawPairs:
    """`Pairs`: of each camera the last quarter of the files is for the test, at least one.

    Args:
        data: folder, searched with all below it.
        target: what the pictures are, see `isptoolkit.data.RawFolder`.
        cache: folder where decoded files stay.

    Raises:
        InvalidArgument: for less than two files of every camera that is there.
    """

    def __init__(self, data: Path, target: str, cache: Path) -> None:
        how: dict[str, Any] = {"mixed": True, "target": target, "cache": cache}
        everything = RawFolder(data, **how)
        by_folder: dict[Path, list[Path]] = {}
        for path in sorted(everything.files):
            by_folder.setdefault(path.parent, []).append(path)
        held = {
            path.stem for files in by_folder.values() if len(files) > 1 for path in files[-math.ceil(len(files) / 4) :]
        }
        learned = [path.stem for path in everything.files if path.stem not in held]
        if not held:
            raise InvalidArgument(f"{data} holds no folder with two RAW files: one to learn from, one for the test")
        self.train = RawFolder(data, names=learned, **how)
        test = RawFolder(data, names=sorted(held), **how)
        # Turned like those that are learned from, at random places that a seed fixes.
        self.cases = Cases(
            _EACH * len(test.files),
            lambda number: Case.of(f"patch {number:02d}", test.batch(number, 1, PAIRS.patch, seed=20)),
        )
        sizes = [f"{path.name} {path.stat().st_size}" for path in sorted(everything.files)]
        self.fingerprint = hashlib.sha256("\n".join([target, *sizes]).encode()).hexdigest()
        skipped = len(everything.skipped)
        self.notes = [f"{len(learned)} files to learn from, {len(held)} for the test, pictures: {target}"]
        if skipped:
            why = next(iter(everything.skipped.values())).replace(f"{data}/", "")  # results tell no folders
            self.notes.append(f"{skipped} files passed over, such as {why}")

"""Data of the protocol `pairs`: any folder of RAW files, with renderings of them."""

import hashlib
import math
from pathlib import Path
from typing import Any

from ...data import RawFolder
from ...errors import InvalidArgument
from .case import Case, Cases

_EACH = 8
"""Number of crops per test file."""


class RawPairs:
    """A folder of RAW files as benchmark data, see `isptoolkit.bench.data.case.Pairs`.

    The last quarter of the files of each subfolder, at least one, is for the test.

    Args:
        data: folder to search recursively.
        target: rendering of the RAW files, see `isptoolkit.data.RawFolder`.
        cache: folder of decoded files.
        patch: height and width of the test crops, in pixels.

    Raises:
        InvalidArgument: if no folder has two RAW files.
    """

    def __init__(self, data: Path, target: str, cache: Path, patch: int) -> None:
        options: dict[str, Any] = {"mixed": True, "target": target, "cache": cache}
        everything = RawFolder(data, **options)
        by_folder: dict[Path, list[Path]] = {}
        for path in sorted(everything.files):
            by_folder.setdefault(path.parent, []).append(path)
        test_names = {
            path.stem for files in by_folder.values() if len(files) > 1 for path in files[-math.ceil(len(files) / 4) :]
        }
        train_names = [path.stem for path in everything.files if path.stem not in test_names]
        if not test_names:
            raise InvalidArgument(
                f"{data} needs a folder with at least two RAW files: one to train on and one to test on"
            )
        self.train = RawFolder(data, names=train_names, **options)
        test = RawFolder(data, names=sorted(test_names), **options)
        # Oriented like training patches, at random positions that a fixed seed determines.
        self.cases = Cases(
            _EACH * len(test.files),
            lambda number: Case.of(f"patch {number:02d}", test.batch(number, 1, patch, seed=20)),
        )
        sizes = [f"{path.name} {path.stat().st_size}" for path in sorted(everything.files)]
        self.fingerprint = hashlib.sha256("\n".join([target, *sizes]).encode()).hexdigest()
        skipped = len(everything.skipped)
        self.notes = [f"{len(train_names)} files to train on, {len(test_names)} to test on, target: {target}"]
        if skipped:
            reason = next(iter(everything.skipped.values())).replace(f"{data}/", "")  # results name no folders
            self.notes.append(f"{skipped} files skipped, such as {reason}")

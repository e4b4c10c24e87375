"""Data of the protocol `sidd`: phones with real noise."""

import functools
import hashlib
from pathlib import Path

from ...calibrate.noise import noise_of_picture
from ...capture import Capture
from ...data.sidd import BLOCKS, Blocks, Frames, described, frames_of, noise_of_scenes
from .case import Case, Cases


class Sidd:
    """SIDD as benchmark data, see `isptoolkit.bench.data.case.Pairs`.

    Frames of SIDD-Medium RAW to train on, the validation blocks to test on.

    Args:
        data: folder of the files that `isptoolkit.data.sidd.Blocks` and `Frames` name.

    Raises:
        InvalidArgument: if a test file is missing; the message names it and where to get it.
        UnreadableFile: for files of another shape, type, or range.
    """

    def __init__(self, data: Path) -> None:
        self._data, self._blocks, self._noise = data, Blocks(data), noise_of_scenes(data)
        scenes, frames = self._blocks.scenes, frames_of(data)
        self.cases = Cases(len(scenes) * BLOCKS, self._case)
        files = [f"{path.name} {path.stat().st_size}" for path in (*sorted(data.glob("*.mat")), *frames)]
        self.fingerprint = hashlib.sha256("\n".join(files).encode()).hexdigest()
        unknown = sum(scene not in self._noise for scene in scenes)
        self.notes = [f"{len(frames)} frames of Data/ to train on, where the paper uses synthetic ones"]
        self.notes += (
            [f"noise of {unknown} scenes measured, because noise_level_functions.csv lacks them"] if unknown else []
        )

    @functools.cached_property
    def train(self) -> Frames:
        """Training batches of patches of the frames.

        Raises:
            InvalidArgument: if a frame is missing; the message names it and where to get it.
        """
        return Frames(self._data)

    def _capture(self, row: int) -> Capture:
        scene = self._blocks.scenes[row]
        if scene not in self._noise:
            frame, phase = self._blocks.noisy(row)
            self._noise[scene] = noise_of_picture(frame, Capture.of(phase)).as_tuple()
        return described(scene, self._noise[scene])

    def _case(self, number: int) -> Case:
        row, block = divmod(number, BLOCKS)
        noisy, clean = self._blocks.pair(row, block)
        return Case(f"{self._blocks.scenes[row]} block {block:02d}", clean, self._capture(row), noisy)

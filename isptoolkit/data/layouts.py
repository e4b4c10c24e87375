"""Published data sets, exactly as downloaded, as training batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import InvalidArgument
from . import aim22, sidd
from .batch import Batch
from .raw_folder import fivek


class Patches(Protocol):
    """A training source, and the files that it reads."""

    @property
    def files(self) -> Sequence[Path]:
        """The files in use."""

    @property
    def skipped(self) -> dict[Path, str]:
        """The reason, by file, for each file that was skipped."""

    def batch(self, number: int, size: int, patch: int, *, seed: int, rank: int, world: int) -> Batch:
        """The samples `rank`, `rank + world`, ... of batch `number`, a function of the seed and these numbers alone.

        Args:
            number: index of the batch in the run.
            size: size of the whole batch, over all processes.
            patch: height and width in pixels.
            seed: seed of the run.
            rank: index of this process.
            world: number of processes.
        """


@dataclass(frozen=True)
class Layout:
    """How a published data set lies on disk.

    Args:
        name: on the command line.
        about: what the data are.
        files: what the folder holds.
        where: to get the data.
        task: `reverse`, RAW and sRGB images, or `denoise`, RAW with noise and without.
        decodes: its RAW files are decoded, so that `cache` and `target` of `source_of` apply.
        open: opens a folder as a training source.
    """

    name: str
    about: str
    files: str
    where: str
    task: str
    decodes: bool
    open: Callable[[Path, str, Path | None, Callable[[int, int], None] | None], Patches]


FIVEK_WHERE = (
    "https://data.csail.mit.edu/graphics/fivek (DNG files) and https://github.com/yzxing87/Invertible-ISP (lists)"
)


def _tiles(name: str, about: str) -> Layout:
    size = aim22.SIZES[name]

    def opened(data: Path, *_: object) -> Patches:
        return aim22.Tiles(aim22.split(data, size).train)

    files = f"train/PHOTOGRAPH_TILE.jpg of {size} pixels and .npy"
    return Layout(name, about, files, aim22.WHERE, "reverse", False, opened)


def _camera(name: str, about: str, camera: str) -> Layout:
    def opened(data: Path, target: str, cache: Path | None, on_file: Callable[[int, int], None] | None) -> Patches:
        listed = data / f"{camera}_train.txt"
        if not listed.is_file():
            raise InvalidArgument(f"{listed} does not exist: get the data from {FIVEK_WHERE}")
        return fivek(data, camera, "train", target=target, mixed=True, cache=cache, on_file=on_file)

    files = f"{camera}/DNG/*.dng and {camera}_train.txt"
    return Layout(name, about, files, FIVEK_WHERE, "reverse", True, opened)


AIM22 = ("aim22-s7", "aim22-p20")
"""Layouts of the AIM 2022 challenge: sRGB tiles and their RAW."""
FIVEK = ("fivek-nikon", "fivek-canon")
"""Layouts of MIT-Adobe FiveK: camera files."""
SIDD = ("sidd",)
"""Layouts of SIDD: RAW with noise and without."""

LAYOUTS = {
    layout.name: layout
    for layout in (
        _tiles(AIM22[0], "AIM 2022 challenge on reversed ISP, Samsung S7"),
        _tiles(AIM22[1], "AIM 2022 challenge on reversed ISP, Huawei P20"),
        _camera(FIVEK[0], "MIT-Adobe FiveK as InvISP splits it, Nikon D700", "NIKON_D700"),
        _camera(FIVEK[1], "MIT-Adobe FiveK as InvISP splits it, Canon EOS 5D", "Canon_EOS_5D"),
        Layout(
            SIDD[0],
            "SIDD-Medium RAW, five phones, with noise and without",
            "Data/SCENE/NUMBER_NOISY_RAW_FRAME.MAT and _GT_RAW_, noise_level_functions.csv",
            sidd.WHERE,
            "denoise",
            False,
            lambda data, *_: sidd.Frames(data),
        ),
    )
}
"""The published data layouts, by name."""


def source_of(
    layout: str,
    data: str | Path,
    *,
    target: str | None = None,
    cache: Path | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Patches:
    """Batches of a published data set: patches of its training part, in the eight orientations that begin with RGGB.

    Args:
        layout: one of `LAYOUTS`.
        data: its folder.
        target: for FiveK: what the target images are, see `RawFolder`; None is `libraw-jpeg`, as in InvISP.
        cache: for FiveK: folder that keeps decoded files for later runs.
        on_file: for FiveK: called with the number of decoded files, and the number of all files.

    Raises:
        InvalidArgument: for another name, a target or cache for data that need none, and where files are missing, with
            what they are and where to get them.
        UnreadableFile: for files that are cut off or of another shape or type.
    """
    if layout not in LAYOUTS:
        raise InvalidArgument(f"no layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
    chosen = LAYOUTS[layout]
    if not chosen.decodes and (target is not None or cache is not None):
        option = "target" if target is not None else "cache"
        raise InvalidArgument(f"the layout {layout} takes no {option}: it holds no camera files to decode")
    if not Path(data).is_dir():
        raise InvalidArgument(f"{data} is not a folder: {layout} is a folder of {chosen.files}, from {chosen.where}")
    return chosen.open(Path(data), target or "libraw-jpeg", cache, on_file)

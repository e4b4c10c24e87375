"""Published data as they lie on disk after download, as training batches."""

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
        """Those that are used."""

    @property
    def skipped(self) -> dict[Path, str]:
        """The reason, by file, for those that are not."""

    def batch(self, number: int, size: int, patch: int, *, seed: int, rank: int, world: int) -> Batch:
        """See `RawFolder.batch`."""


@dataclass(frozen=True)
class Layout:
    """Published data.

    Args:
        name: on the command line.
        about: what it is.
        files: what its folder holds.
        where: to get it.
        task: `reverse`, RAW and pictures, or `denoise`, RAW with noise and without.
        decodes: its RAW files are decoded, so that `cache` and `target` of `source_of` apply.
        open: makes the source of a folder.
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
            raise InvalidArgument(f"{listed} is not there: get the data from {FIVEK_WHERE}")
        return fivek(data, camera, "train", target=target, mixed=True, cache=cache, on_file=on_file)

    files = f"{camera}/DNG/*.dng and {camera}_train.txt"
    return Layout(name, about, files, FIVEK_WHERE, "reverse", True, opened)


LAYOUTS = {
    layout.name: layout
    for layout in (
        _tiles("aim22-s7", "AIM 2022 challenge on reversed ISP, Samsung S7"),
        _tiles("aim22-p20", "AIM 2022 challenge on reversed ISP, Huawei P20"),
        _camera("fivek-nikon", "MIT-Adobe FiveK as InvISP splits it, Nikon D700", "NIKON_D700"),
        _camera("fivek-canon", "MIT-Adobe FiveK as InvISP splits it, Canon EOS 5D", "Canon_EOS_5D"),
        Layout(
            "sidd",
            "SIDD-Medium RAW, five phones, with noise and without",
            "Data/SCENE/NUMBER_NOISY_RAW_FRAME.MAT and _GT_RAW_, noise_level_functions.csv",
            sidd.WHERE,
            "denoise",
            False,
            lambda data, *_: sidd.Frames(data),
        ),
    )
}
"""By name."""


def source_of(
    layout: str,
    data: str | Path,
    *,
    target: str | None = None,
    cache: Path | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> Patches:
    """Batches of published data: of its training part, patches in the eight orientations that begin with RGGB.

    Args:
        layout: one of `LAYOUTS`.
        data: its folder.
        target: for FiveK: what the pictures are, see `RawFolder`; None is `libraw-jpeg`, as InvISP has it.
        cache: for FiveK: folder where decoded files stay for other runs.
        on_file: for FiveK: called with how many files are decoded, and of how many.

    Raises:
        InvalidArgument: for another name, a target or cache of data that need none, and where files are missing, with
            what they are and where to get them.
        UnreadableFile: for files of another shape or type, or cut off.
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

"""A recipe: a published system as one declared value, from which everything that uses it is derived."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..data import LAYOUTS, Patches, PhotoFolder, RawFolder, source_of
from ..errors import InvalidArgument
from ..pipeline import Pipeline
from ..stage import Stage
from .objective import Objective
from .weights import load_trained

C = TypeVar("C")
"""A recipe's configuration: a frozen dataclass whose defaults are the published values."""


class Task(StrEnum):
    """What a system does."""

    RENDER = "render"
    REVERSE = "reverse"
    DENOISE = "denoise"
    DEMOSAIC = "demosaic"


@dataclass(frozen=True)
class Paper:
    """Where a system was published.

    Args:
        authors: surnames, in the order of the title page.
        title: of the paper.
        venue: conference, journal or challenge.
        year: of publication.
    """

    authors: tuple[str, ...]
    title: str
    venue: str
    year: int

    def __str__(self) -> str:
        """As in a list of references.

        >>> str(Paper(("Xing", "Qian", "Chen"), "Invertible image signal processing", "CVPR", 2021))
        'Xing, Qian and Chen, "Invertible image signal processing", CVPR 2021'
        """
        *first, last = self.authors
        names = f"{', '.join(first)} and {last}" if first else last
        year = "" if str(self.year) in self.venue else f" {self.year}"
        return f'{names}, "{self.title}", {self.venue}{year}'


@dataclass(frozen=True)
class Card:
    """The texts of a recipe's model card; citation, parameter count and figures come from the recipe and the results.

    Args:
        what: the system in one sentence.
        data: what the published weights were trained on, or what the system needs.
        limits: what it is not good for.
        license: of the published program; empty for this project's own systems.
        note: what a reader must know about the published figures.
        beside: other benchmark entrants whose figures the card shows.
    """

    what: str
    data: str
    limits: str
    license: str = ""
    note: str = ""
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Candidate(Generic[C]):
    """A configuration of a recipe that the benchmark trains and measures.

    Args:
        name: of the entrant.
        text: what it is; `{size}` becomes `as published` or the text of `smaller`.
        full: configuration of `isptoolkit bench --full`.
        small: configuration sized for two cores.
        smaller: what makes `small` smaller than `full`.
        lr: learning rate.
        cost: of a training step, relative to that of the AIM U-Net; divides the number of steps, so that all entrants
            train for about the same time.
        reported: its name among the published figures, see `isptoolkit.bench.report.published`; the published
            configuration may differ.
        task: of its protocols.
        inference: what of the trained stage is evaluated, such as a self-ensemble; None takes the stage itself.
        objective: instead of the recipe's.
    """

    name: str
    text: str
    full: C
    small: C
    smaller: str = ""
    lr: float = 1e-3
    cost: float = 1.0
    reported: str | None = None
    task: Task = Task.REVERSE
    inference: Callable[[Stage], Stage] | None = None
    objective: Callable[[C], Objective] | None = None

    def about(self, full: bool) -> str:
        """What it is, at full or small size.

        >>> Candidate("net", "a network{size}, hard", 36, 12, "a third as wide").about(full=False)
        'a network, a third as wide, hard'
        """
        return self.text.format(size=" as published" if full else f", {self.smaller}")


@dataclass(frozen=True, kw_only=True)
class Recipe(Generic[C]):
    """A published system: what it is, how it is built and trained, and what was published about it.

    Args:
        name: of its module and on the command line.
        title: as people call it.
        source: the paper; None for a system of this project.
        tasks: what it does.
        config: the type of its configuration; its defaults are the published values unless `published` differs.
        published: the configuration that was published.
        small: a configuration for two cores.
        parameters: of `build(published)`, as published; None where nothing was published.
        build: makes the stage of a configuration.
        objective: makes what training minimizes; its `stage` is `build(config)`.
        card: texts of its model card.
        layouts: names of the published data layouts that it trains on, see `isptoolkit.data.LAYOUTS`.
        photographs: makes training batches from a folder of photographs; None trains on a folder of RAW files.
        camera: turns the trained stage into a two-way camera from SENSOR, for the `--recipe` option of `render` and
            `roundtrip`; None for a system that does not cover the way from sensor to sRGB.
        official: reads a checkpoint of the published program (`.pth`) as the stage; None where it cannot be read.
        official_name: translates the name of a tensor of the network in `build(published)` into the published
            program's name; None where both are equal.
        candidates: its configurations in the benchmark.
        reported: its names among the published figures, see `isptoolkit.bench.report.published`.
    """

    name: str
    title: str
    source: Paper | None
    tasks: tuple[Task, ...]
    config: type[C]
    published: C
    small: C
    parameters: int | None
    build: Callable[[C], Stage]
    objective: Callable[[C], Objective]
    card: Card
    layouts: tuple[str, ...] = ()
    photographs: Callable[[PhotoFolder, C], Patches] | None = None
    camera: Callable[[Stage], Pipeline] | None = None
    official: Callable[[Path], Stage] | None = None
    official_name: Callable[[str], str] | None = None
    candidates: tuple[Candidate[C], ...] = ()
    reported: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """What a folder of training data holds: `RAW files` or `photographs`."""
        return "RAW files" if self.photographs is None else "photographs"

    def load(self, path: str | Path) -> Stage:
        """The stage with trained weights, in `eval` mode.

        Args:
            path: `weights.safetensors` of a run of `isptoolkit train`, or, where `official` can read it, the `.pth` of
                the published program.

        Raises:
            UnreadableFile: for another file.
        """
        path = Path(path)
        if self.official is not None and path.suffix == ".pth":
            return self.official(path)
        return load_trained(path, self.name, lambda values: self.build(self.config(**values)))

    def load_camera(self, path: str | Path) -> Pipeline:
        """The trained system as a two-way camera from SENSOR.

        Args:
            path: `weights.safetensors` of a run of `isptoolkit train`, or, where `official` can read it, the `.pth` of
                the published program.

        Raises:
            InvalidArgument: for a recipe that is not a camera.
            UnreadableFile: for another file.
        """
        if self.camera is None:
            raise InvalidArgument(f"the recipe {self.name} does not render RAW files")
        return self.camera(self.load(path))

    def check_layout(self, layout: str) -> None:
        """Check that the recipe trains on a published data layout.

        Raises:
            InvalidArgument: for an unknown layout, or data of another kind.
        """
        if layout not in LAYOUTS:
            raise InvalidArgument(f"no layout {layout!r}: choose one of {', '.join(LAYOUTS)}")
        if layout not in self.layouts:
            names = ", ".join(self.layouts)
            raise InvalidArgument(
                f"{self.name} cannot be trained on {layout}: pass a folder of {self.folder}, or --layout {names}"
            )

    def training_data(
        self,
        data: str | Path,
        config: C,
        *,
        layout: str | None = None,
        target: str | None = None,
        names: Sequence[str] | None = None,
        mixed: bool = False,
        cache: Path | None = None,
        on_file: Callable[[int, int], None] | None = None,
    ) -> Patches:
        """Batches of a folder, as the recipe needs them.

        Args:
            data: folder of RAW files, of photographs, or of the published data that `layout` names.
            config: of the recipe.
            layout: one of `layouts`; None for a folder of files.
            target: the target images of RAW files: `libraw`, `libraw-fixed`, `libraw-jpeg`, or `camera`, which
                `isptoolkit.data.RawFolder` describes; None for the default of the folder or layout.
            names: names of the files to use in a folder of RAW files, without suffix; None uses all files.
            mixed: allow several cameras in a folder of RAW files.
            cache: folder that keeps decoded RAW files for other runs; None creates a temporary one.
            on_file: called with the number of files read so far, and the number of all files.

        Raises:
            InvalidArgument: for a layout that does not fit, and where files are missing.
            UnreadableFile: for files that are cut off or of another shape or type.
        """
        if layout is not None:
            self.check_layout(layout)
            return source_of(layout, data, target=target, cache=cache, on_file=on_file)
        if self.photographs is not None:
            return self.photographs(PhotoFolder(data, on_file=on_file), config)
        raw_files: dict[str, Any] = {"names": names, "mixed": mixed, "cache": cache, "on_file": on_file}
        return RawFolder(data, target=target or "libraw", **raw_files)

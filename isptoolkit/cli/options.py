"""Options that commands share, each declared once.

`Metadata`, from its own file, and `Rendering` are groups of options: a command decorated with `flat` takes one of them
as a parameter, and typer sees an option for each field.
"""

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InvalidArgument
from .metadata import Metadata as Metadata
from .names import complete
from .paths import check_file

if TYPE_CHECKING:
    from .inputs import Prepared


def listing(kind: str) -> str:
    """The part of a help text that says how to list names."""
    return f"`isptoolkit info --list {kind}` lists them"


@dataclass(frozen=True, kw_only=True)
class Rendering(Metadata):
    """Options of the commands that run a RAW file through a pipeline."""

    raw: Annotated[Path, typer.Argument(help="a RAW, .npy, PNG, or PGM file, or a headerless dump with --size")]
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"a preset, by default classic; {listing('presets')}",
            autocompletion=complete("presets"),
        ),
    ] = None
    pipeline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="a pipeline saved as TOML, instead of a preset")
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="STAGE.VALUE=X",
            help="change a value of a stage, as in tone.amount=0.8; X as in TOML; repeatable",
        ),
    ] = None
    fused: Annotated[
        bool, typer.Option("--fuse/--no-fuse", help="run stages on native kernels, or all of them on torch")
    ] = True
    corrections: Annotated[
        bool,
        typer.Option(
            "--corrections/--no-corrections", help="apply the gain maps, vignette, and bad pixels that a DNG states"
        ),
    ] = True
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"a recipe with its --weights, instead of a preset; {listing('recipes')}",
            autocompletion=complete("recipes"),
        ),
    ] = None
    weights: Annotated[
        Path | None, typer.Option(metavar="FILE", help="weights of the recipe: from train, or a published .pth")
    ] = None

    def check(self) -> None:
        """Refuse paths that do not exist and options that exclude each other, before anything slow is imported."""
        for path in (self.raw, self.pipeline, self.weights):
            check_file(path)
        if (self.recipe is None) != (self.weights is None):
            raise InvalidArgument("--recipe and --weights go together")
        sources = {"--preset": self.preset, "--pipeline": self.pipeline, "--recipe": self.recipe}
        if len(passed := [option for option, value in sources.items() if value is not None]) > 1:
            raise InvalidArgument(f"{' and '.join(passed)} exclude each other: pass one of them")
        self.check_metadata()

    def prepare(self, *, bits: int = 8) -> "Prepared":
        """The pipeline for the samples of the RAW file, these samples, and what the file states about them.

        A preset suits the layout of the samples. The file's corrections are part of the pipeline, except with a recipe.
        """
        from .inputs import prepared

        return prepared(self, bits)

    def kernels(self) -> AbstractContextManager[None]:
        """Native kernels inside the block, unless --no-fuse asks for plain torch."""
        from ..kernels import reference

        return nullcontext() if self.fused else reference()


GROUPS = (Metadata, Rendering)
"""What `flat` replaces by options."""

Json = Annotated[bool, typer.Option("--json", help="print JSON")]


def flat(command: Callable[..., None]) -> Callable[..., None]:
    """The command with one parameter for each field of its option groups, which is how typer wants them.

    The command's own options come first, then those of the group, then those that the group inherits.

    >>> def measure(options: Metadata, verbose: bool = False) -> None: ...
    >>> list(inspect.signature(flat(measure)).parameters)
    ['verbose', 'gains', 'matrix', 'cfa', 'black', 'white', 'size', 'dtype', 'stride', 'offset']
    """
    own: list[inspect.Parameter] = []
    shared: list[inspect.Parameter] = []
    names_by_group: dict[str, list[str]] = {}
    groups: dict[str, Any] = {}
    for name, parameter in inspect.signature(command).parameters.items():
        if parameter.annotation in GROUPS:
            groups[name] = parameter.annotation
            options = inspect.signature(parameter.annotation).parameters
            names_by_group[name] = [
                field for kind in groups[name].__mro__ if kind in GROUPS for field in kind.__annotations__
            ]
            shared += [options[field] for field in names_by_group[name]]
        else:
            own.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))

    @functools.wraps(command)
    def call(**values: Any) -> None:
        for name, fields in names_by_group.items():
            values[name] = groups[name](**{field: values.pop(field) for field in fields})
        command(**values)

    parameters = own + shared
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call

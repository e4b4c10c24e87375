"""Options that commands share, each declared once.

`Metadata` and `Rendering` are groups of options: a command decorated with `flat` takes one of them as a parameter, and
typer sees an option for each field.
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
from .names import among, complete
from .paths import check_file

if TYPE_CHECKING:
    from torch import Tensor

    from ..capture import Capture
    from ..pipeline import Pipeline


def listing(kind: str) -> str:
    """The part of a help text that says how to list names."""
    return f"`isptoolkit info --list {kind}` lists them"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Options that describe a headerless dump, or replace what a RAW file says about itself."""

    gains: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="white-balance multipliers, instead of the file's as-shot ones")
    ] = None
    matrix: Annotated[
        str | None,
        typer.Option(metavar="9 NUMBERS", help="XYZ (D65) to camera, row by row with commas, instead of the file's"),
    ] = None
    size: Annotated[
        str | None,
        typer.Option(metavar="WIDTHxHEIGHT", help="size of a headerless dump, which also needs --black and --white"),
    ] = None
    cfa: Annotated[
        str | None,
        typer.Option(
            metavar="LETTERS",
            help="CFA of a headerless dump: RGGB (default), BGGR, GRBG or GBRG",
            autocompletion=among("RGGB", "BGGR", "GRBG", "GBRG"),
        ),
    ] = None
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="sample type of a headerless dump: uint8, uint16 (default), >u2, float32 or >f4",
            autocompletion=among("uint8", "uint16", ">u2", "float32", ">f4"),
        ),
    ] = None
    black: Annotated[float | None, typer.Option(metavar="DN", help="black level, instead of the file's")] = None
    white: Annotated[float | None, typer.Option(metavar="DN", help="white level, instead of the file's")] = None

    def check_dump(self) -> None:
        """Refuse options of headerless dumps for a file that describes itself."""
        for option, value in (("--cfa", self.cfa), ("--dtype", self.dtype)):
            if value is not None and self.size is None:
                raise InvalidArgument(f"{option} {value} describes a headerless dump, which also needs --size")

    def read(self, raw: Path) -> "tuple[Tensor, Capture]":
        """The mosaic of a RAW file or headerless dump, and its capture."""
        from .inputs import read_input

        return read_input(raw, self)


@dataclass(frozen=True, kw_only=True)
class Rendering(Metadata):
    """Options of the commands that run a RAW file through a pipeline."""

    raw: Annotated[Path, typer.Argument(help="a RAW file, or a headerless dump with --size")]
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
        self.check_dump()

    def build(self, *, bits: int = 8) -> "Pipeline":
        """The pipeline of the preset, file, or recipe, with the values that --set changes."""
        from .inputs import chain_of

        return chain_of(self.preset or "classic", self.pipeline, self.settings, bits, self.recipe, self.weights)

    def load(self) -> "tuple[Tensor, Capture]":
        """The mosaic of the RAW file, and its capture."""
        return self.read(self.raw)

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
    ['verbose', 'gains', 'matrix', 'size', 'cfa', 'dtype', 'black', 'white']
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

"""`isptoolkit train`."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InvalidArgument
from .console import complain, progress
from .names import complete
from .options import listing
from .paths import check_file, check_folder, check_output_folder

if TYPE_CHECKING:
    from ..train import Recipe, Training


def train(
    recipe: Annotated[str, typer.Argument(help=f"a recipe; {listing('recipes')}", autocompletion=complete("recipes"))],
    data: Annotated[
        Path,
        typer.Option(
            help="folder of RAW files or photographs, depending on the recipe, or of the data set named by --layout"
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="folder of the run; an interrupted run there resumes")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=X", help="a setting of the training or the recipe, as in steps=500; repeatable"
        ),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"read --data as a published data set, as downloaded; {listing('layouts')}",
            autocompletion=complete("layouts"),
        ),
    ] = None,
    mixed: Annotated[bool, typer.Option("--mixed", help="allow RAW files of several cameras")] = False,
    cache: Annotated[Path | None, typer.Option(help="folder that keeps decoded files for later runs")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"the target images, by default libraw, or the layout's own; {listing('targets')}",
            autocompletion=complete("targets"),
        ),
    ] = None,
    listed: Annotated[
        Path | None, typer.Option("--list", help="a text file with the names of the files to use, one per line")
    ] = None,
) -> None:
    """Train a recipe on a folder of files, or on published data.

    Interrupted runs resume.
    """
    check_output_folder(out)
    if layout is None:  # else the layout says which files it expects, and where to get them
        check_folder(data)
        check_file(listed)
    run(recipe, data, out, settings, layout=layout, mixed=mixed, cache=cache, target=target, listed=listed)


def run(
    recipe: str,
    data: Path,
    out: Path,
    settings: list[str] | None,
    *,
    layout: str | None,
    mixed: bool,
    cache: Path | None,
    target: str | None,
    listed: Path | None,
) -> None:
    """Train a recipe on a folder of RAW files, or on published data, with progress bars on a terminal."""
    from isptoolkit.recipes import recipe as recipe_of

    from ..data.raw_folder import names_of
    from ..train import train
    from .inputs import setting

    chosen: Recipe[Any] = recipe_of(recipe)
    if layout is not None:
        _check_layout(chosen, layout, mixed, listed)
    if out.exists() and not out.is_dir():
        raise InvalidArgument(f"{out} is not a folder")
    training, config = _configured(dict(setting(text) for text in settings or ()), chosen.config())
    names = None if listed is None else names_of(listed)
    with progress() as bars:
        task = bars.add_task("decoding", total=None)

        def on_file(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        source = chosen.training_data(
            data, config, layout=layout, target=target, names=names, mixed=mixed, cache=cache, on_file=on_file
        )
    for path, reason in source.skipped.items():
        complain(f"{path} is skipped: {reason}")
    with progress() as bars:
        task = bars.add_task("training", total=training.steps)

        def on_step(step: int, figures: dict[str, float]) -> None:
            bars.update(task, completed=step + 1, description=f"loss {figures['loss']:.4f}")

        about = {"recipe": recipe, "config": json.dumps(asdict(config))}
        train(lambda: chosen.objective(config), source, training, out, on_step=on_step, about=about)
    print(f"{training.steps} steps on {len(source.files)} files: {out / 'weights.safetensors'}")


def _check_layout(recipe: "Recipe[Any]", layout: str, mixed: bool, listed: Path | None) -> None:
    """Before any file is read: the data fit the recipe, and no option contradicts the layout."""
    recipe.check_layout(layout)
    if mixed or listed is not None:
        option = "--mixed" if mixed else "--list"
        raise InvalidArgument(
            f"{option} is for a folder of RAW files: the layout {layout} has its own cameras and list"
        )


def _configured(values: dict[str, Any], config: Any) -> "tuple[Training, Any]":
    """Split the values of `--set` into training settings and the recipe's options."""
    from ..train.settings import RENAMED, Training

    own, general = ({field.name for field in fields(kind)} for kind in (config, Training))
    for name in values.keys() & RENAMED.keys() - own:
        raise InvalidArgument(f"--set {name}: this setting is now called {RENAMED[name]}")
    if unknown := sorted(values.keys() - own - general):
        raise InvalidArgument(f"--set {unknown[0]}: the names are {', '.join(sorted(own | general))}")
    frozen = {name: _tuples(value) for name, value in values.items()}
    try:
        training = Training(**{name: value for name, value in frozen.items() if name in general})
        return training, replace(config, **{name: value for name, value in frozen.items() if name in own})
    except TypeError as error:
        raise InvalidArgument(f"--set: {error}") from None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value

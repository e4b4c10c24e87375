"""`isptoolkit train`."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ..command_input import recipe_module, setting
from ..console import complain, progress
from ..data import RawFolder
from ..data.raw_folder import names_of
from ..errors import InvalidArgument
from .loop import train
from .settings import Training


def run(
    recipe: str,
    data: Path,
    out: Path,
    settings: list[str] | None,
    *,
    mixed: bool,
    cache: Path | None,
    target: str,
    listed: Path | None,
) -> None:
    """Train a recipe on a folder of RAW files, with bars for the terminal."""
    module = recipe_module(recipe)
    if out.exists() and not out.is_dir():
        raise InvalidArgument(f"{out} is not a folder")
    training, config = _configured(dict(setting(text) for text in settings or ()), module.Config())
    names = None if listed is None else names_of(listed)
    with progress() as shown:
        task = shown.add_task("decoding", total=None)

        def on_file(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total)

        source: Any
        if hasattr(module, "source"):  # trained on something else than RAW files
            source = module.source(data, config, on_file)
        else:
            source = RawFolder(data, names=names, target=target, mixed=mixed, cache=cache, on_file=on_file)
    for path, why in source.skipped.items():
        complain(f"{path} is passed over: {why}")
    with progress() as shown:
        task = shown.add_task("training", total=training.steps)

        def on_step(step: int, figures: dict[str, float]) -> None:
            shown.update(task, completed=step + 1, description=f"loss {figures['loss']:.4f}")

        about = {"recipe": recipe, "config": json.dumps(asdict(config))}
        train(lambda: module.Objective(config), source, training, out, on_step=on_step, about=about)
    print(f"{training.steps} steps on {len(source.files)} files: {out / 'weights.safetensors'}")


def _configured(values: dict[str, Any], config: Any) -> tuple[Training, Any]:
    """Each value goes to the one of the two that has it."""
    own, general = ({field.name for field in fields(kind)} for kind in (config, Training))
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

"""Trained weights as a file that says what they are of."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from ..atomic import replacing
from ..errors import UnreadableFile

Module = TypeVar("Module", bound=nn.Module)


def write_weights(path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Write tensors and words about them; whole or not at all."""
    from safetensors.torch import save_file

    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata=about)


def load_trained(path: Path, recipe: str, part: str, build: Callable[[dict[str, Any]], Module]) -> Module:
    """A part of the objective of a run, with its weights, for use.

    Args:
        path: `weights.safetensors` of the run.
        recipe: that the file has to be of.
        part: attribute of the objective.
        build: makes that part of the configuration's values.

    Raises:
        UnreadableFile: for another file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.get("recipe") != recipe:
            raise ValueError(f"it is of the recipe {about.get('recipe')!r}")
        config = json.loads(about["config"])
        if not isinstance(config, dict):
            raise TypeError("its configuration is no table")
        made = build({name: tuple(value) if isinstance(value, list) else value for name, value in config.items()})
        made.load_state_dict(
            {name.removeprefix(f"{part}."): v for name, v in tensors.items() if name.startswith(f"{part}.")}
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnreadableFile(f"{path} holds no weights of {recipe}: {str(error).splitlines()[0]}") from None
    return made.eval()

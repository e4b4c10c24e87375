"""Trained weights as a file that says what they are of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..atomic import replacing
from ..errors import UnreadableFile


def write_weights(path: Path, tensors: Mapping[str, Tensor], about: dict[str, str] | None = None) -> None:
    """Write tensors and words about them; whole or not at all."""
    from safetensors.torch import save_file

    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata=about)


def read_weights(path: Path, recipe: str, part: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration, and the tensors of one part of the objective, of what a run of a recipe wrote.

    Args:
        path: `weights.safetensors`.
        recipe: that the file has to be of.
        part: as in `stage.net`; its tensors are given without it.

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
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise UnreadableFile(f"{path} holds no weights of {recipe}: {str(error).splitlines()[0]}") from None
    named = {name.removeprefix(f"{part}."): v for name, v in tensors.items() if name.startswith(f"{part}.")}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in config.items()}, named

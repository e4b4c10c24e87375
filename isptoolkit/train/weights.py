"""Trained weights as a file that says what they are of."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

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
        with _NoMoreThan(4 * sum(value.numel() for value in tensors.values()) + 2**20):
            made = build({name: tuple(value) if isinstance(value, list) else value for name, value in config.items()})
        made.load_state_dict(
            {name.removeprefix(f"{part}."): v for name, v in tensors.items() if name.startswith(f"{part}.")}
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnreadableFile(f"{path} holds no weights of {recipe}: {str(error).splitlines()[0]}") from None
    return made.eval()


class _NoMoreThan(TorchFunctionMode):
    """Refuses to make tensors of more values than so many: a small file must not ask for a large network."""

    def __init__(self, values: int) -> None:
        super().__init__()
        self.left = values

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        size = args[0] if args and isinstance(args[0], tuple | list) else args
        if func in _MAKERS and all(isinstance(extent, int) for extent in size):
            self.left -= math.prod(size)
            if self.left < 0:
                raise ValueError("its configuration is of a larger network than its weights are")
        return func(*args, **kwargs or {})


_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye)

"""Trained weights as a file that states its recipe and configuration."""

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
    """Write tensors, and what they belong to, into a safetensors file that appears whole or not at all."""
    from safetensors.torch import save_file

    on_cpu = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with replacing(path) as temporary:
        save_file(on_cpu, temporary, metadata=about)


_FORMER_PREFIXES = ("pipeline.", "denoiser.")
"""Of files that hold tensors under the names of an objective, not of its stage; earlier versions wrote those."""


def load_trained(path: Path, recipe: str, build: Callable[[dict[str, Any]], Module]) -> Module:
    """The module of a training run with its weights, in `eval` mode.

    Args:
        path: `weights.safetensors` of the run.
        recipe: that the file must have been written for.
        build: makes the module from the values of the configuration.

    Raises:
        UnreadableFile: for another file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.get("recipe") != recipe:
            trained = f"was trained with {about['recipe']}" if "recipe" in about else "does not name its recipe"
            raise ValueError(f"it {trained}")
        config = json.loads(about["config"])
        if not isinstance(config, dict):
            raise TypeError("its configuration is not a table")
        with _NoMoreThan(4 * sum(value.numel() for value in tensors.values()) + 2**20):
            module = build({name: tuple(value) if isinstance(value, list) else value for name, value in config.items()})
        module.load_state_dict(_under_names_of_the_stage(tensors))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnreadableFile(f"{path} does not contain weights for {recipe}: {str(error).splitlines()[0]}") from None
    return module.eval()


def _under_names_of_the_stage(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _FORMER_PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return {name.removeprefix(prefix): value for name, value in tensors.items()}
    return dict(tensors)


class _NoMoreThan(TorchFunctionMode):
    """Refuses to create tensors beyond a total number of values: a small file must not ask for a large network."""

    def __init__(self, values: int) -> None:
        super().__init__()
        self.left = values

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        size = args[0] if args and isinstance(args[0], tuple | list) else args
        if func in _MAKERS and all(isinstance(extent, int) for extent in size):
            self.left -= math.prod(size)
            if self.left < 0:
                raise ValueError("its configuration describes a larger network than its weights")
        return func(*args, **kwargs or {})


_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.eye)

"""The state of a training run as one safetensors file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..atomic import replacing
from ..errors import InvalidArgument

FORMAT = "2"
"""2 names settings `lr`, `weight_decay`, ..., and tensors by the objective's `stage` and `critic`."""


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to resume; the random choices of every step are functions of the seed and the step.

    Args:
        step: number of completed steps.
        model: state of the objective, by name.
        average: the exponential moving average of the weights, or empty.
        optimizer: the optimizer's state of each parameter, by the parameter's name.
        settings: of the run.
    """

    step: int
    model: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizer: dict[str, dict[str, Tensor]]
    settings: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write beside `path`, then move into place: a reader finds the old file or the new one."""
        from safetensors.torch import save_file

        tensors = {f"model.{name}": value for name, value in self.model.items()}
        tensors |= {f"average.{name}": value for name, value in self.average.items()}
        for name, state in self.optimizer.items():
            tensors |= {f"optimizer.{key}.{name}": value for key, value in state.items()}
        metadata = {"format": FORMAT, "step": str(self.step), "settings": json.dumps(self.settings)}
        with replacing(path) as temporary:
            save_file(
                {key: value.detach().cpu().contiguous() for key, value in tensors.items()}, temporary, metadata=metadata
            )

    @staticmethod
    def load(path: Path) -> "Checkpoint":
        """Read a file that `save` wrote.

        Raises:
            InvalidArgument: for another file, or one of an earlier version.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            if metadata.get("format") != FORMAT:
                raise ValueError(
                    f"format {metadata.get('format')!r}, this version reads {FORMAT}: "
                    "finish the run with the version that began it, or choose another folder"
                )
            step, settings = int(metadata["step"]), json.loads(metadata["settings"])
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise InvalidArgument(f"{path} is not a readable checkpoint: {error}") from None
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}}
        optimizer: dict[str, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            kind, name = key.split(".", 1)
            if kind == "optimizer":
                slot, name = name.split(".", 1)
                optimizer.setdefault(name, {})[slot] = value
            else:
                parts.setdefault(kind, {})[name] = value
        return Checkpoint(step, parts["model"], parts["average"], optimizer, settings)


def optimizer_state(optimizer: torch.optim.Optimizer, model: nn.Module) -> dict[str, dict[str, Tensor]]:
    """The optimizer's state of each parameter, by the parameter's name."""
    state = optimizer.state
    return {name: dict(state[value]) for name, value in model.named_parameters() if value in state}


def restore_optimizer(optimizer: torch.optim.Optimizer, model: nn.Module, saved: dict[str, dict[str, Tensor]]) -> None:
    """Put the state that `optimizer_state` returned into an optimizer; parameters of other optimizers are skipped."""
    own = {id(value) for group in optimizer.param_groups for value in group["params"]}
    for name, value in model.named_parameters():
        if name in saved and id(value) in own:
            optimizer.state[value] = {
                slot: tensor if slot == "step" else tensor.to(value.device) for slot, tensor in saved[name].items()
            }

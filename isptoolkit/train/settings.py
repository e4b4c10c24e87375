"""Settings of a training run."""

import math
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgument

RENAMED = {
    "rate": "lr",
    "decay": "weight_decay",
    "clip": "grad_clip",
    "average": "ema_decay",
    "draw_every": "preview_every",
    "keep_every": "checkpoint_every",
    "events": "tensorboard",
    "critic_rate": "critic_lr",
}
"""Former names of settings, and their present ones."""


@dataclass(frozen=True)
class Training:
    """Settings of a training run.

    Args:
        steps: optimizer steps.
        batch: samples of a step, over all processes; or pairs (first step, batch) for a batch size that changes.
        patch: height and width of the samples, in pixels; or pairs (first step, patch).
        optimizer: `adam`, or `adamw`, which decouples weight decay from the gradient.
        weight_decay: of the optimizer.
        grad_clip: limit of the gradient norm, 0 for none.
        betas: decay rates of Adam's running means of the gradient and of its square.
        lr: learning rate.
        schedule: `step`: the learning rate is multiplied by `factor` at each of the `milestones`; `cosine`: it is
            constant for `hold` steps and then falls to `floor` along a cosine.
        hold: steps before the cosine begins.
        floor: learning rate at the end of the cosine.
        milestones: steps at which the learning rate changes.
        factor: of the learning rate at a milestone.
        accumulate: batches whose gradients are added up for one step.
        ema_decay: decay of the exponential moving average of the weights, 0 for none.
        seed: of weights and data.
        checkpoint_every: steps between checkpoints.
        preview_every: steps between preview images, 0 for none; for objectives with a `preview`.
        tensorboard: write TensorBoard logs as well.
        critic_lr: learning rate of the critic of an adversarial objective; it follows the schedule.
        critic_steps: of the critic before each step of the stage.
        precision: `no`, or `bf16` for mixed precision.

    Raises:
        InvalidArgument: for values outside their ranges.
    """

    steps: int = 1000
    batch: int | tuple[tuple[int, int], ...] = 4
    patch: int | tuple[tuple[int, int], ...] = 128
    optimizer: str = "adam"
    weight_decay: float = 0.0
    grad_clip: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    lr: float = 1e-4
    schedule: str = "step"
    hold: int = 0
    floor: float = 0.0
    milestones: tuple[int, ...] = ()
    factor: float = 0.5
    accumulate: int = 1
    ema_decay: float = 0.0
    seed: int = 0
    checkpoint_every: int = 100
    preview_every: int = 0
    tensorboard: bool = False
    critic_lr: float = 4e-4
    critic_steps: int = 3
    precision: str = "no"

    def __new__(cls, *args: Any, **settings: Any) -> "Training":
        """Refuse the former names of settings, which `isptoolkit train --set` refuses as well."""
        for name in settings.keys() & RENAMED.keys():
            raise InvalidArgument(f"training: the setting {name} is now called {RENAMED[name]}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        _check_changes("batch", self.batch)
        _check_changes("patch", self.patch)
        for name, value in (
            ("steps", self.steps),
            ("accumulate", self.accumulate),
            ("checkpoint_every", self.checkpoint_every),
            ("critic_steps", self.critic_steps),
        ):
            if not isinstance(value, int) or value < 1:
                raise InvalidArgument(f"training: {name} is an integer of at least 1, got {value!r}")
        if self.schedule not in ("step", "cosine"):
            raise InvalidArgument(f"training: schedule is step or cosine, got {self.schedule!r}")
        if not isinstance(self.preview_every, int) or self.preview_every < 0:
            raise InvalidArgument(f"training: preview_every is an integer of at least 0, got {self.preview_every!r}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InvalidArgument(f"training: betas are two numbers from 0 to below 1, got {self.betas!r}")
        for name, lr in (("lr", self.lr), ("critic_lr", self.critic_lr)):
            if not (math.isfinite(lr) and lr > 0):
                raise InvalidArgument(f"training: {name} must be positive, got {lr}")
        if not 0 <= self.ema_decay < 1:
            raise InvalidArgument(f"training: ema_decay is from 0 to below 1, got {self.ema_decay}")
        if self.optimizer not in ("adam", "adamw"):
            raise InvalidArgument(f"training: optimizer is adam or adamw, got {self.optimizer!r}")
        for name, size in (("weight_decay", self.weight_decay), ("grad_clip", self.grad_clip)):
            if not size >= 0:
                raise InvalidArgument(f"training: {name} is at least 0, got {size}")
        if not 0 <= self.hold < self.steps or not 0 <= self.floor <= self.lr:
            raise InvalidArgument(
                f"training: hold {self.hold} must be below steps, floor {self.floor} between 0 and lr {self.lr}"
            )
        if self.precision not in ("no", "bf16"):
            raise InvalidArgument(f"training: precision is no or bf16, got {self.precision!r}")

    def lr_at(self, step: int) -> float:
        """The learning rate of a step.

        >>> Training(lr=1.0, milestones=(10,)).lr_at(10)
        0.5
        """
        if self.schedule == "cosine":
            done = max(step - self.hold, 0) / (self.steps - self.hold)
            return self.floor + (self.lr - self.floor) * (1 + math.cos(math.pi * done)) / 2
        return self.lr * self.factor ** sum(step >= milestone for milestone in self.milestones)

    def patch_at(self, step: int) -> int:
        """The patch size of a step.

        >>> Training(patch=((0, 64), (100, 128))).patch_at(100)
        128
        """
        return _at(self.patch, step)

    def batch_at(self, step: int) -> int:
        """The batch size of a step.

        >>> Training(batch=((0, 8), (100, 4))).batch_at(99)
        8
        """
        return _at(self.batch, step)


def _at(value: int | tuple[tuple[int, int], ...], step: int) -> int:
    return value if isinstance(value, int) else [later for first, later in value if first <= step][-1]


def _check_changes(name: str, value: Any) -> None:
    pairs = ((0, value),) if isinstance(value, int) else value
    try:
        firsts, values = zip(*pairs, strict=True)
        valid = (
            firsts[0] == 0 and list(firsts) == sorted(set(firsts)) and all(isinstance(v, int) and v > 0 for v in values)
        )
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise InvalidArgument(
            f"training: {name} is an integer of at least 1, or pairs (first step, value) from step 0, got {value!r}"
        )

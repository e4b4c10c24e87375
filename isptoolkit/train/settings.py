"""How to train."""

import math
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgument


@dataclass(frozen=True)
class Training:
    """How to train.

    Args:
        steps: of the optimizer.
        batch: samples of a step, over all processes; or pairs (first step, batch) for batches that change.
        patch: height and width of the samples, in pixels; or pairs (first step, patch).
        optimizer: `adam`, or `adamw`, whose weights decay beside the gradient.
        decay: of the weights.
        clip: of the gradients' norm, 0 for none.
        betas: decays of the optimizer's means of gradients and of their squares.
        rate: of the optimizer.
        schedule: `step`: the rate falls by `factor` at every milestone; `cosine`: after `hold` steps down to `floor`.
        hold: see there.
        floor: see there.
        milestones: steps.
        factor: see there.
        accumulate: batches whose gradients are added up for a step.
        average: decay of the exponential moving average of the weights, 0 for none.
        seed: of weights and data.
        keep_every: steps between checkpoints.
        draw_every: steps between sheets of sample pictures, 0 for none; for objectives that have `pictures`.
        events: write for TensorBoard as well.
        critic_rate: of the critic's optimizer, for adversarial objectives; it follows the schedule.
        critic_steps: of the critic before each of the others.
        precision: `no`, or `bf16` for mixed precision.
    """

    steps: int = 1000
    batch: int | tuple[tuple[int, int], ...] = 4
    patch: int | tuple[tuple[int, int], ...] = 128
    optimizer: str = "adam"
    decay: float = 0.0
    clip: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    rate: float = 1e-4
    schedule: str = "step"
    hold: int = 0
    floor: float = 0.0
    milestones: tuple[int, ...] = ()
    factor: float = 0.5
    accumulate: int = 1
    average: float = 0.0
    seed: int = 0
    keep_every: int = 100
    draw_every: int = 0
    events: bool = False
    critic_rate: float = 4e-4
    critic_steps: int = 3
    precision: str = "no"

    def __post_init__(self) -> None:
        for name in ("batch", "patch"):
            _check_changes(name, getattr(self, name))
        for name in ("steps", "accumulate", "keep_every", "critic_steps"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InvalidArgument(f"training: {name} is a whole number of at least 1, got {value!r}")
        if self.schedule not in ("step", "cosine"):
            raise InvalidArgument(f"training: schedule is step or cosine, got {self.schedule!r}")
        if not isinstance(self.draw_every, int) or self.draw_every < 0:
            raise InvalidArgument(f"training: draw_every is a whole number of at least 0, got {self.draw_every!r}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise InvalidArgument(f"training: betas are two numbers from 0 to below 1, got {self.betas!r}")
        if not (math.isfinite(self.critic_rate) and self.critic_rate > 0):
            raise InvalidArgument(f"training: critic_rate must be positive, got {self.critic_rate}")
        if not (math.isfinite(self.rate) and self.rate > 0) or not 0 <= self.average < 1:
            raise InvalidArgument(
                f"training: rate {self.rate} must be positive, average {self.average} from 0 to below 1"
            )
        if self.optimizer not in ("adam", "adamw") or self.decay < 0 or self.clip < 0:
            told = f"{self.optimizer!r}, decay {self.decay}, clip {self.clip}"
            raise InvalidArgument(f"training: optimizer is adam or adamw, decay and clip from 0, got {told}")
        if not 0 <= self.hold < self.steps or not 0 <= self.floor <= self.rate:
            raise InvalidArgument(
                f"training: hold {self.hold} is below steps, floor {self.floor} between 0 and the rate {self.rate}"
            )
        if self.precision not in ("no", "bf16"):
            raise InvalidArgument(f"training: precision is no or bf16, got {self.precision!r}")

    def rate_at(self, step: int) -> float:
        """The rate of a step.

        >>> Training(rate=1.0, milestones=(10,)).rate_at(10)
        0.5
        """
        if self.schedule == "cosine":
            done = max(step - self.hold, 0) / (self.steps - self.hold)
            return self.floor + (self.rate - self.floor) * (1 + math.cos(math.pi * done)) / 2
        return self.rate * self.factor ** sum(step >= milestone for milestone in self.milestones)

    def patch_at(self, step: int) -> int:
        """The patch of a step.

        >>> Training(patch=((0, 64), (100, 128))).patch_at(100)
        128
        """
        return _at(self.patch, step)

    def batch_at(self, step: int) -> int:
        """The batch of a step."""
        return _at(self.batch, step)


def _at(value: int | tuple[tuple[int, int], ...], step: int) -> int:
    return value if isinstance(value, int) else [later for first, later in value if first <= step][-1]


def _check_changes(name: str, value: Any) -> None:
    pairs = ((0, value),) if isinstance(value, int) else value
    try:
        firsts, values = zip(*pairs, strict=True)
        right = (
            firsts[0] == 0 and list(firsts) == sorted(set(firsts)) and all(isinstance(v, int) and v > 0 for v in values)
        )
    except (TypeError, ValueError):
        right = False
    if not right:
        raise InvalidArgument(
            f"training: {name} is a whole number of at least 1, or pairs (first step, value) from step 0, got {value!r}"
        )

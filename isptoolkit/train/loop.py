"""The training loop."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from ..data import Batch
from ..errors import InvalidArgument, TrainingFailed
from .checkpoint import Checkpoint, optimizer_state, restore_optimizer
from .log import Log
from .weights import write_weights


class Source(Protocol):
    """Where batches come from: a function of their number and the seed, such as `isptoolkit.data.RawFolder`."""

    def batch(self, number: int, size: int, patch: int, *, seed: int, rank: int, world: int) -> Batch:
        """See `RawFolder.batch`."""


@dataclass(frozen=True)
class Training:
    """How to train.

    Args:
        steps: of the optimizer.
        batch: samples of a step, over all processes.
        patch: height and width of the samples, in pixels; or pairs (first step, patch) for patches that change.
        rate: of Adam.
        schedule: `step`: the rate falls by `factor` at every milestone; `cosine`: to 0 over all steps.
        milestones: steps.
        factor: see there.
        accumulate: batches whose gradients are added up for a step.
        average: decay of the exponential moving average of the weights, 0 for none.
        seed: of weights and data.
        keep_every: steps between checkpoints.
        draw_every: steps between sheets of sample pictures, 0 for none; for objectives that have `pictures`.
        events: write for TensorBoard as well.
        precision: `no`, or `bf16` for mixed precision.
    """

    steps: int = 1000
    batch: int = 4
    patch: int | tuple[tuple[int, int], ...] = 128
    rate: float = 1e-4
    schedule: str = "step"
    milestones: tuple[int, ...] = ()
    factor: float = 0.5
    accumulate: int = 1
    average: float = 0.0
    seed: int = 0
    keep_every: int = 100
    draw_every: int = 0
    events: bool = False
    precision: str = "no"

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "accumulate", "keep_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise InvalidArgument(f"training: {name} is a whole number of at least 1, got {value!r}")
        if self.schedule not in ("step", "cosine"):
            raise InvalidArgument(f"training: schedule is step or cosine, got {self.schedule!r}")
        if not isinstance(self.draw_every, int) or self.draw_every < 0:
            raise InvalidArgument(f"training: draw_every is a whole number of at least 0, got {self.draw_every!r}")
        if not (math.isfinite(self.rate) and self.rate > 0) or not 0 <= self.average < 1:
            raise InvalidArgument(
                f"training: rate {self.rate} must be positive, average {self.average} from 0 to below 1"
            )
        if self.precision not in ("no", "bf16"):
            raise InvalidArgument(f"training: precision is no or bf16, got {self.precision!r}")

    def rate_at(self, step: int) -> float:
        """The rate of a step.

        >>> Training(rate=1.0, milestones=(10,)).rate_at(10)
        0.5
        """
        if self.schedule == "cosine":
            return self.rate * (1 + math.cos(math.pi * step / self.steps)) / 2
        return self.rate * self.factor ** sum(step >= milestone for milestone in self.milestones)

    def patch_at(self, step: int) -> int:
        """The patch of a step.

        >>> Training(patch=((0, 64), (100, 128))).patch_at(100)
        128
        """
        if isinstance(self.patch, int):
            return self.patch
        return [patch for first, patch in self.patch if first <= step][-1]


def train(
    objective: Callable[[], nn.Module],
    source: Source,
    training: Training,
    out: str | Path,
    *,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
    about: dict[str, str] | None = None,
) -> nn.Module:
    """Train, or go on with the run in `out`; the weights are in `out/weights.safetensors` at the end.

    Every step's data and rate are functions of the seed and the step, so that a run that was killed goes on as if it
    had not been: on the CPU, with as many threads, its weights are equal to the last bit. Processes of a group (see
    `accelerate launch`) share the batch.

    Args:
        objective: makes the module that is trained; it takes a `Batch` and gives the loss and other figures by name;
            with a method `pictures`, from a `Batch` to `[B,3,H,W]` by name, samples are drawn.
        source: of batches.
        training: how.
        out: folder of `checkpoint.safetensors`, `weights.safetensors`, `log.jsonl` and `pictures`.
        on_step: called after each step, in the first process.
        about: kept in the weights' file, to tell what they are of.

    Raises:
        InvalidArgument: when `out` holds another run, or batches cannot be made.
        TrainingFailed: when the loss is no finite number; the batch is kept in `out/bad-batch.safetensors`.
    """
    from accelerate import Accelerator

    out = Path(out)
    accelerator = Accelerator(mixed_precision=training.precision, cpu=not torch.cuda.is_available())
    torch.manual_seed(training.seed)
    plain: Any = objective()
    optimizer = torch.optim.Adam(plain.parameters(), training.rate)
    settings = json.loads(json.dumps(asdict(training)))
    kept = out / "checkpoint.safetensors"
    average = {name: value.detach().clone() for name, value in plain.named_parameters()} if training.average else {}
    start = 0
    if kept.is_file():
        checkpoint = Checkpoint.load(kept)
        _check_same_run(checkpoint.settings, settings, out)
        plain.load_state_dict(checkpoint.model)
        restore_optimizer(optimizer, plain, checkpoint.optimizer)
        average, start = dict(checkpoint.average), checkpoint.step
    share = {"seed": training.seed, "rank": accelerator.process_index, "world": accelerator.num_processes}
    if training.batch % accelerator.num_processes:
        raise InvalidArgument(
            f"a batch of {training.batch} does not divide among {accelerator.num_processes} processes"
        )
    sample = source.batch(0, training.batch, training.patch_at(0), **share)  # wrong data fails before the first step
    log = None
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        log = Log(out, start, training.events)
    model, optimizer = accelerator.prepare(plain, optimizer)
    average = {name: value.to(accelerator.device) for name, value in average.items()}
    every = training.accumulate
    numbers = range(start * every, training.steps * every)
    batches = _ahead(lambda n: source.batch(n, training.batch, training.patch_at(n // every), **share), numbers)
    for step in range(start, training.steps):
        for group in optimizer.param_groups:
            group["lr"] = training.rate_at(step)
        figures: dict[str, float] = {}
        for part in range(every):
            batch = next(batches).to(accelerator.device)
            last = part == every - 1
            with nullcontext() if last else accelerator.no_sync(model), accelerator.autocast():
                loss, others = model(batch)
                for name, value in {"loss": loss, **others}.items():
                    figures[name] = figures.get(name, 0.0) + float(value.detach()) / every
                if not math.isfinite(figures["loss"]):
                    _give_up(out, batch, step, figures["loss"])
                accelerator.backward(loss / every)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            for name, value in plain.named_parameters():
                if name in average:
                    average[name].lerp_(value, 1 - training.average)
        if log is not None:
            log.step(step, {"rate": training.rate_at(step), **figures})
            done = step + 1
            if done % training.keep_every == 0 or done == training.steps:
                state = {name: value.detach() for name, value in plain.state_dict().items()}
                Checkpoint(done, state, average, optimizer_state(optimizer.optimizer, plain), settings).save(kept)
            if training.draw_every and hasattr(plain, "pictures") and done % training.draw_every == 0:
                with torch.no_grad():
                    log.pictures(done, plain.pictures(sample.to(accelerator.device)))
            if on_step is not None:
                on_step(step, figures)
    accelerator.wait_for_everyone()
    if log is not None:
        log.close()
        write_weights(out / "weights.safetensors", {**plain.state_dict(), **average}, about)
    made: nn.Module = plain
    return made


def _ahead(make: Callable[[int], Batch], numbers: Iterable[int]) -> Iterator[Batch]:
    """Each batch, the next one being made in a thread meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for number in numbers:
            before, waiting = waiting, pool.submit(make, number)
            if before is not None:
                yield before.result()
        if waiting is not None:
            yield waiting.result()


def _check_same_run(before: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    """A run may be made longer; a cosine knows its end from the beginning."""
    free = {"keep_every", "draw_every", "events"} | ({"steps"} if now["schedule"] == "step" else set())
    changed = sorted(name for name in now if name not in free and before.get(name) != now[name])
    if changed:
        told = ", ".join(f"{name} {before.get(name)!r}, now {now[name]!r}" for name in changed)
        raise InvalidArgument(f"{out} holds a run with other settings ({told}): take another folder")


def _give_up(out: Path, batch: Batch, step: int, loss: float) -> None:
    path = out / "bad-batch.safetensors"
    capture = batch.capture
    tensors = {"sensor": batch.sensor, "target": batch.target, "black": capture.black, "white": capture.white}
    write_weights(path, tensors | {"gains": capture.gains, "srgb_to_camera": capture.srgb_to_camera})
    raise TrainingFailed(f"the loss of step {step} is {loss}: its batch is in {path}")

"""The training loop."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from ..data import Batch
from ..errors import InvalidArgument, TrainingFailed
from .checkpoint import Checkpoint, optimizer_state, restore_optimizer
from .log import Log
from .settings import Training
from .weights import write_weights


class Source(Protocol):
    """Where batches come from: a function of their number and the seed, such as `isptoolkit.data.RawFolder`."""

    def batch(self, number: int, size: int, patch: int, *, seed: int, rank: int, world: int) -> Batch:
        """See `RawFolder.batch`."""


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
            with a method `pictures`, from a `Batch` to `[B,3,H,W]` by name, samples are drawn. With a module `critic`
            it is adversarial: called with `critic=True` as well it gives the loss of that, whose parameters have an
            optimizer and a rate of their own, and which takes `training.critic_steps` steps before each of the others.
        source: of batches.
        training: how.
        out: folder of `checkpoint.safetensors`, `weights.safetensors`, `log.jsonl` and `pictures`.
        on_step: called after each step, in the first process.
        about: kept in the weights' file, to tell what they are of.

    Raises:
        InvalidArgument: when `out` holds another run, or batches cannot be made.
        TrainingFailed: when the loss is no finite number; the batch is kept in `out/bad-batch.safetensors`.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState

    out = Path(out)
    torch.manual_seed(training.seed)
    plain: Any = objective()
    handlers = [DistributedDataParallelKwargs(find_unused_parameters=True)] if _critic_of(plain) is not None else []
    AcceleratorState._reset_state()  # else all runs of a process had the precision of the first
    accelerator = Accelerator(
        mixed_precision=training.precision, cpu=not torch.cuda.is_available(), kwargs_handlers=handlers
    )
    players = _players(plain, training)
    settings = json.loads(json.dumps(asdict(training)))
    kept = out / "checkpoint.safetensors"
    average = {name: value.detach().clone() for name, value in plain.named_parameters()} if training.average else {}
    start = 0
    if kept.is_file():
        checkpoint = Checkpoint.load(kept)
        _check_same_run(checkpoint.settings, settings, out)
        plain.load_state_dict(checkpoint.model)
        for player in players:
            restore_optimizer(player.optimizer, plain, checkpoint.optimizer)
        average, start = dict(checkpoint.average), checkpoint.step
    share = {"seed": training.seed, "rank": accelerator.process_index, "world": accelerator.num_processes}
    world = accelerator.num_processes
    sizes = {training.batch_at(step) for step in range(training.steps)}
    if wrong := [size for size in sizes if size % world]:
        raise InvalidArgument(f"a batch of {wrong[0]} does not divide among {world} processes")
    # Wrong data fails before the first step.
    sample = source.batch(0, training.batch_at(0), training.patch_at(0), **share)
    log = None
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        log = Log(out, start, training.events)
    model = accelerator.prepare(plain)
    for player in players:
        player.optimizer = accelerator.prepare(player.optimizer)
    average = {name: value.to(accelerator.device) for name, value in average.items()}
    every, turns = training.accumulate, [player for player in players for _ in range(player.turns)]
    in_step = every * len(turns)

    def made(number: int) -> Batch:
        step = number // in_step
        return source.batch(number, training.batch_at(step), training.patch_at(step), **share)

    batches = _ahead(made, range(start * in_step, training.steps * in_step))
    for step in range(start, training.steps):
        figures: dict[str, float] = {}
        for turn, player in enumerate(turns):
            for group in player.optimizer.param_groups:
                group["lr"] = training.rate_at(step) * player.rate / training.rate
            for part in range(every):
                batch = next(batches).to(accelerator.device)
                last, number = part == every - 1, step * in_step + turn * every + part
                torch.manual_seed(_seed_of(training.seed, number, accelerator.process_index))
                with nullcontext() if last else accelerator.no_sync(model), accelerator.autocast():
                    loss, others = model(batch, **player.asked)
                    for name, value in {"loss": loss, **others}.items():
                        name = player.prefix + name
                        figures[name] = figures.get(name, 0.0) + float(value.detach()) / (every * player.turns)
                    if not math.isfinite(figures[f"{player.prefix}loss"]):
                        _give_up(out, batch, step, figures[f"{player.prefix}loss"])
                    accelerator.backward(loss / every)
            if training.clip:
                accelerator.clip_grad_norm_(player.parameters, training.clip)
            player.optimizer.step()
            for other in players:
                other.optimizer.zero_grad()
        with torch.no_grad():
            for name, value in plain.named_parameters():
                if name in average:
                    average[name].lerp_(value, 1 - training.average)
        if log is not None:
            log.step(step, {"rate": training.rate_at(step), **figures})
            done = step + 1
            if done % training.keep_every == 0 or done == training.steps:
                state = {name: value.detach() for name, value in plain.state_dict().items()}
                moments = {k: v for p in players for k, v in optimizer_state(p.optimizer.optimizer, plain).items()}
                Checkpoint(done, state, average, moments, settings).save(kept)
            if training.draw_every and hasattr(plain, "pictures") and done % training.draw_every == 0:
                with torch.no_grad():
                    log.pictures(done, plain.pictures(sample.to(accelerator.device)))
            if on_step is not None:
                on_step(step, figures)
    accelerator.wait_for_everyone()
    if log is not None:
        log.close()
        result = {**plain.state_dict(), **average}
        write_weights(
            out / "weights.safetensors", {k: v for k, v in result.items() if not k.startswith("critic.")}, about
        )
    trained: nn.Module = plain
    return trained


@dataclass
class _Player:
    """Parameters with an optimizer of their own, and how the model is asked for their loss."""

    parameters: list[nn.Parameter]
    optimizer: Any
    rate: float
    turns: int = 1
    asked: dict[str, bool] = field(default_factory=dict)
    prefix: str = ""


def _critic_of(objective: Any) -> nn.Module | None:
    critic: nn.Module | None = getattr(objective, "critic", None)
    return critic


def _players(objective: nn.Module, training: Training) -> list[_Player]:
    """The critic first, where there is one, then all others."""
    critic = _critic_of(objective)
    theirs = [] if critic is None else list(critic.parameters())
    known = {id(value) for value in theirs}
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam

    def player(parameters: list[nn.Parameter], rate: float, **how: Any) -> _Player:
        made = kind(parameters, rate, betas=training.betas, weight_decay=training.decay)
        return _Player(parameters, made, rate, **how)

    main = player([value for value in objective.parameters() if id(value) not in known], training.rate)
    if not theirs:
        return [main]
    told = {"turns": training.critic_steps, "asked": {"critic": True}, "prefix": "critic "}
    return [player(theirs, training.critic_rate, **told), main]


def _seed_of(*numbers: int) -> int:
    """Of what an objective draws itself: a run that goes on draws what it would have drawn."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


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

"""The training loop."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..data import Batch
from ..errors import InvalidArgument, TrainingFailed
from .checkpoint import Checkpoint, optimizer_state, restore_optimizer
from .log import Log
from .objective import Objective
from .settings import Training
from .weights import write_weights

O = TypeVar("O", bound=Objective)  # noqa: E741


class Source(Protocol):
    """Where batches come from: a function of their number and the seed, such as `isptoolkit.data.RawFolder`."""

    def batch(self, number: int, size: int, patch: int, *, seed: int, rank: int, world: int) -> Batch:
        """The samples `rank`, `rank + world`, ... of batch `number`, a function of the seed and these numbers alone.

        Args:
            number: index of the batch in the run.
            size: size of the whole batch, over all processes.
            patch: height and width in pixels.
            seed: seed of the run.
            rank: index of this process.
            world: number of processes.
        """


def train(
    objective: Callable[[], O],
    source: Source,
    training: Training,
    out: str | Path,
    *,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
    about: dict[str, str] | None = None,
) -> O:
    """Train, or resume the run in `out`; `out/weights.safetensors` holds the stage's weights at the end.

    The data and the learning rate of a step are functions of the seed and the step, so an interrupted run resumes as if
    nothing had happened: on the CPU, with the same number of threads, its weights are bit-identical. The processes of a
    group (see `accelerate launch`) share each batch.

    Args:
        objective: makes what is minimized.
        source: of batches.
        training: settings.
        out: folder of `checkpoint.safetensors`, `weights.safetensors`, `log.jsonl` and `previews`.
        on_step: called after each step, in the first process.
        about: metadata of the weights file, which states what the weights belong to.

    Returns:
        The trained objective.

    Raises:
        InvalidArgument: if `out` holds another run, or batches cannot be made.
        TrainingFailed: if the loss is not finite; the batch is saved as `out/bad-batch.safetensors`.
    """
    from accelerate import Accelerator, DistributedDataParallelKwargs
    from accelerate.state import AcceleratorState

    out = Path(out)
    torch.manual_seed(training.seed)
    plain = objective()
    handlers = [DistributedDataParallelKwargs(find_unused_parameters=True)] if plain.critic is not None else []
    AcceleratorState._reset_state()  # else all runs of a process had the precision of the first
    accelerator = Accelerator(
        mixed_precision=training.precision, cpu=not torch.cuda.is_available(), kwargs_handlers=handlers
    )
    players = _players(plain, training)
    settings = json.loads(json.dumps(asdict(training)))
    saved = out / "checkpoint.safetensors"
    average = {name: value.detach().clone() for name, value in plain.named_parameters()} if training.ema_decay else {}
    start = 0
    if saved.is_file():
        checkpoint = Checkpoint.load(saved)
        _check_same_run(checkpoint.settings, settings, out)
        plain.load_state_dict(checkpoint.model)
        for player in players:
            restore_optimizer(player.optimizer, plain, checkpoint.optimizer)
        average, start = dict(checkpoint.average), checkpoint.step
    world = accelerator.num_processes
    share = {"seed": training.seed, "rank": accelerator.process_index, "world": world}
    sizes = {training.batch_at(step) for step in range(training.steps)}
    if odd := [size for size in sizes if size % world]:
        raise InvalidArgument(f"a batch of {odd[0]} does not divide among {world} processes")
    # Wrong data fails before the first step.
    sample = source.batch(0, training.batch_at(0), training.patch_at(0), **share)
    log = None
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        log = Log(out, start, training.tensorboard)
    model = accelerator.prepare(_Losses(plain))
    for player in players:
        player.optimizer = accelerator.prepare(player.optimizer)
    average = {name: value.to(accelerator.device) for name, value in average.items()}
    parts, turns = training.accumulate, [player for player in players for _ in range(player.turns)]
    in_step = parts * len(turns)

    def make(number: int) -> Batch:
        step = number // in_step
        return source.batch(number, training.batch_at(step), training.patch_at(step), **share)

    batches = _prefetched(make, range(start * in_step, training.steps * in_step))
    for step in range(start, training.steps):
        figures: dict[str, float] = {}
        for turn, player in enumerate(turns):
            for group in player.optimizer.param_groups:
                group["lr"] = training.lr_at(step) * player.lr / training.lr
            for part in range(parts):
                batch = next(batches).to(accelerator.device)
                last, number = part == parts - 1, step * in_step + turn * parts + part
                torch.manual_seed(_seed_of(training.seed, number, accelerator.process_index))
                with nullcontext() if last else accelerator.no_sync(model), accelerator.autocast():
                    loss, others = model(batch, critic=player.is_critic)
                    for name, value in {"loss": loss, **others}.items():
                        name = player.prefix + name
                        figures[name] = figures.get(name, 0.0) + float(value.detach()) / (parts * player.turns)
                    if not math.isfinite(figures[f"{player.prefix}loss"]):
                        _give_up(out, batch, step, figures[f"{player.prefix}loss"])
                    accelerator.backward(loss / parts)
            if training.grad_clip:
                accelerator.clip_grad_norm_(player.parameters, training.grad_clip)
            player.optimizer.step()
            for other in players:
                other.optimizer.zero_grad()
        with torch.no_grad():
            for name, value in plain.named_parameters():
                if name in average:
                    average[name].lerp_(value, 1 - training.ema_decay)
        if log is not None:
            log.step(step, {"lr": training.lr_at(step), **figures})
            done = step + 1
            if done % training.checkpoint_every == 0 or done == training.steps:
                state = {name: value.detach() for name, value in plain.state_dict().items()}
                moments = {k: v for p in players for k, v in optimizer_state(p.optimizer.optimizer, plain).items()}
                Checkpoint(done, state, average, moments, settings).save(saved)
            if training.preview_every and done % training.preview_every == 0:
                with torch.no_grad():
                    images = plain.preview(sample.to(accelerator.device))
                if images:
                    log.preview(done, images)
            if on_step is not None:
                on_step(step, figures)
    accelerator.wait_for_everyone()
    if log is not None:
        log.close()
        tensors = {**plain.state_dict(), **average}
        own = {name.removeprefix("stage."): v for name, v in tensors.items() if name.startswith("stage.")}
        write_weights(out / "weights.safetensors", own, about)
    return plain


class _Losses(nn.Module):
    """Both losses of an objective behind one `forward`, which is what distributed training synchronizes."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, batch: Batch, critic: bool) -> tuple[Tensor, dict[str, Tensor]]:
        result: tuple[Tensor, dict[str, Tensor]]
        result = self.objective.critic_loss(batch) if critic else self.objective(batch)
        return result


@dataclass
class _Player:
    """The parameters of the stage or of the critic, and the optimizer that trains them."""

    parameters: list[nn.Parameter]
    optimizer: Any
    lr: float
    turns: int = 1
    is_critic: bool = False

    @property
    def prefix(self) -> str:
        """Prefix of the names of these parameters' figures in the log."""
        return "critic " if self.is_critic else ""


def _players(objective: Objective, training: Training) -> list[_Player]:
    """The critic first, where there is one, then all other parameters."""
    critic = [] if objective.critic is None else list(objective.critic.parameters())
    in_critic = {id(value) for value in critic}
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam

    def optimizer(parameters: list[nn.Parameter], lr: float) -> torch.optim.Optimizer:
        return kind(parameters, lr, betas=training.betas, weight_decay=training.weight_decay)

    others = [value for value in objective.parameters() if id(value) not in in_critic]
    players = [_Player(others, optimizer(others, training.lr), training.lr)]
    if critic:
        lr = training.critic_lr
        players.insert(0, _Player(critic, optimizer(critic, lr), lr, training.critic_steps, is_critic=True))
    return players


def _seed_of(*numbers: int) -> int:
    """Seed of an objective's own random draws: a resumed run draws what an uninterrupted one would have drawn."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _prefetched(make: Callable[[int], Batch], numbers: Iterable[int]) -> Iterator[Batch]:
    """Each batch, while a thread makes the next one."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for number in numbers:
            ready, waiting = waiting, pool.submit(make, number)
            if ready is not None:
                yield ready.result()
        if waiting is not None:
            yield waiting.result()


def _check_same_run(before: dict[str, Any], now: dict[str, Any], out: Path) -> None:
    """A run may be made longer, unless its schedule is a cosine, which depends on the last step."""
    free = {"checkpoint_every", "preview_every", "tensorboard"} | ({"steps"} if now["schedule"] == "step" else set())
    changed = sorted(name for name in now if name not in free and before.get(name) != now[name])
    if changed:
        differences = ", ".join(f"{name} {before.get(name)!r}, now {now[name]!r}" for name in changed)
        raise InvalidArgument(f"{out} holds a run with other settings ({differences}): choose another folder")


def _give_up(out: Path, batch: Batch, step: int, loss: float) -> None:
    path = out / "bad-batch.safetensors"
    capture = batch.capture
    tensors = {"sensor": batch.sensor, "target": batch.target, "black": capture.black, "white": capture.white}
    write_weights(path, tensors | {"gains": capture.gains, "srgb_to_camera": capture.srgb_to_camera})
    raise TrainingFailed(f"the loss of step {step} is {loss}: its batch is in {path}")

"""One run of one entrant, and everything that its result depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..train import Training
from .data.protocol import PROTOCOLS
from .methods.entrant import Entrant
from .methods.entrants import entrant


@dataclass(frozen=True)
class Job:
    """One run of one entrant.

    Args:
        protocol: name of the protocol.
        entrant: name of the entrant.
        data: folder, if the protocol needs one.
        target: what the target images of RAW files are, see `isptoolkit.data.RawFolder`.
        steps: of the entrant whose step costs 1.
        seed: of weights and data; 0 for an entrant that learns nothing.
        device: where the entrant is scored.
        memory: limit of the process in bytes, 0 for none.
        threads: number of torch threads.
        processes: number of processes that train together, sharing each batch.
        lpips: folder of the LPIPS weights, or None to leave LPIPS out.
        full: entrants at their published sizes, each trained for all of the steps.
        batch: samples of a training step.
        patch: height and width of the training samples, in pixels.
    """

    protocol: str
    entrant: str
    data: Path | None
    target: str
    steps: int
    seed: int
    device: str
    memory: int
    threads: int = 1
    processes: int = 1
    lpips: Path | None = None
    full: bool = False
    batch: int = 4
    patch: int = 64

    @staticmethod
    def of(values: Mapping[str, Any]) -> "Job":
        """The job of fields read from JSON."""
        paths = {name: None if values[name] is None else Path(values[name]) for name in ("data", "lpips")}
        return Job(**{**values, **paths})


def by_seed(job: Job, entrants: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """The job for each entrant, once for each seed where it learns, else once, with seed 0.

    >>> job = Job("micro", "", None, "libraw", 10, 0, "cpu", 0)
    >>> [(one.entrant, one.seed) for one in by_seed(job, ["classic", "u-net"], [1, 2])]
    [('classic', 0), ('u-net', 1), ('u-net', 2)]
    """
    return [
        replace(job, entrant=name, seed=seed)
        for name in entrants
        for seed in (seeds if entrant(name, job.full).learns else [0])
    ]


def settings_of(job: Job, chosen: Entrant) -> Training:
    """An entrant's training settings: equal for all, except for the learning rate and the steps that fit the time."""
    steps = job.steps if job.full else max(1, round(job.steps / chosen.cost))
    return Training(
        steps=steps,
        batch=job.batch,
        patch=job.patch,
        lr=chosen.lr,
        optimizer="adamw",
        grad_clip=1.0,
        schedule="cosine",
        seed=job.seed,
        checkpoint_every=max(1, steps // 5),
    )


def described(job: Job) -> dict[str, Any]:
    """What a result depends on, besides data and program."""
    chosen = entrant(job.entrant, job.full)
    training = None if chosen.make is None else asdict(settings_of(job, chosen))
    seed = job.seed if chosen.learns else None
    options = {"device": job.device, "processes": job.processes, "lpips": job.lpips, "full": job.full, "seed": seed}
    return options | {
        "protocol": PROTOCOLS[job.protocol].recorded(),
        "entrant": chosen.configuration,
        "training": training,
    }

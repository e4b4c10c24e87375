"""One entrant in a process of its own: trained, scored, drawn, its result left in a folder."""

import json
import resource
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..atomic import replacing
from ..errors import IspError
from ..io import write_image
from ..learned.raw_network import planes
from ..train import Training, train
from .case import Case, Pairs
from .data import pairs_of
from .entrant import Entrant, Ways
from .entrants import entrant
from .pictures import draw
from .protocol import PROTOCOLS, Protocol
from .scoring import by_stage, cost, score

SHOWN = 6
"""Cases that are drawn."""


@dataclass(frozen=True)
class Job:
    """What a worker is told.

    Args:
        protocol: its name.
        entrant: its name.
        data: folder, where the protocol needs one.
        target: what pictures of RAW files are, see `isptoolkit.data.RawFolder`.
        steps: of the entrant whose step costs 1.
        seed: of weights and data.
        device: where the entrant is scored.
        memory: bytes that the process may take, 0 for no bound.
        threads: of torch.
    """

    protocol: str
    entrant: str
    data: Path | None
    target: str
    steps: int
    seed: int
    device: str
    memory: int
    threads: int


def settings_of(job: Job, chosen: Entrant) -> Training:
    """How an entrant is trained: alike for all but for their rates, and for the number of steps that fit the time."""
    steps = max(1, round(job.steps / chosen.cost))
    return Training(
        steps=steps,
        batch=4,
        patch=64,
        rate=chosen.rate,
        optimizer="adamw",
        clip=1.0,
        schedule="cosine",
        seed=job.seed,
        keep_every=max(1, steps // 5),
    )


def work(job: Job, out: Path, key: str) -> None:
    """Train, score and draw; `result.json` in `out` says how it went, also where it failed.

    Args:
        job: what to do.
        out: folder of the entrant.
        key: of everything that the result depends on; kept with it.
    """
    out.mkdir(parents=True, exist_ok=True)
    if job.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (job.memory, job.memory))
    torch.set_num_threads(job.threads)
    start = time.perf_counter()
    try:
        found = _done(job, out)
    except Exception as error:
        found = {"failed": f"{type(error).__name__}: {error}"}
        if not isinstance(error, IspError | MemoryError | OSError):
            (out / "traceback.txt").write_text(traceback.format_exc())
    found |= {"key": key, "wall seconds": time.perf_counter() - start}
    with replacing(out / "result.json") as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")


def _done(job: Job, out: Path) -> dict[str, Any]:
    protocol, data, chosen = PROTOCOLS[job.protocol], pairs_of(job.protocol, job.data, job.target), entrant(job.entrant)
    made: Any = None
    found: dict[str, Any] = {"about": chosen.about, "reported": chosen.reported}
    if chosen.make is not None:
        settings = settings_of(job, chosen)
        start = time.process_time()
        made = train(chosen.make, data.train, settings, out / "training")
        found |= {"steps": settings.steps, "training CPU s": time.process_time() - start}
        made = made.to(job.device).eval()
    ways = chosen.ways(made)
    return found | _scored(ways, data, protocol, out, job.device)


def _scored(ways: Ways, data: Pairs, protocol: Protocol, out: Path, device: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, case in enumerate(data.cases):
        row, raw, rendered = score(ways, case.to(device), protocol)
        rows.append({"name": case.name, **row})
        if number < SHOWN:
            _draw(case, raw, rendered, out / f"{number}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    numbers = [name for name in rows[0] if name != "name"] if rows else []
    means = {name: float(np.nanmean([row[name] for row in rows])) for name in numbers}
    first = data.cases[0].to(device)
    return {
        "means": means,
        "cases": rows,
        "stages": by_stage(ways, first),
        "cost": cost(ways, first) | {"MB": (peak - before) / 1024},
        "notes": data.notes,
    }


def _draw(case: Case, raw: Tensor | None, rendered: Tensor | None, folder: Path) -> None:
    """Pictures of a case: what was there, what was found, and where it is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = planes(case.sensor, case.capture)
    found, shown = (None if x is None else x.cpu() for x in (raw, rendered))
    pictures = draw(case.picture, truth, found, shown, case.capture)
    for name, picture in pictures.items():
        write_image(folder / f"{name}.png", picture)


def described(job: Job) -> dict[str, Any]:
    """What a result depends on, beside data and program."""
    chosen = entrant(job.entrant)
    training = None if chosen.make is None else asdict(settings_of(job, chosen))
    return {"protocol": asdict(PROTOCOLS[job.protocol]), "entrant": chosen.configuration, "training": training}

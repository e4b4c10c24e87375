"""One run in its own process: train, score, draw, and write the result to a folder."""

import json
import resource
import shutil
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..atomic import replacing
from ..errors import IspError
from ..io import write_image
from ..stages import pack_sensor
from .data.case import Case, Pairs
from .data.pairs import pairs_of
from .data.protocol import PROTOCOLS
from .job import Job, settings_of
from .methods.entrant import Predictor
from .methods.entrants import entrant
from .perceptual import perceptual
from .report.pictures import draw
from .scoring import by_stage, cost, score
from .training import trained

SHOWN = 6
"""Number of cases that are drawn."""


def work(job: Job, out: Path, key: str, decoded: Path) -> None:
    """Train, score and draw; `result.json` in `out` holds the figures, or the reason of a failure.

    Args:
        job: entrant, protocol and settings.
        out: folder of the run.
        key: hash of everything that the result depends on; stored with it.
        decoded: folder of decoded RAW files, which all entrants share.
    """
    out.mkdir(parents=True, exist_ok=True)
    if job.memory:
        resource.setrlimit(resource.RLIMIT_DATA, (job.memory, job.memory))
    torch.set_num_threads(job.threads)
    _begin(out / "training", key)
    start = time.perf_counter()
    try:
        result = _done(job, out, decoded)
    except Exception as error:
        result = {"failed": f"{type(error).__name__}: {error}"}
        if not isinstance(error, IspError | MemoryError | OSError):
            (out / "traceback.txt").write_text(traceback.format_exc())
    result |= {"key": key, "wall seconds": time.perf_counter() - start}
    with replacing(out / "result.json") as temporary:
        temporary.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n")


def _begin(folder: Path, key: str) -> None:
    """Delete a training run of another program, of other data or of other settings."""
    mark = folder / "key"
    if folder.is_dir() and not (mark.is_file() and mark.read_text() == key):
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    with replacing(mark) as temporary:
        temporary.write_text(key)


def _done(job: Job, out: Path, decoded: Path) -> dict[str, Any]:
    data, chosen = pairs_of(job.protocol, job.data, job.target, decoded), entrant(job.entrant, job.full)
    module: Any = None
    figures: dict[str, Any] = {}
    if chosen.make is not None:
        start = time.perf_counter()
        module = trained(job, data.train, out / "training", decoded).to(job.device).eval()
        figures |= {"steps": settings_of(job, chosen).steps, "training s": time.perf_counter() - start}
    elif chosen.fit is not None:
        module = chosen.fit(data.train, job.seed).to(job.device)
    return figures | _scored(chosen.predictor(module), data, job, out)


def _scored(predictor: Predictor, data: Pairs, job: Job, out: Path) -> dict[str, Any]:
    protocol = PROTOCOLS[job.protocol]
    metric = None if predictor.forward is None else perceptual(job.lpips)[0]
    rows: list[dict[str, Any]] = []
    before = _peak(job.device)
    for number, case in enumerate(data.cases):
        row, raw, rendered = score(predictor, case.to(job.device), protocol, metric)
        rows.append({"name": case.name, **row})
        if number < SHOWN:
            _draw(case, raw, rendered, out / f"{number}")
    peak = _peak(job.device)
    numbers = dict.fromkeys(name for row in rows for name in row if name != "name")
    means = {name: float(np.mean([row[name] for row in rows if name in row])) for name in numbers}
    first = data.cases[0].to(job.device)
    return {
        "means": means,
        "cases": rows,
        "stages": by_stage(predictor, first),
        "cost": cost(predictor, first) | {"MB": (peak - before) / 2**20},
        "notes": data.notes,
    }


def _peak(device: str) -> float:
    """Peak memory in bytes: of the process, or what torch allocated on a GPU."""
    if device.startswith("cuda"):
        return float(torch.cuda.max_memory_allocated(device))
    return 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _draw(case: Case, raw: Tensor | None, rendered: Tensor | None, folder: Path) -> None:
    """Images of a case: the truth, the result, and the error."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = pack_sensor(case.sensor, case.capture)
    recovered, image = (None if x is None else x.cpu() for x in (raw, rendered))
    for name, sheet in draw(case.input, truth, recovered, image, case.capture).items():
        write_image(folder / f"{name}.png", sheet)

"""A benchmark: every entrant, with every seed, in a process of its own, done once for as long as nothing changes."""

import hashlib
import importlib
import json
import multiprocessing
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from ..atomic import replacing
from ..errors import InvalidArgument
from .data.pairs import pairs_of
from .data.protocol import PROTOCOLS
from .job import Job, described
from .methods.entrants import entrant, entrants_of
from .perceptual import perceptual
from .results import FORMAT, finished_result, folder_of, read_results
from .worker import work

_PACKAGES = ("torch", "numpy", "rawpy", "kornia", "torchmetrics")


def run(
    jobs: Sequence[Job],
    out: Path,
    *,
    budget: float = 0.0,
    workers: int = 1,
    on_run: Callable[[Job, dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Do the jobs that are not done, and write `results.json` of all of them, a row for each entrant.

    A job is done when its result was made by the same program from the same data with the same settings and seed. One
    that crashes, or takes more than its budget, is a run that says so.

    Args:
        jobs: of one protocol and folder of data.
        out: folder of the results.
        budget: seconds that a job may take, 0 for no bound.
        workers: jobs at once.
        on_run: called with the job and the result of each that is done.

    Returns:
        What `results.json` holds.

    Raises:
        InvalidArgument: for an entrant or data that are not there, or a folder of another protocol's results.
    """
    first = jobs[0]
    for job in jobs:
        if entrant(job.entrant).task != PROTOCOLS[first.protocol].task:
            told = ", ".join(entrants_of(first.protocol))
            raise InvalidArgument(f"{job.entrant} has no part in {first.protocol}: choose from {told}")
    before = read_results(out / "results.json") if (out / "results.json").is_file() else None
    if before is not None and before["protocol"]["name"] != first.protocol:
        raise InvalidArgument(f"{out} holds results of {before['protocol']['name']}: take another folder")
    with tempfile.TemporaryDirectory(prefix="isptoolkit-bench-") as decoded:
        results = _run(jobs, out, Path(decoded), budget, workers, on_run)
    with replacing(out / "results.json") as temporary:
        temporary.write_text(json.dumps(results, indent=1, allow_nan=False) + "\n")
    return results


def _run(
    jobs: Sequence[Job],
    out: Path,
    decoded: Path,
    budget: float,
    workers: int,
    on_run: Callable[[Job, dict[str, Any]], None] | None,
) -> dict[str, Any]:
    first = jobs[0]
    data = pairs_of(first.protocol, first.data, first.target, decoded)
    said = [why] if (why := perceptual(first.lpips)[1]) else []
    code = code_hash()
    out.mkdir(parents=True, exist_ok=True)

    def done(job: Job) -> dict[str, Any]:
        folder = folder_of(out, job.entrant, job.seed)
        key = _key(job, data.fingerprint, code)
        found = finished_result(folder, key)
        if found is None:
            _in_a_process(job, folder, key, decoded, budget)
            found = finished_result(folder, key) or {"failed": "it left no result"}
        if on_run is not None:
            on_run(job, found)
        return found

    rows: dict[str, dict[str, Any]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for job, found in zip(jobs, pool.map(done, jobs), strict=True):
            chosen = entrant(job.entrant, job.full)
            row = rows.setdefault(job.entrant, {"about": chosen.about, "reported": chosen.reported, "runs": {}})
            row["runs"][f"{job.seed}"] = found
    return {
        "format": FORMAT,
        "protocol": PROTOCOLS[first.protocol].recorded(),
        "seeds": list(dict.fromkeys(job.seed for job in jobs if entrant(job.entrant).learns)) or [0],
        "steps": first.steps,
        "full": first.full,
        "commit": _commit(),
        "code": code,
        "data": {"fingerprint": data.fingerprint, "images": len(data.cases), "notes": data.notes + said},
        "machine": _machine(first.device),
        "versions": {name: _version(name) for name in ("isptoolkit", *_PACKAGES)},
        "entrants": rows,
    }


def code_hash() -> str:
    """Of all sources of the package and the recipes."""
    recipes = importlib.import_module("isptoolkit.recipes")
    made = hashlib.sha256()
    for folder in (Path(__file__).resolve().parents[1], Path(str(recipes.__file__)).resolve().parent):
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".h", ".c", ".cu")):
            made.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return made.hexdigest()


def _key(job: Job, fingerprint: str, code: str) -> str:
    parts = {"code": code, "data": fingerprint, **described(job)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _in_a_process(job: Job, folder: Path, key: str, decoded: Path, budget: float) -> None:
    """What the process itself could not write, how it ended, is written here."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=(job, folder, key, decoded))
    start = time.perf_counter()
    process.start()
    process.join(budget or None)
    if process.is_alive():
        process.terminate()
        process.join()
        why = f"stopped, since its budget of {budget:g} seconds was spent"
    elif process.exitcode:
        why = f"its process ended with status {process.exitcode}"
    else:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "result.json") as temporary:
        found = {"failed": why, "key": key, "wall seconds": time.perf_counter() - start}
        temporary.write_text(json.dumps(found) + "\n")


def _commit() -> str | None:
    try:
        asked = ["git", "-C", str(Path(__file__).resolve().parent), "rev-parse", "HEAD"]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _machine(device: str) -> dict[str, Any]:
    made: dict[str, Any] = {"processor": platform.machine(), "threads": torch.get_num_threads(), "device": device}
    if device.startswith("cuda"):
        made["gpu"] = torch.cuda.get_device_name(device)
    return made | {"python": sys.version.split()[0], "system": platform.system()}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

"""A benchmark: every entrant with every seed in its own process; results are reused until something changes."""

import hashlib
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

from isptoolkit import recipes

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
    """Run the jobs that have no result yet, and write `results.json` with a row for each entrant.

    A result is reused if the program, the data, the settings and the seed are unchanged. A job that crashes, or exceeds
    its budget, becomes a run that states so.

    Args:
        jobs: of one protocol and folder of data.
        out: folder of the results.
        budget: limit of a job in seconds, 0 for none.
        workers: number of jobs that run at the same time.
        on_run: called with each job and its result.

    Returns:
        The contents of `results.json`.

    Raises:
        InvalidArgument: for an unknown entrant, missing data, or a folder with another protocol's results.
    """
    first = jobs[0]
    for job in jobs:
        if entrant(job.entrant).task != PROTOCOLS[first.protocol].task:
            names = ", ".join(entrants_of(first.protocol))
            raise InvalidArgument(f"{job.entrant} is not an entrant of {first.protocol}: choose from {names}")
    before = read_results(out / "results.json") if (out / "results.json").is_file() else None
    if before is not None and before["protocol"]["name"] != first.protocol:
        raise InvalidArgument(f"{out} holds results of {before['protocol']['name']}: choose another folder")
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
    notes = [reason] if (reason := perceptual(first.lpips)[1]) else []
    code = code_hash()
    out.mkdir(parents=True, exist_ok=True)

    def done(job: Job) -> dict[str, Any]:
        folder = folder_of(out, job.entrant, job.seed)
        key = _key(job, data.fingerprint, code)
        result = finished_result(folder, key)
        if result is None:
            _in_a_process(job, folder, key, decoded, budget)
            result = finished_result(folder, key) or {"failed": "it left no result"}
        if on_run is not None:
            on_run(job, result)
        return result

    rows: dict[str, dict[str, Any]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for job, result in zip(jobs, pool.map(done, jobs), strict=True):
            chosen = entrant(job.entrant, job.full)
            row = rows.setdefault(job.entrant, {"about": chosen.about, "reported": chosen.reported, "runs": {}})
            row["runs"][f"{job.seed}"] = result
    return {
        "format": FORMAT,
        "protocol": PROTOCOLS[first.protocol].recorded(),
        "seeds": list(dict.fromkeys(job.seed for job in jobs if entrant(job.entrant).learns)) or [0],
        "steps": first.steps,
        "full": first.full,
        "commit": _commit(),
        "code": code,
        "data": {"fingerprint": data.fingerprint, "images": len(data.cases), "notes": data.notes + notes},
        "machine": _machine(first.device),
        "versions": {name: _version(name) for name in ("isptoolkit", *_PACKAGES)},
        "entrants": rows,
    }


def code_hash() -> str:
    """Hash of all sources of the package and the recipes."""
    code = hashlib.sha256()
    for folder in (Path(__file__).resolve().parents[1], Path(str(recipes.__file__)).resolve().parent):
        for path in sorted(p for p in folder.rglob("*") if p.suffix in (".py", ".h", ".c", ".cu")):
            code.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return code.hexdigest()


def _key(job: Job, fingerprint: str, code: str) -> str:
    parts = {"code": code, "data": fingerprint, **described(job)}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _in_a_process(job: Job, folder: Path, key: str, decoded: Path, budget: float) -> None:
    """Run a job; if its process ends without writing a result, write the reason."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=(job, folder, key, decoded))
    start = time.perf_counter()
    process.start()
    process.join(budget or None)
    if process.is_alive():
        process.terminate()
        process.join()
        reason = f"stopped, since its budget of {budget:g} seconds was spent"
    elif process.exitcode:
        reason = f"its process ended with status {process.exitcode}"
    else:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / "result.json") as temporary:
        result = {"failed": reason, "key": key, "wall seconds": time.perf_counter() - start}
        temporary.write_text(json.dumps(result) + "\n")


def _commit() -> str | None:
    try:
        command = ["git", "-C", str(Path(__file__).resolve().parent), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _machine(device: str) -> dict[str, Any]:
    machine: dict[str, Any] = {"processor": platform.machine(), "threads": torch.get_num_threads(), "device": device}
    if device.startswith("cuda"):
        machine["gpu"] = torch.cuda.get_device_name(device)
    return machine | {"python": sys.version.split()[0], "system": platform.system()}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None

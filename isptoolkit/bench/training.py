"""Training of one entrant, by this process or by a group of processes."""

import json
import os
import signal
import subprocess
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ..errors import TrainingFailed
from ..train import Objective, train
from .data.pairs import pairs_of
from .job import Job, settings_of
from .methods.entrants import entrant

_FAILED = "failed: "


def trained(job: Job, source: Any, out: Path, decoded: Path) -> Objective:
    """The trained objective of an entrant that learns; an interrupted run resumes.

    Args:
        job: entrant, protocol and settings.
        source: of batches.
        out: folder of the run.
        decoded: folder of decoded RAW files.

    Raises:
        TrainingFailed: if a group of processes ends with an error; states which.
    """
    chosen = entrant(job.entrant, job.full)
    assert chosen.make is not None
    if job.processes > 1:
        _by_a_group(job, out, decoded)
    # After a group has trained, this reads the finished run.
    return train(chosen.make, source, settings_of(job, chosen), out)


def _by_a_group(job: Job, out: Path, decoded: Path) -> None:
    if (out / "weights.safetensors").is_file():
        return
    serialized = json.dumps(asdict(job), default=str)
    group = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", f"{job.processes}"]
    arguments = [*group, "-m", "isptoolkit.bench.training", serialized, str(out), str(decoded)]
    # Stopping this process stops the group: its launcher terminates all members.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Members import this installation, not a folder of that name in the working directory.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    options: dict[str, Any] = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.PIPE,
        "text": True,
        "env": environment,
    }
    with subprocess.Popen([sys.executable, *arguments], **options) as launcher:
        try:
            _, log = launcher.communicate()
        except BaseException:
            launcher.terminate()
            raise
    if launcher.returncode:
        reasons = [line.removeprefix(_FAILED) for line in log.splitlines() if line.startswith(_FAILED)]
        raise TrainingFailed(f"a group of {job.processes} processes failed: {reasons[0] if reasons else log[-300:]}")


def _member(serialized: str, out: str, decoded: str) -> None:
    """Train, as one process of a group."""
    job = Job.of(json.loads(serialized))
    torch.set_num_threads(job.threads)
    chosen = entrant(job.entrant, job.full)
    assert chosen.make is not None
    try:
        source = pairs_of(job.protocol, job.data, job.target, Path(decoded)).train
        train(chosen.make, source, settings_of(job, chosen), out)
    except Exception as error:
        traceback.print_exc()
        sys.exit(f"{_FAILED}{type(error).__name__}: {error}")


if __name__ == "__main__":
    _member(*sys.argv[1:])

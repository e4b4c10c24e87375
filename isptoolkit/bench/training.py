"""Training of one entrant, by this process or by a group of them."""

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
    """The objective of an entrant that learns, trained; what was begun before is gone on with.

    Args:
        job: what to do.
        source: of batches.
        out: folder of the run.
        decoded: folder of decoded RAW files.

    Raises:
        TrainingFailed: when a group of processes ends with an error; says which.
    """
    chosen = entrant(job.entrant, job.full)
    assert chosen.make is not None
    if job.processes > 1:
        _by_a_group(job, out, decoded)
    # What the group has done is not done again: the run in the folder is read.
    return train(chosen.make, source, settings_of(job, chosen), out)


def _by_a_group(job: Job, out: Path, decoded: Path) -> None:
    if (out / "weights.safetensors").is_file():
        return
    words = json.dumps(asdict(job), default=str)
    group = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", f"{job.processes}"]
    asked = [*group, "-m", "isptoolkit.bench.training", words, str(out), str(decoded)]
    # Who stops this process stops the group: its launcher ends all members when it is asked to.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    # Members are of this installation, not of a folder of that name where the command is given.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    how: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen([sys.executable, *asked], **how) as launcher:
        try:
            _, said = launcher.communicate()
        except BaseException:
            launcher.terminate()
            raise
    if launcher.returncode:
        told = [line.removeprefix(_FAILED) for line in said.splitlines() if line.startswith(_FAILED)]
        raise TrainingFailed(f"a group of {job.processes} processes failed: {told[0] if told else said[-300:]}")


def _member(words: str, out: str, decoded: str) -> None:
    """What each process of a group does."""
    job = Job.of(json.loads(words))
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

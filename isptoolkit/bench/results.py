"""What `results.json` holds: for each entrant a run by seed; and what its runs say together."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UnreadableFile

FORMAT = 2
"""2 has `entrants: {name: {about, reported, runs: {seed: run}}}`; 1 had one run, of one seed for all."""


@dataclass(frozen=True)
class Measured:
    """A figure of an entrant over its seeds.

    Args:
        mean: over the seeds.
        deviation: the standard deviation over the seeds (divided by one less than their number), None for one seed.

    >>> str(Measured.of([30.0, 31.0])), Measured.of([30.0]).text("{:.1f}")
    ('30.50 ± 0.71', '30.0')
    """

    mean: float
    deviation: float | None = None

    @staticmethod
    def of(values: Sequence[float]) -> "Measured":
        """Of one value for each seed."""
        return Measured(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)

    def text(self, form: str, spread: bool = True) -> str:
        """Mean ± standard deviation where there is one, both in a format such as `{:.2f}`."""
        shown = form.format(self.mean)
        return shown if self.deviation is None or not spread else f"{shown} ± {form.format(self.deviation)}"

    def __str__(self) -> str:
        return self.text("{:.2f}")


def read_results(path: Path) -> dict[str, Any]:
    """What `isptoolkit.bench.run.run` wrote.

    Raises:
        UnreadableFile: for another file, or one of another format.
    """
    try:
        found = json.loads(path.read_text())
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError(f"format {found.get('format') if isinstance(found, dict) else None!r}, not {FORMAT}")
        if missing := {"protocol", "entrants", "data", "seeds"} - found.keys():
            raise ValueError(f"it lacks {min(missing)}")
    except (OSError, ValueError) as error:
        raise UnreadableFile(
            f"{path} holds no results that this version reads ({error}): run the benchmark again, in another folder"
        ) from None
    return found


def folder_of(out: Path, entrant: str, seed: int) -> Path:
    """Where a run leaves its result, pictures and training."""
    return out / "entrants" / entrant / f"seed-{seed}"


def kept(folder: Path, key: str) -> dict[str, Any] | None:
    """The result of a run that is done, None where there is none of that key."""
    try:
        found = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("key") == key else None


def runs_of(found: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """By seed, the runs of an entrant that did not fail."""
    return {int(seed): run for seed, run in found["runs"].items() if "failed" not in run}


def figures_of(found: dict[str, Any]) -> dict[str, Measured]:
    """By name, the figures of an entrant over the runs that did not fail."""
    runs = [{**run["means"], **run["cost"]} for run in runs_of(found).values()]
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: Measured.of([run[name] for run in runs if name in run]) for name in names}


def remark(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Why an entrant has no figures, or figures of fewer seeds or pictures than were asked for."""
    good, runs = runs_of(found), found["runs"]
    why = next((run["failed"] for run in runs.values() if "failed" in run), None)
    if not good:
        return f"failed: {why}"
    count, wanted = len(next(iter(good.values()))["cases"]), results["protocol"]["images"]
    said = [f"{count} of {wanted} pictures"] if count < wanted else []
    return "; ".join(said + ([] if why is None else [f"{len(runs) - len(good)} of {len(runs)} seeds failed: {why}"]))

"""The content of `results.json`: the runs of each entrant by seed, and their statistics."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UnreadableFile

FORMAT = 2
"""Format 2 has `entrants: {name: {about, reported, runs: {seed: run}}}`; format 1 had one run per entrant."""


@dataclass(frozen=True)
class Measured:
    """A figure of an entrant, over its seeds.

    Args:
        mean: mean over the seeds.
        deviation: sample standard deviation over the seeds (divided by n - 1); None for one seed.

    >>> str(Measured.of([30.0, 31.0])), Measured.of([30.0]).text("{:.1f}")
    ('30.50 ± 0.71', '30.0')
    """

    mean: float
    deviation: float | None = None

    @staticmethod
    def of(values: Sequence[float]) -> "Measured":
        """Mean and standard deviation of one value per seed."""
        return Measured(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)

    def text(self, form: str, spread: bool = True) -> str:
        """Format as mean ± standard deviation.

        Args:
            form: format of both numbers, such as `{:.2f}`.
            spread: whether to show the standard deviation, if there is one.
        """
        mean = form.format(self.mean)
        return mean if self.deviation is None or not spread else f"{mean} ± {form.format(self.deviation)}"

    def __str__(self) -> str:
        return self.text("{:.2f}")


def read_results(path: Path) -> dict[str, Any]:
    """Read the results that `isptoolkit.bench.run.run` wrote.

    Args:
        path: path of `results.json`.

    Raises:
        UnreadableFile: if the file is not a result file, or has another format.

    >>> read_results(Path("missing.json"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.json is not a result file that this version reads (...
    """
    try:
        results = json.loads(path.read_text())
        if not isinstance(results, dict) or results.get("format") != FORMAT:
            raise ValueError(f"format {results.get('format') if isinstance(results, dict) else None!r}, not {FORMAT}")
        if missing := {"protocol", "entrants", "data", "seeds"} - results.keys():
            raise ValueError(f"it lacks {min(missing)}")
    except (OSError, ValueError) as error:
        raise UnreadableFile(
            f"{path} is not a result file that this version reads ({error}): run the benchmark again in another folder"
        ) from None
    return results


def folder_of(out: Path, entrant: str, seed: int) -> Path:
    """The folder of the result, images, and training of a run.

    Args:
        out: folder of the benchmark.
        entrant: name of the entrant.
        seed: seed of the run.

    >>> folder_of(Path("out"), "u-net", 1).as_posix()
    'out/entrants/u-net/seed-1'
    """
    return out / "entrants" / entrant / f"seed-{seed}"


def finished_result(folder: Path, key: str) -> dict[str, Any] | None:
    """Read the result of a finished run; None if there is none with this key.

    Args:
        folder: folder of the run.
        key: hash of everything that the result depends on.

    >>> finished_result(Path("missing"), "") is None
    True
    """
    try:
        result = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and result.get("key") == key else None


def runs_of(row: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The successful runs of an entrant, by seed.

    Args:
        row: entry of the entrant in `results["entrants"]`.

    >>> runs_of({"runs": {"0": {"means": {}}, "1": {"failed": "out of memory"}}})
    {0: {'means': {}}}
    """
    return {int(seed): run for seed, run in row["runs"].items() if "failed" not in run}


def figures_of(row: dict[str, Any]) -> dict[str, Measured]:
    """The figures of an entrant over its successful runs, by name.

    Args:
        row: entry of the entrant in `results["entrants"]`.

    >>> runs = {"0": {"means": {"raw PSNR": 30.0}, "cost": {}}, "1": {"means": {"raw PSNR": 31.0}, "cost": {}}}
    >>> str(figures_of({"runs": runs})["raw PSNR"])
    '30.50 ± 0.71'
    """
    runs = [{**run["means"], **run["cost"]} for run in runs_of(row).values()]
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: Measured.of([run[name] for run in runs if name in run]) for name in names}


def remark(row: dict[str, Any], results: dict[str, Any]) -> str:
    """Why an entrant has no figures, or figures of fewer seeds or images than requested; empty otherwise.

    Args:
        row: entry of the entrant in `results["entrants"]`.
        results: content of `results.json`.

    >>> remark({"runs": {"0": {"failed": "out of memory"}}}, {"protocol": {"images": 24}})
    'failed: out of memory'
    """
    good, runs = runs_of(row), row["runs"]
    reason = next((run["failed"] for run in runs.values() if "failed" in run), None)
    if not good:
        return f"failed: {reason}"
    count, expected = len(next(iter(good.values()))["cases"]), results["protocol"]["images"]
    remarks = [f"{count} of {expected} images"] if count < expected else []
    if reason is not None:
        remarks.append(f"{len(runs) - len(good)} of {len(runs)} seeds failed: {reason}")
    return "; ".join(remarks)

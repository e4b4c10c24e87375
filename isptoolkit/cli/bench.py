"""`isptoolkit bench`."""

from pathlib import Path
from typing import Any

from ..bench.data.protocol import PROTOCOLS
from ..bench.job import Job, by_seed
from ..bench.methods.entrants import entrants_of
from ..bench.report.page import write_page
from ..bench.report.plots import draw_plots
from ..bench.report.table import markdown, text
from ..bench.run import run
from ..errors import InvalidArgument
from .console import progress


def bench(
    protocol: str,
    out: Path,
    *,
    entrants: str | None,
    data: Path | None,
    target: str,
    steps: int,
    seeds: str,
    device: str,
    budget: float,
    memory: float,
    workers: int,
    processes: int,
    lpips: Path | None,
    full: bool,
    batch: int,
    patch: int,
) -> None:
    """Run entrants side by side; write results, tables and the page, and print the table."""
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"no protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    if out.exists() and not out.is_dir():
        raise InvalidArgument(f"{out} is not a folder")
    if budget < 0 or memory < 0:
        raise InvalidArgument(f"--budget and --memory are positive, or 0 for no bound, got {budget:g} and {memory:g}")
    names = list(dict.fromkeys(entrants.split(","))) if entrants else entrants_of(protocol)
    most = int(memory * 2**30)
    job = Job(protocol, names[0], data, target, steps, 0, device, most, 1, processes, lpips, full, batch, patch)
    jobs = by_seed(job, names, _numbers(seeds))
    with progress() as shown:
        task = shown.add_task("entrants", total=len(jobs))

        def on_run(job: Job, found: dict[str, Any]) -> None:
            how = "failed" if "failed" in found else "done"
            shown.update(task, advance=1, description=f"{job.entrant}, seed {job.seed}, {how}")

        results = run(jobs, out, budget=budget, workers=workers, on_run=on_run)
    (out / "table.md").write_text(markdown(results))
    draw_plots(results, out)
    write_page(results, out, out / "index.html")
    print(text(results))
    for note in results["data"]["notes"]:
        print(note)
    print(f"{out / 'index.html'}")


def _numbers(words: str) -> list[int]:
    """Of `0,1,2`; each once."""
    parts = [part.strip() for part in words.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise InvalidArgument(f"--seeds are whole numbers from 0 with commas between, such as 0,1,2, got {words!r}")
    return list(dict.fromkeys(int(part) for part in parts))

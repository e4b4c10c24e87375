"""`isptoolkit bench`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InvalidArgument
from .console import progress
from .names import among, complete, complete_last
from .options import listing
from .paths import check_folder, check_output_folder


def bench(
    protocol: Annotated[
        str, typer.Argument(help=f"a protocol; {listing('protocols')}", autocompletion=complete("protocols"))
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="folder of the results; finished runs there are kept")],
    entrants: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            help=f"entrants, by default all that fit the protocol; {listing('entrants')}",
            autocompletion=complete_last("entrants"),
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="folder of the data; protocols on procedural scenes need none")
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help=f"target images of the protocol pairs; {listing('targets')}",
            autocompletion=complete("targets"),
        ),
    ] = "libraw-fixed",
    steps: Annotated[int, typer.Option(min=1, help="training steps; entrants with costlier steps take fewer")] = 1000,
    seeds: Annotated[str, typer.Option(metavar="N,N,N", help="seeds of weights and data, one run each")] = "0",
    device: Annotated[str, typer.Option(help="cpu or cuda", autocompletion=among("cpu", "cuda"))] = "cpu",
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="time limit per run; 0 for none")] = 0.0,
    memory: Annotated[float, typer.Option(metavar="GIB", help="memory limit per run; 0 for none")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, help="concurrent runs")] = 2,
    processes: Annotated[
        int, typer.Option(min=1, help="processes that train one entrant together, such as one per GPU")
    ] = 1,
    lpips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="folder with alex.pth and alexnet-owt-7be5be79.pth")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="use networks of the published size; needs a GPU")] = False,
    batch: Annotated[int, typer.Option(min=1, help="training batch size")] = 4,
    patch: Annotated[int, typer.Option(min=16, help="training patch size in pixels")] = 64,
) -> None:
    """Run recipes side by side on the same task.

    Writes results.json, table.md, and index.html, which opens without a network connection.
    """
    check_output_folder(out)
    for folder in (data, lpips):
        check_folder(folder)
    if budget < 0 or memory < 0:
        raise InvalidArgument(f"--budget and --memory are positive, or 0 for no limit, got {budget:g} and {memory:g}")
    numbers = _numbers(seeds)
    from ..bench.data.protocol import PROTOCOLS
    from ..bench.job import Job, by_seed
    from ..bench.methods.entrants import entrants_of
    from ..bench.report.page import write_page
    from ..bench.report.plots import draw_plots
    from ..bench.report.table import markdown, text
    from ..bench.run import run

    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"no protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    names = list(dict.fromkeys(map(str.strip, entrants.split(",")))) if entrants else entrants_of(protocol)
    job = Job(
        protocol=protocol,
        entrant=names[0],
        data=data,
        target=target,
        steps=steps,
        seed=0,
        device=device,
        memory=int(memory * 2**30),
        processes=processes,
        lpips=lpips,
        full=full,
        batch=batch,
        patch=patch,
    )
    jobs = by_seed(job, names, numbers)
    with progress() as bar:
        task = bar.add_task("entrants", total=len(jobs))

        def on_run(job: Job, result: dict[str, Any]) -> None:
            status = "failed" if "failed" in result else "done"
            bar.update(task, advance=1, description=f"{job.entrant}, seed {job.seed}, {status}")

        results = run(jobs, out, budget=budget, workers=workers, on_run=on_run)
    (out / "table.md").write_text(markdown(results))
    draw_plots(results, out)
    write_page(results, out, out / "index.html")
    print(text(results))
    for note in results["data"]["notes"]:
        print(note)
    print(f"{out / 'index.html'}")


def _numbers(text: str) -> list[int]:
    """The whole numbers of `0,1,2`, each once."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise InvalidArgument(f"--seeds are whole numbers from 0 with commas between, such as 0,1,2, got {text!r}")
    return list(dict.fromkeys(int(part) for part in parts))

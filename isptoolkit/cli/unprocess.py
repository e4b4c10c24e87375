"""`isptoolkit unprocess`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..atomic import check_target, replacing
from ..errors import InvalidArgument
from .console import complain, progress, working
from .names import among, complete
from .options import listing
from .paths import check_file

_FILES = (".dng", ".tif", ".tiff", ".png", ".jpg", ".jpeg", ".raw")
"""Suffixes of image files, which no new folder gets by mistake."""


def unprocess(
    photos: Annotated[list[Path], typer.Argument(help="photographs, or folders of them")],
    out: Annotated[Path, typer.Option("-o", "--output", help="a .dng file for one photograph, or a folder")],
    like: Annotated[
        Path | None, typer.Option(metavar="RAW", help="copy CFA phase, levels, gains, and color from this file")
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"a camera of the priors, by default a random mixture; {listing('cameras')}",
            autocompletion=complete("cameras"),
        ),
    ] = None,
    noise: Annotated[
        str,
        typer.Option(
            metavar="X",
            help="line (random, from typical cameras), none, an ISO number, or SHOT,READ",
            autocompletion=among("line", "none"),
        ),
    ] = "line",
    seed: Annotated[int, typer.Option(help="random seed")] = 0,
    compress: Annotated[bool, typer.Option("--compress", help="compress the DNG (lossless JPEG)")] = False,
    engine: Annotated[
        str,
        typer.Option(help="threads, or ray for the cluster of RAY_ADDRESS", autocompletion=among("threads", "ray")),
    ] = "threads",
) -> None:
    """Reconstruct RAW from photographs, as DNG files.

    Interrupted runs resume. Exit status 1 if some photographs failed.
    """
    if like is not None and camera is not None:
        raise InvalidArgument("--like and --camera exclude each other")
    if missing := [photo for photo in photos if not photo.exists()]:
        raise InvalidArgument(f"{missing[0]} does not exist")
    check_file(like)
    if engine not in ("threads", "ray"):
        raise InvalidArgument(f"--engine is threads or ray, got {engine!r}")
    one_file = len(photos) == 1 and photos[0].is_file()
    single = one_file and out.suffix.lower() == ".dng"
    if single:
        check_target(out, (".dng",))
    elif not out.is_dir() and (out.exists() or out.suffix.lower() in _FILES):
        options = "a .dng file or a folder" if one_file else "a folder, since there may be several photographs"
        raise InvalidArgument(f"cannot write {out}: name {options}")
    from ..unprocess.files import Job, by_threads, unprocess_all, unprocess_file
    from ..unprocess.ray import by_ray

    job = Job(None if like is None else str(like), camera, noise, seed, compress)
    if single:
        with working("photograph -> RAW"):
            entry = unprocess_file(photos[0], out, job)
        with replacing(out.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(entry, indent=1) + "\n")
        print(f"wrote {out} and {out.with_suffix('.json').name}")
        return
    with progress() as bar:
        task = bar.add_task("unprocessing", total=None)

        def on_file(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        count, failed = unprocess_all(photos, out, job, on_file, by_threads if engine == "threads" else by_ray)
    for photo, reason in failed.items():
        complain(reason if str(photo) in reason else f"{photo}: {reason}")
    print(
        f"wrote {_count(count, 'DNG file')} to {out}"
        + (f", {_count(len(failed), 'photograph')} failed" if failed else "")
    )
    if failed:
        raise typer.Exit(1)


def _count(number: int, noun: str) -> str:
    """The number with its noun.

    >>> _count(1, "DNG file"), _count(0, "DNG file")
    ('1 DNG file', '0 DNG files')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

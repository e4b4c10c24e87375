"""The `isptoolkit` command: what it shows of RAW files; `making` has the rest."""

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import torch
import typer

from ..atomic import check_target
from ..errors import InvalidArgument, IspError
from ..fusion import fuse, fuse_each
from ..geometry import upright
from ..io import describe_raw, write_image
from ..kernels import describe_kernels, reference
from ..report.round_trip import measure
from ..spaces import SRGB
from .console import complain, print_facts, print_round_trip, progress, working
from .inputs import chain_of, read_input
from .making import bench, calibrate_noise, demo, train, unprocess
from .options import (
    Black,
    Cfa,
    Dtype,
    File,
    Fuse,
    Gains,
    Json,
    Matrix,
    Preset,
    Raw,
    Recipe,
    Sets,
    Size,
    Weights,
    White,
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)
calibrate = typer.Typer(rich_markup_mode=None, help="Measure what a camera does.")
app.add_typer(calibrate, name="calibrate")
calibrate.command("noise")(calibrate_noise)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="print the version")] = False
) -> None:
    """Camera RAW to sRGB and back."""
    if version:
        from importlib import metadata

        try:
            print(f"isptoolkit {metadata.version('isptoolkit')}")
        except metadata.PackageNotFoundError:
            raise InvalidArgument("isptoolkit runs from its sources, uninstalled, and has no version") from None
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def render(
    raw: Raw,
    out: Annotated[Path, typer.Option("-o", "--output", help="PNG, TIFF or JPEG")],
    preset: Preset = "classic",
    pipeline: File = None,
    settings: Sets = None,
    bits: Annotated[int, typer.Option(help="8 or 16")] = 8,
    rotate: Annotated[bool, typer.Option(help="turn the picture upright as the file says")] = True,
    gains: Gains = None,
    matrix: Matrix = None,
    size: Size = None,
    cfa: Cfa = "RGGB",
    dtype: Dtype = "uint16",
    black: Black = None,
    white: White = None,
    fused: Fuse = True,
    recipe: Recipe = None,
    weights: Weights = None,
) -> None:
    """Render a RAW file to an sRGB picture."""
    check_target(out)
    if bits not in (8, 16):
        raise InvalidArgument(f"--bits is 8 or 16, got {bits}")
    chain = chain_of(preset, pipeline, settings, bits, recipe, weights)
    chain = chain.span(chain.names[0], "clip") if recipe else chain
    if chain.gives != SRGB:
        raise InvalidArgument(f"render needs a pipeline that gives srgb, this one gives {chain.gives.name}")
    x, capture = read_input(raw, gains, matrix, size, cfa, dtype, black, white)
    chain = fuse(chain, demosaic=True) if fused else chain
    with progress() as shown, torch.no_grad(), nullcontext() if fused else reference():
        task = shown.add_task("rendering", total=len(chain))
        for name, stage in chain.items():
            shown.update(task, description=name)
            x = stage.forward(x, capture)
            shown.advance(task)
    write_image(out, upright(x, capture.orientation[0]) if rotate else x, bits=bits)


@app.command()
def roundtrip(
    raw: Raw,
    preset: Preset = "classic",
    pipeline: File = None,
    settings: Sets = None,
    double: Annotated[bool, typer.Option("--double", help="float64 instead of float32")] = False,
    as_json: Json = False,
    gains: Gains = None,
    matrix: Matrix = None,
    size: Size = None,
    cfa: Cfa = "RGGB",
    dtype: Dtype = "uint16",
    black: Black = None,
    white: White = None,
    fused: Fuse = True,
    recipe: Recipe = None,
    weights: Weights = None,
) -> None:
    """Render, go back, and print the error of each stage."""
    chain = chain_of(preset, pipeline, settings, 8, recipe, weights)
    x, capture = read_input(raw, gains, matrix, size, cfa, dtype, black, white)
    chain = chain.double() if double else chain
    chain = fuse_each(chain) if fused else chain
    with working("rendering and going back"), torch.no_grad(), nullcontext() if fused else reference():
        trip = measure(chain, x.double() if double else x, capture)
    if as_json:
        print(json.dumps(trip.as_dict(), indent=2))
    else:
        print_round_trip(trip)


@app.command()
def show(
    raw: Raw,
    out: Annotated[Path, typer.Option("-o", "--output", help="HTML for a page, PNG or SVG for a contact sheet")],
    preset: Preset = "classic",
    pipeline: File = None,
    settings: Sets = None,
    gains: Gains = None,
    matrix: Matrix = None,
    size: Size = None,
    cfa: Cfa = "RGGB",
    dtype: Dtype = "uint16",
    black: Black = None,
    white: White = None,
    recipe: Recipe = None,
    weights: Weights = None,
) -> None:
    """Show every stage, forward and inverse.

    As a page to open in a browser (.html) or as a contact sheet (.png, .svg).
    """
    from ..report.write import SUFFIXES, write_report

    check_target(out, SUFFIXES)
    chain = chain_of(preset, pipeline, settings, 8, recipe, weights)
    x, capture = read_input(raw, gains, matrix, size, cfa, dtype, black, white)
    with working("drawing"):
        write_report(chain, x, capture, out, source=raw.name)


@app.command()
def info(
    raw: Annotated[Path | None, typer.Argument(help="a RAW file")] = None,
    kernels: Annotated[bool, typer.Option("--kernels", help="print which native kernels run here, and why")] = False,
    as_json: Json = False,
) -> None:
    """Print what a RAW file says, and what is missing.

    With --kernels, which native kernels run here, and why.
    """
    if raw is None and not kernels:
        raise InvalidArgument("info needs a RAW file, or --kernels")
    facts = (describe_kernels() if kernels else {}) | (describe_raw(raw) if raw is not None else {})
    if as_json:
        print(json.dumps(facts, indent=2, default=str))
        return
    print_facts(facts)


@app.command()
def check(
    stage: Annotated[str, typer.Argument(help="FILE.py:CLASS, a stage of yours")],
    examples: Annotated[int, typer.Option(min=1, help="how many examples to search")] = 50,
    seed: Annotated[int, typer.Option(help="of the search")] = 0,
) -> None:
    """Test whether a stage keeps its contract.

    Exit status 1 with the broken law, the numbers and a minimal example if it does not.
    """
    from ..testing.checking import falsify, load_stage

    try:
        loaded = load_stage(stage)
    except SystemExit:
        raise InvalidArgument(f"{stage}: the file ends the program when it is run, guard that by __name__") from None
    with working(f"searching {examples} examples"):
        broken = falsify(lambda: loaded, examples=examples, seed=seed)
    if broken is not None:
        print(broken)
        raise typer.Exit(1)
    print(f"{stage}: lawful in {examples} examples ({loaded.contract})")


for command in (train, bench, unprocess, demo):
    app.command()(command)


def main() -> None:
    """Entry point: what the user can mend is one line on stderr and exit status 2; 130 after an interrupt."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # names of files need not be text that the terminal can show
            stream.reconfigure(errors="backslashreplace")
    try:
        status = app(prog_name="isptoolkit", standalone_mode=False)
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except Exception as error:
        message = _mendable(error)
        if message is None:
            raise
        complain(message)
        if isinstance(error, OSError) and error.filename is None:  # standard output is full; leave the rest unsaid
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(2)
    sys.exit(status or 0)


def _mendable(error: Exception) -> str | None:
    """What to tell the user, or None for a bug of ours."""
    if hasattr(error, "format_message"):
        return str(error.format_message())
    if isinstance(error, IspError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    short = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
    return "not enough memory for a picture of this size" if short else None

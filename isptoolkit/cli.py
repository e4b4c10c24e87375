"""The `isptoolkit` command: render, roundtrip, show, check, info and demo."""

import json
import os
import sys
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import torch
import typer

from .atomic import check_target
from .command_input import chain_of, read_input
from .console import complain, print_facts, print_round_trip, progress, working
from .errors import InvalidArgument, IspError
from .fusion import fuse, fuse_each
from .geometry import upright
from .io import describe_raw, write_image
from .kernels import describe_kernels, reference
from .round_trip import measure
from .spaces import SRGB

app = typer.Typer(add_completion=False, rich_markup_mode=None)
calibrate = typer.Typer(rich_markup_mode=None, help="Measure what a camera does.")
app.add_typer(calibrate, name="calibrate")

Raw = Annotated[Path, typer.Argument(help="a RAW file, or a headerless dump with --size")]
Preset = Annotated[str, typer.Option(metavar="NAME", help="classic or libraw")]
File = Annotated[
    Path | None, typer.Option("--pipeline", metavar="FILE", help="a pipeline saved as TOML, instead of a preset")
]
Recipe = Annotated[str | None, typer.Option(metavar="NAME", help="invisp, with --weights, instead of a preset")]
Weights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="of the recipe: what train wrote, or a published .pth")
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STAGE.VALUE=X",
        help="change a value of a stage, as in tone.amount=0.8; X as in TOML; repeatable",
    ),
]
Gains = Annotated[
    str | None, typer.Option(metavar="R,G,B", help="white-balance multipliers, instead of the file's as-shot ones")
]
Matrix = Annotated[
    str | None,
    typer.Option(metavar="9 NUMBERS", help="XYZ (D65) to camera, row by row with commas, instead of the file's"),
]
Size = Annotated[
    str | None,
    typer.Option(metavar="WIDTHxHEIGHT", help="of a headerless dump, which needs --black and --white as well"),
]
Cfa = Annotated[str, typer.Option(metavar="LETTERS", help="of a headerless dump: RGGB, BGGR, GRBG or GBRG")]
Dtype = Annotated[str, typer.Option(metavar="TYPE", help="of a headerless dump: uint8, uint16, >u2, float32 or >f4")]
Black = Annotated[float | None, typer.Option(metavar="DN", help="black level, instead of the file's")]
White = Annotated[float | None, typer.Option(metavar="DN", help="white level, instead of the file's")]
Fuse = Annotated[
    bool, typer.Option("--fuse/--no-fuse", help="run point-wise stages by native kernels, or each by torch")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


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
    out: Annotated[Path, typer.Option("-o", "--output", help="PNG or SVG")],
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
) -> None:
    """Draw a contact sheet of every stage, there and back."""
    from .contact_sheet import SUFFIXES, contact_sheet

    check_target(out, SUFFIXES)
    chain = chain_of(preset, pipeline, settings, 8)
    x, capture = read_input(raw, gains, matrix, size, cfa, dtype, black, white)
    with working("drawing"):
        contact_sheet(chain, x, capture, out)


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
    from .testing import falsify, load_stage

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


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="invisp or upi")],
    data: Annotated[Path, typer.Option(help="a folder of RAW files, for upi of photographs")],
    out: Annotated[Path, typer.Option("-o", "--out", help="folder of the run; a run that is there goes on")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=X", help="of the training or the recipe, as in steps=500; repeatable"),
    ] = None,
    mixed: Annotated[bool, typer.Option("--mixed", help="allow RAW files of several cameras")] = False,
    cache: Annotated[Path | None, typer.Option(help="folder where decoded files stay for other runs")] = None,
    target: Annotated[str, typer.Option(help="libraw, libraw-jpeg, or camera: the picture in the RAW file")] = "libraw",
    listed: Annotated[Path | None, typer.Option("--list", help="names of the files to take, a line each")] = None,
) -> None:
    """Train a recipe on a folder of files.

    A run that was stopped, or killed, goes on where it was.
    """
    from .train.command import run

    run(recipe, data, out, settings, mixed=mixed, cache=cache, target=target, listed=listed)


@app.command()
def unprocess(
    photos: Annotated[list[Path], typer.Argument(help="photographs, or folders of them")],
    out: Annotated[Path, typer.Option("-o", "--output", help="a .dng file for one photograph, or a folder")],
    like: Annotated[Path | None, typer.Option(metavar="RAW", help="take levels, gains and color of this file")] = None,
    camera: Annotated[str | None, typer.Option(metavar="NAME", help="a camera of the priors; else a mixture")] = None,
    noise: Annotated[str, typer.Option(metavar="X", help="line, none, an ISO number, or SHOT,READ")] = "line",
    seed: Annotated[int, typer.Option(help="of all that is drawn")] = 0,
    compress: Annotated[bool, typer.Option("--compress", help="lossless JPEG")] = False,
) -> None:
    """Make RAW of photographs, as DNG files.

    A run that was stopped, or killed, goes on where it was. Exit status 1 if some could not be made.
    """
    from .unprocess_command import run

    if not run(photos, out, None if like is None else str(like), camera, noise, seed, compress):
        raise typer.Exit(1)


@calibrate.command("noise")
def calibrate_noise(
    frames: Annotated[list[Path], typer.Argument(help="one RAW file, or pairs of equal exposures in turn")],
    gains: Gains = None,
    matrix: Matrix = None,
    size: Size = None,
    cfa: Cfa = "RGGB",
    dtype: Dtype = "uint16",
    black: Black = None,
    white: White = None,
    as_json: Json = False,
) -> None:
    """Measure shot and read noise: from pairs of frames, such as flat fields and darkness, or from one picture.

    What it prints is a NoiseProfile: variance = shot x + read, x from 0 at black to 1 at white.
    """
    from .noise_calibration import noise_of_pairs, noise_of_picture

    read = [read_input(frame, gains, matrix, size, cfa, dtype, black, white) for frame in frames]
    if len(read) > 1 and len(read) % 2:
        raise InvalidArgument(f"calibrate noise takes one file, or pairs, got {len(read)}")
    capture, frame = read[0][1], [x for x, _ in read]
    pairs = list(zip(frame[::2], frame[1::2], strict=True)) if len(frame) > 1 else []
    with working("measuring noise"):
        found = noise_of_pairs(pairs, capture) if pairs else noise_of_picture(frame[0], capture)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    print(f"shot {found.shot:.4g} +- {found.shot_error:.2g}, read {found.read:.4g} +- {found.read_error:.2g}")
    print(f"through {found.points} points; unprocess takes it as --noise {found.shot:.6g},{found.read:.6g}")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", "--output", help="folder for the pictures")] = Path("isptoolkit-demo"),
) -> None:
    """Turn a photograph into RAW and back; needs no file."""
    from .demo import CAPTURE, run

    with working("photograph -> RAW -> photograph"):
        done = run(out)
    print_round_trip(done.trip)
    print(f"capture: {CAPTURE.cfa}, black {CAPTURE.black[0].tolist()}, white {CAPTURE.white.item():g}")
    print(f"photograph -> RAW mosaic -> photograph: {done.photograph_psnr:.2f} dB (the demosaic's guess at two thirds)")
    print("wrote " + ", ".join(str(file) for file in done.files))


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


if __name__ == "__main__":
    main()

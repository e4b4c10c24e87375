"""The `isptoolkit` command: render, roundtrip, show, check, info and demo."""

import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from torch import Tensor

from . import presets
from .capture import Capture
from .errors import InvalidArgument, IspError
from .io import describe_raw, read_mosaic, read_raw, write_image
from .pipeline import Pipeline
from .pipeline_file import with_values
from .public import public_classes
from .round_trip import RoundTrip, measure
from .spaces import SRGB

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Camera RAW to sRGB and back.", rich_markup_mode=None
)
_out, _err = Console(), Console(stderr=True)

Raw = Annotated[Path, typer.Argument(help="a RAW file, or a headerless dump with --size")]
Preset = Annotated[str, typer.Option(help="classic or libraw")]
File = Annotated[Path | None, typer.Option("--pipeline", help="a pipeline saved as TOML, instead of a preset")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="stage.value=VALUE (VALUE as in TOML); repeatable")]
Gains = Annotated[str | None, typer.Option(help="white-balance multipliers R,G,B, where the file has none")]
Matrix = Annotated[
    str | None, typer.Option(help="XYZ (D65) to camera, nine numbers row by row, where the file has none")
]
Size = Annotated[str | None, typer.Option(help="WIDTHxHEIGHT of a headerless dump")]
Cfa = Annotated[str, typer.Option(help="CFA of a headerless dump")]
Dtype = Annotated[str, typer.Option(help="sample type of a headerless dump: uint8, uint16, >u2, float32")]
Black = Annotated[float | None, typer.Option(help="black level in digital numbers")]
White = Annotated[float | None, typer.Option(help="white level in digital numbers")]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


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
) -> None:
    """Render a RAW file to an sRGB picture."""
    chain = _pipeline(preset, pipeline, settings, bits)
    if chain.gives != SRGB:
        raise InvalidArgument(f"render needs a pipeline that gives srgb, this one gives {chain.gives.name}")
    x, capture = _read(raw, gains, matrix, size, cfa, dtype, black, white)
    with _progress() as progress:
        task = progress.add_task("rendering", total=len(chain))
        for name, stage in chain.items():
            progress.update(task, description=name)
            x = stage.forward(x, capture)
            progress.advance(task)
    write_image(out, _upright(x, capture.orientation[0]) if rotate else x, bits=bits)


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
) -> None:
    """Render, invert, and print the error in digital numbers stage by stage."""
    chain = _pipeline(preset, pipeline, settings, 8)
    x, capture = _read(raw, gains, matrix, size, cfa, dtype, black, white)
    with _err.status("rendering and inverting"):
        trip = measure(chain, x.double() if double else x, capture)
    if as_json:
        print(json.dumps(trip.as_dict(), indent=2))
    else:
        _out.print(_table(trip))


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
    """Draw a contact sheet of every stage, forward and back, with error maps and histograms."""
    from .contact_sheet import contact_sheet

    chain = _pipeline(preset, pipeline, settings, 8)
    x, capture = _read(raw, gains, matrix, size, cfa, dtype, black, white)
    with _err.status("drawing"):
        contact_sheet(chain, x, capture, out)


@app.command()
def info(raw: Raw, as_json: Json = False) -> None:
    """Print what a RAW file says, and what is missing."""
    facts = describe_raw(raw)
    if as_json:
        print(json.dumps(facts, indent=2, default=str))
        return
    table = Table(show_header=False, box=None)
    for key, value in facts.items():
        shown = "none" if value in (None, [], "") else ", ".join(value) if key == "missing" else str(value)
        table.add_row(key, shown)
    _out.print(table)


@app.command()
def check(
    stage: Annotated[str, typer.Argument(help="FILE.py:CLASS, a stage of yours")],
    examples: Annotated[int, typer.Option(help="how many examples to search")] = 50,
    seed: Annotated[int, typer.Option(help="of the search")] = 0,
) -> None:
    """Test whether a stage keeps its contract; exit 1 with the law, the numbers and a minimal example if not."""
    from .testing import falsify, load_stage

    loaded = load_stage(stage)
    with _err.status(f"searching {examples} examples"):
        broken = falsify(lambda: loaded, examples=examples, seed=seed)
    if broken is not None:
        print(broken)
        raise typer.Exit(1)
    print(f"{stage}: lawful in {examples} examples ({loaded.contract})")


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", "--output", help="folder for the pictures")] = Path("isptoolkit-demo"),
) -> None:
    """Turn a photograph into RAW and back, without any file of yours."""
    from .demo import CAPTURE, run

    with _err.status("photograph -> RAW -> photograph"):
        done = run(out)
    _out.print(_table(done.trip))
    print(f"capture: {CAPTURE.cfa}, black {CAPTURE.black[0].tolist()}, white {CAPTURE.white.item():g}")
    print(f"photograph -> RAW mosaic -> photograph: {done.photograph_psnr:.2f} dB (the demosaic's guess at two thirds)")
    print("wrote " + ", ".join(str(file) for file in done.files))


def main() -> None:
    """Entry point: an error of ours is one line on stderr and exit status 2."""
    try:
        status = app(standalone_mode=False)
    except typer.Abort:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except Exception as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if not (isinstance(error, IspError) or hasattr(error, "format_message")):
            raise
        print("isptoolkit: " + " ".join(message.split()), file=sys.stderr)
        sys.exit(2)
    sys.exit(status or 0)


def _pipeline(preset: str, file: Path | None, settings: list[str] | None, bits: int) -> Pipeline:
    makers = {"classic": presets.classic, "libraw": presets.libraw}
    if file is not None:
        chain = Pipeline.load(file)
    elif preset in makers:
        chain = makers[preset](bits=bits)
    else:
        raise InvalidArgument(f"no preset {preset!r}: choose one of {', '.join(makers)}, or pass --pipeline FILE")
    values = dict(_setting(text) for text in settings or ())
    changed = with_values(chain, values, public_classes()) if values else chain
    return changed if isinstance(changed, Pipeline) else Pipeline(stage=changed)


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    try:
        if not equals or not name:
            raise tomllib.TOMLDecodeError
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        raise InvalidArgument(f"--set takes stage.value=VALUE with VALUE as in TOML, got {text!r}") from None


def _numbers(option: str, text: str | None, count: int) -> list[float] | None:
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise InvalidArgument(f"{option} takes {count} numbers separated by commas, got {text!r}")
    return numbers


def _read(
    raw: Path,
    gains: str | None,
    matrix: str | None,
    size: str | None,
    cfa: str,
    dtype: str,
    black: float | None,
    white: float | None,
) -> tuple[Tensor, Capture]:
    balance, nine = _numbers("--gains", gains, 3), _numbers("--matrix", matrix, 9)
    rows = None if nine is None else [nine[0:3], nine[3:6], nine[6:9]]
    with _err.status(f"reading {raw.name}"):
        if size is None:
            return read_raw(raw, gains=balance, matrix=rows, black=black, white=white)
        width, _, height = size.partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise InvalidArgument(f"--size takes WIDTHxHEIGHT, got {size!r}")
        if black is None or white is None:
            raise InvalidArgument("a headerless dump needs --black and --white")
        return read_mosaic(
            raw,
            width=int(width),
            height=int(height),
            cfa=cfa,
            dtype=dtype,
            black=black,
            white=white,
            gains=balance,
            matrix=rows,
        )


def _upright(x: Tensor, orientation: int) -> Tensor:
    """Undo an EXIF orientation (Exif 2.32, tag 274): mirror first, then quarter turns."""
    mirrored, turns = {1: (0, 0), 2: (1, 0), 3: (0, 2), 4: (1, 2), 5: (1, 1), 6: (0, 3), 7: (1, 3), 8: (0, 1)}[
        orientation
    ]
    return torch.rot90(x.flip(-1) if mirrored else x, turns, (-2, -1))


def _table(trip: RoundTrip) -> Table:
    """Fits 80 columns; `--json` tells more."""
    title = f"round-trip error in digital numbers; white is {trip.digital_numbers:g} above black"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("stage", "space", "median", "99 %", "max", "domain", "99 % all", "max all"):
        table.add_column(column, justify="left" if column in ("stage", "space") else "right", no_wrap=True)
    for row in trip.rows:
        inside, outside = ([f"{value:.2g}" for value in spread] for spread in (row.on_domain, row.everywhere[1:]))
        table.add_row(row.stage, row.space, *inside, f"{row.alive:.2%}", *outside)
    return table


def _progress() -> Progress:
    columns = (TextColumn("{task.description:<12}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal)


if __name__ == "__main__":
    main()

"""The `isptoolkit` command: its sub-commands, and what happens to errors.

Nothing here, nor at the top of a command's file, imports torch: help, `--version`, and refused paths answer at once.
"""

import io
import os
import sys
from typing import Annotated, Any

import typer

from ..errors import InvalidArgument, IspError
from .bench import bench
from .calibrate import calibrate
from .check import check
from .console import complain
from .demo import demo
from .info import info
from .render import render
from .roundtrip import roundtrip
from .show import show
from .train import train
from .unprocess import unprocess

_ClickException: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What click raises for a command line that it cannot parse; recent releases of typer contain a click of their own."""

app = typer.Typer(rich_markup_mode=None)
for command in (render, roundtrip, show, info, check, train, bench, unprocess, demo):
    app.command()(command)
app.add_typer(calibrate, name="calibrate")


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
            raise InvalidArgument("isptoolkit is not installed, and sources alone have no version") from None
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main() -> None:
    """Run the command line and exit.

    Errors that users can fix are one line on standard error and exit status 2; an interrupt is exit status 130. Bugs
    keep their traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # file names need not be text that the terminal can show
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
        message = _message(error)
        if message is None:
            raise
        complain(message)
        if isinstance(error, OSError) and error.filename is None:  # standard output is full: drop what is buffered
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(2)
    sys.exit(status or 0)


def _message(error: Exception) -> str | None:
    """What to tell the user, with the notes that a pipeline adds; None for a bug."""
    if isinstance(error, _ClickException):
        return str(error.format_message())
    if isinstance(error, IspError):
        notes = getattr(error, "__notes__", [])
        return f"{error} ({'; '.join(notes)})" if notes else str(error)
    if isinstance(error, OSError):
        return f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
    out_of_memory = isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )
    return "not enough memory for an image of this size" if out_of_memory else None

"""What the command line prints: tables that are never cut off, and messages of one line."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ..report.round_trip import RoundTrip, number, percent

_err = Console(stderr=True, markup=False, highlight=False)


def print_table(table: Table) -> None:
    """At the width that the table wants, whatever the terminal's: its lines may wrap, but nothing is left out."""
    console = Console(markup=False, highlight=False, width=10_000)
    console.width = Measurement.get(console, console.options, table).maximum
    console.print(table, crop=False)


def print_round_trip(trip: RoundTrip) -> None:
    """One row per stage; fits 80 columns with the stage names of the presets."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in ("stage", "space", "median", "99 %", "max", "domain", "99 % all", "max all"):
        table.add_column(column, justify="left" if column in ("stage", "space") else "right", no_wrap=True)
    for row in trip.rows:
        inside, outside = ([number(value) for value in spread] for spread in (row.on_domain, row.everywhere[1:]))
        table.add_row(row.stage, row.space, *inside, percent(row.alive), *outside)
    print(f"Error of each stage's recovered input in digital numbers ({trip.digital_numbers:g} from black to")
    print('white), over the pixels that no later stage clips (their share: "domain") and')
    print("over all.")
    print_table(table)


def print_facts(facts: Mapping[str, Any]) -> None:
    """What a RAW file says, one fact per line; a matrix takes three."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in facts.items():
        if key == "missing":
            shown = f"pass {' and '.join(f'--{name}' for name in value)} to render it" if value else "nothing"
        elif value in (None, [], ""):
            shown = "not stated"
        elif key == "matrix":
            shown = "\n".join("  ".join(f"{entry:8.4f}" for entry in line) for line in value)
        elif isinstance(value, list):
            shown = ", ".join(f"{entry:g}" for entry in value)
        else:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
        table.add_row(key, Text(shown))
    print_table(table)


@contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner with the time so far while the block runs, on a terminal only."""
    with progress() as shown:
        shown.add_task(printable(what), total=None)
        yield


def progress() -> Progress:
    """A bar for the terminal, with the time so far and to come, gone when it is done; nothing elsewhere."""
    text = TextColumn("{task.description:<12}", markup=False)
    columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal)


def complain(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    print("isptoolkit: " + printable(message), file=sys.stderr)


def printable(text: str) -> str:
    """In one line, with every character that could move the cursor escaped.

    >>> printable("two\\nlines and \\x1b[2J")
    'two lines and \\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))

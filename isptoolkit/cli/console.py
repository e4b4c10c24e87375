"""What the command line prints: tables that are never truncated, and messages of one line.

rich is imported by the first table or progress bar, so that help and error messages do not wait for it.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress
    from rich.table import Table

    from ..report.round_trip import RoundTrip


def print_table(table: "Table") -> None:
    """Print a table at the width of its content, whatever the terminal's: lines may wrap, but nothing is cut off."""
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(markup=False, highlight=False, width=10_000)
    console.width = Measurement.get(console, console.options, table).maximum
    console.print(table, crop=False)


def print_round_trip(trip: "RoundTrip") -> None:
    """Print one row per stage; the stage names of the presets fit 80 columns."""
    from rich import box
    from rich.table import Table

    from ..report.round_trip import number, percent

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


def print_names(names: Mapping[str, str]) -> None:
    """Print one name per line, with what it is."""
    width = max(map(len, names))
    for name, about in names.items():
        print(f"{name:<{width}}  {about}".rstrip())


@contextmanager
def working(task: str) -> Iterator[None]:
    """Show a spinner with the elapsed time while the block runs, on a terminal only."""
    with progress() as bar:
        bar.add_task(printable(task), total=None)
        yield


def progress() -> "Progress":
    """A progress bar with elapsed and remaining time, removed when done; silent unless standard error is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, markup=False, highlight=False)
    text = TextColumn("{task.description:<12}", markup=False)
    columns = (SpinnerColumn(), text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def complain(message: str) -> None:
    """Print one line on standard error, whatever the message holds."""
    print("isptoolkit: " + printable(message), file=sys.stderr)


def printable(text: str) -> str:
    """The text on one line, with every character escaped that could move the cursor.

    >>> printable("two\\nlines and \\x1b[2J")
    'two lines and \\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))

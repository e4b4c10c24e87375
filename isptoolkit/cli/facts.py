"""What `isptoolkit info` prints: one fact per line, in the units of photographers."""

from collections.abc import Callable, Mapping
from typing import Any

from .console import print_table


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print one fact per line; a color matrix takes three, and each problem and correction one."""
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False, box=None, pad_edge=False)
    for key, value in facts.items():
        table.add_row(key.replace("_", " "), Text(as_text(key, value)))
    print_table(table)


def as_text(key: str, value: Any) -> str:
    """One fact as text.

    >>> as_text("exposure_time", 0.004), as_text("crop", [8, 20, 1704, 2272]), as_text("lens", None)
    ('1/250 s', '2272 x 1704 at column 20, row 8', 'not stated')
    """
    if value is None or value == "":
        return _ABSENT.get(key, "not stated")
    if key in _TEXTS:
        return _TEXTS[key](value)
    if isinstance(value, list):
        return ", ".join(f"{entry:g}" for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _matrix(rows: list[list[float]]) -> str:
    return "\n".join("  ".join(f"{entry:8.4f}" for entry in row) for row in rows)


def _seconds(seconds: float) -> str:
    return f"1/{1 / seconds:.0f} s" if seconds <= 0.3 else f"{seconds:g} s"


def _box(box: list[int]) -> str:
    top, left, height, width = box
    return f"{width} x {height} at column {left}, row {top}"


def _missing(names: list[str]) -> str:
    return f"pass {' and '.join(f'--{name}' for name in names)} to render it" if names else "nothing"


_TEXTS: dict[str, Callable[[Any], str]] = {
    "matrix": _matrix,
    "exposure_time": _seconds,
    "aperture": lambda number: f"f/{number:.1f}",
    "exposure": lambda stops: f"{stops:+g} EV",
    "crop": _box,
    "corrections": lambda phrases: "\n".join(phrases) or "none",
    "problems": lambda phrases: "\n".join(phrases) or "no problems found",
    "missing": _missing,
}
"""How facts are printed that are not plain numbers or text."""
_ABSENT = {"ceiling": "no blown areas"}
"""What the absence of a fact means, where it is not that the file does not state it."""

"""Results as a table, as text or Markdown."""

from typing import Any

from ..results import Measured, figures_of, remark
from .published import reported

COLUMNS = (
    ("raw PSNR", "RAW dB", "{:.2f}"),
    ("raw SSIM", "SSIM", "{:.4f}"),
    ("raw DN", "DN", "{:.1f}"),
    ("sRGB PSNR", "sRGB dB", "{:.2f}"),
    ("sRGB dE2000", "dE2000", "{:.2f}"),
    ("sRGB LPIPS", "LPIPS", "{:.3f}"),
    ("parameters", "parameters", "{:,.0f}"),
    ("MAC per pixel", "MAC/pixel", "{:,.0f}"),
    ("seconds", "seconds", "{:.3f}"),
)
"""Name of the figure, heading, and format of each column."""
FIGURES = tuple(name for name, _, _ in COLUMNS)
"""Names of all figures."""
_PRINTED = ("raw PSNR", "raw SSIM", "raw DN", "sRGB PSNR", "parameters")
_SIZES = ("parameters", "MAC per pixel", "seconds")
"""Figures that depend on the configuration and the machine, not on the seed: shown without a deviation."""


def rows_of(results: dict[str, Any]) -> list[tuple[str, dict[str, Measured], str]]:
    """Name, figures, and remark of each entrant; the best RAW first, entrants without RAW last.

    Args:
        results: content of `results.json`.
    """
    rows = [(name, figures_of(row), remark(row, results)) for name, row in results["entrants"].items()]
    return sorted(rows, key=lambda row: -row[1].get("raw PSNR", Measured(float("-inf"))).mean)


def cell(name: str, figures: dict[str, Measured], form: str) -> str:
    """Format a figure, as mean ± standard deviation if it depends on the seed; empty if there is none.

    Args:
        name: name of the figure.
        figures: figures of an entrant.
        form: format of its numbers, such as `{:.2f}`.

    >>> cell("raw PSNR", {"raw PSNR": Measured(30.0, 0.5)}, "{:.1f}")
    '30.0 ± 0.5'
    """
    return figures[name].text(form, spread=name not in _SIZES) if name in figures else ""


def columns_of(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The columns with a figure in at least one row.

    Args:
        results: content of `results.json`.
    """
    present = {name for _, figures, _ in rows_of(results) for name in figures}
    return [column for column in COLUMNS if column[0] in present]


def markdown(results: dict[str, Any], names: tuple[str, ...] = FIGURES) -> str:
    """Format results as a Markdown table, with a last column for published figures and remarks, if there are any.

    Args:
        results: content of `results.json`.
        names: names of the figures to show.
    """
    columns = [column for column in columns_of(results) if column[0] in names]
    rows = rows_of(results)
    notes = {name: (published(name, results) + (f" ({note})" if note else "")).strip() for name, _, note in rows}
    last = ["published"] if any(notes.values()) else []
    head = ["", *(title for _, title, _ in columns), *last]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, figures, _ in rows:
        cells = [cell(key, figures, form) for key, _, form in columns]
        lines.append("| " + " | ".join([name, *cells, *([notes[name]] if last else [])]) + " |")
    return "\n".join(lines) + "\n"


def published(name: str, results: dict[str, Any]) -> str:
    """The published figures of an entrant under the protocol of the results; empty if there are none.

    Args:
        name: name of the entrant.
        results: content of `results.json`.
    """
    figure = reported(results["protocol"]["name"], results["entrants"][name].get("reported"))
    return "" if figure is None else figure.text()


def text(results: dict[str, Any]) -> str:
    """Format results for a terminal: figures of RAW and renderings, in aligned columns.

    Args:
        results: content of `results.json`.
    """
    columns = [column for column in columns_of(results) if column[0] in _PRINTED]
    rows = rows_of(results)
    lines = [["", *(title for _, title, _ in columns)]]
    lines += [[name, *(cell(key, figures, form) for key, _, form in columns)] for name, figures, _ in rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    notes = ["", *(note for _, _, note in rows)]
    output = []
    for (name, *cells), note in zip(lines, notes, strict=True):
        padded = [f"{value:>{width}}" for value, width in zip(cells, widths[1:], strict=True)]
        visible = [] if note.startswith("failed") else padded
        output.append("  ".join([f"{name:<{widths[0]}}", *visible, note]).rstrip())
    return "\n".join(output)

"""Results as a table of text and of Markdown."""

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
"""Name of the figure, heading, format."""
FIGURES = tuple(name for name, _, _ in COLUMNS)
"""Names of all of them."""
_PRINTED = ("raw PSNR", "raw SSIM", "raw DN", "sRGB PSNR", "parameters")
_SIZES = ("parameters", "MAC per pixel", "seconds")
"""Of the configuration and the machine, not of the seed: shown as a mean alone."""


def rows_of(results: dict[str, Any]) -> list[tuple[str, dict[str, Measured], str]]:
    """Name, figures over the seeds, and what is to be said; best RAW first, those without at the end."""
    rows = [(name, figures_of(found), remark(found, results)) for name, found in results["entrants"].items()]
    return sorted(rows, key=lambda row: -row[1].get("raw PSNR", Measured(float("-inf"))).mean)


def cell(name: str, figures: dict[str, Measured], form: str) -> str:
    """A figure as text, its mean ± standard deviation where it depends on the seed; nothing where there is none."""
    return figures[name].text(form, spread=name not in _SIZES) if name in figures else ""


def columns_of(results: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Columns that have a figure in at least one row."""
    there = {name for _, figures, _ in rows_of(results) for name in figures}
    return [column for column in COLUMNS if column[0] in there]


def markdown(results: dict[str, Any], figures_shown: tuple[str, ...] = FIGURES) -> str:
    """A table, with a column of what was published, and of what is to be said, where there is any."""
    shown = [column for column in columns_of(results) if column[0] in figures_shown]
    rows = rows_of(results)
    told = {name: (published(name, results) + (f" ({said})" if said else "")).strip() for name, _, said in rows}
    last = ["published"] if any(told.values()) else []
    head = ["", *(title for _, title, _ in shown), *last]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, figures, _ in rows:
        cells = [cell(key, figures, form) for key, _, form in shown]
        lines.append("| " + " | ".join([name, *cells, *([told[name]] if last else [])]) + " |")
    return "\n".join(lines) + "\n"


def published(name: str, results: dict[str, Any]) -> str:
    """The figures of `isptoolkit.bench.report.published` by this protocol, of the published configuration."""
    found = reported(results["protocol"]["name"], results["entrants"][name].get("reported"))
    return "" if found is None else found.text()


def text(results: dict[str, Any]) -> str:
    """For a terminal: the figures of RAW and the picture, columns as wide as they need to be."""
    shown = [column for column in columns_of(results) if column[0] in _PRINTED]
    rows = rows_of(results)
    lines = [["", *(title for _, title, _ in shown)]]
    lines += [[name, *(cell(key, figures, form) for key, _, form in shown)] for name, figures, _ in rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    said = ["", *(said for _, _, said in rows)]
    made = []
    for (name, *cells), words in zip(lines, said, strict=True):
        filled = [f"{value:>{width}}" for value, width in zip(cells, widths[1:], strict=True)]
        shown_cells = [] if words.startswith("failed") else filled
        made.append("  ".join([f"{name:<{widths[0]}}", *shown_cells, words]).rstrip())
    return "\n".join(made)

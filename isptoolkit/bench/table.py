"""Results as a table of text and of Markdown."""

from typing import Any

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


def rows_of(results: dict[str, Any]) -> list[tuple[str, dict[str, float], str]]:
    """Name, figures, and what is to be said; best RAW first, those without at the end."""
    rows = []
    for name, found in results["entrants"].items():
        figures = {**found.get("means", {}), **found.get("cost", {})}
        rows.append((name, figures, remark(found, results)))
    return sorted(rows, key=lambda row: -row[1].get("raw PSNR", float("-inf")))


def remark(found: dict[str, Any], results: dict[str, Any]) -> str:
    """Why a row has no figures, or fewer pictures than the protocol says."""
    if "failed" in found:
        return f"failed: {found['failed']}"
    count, wanted = len(found["cases"]), results["protocol"]["images"]
    return f"{count} of {wanted} pictures" if count < wanted else ""


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
        cells = [form.format(figures[key]) if key in figures else "" for key, _, form in shown]
        lines.append("| " + " | ".join([name, *cells, *([told[name]] if last else [])]) + " |")
    return "\n".join(lines) + "\n"


def published(name: str, results: dict[str, Any]) -> str:
    """What others reported by this protocol, for the published configuration; see `isptoolkit.bench.published`."""
    found = reported(results["protocol"]["name"], results["entrants"][name].get("reported"))
    return "" if found is None else found.text()


def text(results: dict[str, Any]) -> str:
    """For a terminal: the figures of RAW and the picture."""
    lines = [f"{'':<20} {'RAW dB':>7} {'SSIM':>7} {'DN':>6} {'sRGB dB':>8} {'parameters':>11}"]
    for name, figures, said in rows_of(results):
        if said.startswith("failed"):
            lines.append(f"{name:<20} {said}")
            continue
        shown = [("raw PSNR", 7, ".2f"), ("raw SSIM", 7, ".4f"), ("raw DN", 6, ".1f")]
        shown += [("sRGB PSNR", 8, ".2f"), ("parameters", 11, ",.0f")]
        cells = [f"{figures[key]:{width}{form}}" if key in figures else " " * width for key, width, form in shown]
        lines.append(f"{name:<20} " + " ".join(cells) + (f"  {said}" if said else ""))
    return "\n".join(line.rstrip() for line in lines)

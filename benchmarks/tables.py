"""Write the tables of the docs, and the figures of model cards, from the results in `benchmarks/results`
and from the published figures in `isptoolkit.bench.report.published`.

    python benchmarks/tables.py

To be run after `isptoolkit bench PROTOCOL -o benchmarks/results/PROTOCOL`; tests compare what it would write.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from isptoolkit.bench.report import published_tables, table
from isptoolkit.bench.results import figures_of, read_results

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PUBLISHED = ("micro", "micro-noise", "pairs")
IMAGES = {ROOT / "docs" / "images" / "benchmark-quality.png": RESULTS / "pairs" / "quality.png"}
"""Copies."""
_CARD = re.compile(r"`([\w-]+)`(\s+)[\d.]+(?:\s+±\s+[\d.]+)?(\s+)dB(\s+)on(\s+)`([\w-]+)`")
"""A figure of a card: entrant, PSNR in dB, protocol."""


def results_of(protocol: str) -> dict[str, Any]:
    """Those in the repository."""
    return read_results(RESULTS / protocol / "results.json")


def between_marks(page: str, name: str, made: str) -> str:
    """The page with what is between `<!-- NAME -->` and `<!-- NAME end -->` replaced."""
    before, rest = page.split(f"<!-- {name} -->\n")
    _, after = rest.split(f"<!-- {name} end -->")
    return f"{before}<!-- {name} -->\n{made}<!-- {name} end -->{after}"


def card_figures(page: str) -> str:
    """The page with each `` `entrant` 12.34 dB on `protocol` `` written again, line breaks kept."""

    def again(found: re.Match[str]) -> str:
        name, a, b, c, d, protocol = found.groups()
        figure = figures_of(results_of(protocol)["entrants"][name])["raw PSNR"]
        return f"`{name}`{a}{figure}{b}dB{c}on{d}`{protocol}`"

    return _CARD.sub(again, page)


def pages() -> dict[Path, str]:
    """What each generated file should hold."""
    docs, cards = ROOT / "docs" / "benchmark.md", ROOT / "docs" / "cards.md"
    made = {docs: docs.read_text("utf-8")}
    for protocol in PUBLISHED:
        path = RESULTS / protocol / "table.md"
        made[path] = table.markdown(results_of(protocol))
        made[docs] = between_marks(made[docs], protocol, made[path])
    for name, words in published_tables.markdown().items():
        made[docs] = between_marks(made[docs], name, words)
    made[cards] = card_figures(cards.read_text("utf-8"))
    return made


def main() -> None:
    """Write what differs, and print its name."""
    for path, words in pages().items():
        if not path.is_file() or path.read_text("utf-8") != words:
            path.write_text(words, "utf-8")
            print(path.relative_to(ROOT))
    for copy, original in IMAGES.items():
        if copy.read_bytes() != original.read_bytes():
            shutil.copyfile(original, copy)
            print(copy.relative_to(ROOT))


if __name__ == "__main__":
    main()

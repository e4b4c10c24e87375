"""Write the tables of README and docs, and the figures of the model cards, from the results in `benchmarks/results`.

    python -m benchmarks.tables

To be run after `isptoolkit bench PROTOCOL -o benchmarks/results/PROTOCOL`; tests compare what it would write.
"""

import re
import shutil
from pathlib import Path
from typing import Any

from isptoolkit.bench import table
from isptoolkit.bench.results import figures_of, read_results

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PUBLISHED = ("micro", "micro-noise", "pairs")
SHORT = ("raw PSNR", "raw SSIM", "sRGB PSNR", "parameters")
"""Columns of the table in README."""
IMAGES = {ROOT / "docs" / "images" / "benchmark-quality.png": RESULTS / "pairs" / "quality.png"}
"""Copies."""
_CARD = re.compile(r"`([\w-]+)`(\s+)[\d.]+(?:\s+±\s+[\d.]+)?(\s+)dB(\s+)on(\s+)`([\w-]+)`")
"""A figure of a card: entrant, PSNR in dB, protocol."""


def results_of(protocol: str) -> dict[str, Any]:
    """Those in the repository."""
    return read_results(RESULTS / protocol / "results.json")


def between_marks(page: str, protocol: str, columns: tuple[str, ...]) -> str:
    """The page with the table between its marks, `<!-- NAME -->` and `<!-- NAME end -->`, written again."""
    before, rest = page.split(f"<!-- {protocol} -->\n")
    _, after = rest.split(f"<!-- {protocol} end -->")
    made = table.markdown(results_of(protocol), columns)
    return f"{before}<!-- {protocol} -->\n{made}<!-- {protocol} end -->{after}"


def card_figures(page: str) -> str:
    """The page with each `` `entrant` 12.34 dB on `protocol` `` written again, line breaks kept."""

    def again(found: re.Match[str]) -> str:
        name, a, b, c, d, protocol = found.groups()
        figure = figures_of(results_of(protocol)["entrants"][name])["raw PSNR"]
        return f"`{name}`{a}{figure}{b}dB{c}on{d}`{protocol}`"

    return _CARD.sub(again, page)


def pages() -> dict[Path, str]:
    """What each generated file should hold."""
    readme, docs, cards = ROOT / "README.md", ROOT / "docs" / "benchmark.md", ROOT / "docs" / "cards.md"
    made = {readme: between_marks(readme.read_text("utf-8"), "micro", SHORT), docs: docs.read_text("utf-8")}
    for protocol in PUBLISHED:
        made[docs] = between_marks(made[docs], protocol, table.FIGURES)
        made[RESULTS / protocol / "table.md"] = table.markdown(results_of(protocol))
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

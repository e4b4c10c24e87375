"""Write the tables of `docs/benchmark.md` from the results in `benchmarks/results` and the published figures in
`isptoolkit.bench.report.published`.

    python benchmarks/tables.py

Run it after `isptoolkit bench PROTOCOL -o benchmarks/results/PROTOCOL`; tests compare the files with what it would
write.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from isptoolkit.bench.report import published_tables, table
from isptoolkit.bench.results import read_results

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PUBLISHED = ("micro", "micro-noise", "pairs")
IMAGES = {ROOT / "docs" / "images" / "benchmark-quality.png": RESULTS / "pairs" / "quality.png"}
"""Copies."""


def results_of(protocol: str) -> dict[str, Any]:
    """The results of one protocol in the repository."""
    return read_results(RESULTS / protocol / "results.json")


def published_results() -> dict[str, dict[str, Any]]:
    """The results in the repository, by protocol."""
    return {protocol: results_of(protocol) for protocol in PUBLISHED}


def between_marks(page: str, name: str, text: str) -> str:
    """The page with the text between `<!-- NAME -->` and `<!-- NAME end -->` replaced."""
    before, rest = page.split(f"<!-- {name} -->\n")
    _, after = rest.split(f"<!-- {name} end -->")
    return f"{before}<!-- {name} -->\n{text}<!-- {name} end -->{after}"


def pages() -> dict[Path, str]:
    """The contents of each generated file."""
    docs = ROOT / "docs" / "benchmark.md"
    contents = {docs: docs.read_text("utf-8")}
    for protocol in PUBLISHED:
        path = RESULTS / protocol / "table.md"
        contents[path] = table.markdown(results_of(protocol))
        contents[docs] = between_marks(contents[docs], protocol, contents[path])
    for name, words in published_tables.markdown().items():
        contents[docs] = between_marks(contents[docs], name, words)
    return contents


def main() -> None:
    """Write what differs, and print its name."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
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

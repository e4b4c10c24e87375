"""Tables in README and docs are those of the results in the repository."""

from pathlib import Path

import pytest

from isptoolkit.bench import table
from isptoolkit.bench.entrants import ENTRANTS
from isptoolkit.bench.run import read_results

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("raw PSNR", "raw SSIM", "sRGB PSNR", "parameters")


@pytest.mark.parametrize(("page", "figures"), [("README.md", SHORT), ("docs/benchmark.md", None)], ids=str)
def test_tables_are_generated(page, figures):
    results = read_results(ROOT / "benchmarks" / "results" / "micro" / "results.json")
    made = table.markdown(results) if figures is None else table.markdown(results, figures)
    shown = (ROOT / page).read_text().split("<!-- micro -->\n")[1].split("<!-- micro end -->")[0]
    assert shown == made


def test_everyone_took_part():
    results = read_results(ROOT / "benchmarks" / "results" / "micro" / "results.json")
    assert results["entrants"].keys() == ENTRANTS.keys()
    assert not [name for name, found in results["entrants"].items() if "failed" in found]
    assert all(len(found["cases"]) == results["protocol"]["images"] for found in results["entrants"].values())

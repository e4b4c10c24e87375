"""Tables in README and docs are those of the results in the repository."""

import re
from pathlib import Path

import pytest

from isptoolkit.bench import table
from isptoolkit.bench.entrants import entrants_of
from isptoolkit.bench.run import read_results

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("raw PSNR", "raw SSIM", "sRGB PSNR", "parameters")
PUBLISHED = ("micro", "micro-noise", "pairs")


def results_of(protocol):
    return read_results(ROOT / "benchmarks" / "results" / protocol / "results.json")


@pytest.mark.parametrize(
    ("page", "protocol"), [("README.md", "micro"), *(("docs/benchmark.md", name) for name in PUBLISHED)], ids=str
)
def test_tables_are_generated(page, protocol):
    figures = SHORT if page == "README.md" else table.FIGURES
    shown = (ROOT / page).read_text().split(f"<!-- {protocol} -->\n")[1].split(f"<!-- {protocol} end -->")[0]
    assert shown == table.markdown(results_of(protocol), figures)


def test_figures_of_the_cards():
    found = re.findall(
        r"`([\w-]+)` ([\d.]+) dB on `([\w-]+)`", " ".join((ROOT / "docs" / "cards.md").read_text().split())
    )
    assert len(found) > 20
    for name, value, protocol in found:
        assert value == f"{results_of(protocol)['entrants'][name]['means']['raw PSNR']:.2f}"


@pytest.mark.parametrize("protocol", PUBLISHED)
def test_everyone_took_part(protocol):
    results = results_of(protocol)
    assert list(results["entrants"]) == entrants_of(protocol)
    assert not [name for name, found in results["entrants"].items() if "failed" in found]
    assert results["commit"] and results["data"]["images"] >= results["protocol"]["images"]
    assert all(len(found["cases"]) == results["data"]["images"] for found in results["entrants"].values())

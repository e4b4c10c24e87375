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


def by_seed():
    """Of those that ran with other seeds as well."""
    folder = ROOT / "benchmarks" / "results" / "pairs"
    runs = [read_results(folder / name) for name in ("results.json", "seed-1.json", "seed-2.json")]
    assert [run["seed"] for run in runs] == [0, 1, 2] and len({run["data"]["fingerprint"] for run in runs}) == 1
    lines = ["|  | seed 0 | seed 1 | seed 2 |", "| --- | --- | --- | --- |"]
    for name in runs[1]["entrants"]:
        figures = [f"{run['entrants'][name]['means']['raw PSNR']:.2f}" for run in runs]
        lines.append(f"| {' | '.join([name, *figures])} |")
    return "\n".join(lines) + "\n"


def test_seeds_are_told():
    shown = (ROOT / "docs" / "benchmark.md").read_text().split("<!-- seeds -->\n")[1].split("<!-- seeds end -->")[0]
    assert shown == by_seed()


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

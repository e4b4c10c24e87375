"""Tables in the docs are those of the results in the repository, and those are what the program computes."""

import math
import runpy
from pathlib import Path

import pytest

from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.data.micro import Micro
from isptoolkit.bench.methods.entrants import CLASSICAL, entrant, entrants_of
from isptoolkit.bench.report.cards import cards_page, layouts_table
from isptoolkit.bench.results import figures_of
from isptoolkit.bench.scoring import score
from isptoolkit.data import LAYOUTS
from isptoolkit.recipes import RECIPES

TABLES = runpy.run_path(str(Path(__file__).resolve().parents[2] / "benchmarks" / "tables.py"))
PUBLISHED, results_of = TABLES["PUBLISHED"], TABLES["results_of"]


def test_tables_and_figures_are_generated():
    path = TABLES["ROOT"] / "docs" / "benchmark.md"
    assert path.read_text("utf-8") == TABLES["pages"]()[path], "run python benchmarks/tables.py"


@pytest.mark.parametrize("protocol", PUBLISHED)
def test_tables_beside_the_results(protocol):
    path = TABLES["RESULTS"] / protocol / "table.md"
    assert path.read_text("utf-8") == TABLES["pages"]()[path], "run python benchmarks/tables.py"


def test_images_are_copies():
    for copy, original in TABLES["IMAGES"].items():
        assert copy.read_bytes() == original.read_bytes(), "run python benchmarks/tables.py"


def test_every_figure_is_on_a_card():
    """Of each recipe's entrants, as measured; and what was published about them."""
    page = " ".join(cards_page(TABLES["published_results"]()).split())
    for recipe in RECIPES:
        card = page.split(f"## {recipe.title} ")[1].split(" ## ")[0]
        assert recipe.parameters is None or f"{recipe.parameters:,} parameters" in card
        assert recipe.source is None or f"{recipe.source}." in card
        for name in (candidate.name for candidate in recipe.candidates):
            for protocol in PUBLISHED:
                if name in results_of(protocol)["entrants"]:
                    figure = figures_of(results_of(protocol)["entrants"][name])["raw PSNR"]
                    assert f"`{name}` {figure} dB on `{protocol}`" in card
    assert "`u-net` 26.30 dB, SSIM 0.77 on `aim22-s7`; `u-net` 30.01 dB, SSIM 0.80 on `aim22-p20`." in page


def test_the_table_of_layouts_has_each_recipe():
    rows = {row.split("`")[1]: row.split(" | ")[-1] for row in layouts_table().splitlines()[2:]}
    assert list(rows) == list(LAYOUTS)
    for recipe in RECIPES:
        assert [layout for layout in rows if f"`{recipe.name}`" in rows[layout]] == [
            layout for layout in LAYOUTS if layout in recipe.layouts
        ]


@pytest.mark.parametrize("protocol", PUBLISHED)
def test_stored_results_are_complete(protocol):
    """The stored entrants exist, and no classical one is missing; a new recipe's results may be added later."""
    results, entrants = results_of(protocol), entrants_of(protocol)
    assert list(results["entrants"]) == [name for name in entrants if name in results["entrants"]]
    assert {name for name in entrants if name in CLASSICAL} <= results["entrants"].keys()
    assert results["commit"] and results["data"]["images"] >= results["protocol"]["images"]
    for name, found in results["entrants"].items():
        assert found["about"] == entrant(name).about
        seeds = {f"{seed}" for seed in results["seeds"]} if entrant(name).learns else {"0"}
        assert found["runs"] and set(found["runs"]) <= seeds
        for done in found["runs"].values():
            assert "failed" not in done and len(done["cases"]) == results["data"]["images"]


@pytest.mark.parametrize("name", ["identity", "classic", "upi", "least-squares"])
def test_what_is_cheap_is_computed_again(name):
    """A change of scoring, of the data or of these entrants shows here; float noise of machines does not."""
    stored, data, chosen = results_of("micro"), Micro(), entrant(name)
    assert stored["data"]["fingerprint"] == data.fingerprint
    predictor = chosen.predictor(chosen.fit(data.train, 0) if chosen.fit else None)
    rows = stored["entrants"][name]["runs"]["0"]["cases"]
    for number in (0, 7, 16, 23):  # both cameras
        case, wanted = data.cases[number], {**rows[number]}
        found, *_ = score(predictor, case, PROTOCOLS["micro"])
        assert wanted.pop("name") == case.name and wanted.keys() == found.keys()
        for figure, value in wanted.items():
            off = {"raw PSNR": 0.02, "sRGB PSNR": 0.02, "seconds": math.inf}.get(figure, 0.005 * value)
            assert found[figure] == pytest.approx(value, abs=off), (case.name, figure)

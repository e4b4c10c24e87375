"""The page in a real browser: sorting, sliders, phone width, no network access, no console messages."""

import json
import shutil
import statistics
from dataclasses import replace

import pytest
from browsers import chromium
from PIL import Image

from isptoolkit.bench.job import Job, by_seed
from isptoolkit.bench.report.page import write_page
from isptoolkit.bench.report.plots import draw_plots
from isptoolkit.bench.run import run

pytestmark = pytest.mark.slow  # the page shows a real run, which takes half a minute


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page of a real run: two entrants without training, one trained briefly with two seeds, one that fails."""
    folder = tmp_path_factory.mktemp("bench")
    job = Job("micro", "", None, "libraw", 16, 0, "cpu", 0, 1)
    jobs = by_seed(job, ["identity", "classic", "u-net"], [0, 1])
    results = run(jobs, folder, workers=1)
    results = run([*jobs, replace(job, entrant="ssdnet")], folder, workers=1, budget=0.2)
    assert "failed" in results["entrants"]["ssdnet"]["runs"]["0"]
    write_page(results, folder, folder / "index.html")
    return folder / "index.html"


@pytest.fixture(scope="module")
def browser():
    with chromium("--window-size=1200,1600") as browser:
        yield browser


@pytest.fixture
def opened(browser, page):
    browser.get(page.as_uri())
    return browser


def entrants(browser):
    return [row.get_attribute("data-entrant") for row in browser.find_elements("css selector", "#board tbody tr")]


def head(browser, title):
    return next(b for b in browser.find_elements("css selector", "#board th button") if b.text.startswith(title))


def test_the_board_is_sorted_by_any_column(opened):
    assert entrants(opened)[0] == "classic" and entrants(opened)[-1] == "ssdnet"
    head(opened, "parameters").click()
    assert entrants(opened)[0] == "u-net" and entrants(opened)[-1] == "ssdnet"
    head(opened, "parameters").click()
    assert entrants(opened)[-2] == "u-net"
    cell = next(th for th in opened.find_elements("css selector", "#board th") if th.text.startswith("parameters"))
    assert cell.get_attribute("aria-sort") == "ascending"


def test_a_failure_is_a_row_with_the_reason(opened):
    row = opened.find_element("css selector", "tr[data-entrant='ssdnet']")
    assert "failed: stopped, since its budget of 0.2 seconds was spent" in row.text


def test_seeds_are_shown_as_mean_and_deviation(opened, page):
    results = json.loads((page.parent / "results.json").read_text())
    values = [run["means"]["raw PSNR"] for run in results["entrants"]["u-net"]["runs"].values()]
    row = opened.find_element("css selector", "tr[data-entrant='u-net']").text
    assert f"{statistics.fmean(values):.2f} ± {statistics.stdev(values):.2f}" in row
    assert "±" not in opened.find_element("css selector", "tr[data-entrant='classic']").text
    assert "seeds 0, 1" in opened.find_element("css selector", "#subtitle").text
    opened.find_element("css selector", "#entrant option[value='u-net']").click()
    assert opened.find_element("css selector", "#figures").text.startswith("seed 0")


def test_the_slider_moves(opened):
    slider = opened.find_element("css selector", ".slider")
    over, bar = slider.find_elements("css selector", "img")[1], slider.find_element("css selector", ".bar")
    assert "50%" in over.get_attribute("style") and "left: 50%" in bar.get_attribute("style")
    control = slider.find_element("css selector", "input")
    for _ in range(10):
        control.send_keys("\ue014")  # arrow to the right
    assert "55%" in over.get_attribute("style") and "left: 55%" in bar.get_attribute("style")


def test_selecting_another_entrant_and_image(opened):
    first = opened.find_element("css selector", ".slider img:nth-of-type(2)").get_attribute("src")
    opened.find_element("css selector", "#entrant option[value='identity']").click()
    second = opened.find_element("css selector", ".slider img:nth-of-type(2)").get_attribute("src")
    opened.find_element("css selector", "#case option[value='3']").click()
    third = opened.find_element("css selector", ".slider img:nth-of-type(2)").get_attribute("src")
    assert len({first, second, third}) == 3
    assert "raw PSNR" in opened.find_element("css selector", "#figures").text


def test_all_images_are_embedded_and_nothing_is_fetched(opened):
    loaded = "return [...document.images].map(i => [i.naturalWidth, i.src.slice(0, 22)])"
    assert all(width == 128 and source == "data:image/png;base64," for width, source in opened.execute_script(loaded))
    assert [entry for entry in opened.get_log("browser") if entry["level"] != "INFO"] == []
    sent = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    schemes = {m["params"]["request"]["url"].split(":")[0] for m in sent if m["method"] == "Network.requestWillBeSent"}
    assert schemes <= {"file", "data"}


def test_charts_and_protocol(opened):
    assert len(opened.find_elements("css selector", "#scatter circle")) == 3
    assert len(opened.find_elements("css selector", "#curves path")) == 2  # one for each seed
    assert len(opened.find_elements("css selector", "#curves text")) == 5  # one name, and four labels of the axes
    assert len(opened.find_elements("css selector", "#scatter .spread")) == 1
    stages = [row.text for row in opened.find_elements("css selector", "#stages tbody tr")]
    assert stages[0] == "classic" and stages[1].startswith("levels sensor")
    assert "color filter array" in opened.find_element("css selector", "#protocol").text


@pytest.mark.parametrize("width", [1280, 390])
def test_notes_wrap_and_nothing_scrolls_sideways(page, tmp_path, browser, width):
    """With a long note, a long word, and all columns, on a desktop and a phone."""
    results = json.loads((page.parent / "results.json").read_text())
    results["entrants"]["classic"]["about"] = "a long note of many words, " * 20 + "x" * 200
    results["entrants"]["u-net"]["reported"], results["protocol"]["name"] = "u-net", "aim22-s7"
    for trained in results["entrants"]["u-net"]["runs"].values():
        trained["means"] |= {"sRGB PSNR": 28.13, "sRGB dE2000": 3.56, "sRGB LPIPS": 0.123}
    write_page(results, page.parent, tmp_path / "index.html")
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        browser.get((tmp_path / "index.html").as_uri())
        assert browser.execute_script("return innerWidth") == width
        root = "document.documentElement"
        assert browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")
        edges = "return [...document.querySelectorAll('main *')].map(e => e.getBoundingClientRect().right)"
        assert max(browser.execute_script(edges)) <= width
        note = browser.find_element("css selector", "tr[data-entrant='classic'] .note")
        assert note.text.endswith("x" * 200) and note.size["height"] > 3 * 20
        assert "26.30 / 0.77" in browser.find_element("css selector", "tr[data-entrant='u-net']").text
        head(browser, "parameters").click()  # the sort buttons exist at both widths
        assert entrants(browser)[0] == "u-net"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_images_with_the_names_of_earlier_versions_are_skipped(page, tmp_path, browser):
    results, former = json.loads((page.parent / "results.json").read_text()), {"input": "given", "recovered": "found"}
    shutil.copytree(page.parent / "entrants", tmp_path / "entrants")
    for path in sorted((tmp_path / "entrants").rglob("*.png")):
        if path.stem in former:
            path.rename(path.with_stem(former[path.stem]))
    write_page(results, tmp_path, tmp_path / "index.html")
    browser.get((tmp_path / "index.html").as_uri())
    browser.find_element("css selector", "#entrant option[value='classic']").click()
    captions = [line.text for line in browser.find_elements("css selector", "#images figcaption")]
    assert len(captions) == 1 and captions[0].startswith("RAW error")
    assert "raw PSNR" in browser.find_element("css selector", "#figures").text
    assert [entry for entry in browser.get_log("browser") if entry["level"] != "INFO"] == []
    shutil.copytree(page.parent / "entrants" / "u-net", tmp_path / "entrants" / "u-net", dirs_exist_ok=True)
    write_page(results, tmp_path, tmp_path / "index.html")
    browser.get((tmp_path / "index.html").as_uri())
    browser.find_element("css selector", "#entrant option[value='u-net']").click()
    captions = [line.text for line in browser.find_elements("css selector", "#images figcaption")]
    assert captions[0] == "left: true RAW · right: RAW by u-net" and "input" in captions[-1]


def test_denoisers_are_compared_with_their_input(tmp_path, browser):
    results = run([Job("micro-noise", name, None, "libraw", 1, 0, "cpu", 0) for name in ("noisy", "wiener")], tmp_path)
    write_page(results, tmp_path, tmp_path / "index.html")
    browser.get((tmp_path / "index.html").as_uri())
    assert entrants(browser) == ["wiener", "noisy"]
    captions = [line.text for line in browser.find_elements("css selector", "#images figcaption")]
    assert captions[0] == "left: noisy RAW · right: RAW by wiener"
    assert captions[1] == "left: true RAW · right: RAW by wiener" and len(captions) == 3
    assert not browser.find_element("css selector", "#by-stage").is_displayed()
    assert not [button for button in browser.find_elements("css selector", "#board th") if "sRGB" in button.text]


def test_plots_beside_the_page(page):
    """Their sizes and their number of colors."""
    results = json.loads((page.parent / "results.json").read_text())
    draw_plots(results, page.parent)
    for name in ("quality.png", "learning.png"):
        with Image.open(page.parent / name) as image:
            assert image.size == (960, 600)
            assert len(image.convert("RGB").getcolors(1 << 20)) > 20
    quiet = {**results, "entrants": {"classic": results["entrants"]["classic"]}}
    (page.parent / "learning.png").unlink()
    draw_plots(quiet, page.parent)
    assert not (page.parent / "learning.png").exists()


def test_text_of_results_cannot_end_the_script(page, tmp_path, browser):
    results = json.loads((page.parent / "results.json").read_text())
    results["entrants"]["classic"]["about"] = "</script><script>document.title = 'taken'</script>"
    write_page(results, page.parent, tmp_path / "index.html")
    browser.get((tmp_path / "index.html").as_uri())
    assert browser.title == "isptoolkit benchmark"
    assert "</script>" in browser.find_element("css selector", "tr[data-entrant='classic']").text

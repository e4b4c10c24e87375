"""The code of README and documentation runs, and the images of the tutorials are those that the code writes."""

import re
import runpy
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
RUN_PAGE = runpy.run_path(str(ROOT / "docs" / "run_page.py"))
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if RUN_PAGE["has_code"](page)]
TUTORIALS = ("build_pipeline", "check_stage", "unprocess", "train", "benchmark")
SLOW = {"docs/tutorials/benchmark.md", "docs/tutorials/train.md"}
ALL = [
    pytest.param(page, id=name, marks=[pytest.mark.slow] * (name in SLOW))
    for page, name in ((page, str(page.relative_to(ROOT))) for page in PAGES)
]


def images(text):
    """The targets of the images of a page, in Markdown and on cards."""
    return re.findall(r"^!\[[^\]]*\]\(([^)]+)\)$|^:img-top: (\S+)$", text, re.MULTILINE)


def difference(one, other):
    """Mean absolute difference in levels; infinite for images of different sizes."""
    one, other = (np.asarray(Image.open(path).convert("RGB"), dtype=float) for path in (one, other))
    return abs(one - other).mean() if one.shape == other.shape else float("inf")


@pytest.mark.parametrize("page", ALL)
def test_code_runs_and_writes_the_images(page, tmp_path, monkeypatch):
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    RUN_PAGE["run"](page)
    for name in RUN_PAGE["images_of"](page):
        shown = ROOT / "docs" / "images" / "tutorials" / name
        assert difference(tmp_path / name, shown) < 3, f"{name} is out of date: run python docs/run_page.py {page}"


def test_every_tutorial_is_run():
    names = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.parent != ROOT}
    tutorials = {f"tutorials/{name}.md" for name in TUTORIALS}
    assert {"concepts.md", "adding_a_stage.md"} | tutorials <= names and ROOT / "README.md" in PAGES


@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorials_show_images_of_their_output(name):
    assert RUN_PAGE["images_of"](ROOT / "docs" / "tutorials" / f"{name}.md")


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: str(page.relative_to(ROOT))
)
def test_images_exist(page):
    targets = ["".join(pair) for pair in images(page.read_text())]
    assert [name for name in targets if not (page.parent / name).is_file()] == []


def page_of(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    return page


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```console\n$ isptoolkit --version  # exit status 2\n```\n", "exit status 0, the page says 2"),
        ("```console\n$ isptoolkit info nowhere.CRW\n```\n", "exit status 2, the page says 0"),
        ("```console\n$ isptoolkit --version\nisptoolkit 99\n```\n", "'isptoolkit 99', which is not in the output"),
        ("```console\n$ isptoolkit --version\nisptoolkit ...\nisptoolkit ...\n```\n", "not in the output"),
        ("```console\n$ rm -r photos\n```\n", "pages run isptoolkit only"),
        ("```python\nassert 1 + 1 == 3\n```\n", ""),
    ],
    ids=["status", "failure", "output", "order", "program", "python"],
)
def test_wrong_pages_fail(tmp_path, text, why):
    with pytest.raises(AssertionError) as caught:
        RUN_PAGE["run"](page_of(tmp_path, text))
    assert why in str(caught.value)


def test_right_commands_pass(tmp_path):
    lines = ("$ isptoolkit \\", "    --version", "isptoolkit ...", "$ isptoolkit info nowhere.CRW  # exit status 2")
    text = "\n".join(("```console", *lines, "```", ""))
    RUN_PAGE["run"](page_of(tmp_path, text))


def test_a_changed_image_is_noticed(tmp_path):
    one, other, smaller = (tmp_path / name for name in ("one.png", "other.png", "smaller.png"))
    Image.new("RGB", (4, 4), (0, 0, 0)).save(one)
    Image.new("RGB", (4, 4), (8, 8, 8)).save(other)
    Image.new("RGB", (4, 2), (0, 0, 0)).save(smaller)
    assert difference(one, one) == 0 and difference(one, other) == 8 and difference(one, smaller) == float("inf")

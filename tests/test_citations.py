"""Every citation in code and documentation has a row in `docs/references.md` with the same authors, year, and title."""

import re
import unicodedata
from pathlib import Path

import pytest

from isptoolkit.bench.report.cards import cards_page

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "references.md"
FILES = sorted(
    path
    for path in (
        *(ROOT / "isptoolkit").rglob("*.py"),
        *(ROOT / "recipes").glob("*.py"),
        *(ROOT / "docs").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "README.md",
    )
    if path not in (PAGE, ROOT / "docs" / "cards.md")
)
NAME = r"\b(?!(?:True|False|None)\b)(?:von )?[A-Z][a-z]+(?:-[A-Z][a-z]+)*"
NAMES = rf"{NAME}(?:, {NAME})*(?:,? and {NAME})?"
YEAR = r"(?:19|20)\d\d"
TEAM = r"(?: \([^()]*\))?"
CITATIONS = (  # in this order; text that one pattern matched is hidden from the next
    rf'(?P<names>{NAMES}){TEAM}, "(?P<title>[A-Z][^"]{{9,}})"(?:[^;"]{{0,90}}?\b(?P<year>{YEAR})\b)?',
    rf'(?P<names>{NAMES}) (?:et al\.|and others){TEAM}(?:, "(?P<title>[^"]+)")?(?:[^;"]{{0,90}}?\b(?P<year>{YEAR})\b)?',
    rf"(?P<names>{NAME}(?:, {NAME})*,? and {NAME}){TEAM},? [^;()]{{0,60}}?\b(?P<year>{YEAR})\b",
    rf"(?P<names>{NAMES})(?:,? | \()(?P<year>{YEAR})\b",
)
STANDARDS = (
    r"IEC \d+(?:-\d+)*|ST \d{4}|BT\.\d+-\d+|T\.8\d+|CIE \d+(?::|-)\d{4}|ICC\.1:\d{4}|EMVA standard \d+|DNG 1\.\d|"
    r"TIFF 6\.0|TIFF/EP|Exif \d\.\d+"
)


def ascii_of(text):
    plain = unicodedata.normalize("NFKD", text.replace("ı", "i"))
    return "".join(c for c in plain if not unicodedata.combining(c))


def rows():
    """Surnames, title and year of each paper."""
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and re.fullmatch(YEAR, cells[4]):
            yield ascii_of(cells[1]).split(", "), cells[2].lower(), cells[4]


ROWS = list(rows())


def flowing(text):
    """Prose on one line: without code blocks, line breaks, and comment signs."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return ascii_of(re.sub(r"\s+#?\s*", " ", text))


def citations(text):
    """Citations as (names, whether more authors follow, title, year, text)."""
    text = flowing(text)
    for pattern in CITATIONS:
        for match in re.finditer(pattern, text):
            part = match.groupdict()
            more = bool(re.search(r"et al\.|and others", match[0]))
            names = re.split(r", and | and |, ", part["names"])
            yield names, more, (part.get("title") or "").lower(), part["year"], match[0]
        text = re.sub(pattern, "[cited]", text)


def known(names, more, title, year):
    """Whether a row has these authors (all, unless more follow), this year, and a title that starts this way."""
    return any(
        (authors[: len(names)] == names if more or "and others" in authors else authors == names)
        and year in (None, published)
        and full_title.startswith(title)
        for authors, full_title, published in ROWS
    )


def without_rows(text):
    """The citations, and the standards, of a text that the page of references lacks."""
    page = PAGE.read_text()
    papers = [quoted for *citation, quoted in citations(text) if not known(*citation)]
    return papers, {name for name in re.findall(STANDARDS, text) if name not in page}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_citations_have_rows(path):
    assert without_rows(path.read_text()) == ([], set())


def test_citations_of_the_cards_have_rows():
    cards = cards_page({})
    assert len(list(citations(cards))) > 5 and without_rows(cards) == ([], set())


@pytest.mark.parametrize(
    "text",
    [
        'Source: Brooks et al., "Unprocessing images for learned raw\n    denoising", CVPR 2019.',
        "(Brooks and others, CVPR 2019)",
        "as Xing,\n# Qian and Chen, CVPR 2021, have it",
        "Menon, Andriani, Calvagno 2007",
        "the law of von Kries (1902)",
        'Zou and Zhang (team CS2U), "Learned reverse ISP with soft supervision", AIM 2022',
    ],
)
def test_each_form_of_a_citation_is_recognized(text):
    assert len(list(citations(text))) == 1 and all(known(*cited[:4]) for cited in citations(text))


@pytest.mark.parametrize(
    "text",
    [
        "Choi et al. (CS2U), SSDNet, AIM 2022",
        "Kinli et al., CVPR 2021",
        "Xing and Chen, CVPR 2021",
        'Hable, "Filmic curves", 2010',
        "Robertson 1969",
    ],
)
def test_wrong_citations_are_rejected(text):
    assert not all(known(*cited[:4]) for cited in citations(text))

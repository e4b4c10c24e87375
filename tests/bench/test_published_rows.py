"""Published figures against rows copied by hand from the papers, and the tables of the documentation."""

from collections import Counter
from pathlib import Path

import pytest

from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.methods.entrants import entrant, entrants_of
from isptoolkit.bench.report import table
from isptoolkit.bench.report.challenge import CHALLENGE, SUBMISSIONS
from isptoolkit.bench.report.published import PUBLISHED, reported
from isptoolkit.bench.report.published_tables import markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmark.md"
OTHERS = {"dnd"}

# Organizers' slides, table 1, without the mark of extra data: S7 Test1, Test2, P20 Test1, Test2.
SLIDES = """
NOAHTCV     31.86 0.83 32.69 0.88 38.38 0.93 35.77 0.92
MiAlgo      31.39 0.82 30.73 0.80 40.06 0.93 37.09 0.92
CASIA_LCVG  30.19 0.81 31.47 0.86 37.58 0.93 33.99 0.92
HIT-IIL     29.12 0.80 30.22 0.87 36.53 0.91 34.25 0.90
SenseBrains 28.36 0.80 30.08 0.86 35.47 0.92 32.63 0.91
CS^2U       29.13 0.79 29.95 0.84 - - - -
HiImage     27.96 0.79 - - 34.40 0.94 32.13 0.90
0noise      27.67 0.79 29.81 0.87 33.68 0.90 31.83 0.89
OzU_VGL     27.89 0.79 28.83 0.83 32.72 0.87 30.69 0.86
PixelJump   28.15 0.80 - - - - - -
CVIP        27.85 0.80 29.50 0.86 - - - -
CycleISP    26.75 0.78 - - 32.70 0.85 - -
UPI         26.90 0.78 - - - - - -
U-Net_Base  26.30 0.77 - - 30.01 0.80 - -
"""

# Organizers' slides, second table: input, epochs, extra data, ensemble, full resolution, parameters in M, ms.
NETWORKS = """
NOAHTCV     504 504 500 no no yes 5.6 25
MiAlgo      3024 4032 3000 no no yes 4.5 18
CASIA_LCVG  504 504 300K_it. yes yes yes 464 219
CS^2U       504 504 276K_it. yes yes yes 105 1300
HIT-IIL     1536 1536 1000 no no yes 9/116 19818
SenseBrains 504 504 220 no yes yes 69 50
PixelJump   504 504 400 no yes yes 6.64 40
HiImage     256 256 600 no no yes 11 200
OzU_VGL     496 496 52 no no yes 86 6
CVIP        504 504 75 no no yes 2.8 400
0noise      504 504 200 no no yes 0.17 19
"""

# SSDNet paper, table 3, as printed: parameters in M, ms.
TABLE_3 = """
NOAHTCV     5.6 25
MiAlgo      4.5 18
CASIA_LCVG  464 31
HIT-IIL     116 19818
CS^2U       105 1300
SenseBrains 69 50
PixelJump   6.64 40
HiImage     11 200
0noise      86 6
OzU_VGL     2.8 10
CVIP        0.17 19
"""
SUBMITTED = {one.team.replace(" ", "_"): one for one in SUBMISSIONS}


def texts_of(method, protocol, part=""):
    return [row.text() for row in PUBLISHED if (row.method, row.protocol, row.part) == (method, protocol, part)]


@pytest.mark.parametrize("line", SLIDES.split("\n")[1:-1], ids=lambda line: line.split()[0])
def test_the_challenge_matches_the_slides(line):
    team, *numbers = line.split()
    cells = [(f"aim22-{track}", part) for track in ("s7", "p20") for part in ("Test1", "Test2")]
    for cell, psnr, ssim in zip(cells, numbers[::2], numbers[1::2], strict=True):
        texts = texts_of(team.replace("_", " "), *cell)
        assert texts[:1] == ([] if psnr == "-" else [f"{psnr} / {ssim}"])


def test_the_challenge_has_fourteen_rows_and_four_disagreements():
    assert [one.team.replace(" ", "_") for one in SUBMISSIONS] == [line.split()[0] for line in SLIDES.split("\n")[1:-1]]
    assert {row.method for row in CHALLENGE} == {one.team for one in SUBMISSIONS}
    cells = Counter((row.method, row.protocol, row.part) for row in CHALLENGE)
    twice = {cell: texts_of(*cell) for cell, count in cells.items() if count > 1}
    assert twice == {
        ("MiAlgo", "aim22-s7", "Test2"): ["30.73 / 0.80", "28.56 / 0.85"],
        ("HIT-IIL", "aim22-s7", "Test2"): ["30.22 / 0.87", "29.98 / 0.87"],
        ("MiAlgo", "aim22-p20", "Test2"): ["37.09 / 0.92", "35.41 / 0.91"],
        ("HIT-IIL", "aim22-p20", "Test2"): ["34.25 / 0.90", "34.07 / 0.90"],
    }


@pytest.mark.parametrize("line", NETWORKS.split("\n")[1:-1], ids=lambda line: line.split()[0])
def test_networks_match_the_slides(line):
    team, height, width, training, *marks, parameters, runtime = line.split()
    one = SUBMITTED[team]
    assert one.sizes == (int(height), int(width)) and one.training == training.replace("K_it.", "K it.")
    assert [one.extra_data, one.ensemble, one.full_resolution] == [mark == "yes" for mark in marks]
    assert one.parameters == tuple(float(number) for number in parameters.split("/")) and one.runtime == float(runtime)


def test_the_slides_have_eleven_networks():
    described = {team for team, one in SUBMITTED.items() if one.parameters}
    assert described == {line.split()[0] for line in NETWORKS.split("\n")[1:-1]}
    for team in SUBMITTED.keys() - described:
        one = SUBMITTED[team]
        assert (one.training, one.sizes, one.runtime, one.extra_data, one.ensemble) == ("", (), None, None, None)


@pytest.mark.parametrize("line", TABLE_3.split("\n")[1:-1], ids=lambda line: line.split()[0])
def test_notes_list_where_the_ssdnet_paper_differs(line):
    """A figure of table 3 that differs from the slides is in the note, with its source."""
    team, parameters, runtime = line.split()
    one = SUBMITTED[team]
    others = [f"{parameters} M"] * (one.parameters != (float(parameters),))
    others += [f"{runtime} ms"] * (one.runtime != float(runtime))
    assert all(text in one.note for text in others) and (not others or "SSDNet paper, table 3" in one.note)


def test_notes_name_every_source():
    """The slides of RST-ISP-Net repeat its paper's table; CVIP has two runtimes."""
    others = [row for row in CHALLENGE if not row.source.startswith("organizers")]
    assert len(others) == 4 and all("RST-ISP-Net slides" in row.note for row in others)
    assert "400 ms in the slides, 10 ms in the SSDNet paper, table 3" in SUBMITTED["CVIP"].note
    assert "86 M and 6 ms in the 0noise row" in SUBMITTED["OzU_VGL"].note
    assert "8.9 M for S7 and 116.0 M for P20" in SUBMITTED["HIT-IIL"].note


def test_fivek_matches_table_4_of_the_ssdnet_paper():
    for camera, figures in {
        "nikon": {"SSDNet": "47.84", "UPI": "29.30", "Learnable Dictionaries": "43.62", "U-Net": "38.24"},
        "canon": {"SSDNet": "53.60", "CycleISP": "31.71", "Learnable Dictionaries": "50.08", "U-Net": "41.52"},
    }.items():
        assert {name: texts_of(name, f"fivek-{camera}-libraw") for name in figures} == {
            n: [v] for n, v in figures.items()
        }
    assert texts_of("InvISP, JPEG by Fourier rounding", "fivek-nikon") == ["44.42"]
    assert texts_of("InvISP, without JPEG", "fivek-canon") == ["45.72"]
    assert texts_of("InvGrayscale", "fivek-nikon") == ["33.34"] and texts_of("InvGrayscale", "fivek-canon") == ["34.21"]


def test_noise_matches_table_5_of_the_ssdnet_paper():
    rows = {row.method: (row.protocol, row.psnr, row.ssim) for row in PUBLISHED if row.source.endswith("table 5")}
    assert len(rows) == 15
    assert rows["SSDNet"] == ("sidd", 51.73, 0.993) and rows["BM3D"] == ("sidd", 45.52, 0.980)
    assert {name for name, (protocol, *_) in rows.items() if protocol == "dnd"} == {"FoE", "DnCNN", "N3Net", "UPI"}


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.method}-{row.protocol}-{row.part}-{row.psnr}")
def test_every_row_states_protocol_and_source(row):
    assert row.protocol in PROTOCOLS or row.protocol in OTHERS
    assert row.source and (row.stated or row.note)
    assert 20 < row.psnr < 60 and (row.ssim is None or 0.7 < row.ssim < 1)


OURS = list(dict.fromkeys((row.method, row.protocol, row.entrant) for row in PUBLISHED if row.entrant))


@pytest.mark.parametrize(("method", "protocol", "name"), OURS)
def test_published_figures_name_entrants(method, protocol, name):
    """Each runs under the protocol, and its row of the results shows the method's first figure."""
    assert name in entrants_of(protocol)
    results = {"protocol": {"name": protocol}, "entrants": {name: {"reported": entrant(name).reported}}}
    shown = table.published(name, results)
    assert shown == next(row.text() for row in PUBLISHED if (row.method, row.protocol) == (method, protocol))


def test_entrants_name_published_rows():
    """A name without a row would never be shown."""
    names = dict.fromkeys(name for protocol in PROTOCOLS for name in entrants_of(protocol))
    declared = {entrant(name).reported for name in names} - {None}
    assert declared == {row.entrant for row in PUBLISHED if row.entrant}


@pytest.mark.parametrize(
    ("protocol", "name", "text"),
    [
        ("aim22-s7", "ssdnet-x8", "29.13 / 0.79"),
        ("aim22-p20", "zero-noise", "33.68 / 0.90"),
        ("fivek-nikon", "invisp", "44.42"),
        ("sidd", "ssdnet-denoiser", "51.73 / 0.993"),
        ("fivek-nikon-libraw", "ssdnet", "47.84"),
        ("fivek-canon-libraw", "ssdnet", "53.60"),
    ],
)
def test_the_figure_beside_an_entrant(protocol, name, text):
    assert reported(protocol, name).text() == text


def test_unpublished_combinations_have_no_figure():
    assert reported("fivek-nikon", "ssdnet") is None and reported("aim22-s7", None) is None
    assert reported("aim22-s7", "ssdnet") is None and reported("fivek-nikon-libraw", "ssdnet-x8") is None


@pytest.mark.parametrize("name", ["challenge", "fivek published", "sidd published"])
def test_the_page_is_generated(name):
    shown = PAGE.read_text().split(f"<!-- {name} -->\n")[1].split(f"<!-- {name} end -->")[0]
    assert shown == markdown()[name]

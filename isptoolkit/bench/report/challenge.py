"""Every row of the AIM 2022 challenge on reversed ISP, as reported.

The sources are the organizers' slides, whose table 1 has fourteen rows, the paper and slides of RST-ISP-Net, and the
paper of SSDNet. Where they disagree, each value is listed with its source; the slides, the latest source, come first.
"""

from dataclasses import dataclass

from .published_figure import Figure

SLIDES = "organizers' slides, table 1"
RST_PAPER = "RST-ISP-Net paper, table 2"
SSDNET_PAPER = "SSDNet paper, table 3"


@dataclass(frozen=True)
class Submission:
    """A row of the challenge: the team and its network.

    Args:
        team: name of the team in the slides, without the mark of extra data.
        system: name of the method or of its paper; empty if the sources have none.
        entrant: the entrant of this project's benchmark with this method; None if there is none.
        sizes: height and width of the network's input; empty if not reported.
        training: epochs (`500`) or iterations (`300K it.`); empty if not reported.
        extra_data: whether it was trained on more than the challenge's data; None if not reported.
        ensemble: whether several networks, or several passes of one, are averaged; None if not reported.
        full_resolution: whether the slides mark it "FR"; None if not reported.
        parameters: number of parameters in millions; two if the slides have two, which they do not assign to tracks.
        runtime: runtime in ms per image; None if not reported.
        note: what other sources report.
    """

    team: str
    system: str = ""
    entrant: str | None = None
    sizes: tuple[int, ...] = ()
    training: str = ""
    extra_data: bool | None = None
    ensemble: bool | None = None
    full_resolution: bool | None = None
    parameters: tuple[float, ...] = ()
    runtime: float | None = None
    note: str = ""


def _submission(
    team: str,
    system: str,
    sizes: tuple[int, ...],
    training: str,
    marks: str,
    size: tuple[float, ...],
    ms: float,
    entrant: str | None = None,
    note: str = "",
) -> Submission:
    """A row of the slides. Marks are D for extra data, E for an ensemble; the slides mark every team "FR"."""
    return Submission(team, system, entrant, sizes, training, "D" in marks, "E" in marks, True, size, ms, note)


SUBMISSIONS = (
    _submission("NOAHTCV", "", (504, 504), "500", "", (5.6,), 25),
    _submission("MiAlgo", "", (3024, 4032), "3000", "", (4.5,), 18),
    _submission(
        "CASIA LCVG",
        "RISPNet",
        (504, 504),
        "300K it.",
        "DE",
        (464,),
        219,
        note="31 ms on an A100 in the SSDNet paper, table 3",
    ),
    _submission(
        "HIT-IIL",
        "",
        (1536, 1536),
        "1000",
        "",
        (9, 116),
        19818,
        note="the slides do not say which track 9 M and 116 M are of; the team's program has 8.9 M for S7 and 116.0 M "
        "for P20, while the SSDNet paper, table 3, lists 116 M for S7; the slides time it on a CPU, table 3 on a V100",
    ),
    _submission("SenseBrains", "Overexposure Mask Fusion", (504, 504), "220", "E", (69,), 50),
    _submission(
        "CS^2U",
        "SSDNet",
        (504, 504),
        "276K it.",
        "DE",
        (105,),
        1300,
        "ssdnet-x8",
        "self-ensemble; the network that the paper draws has 34.9 M parameters, so 105 M probably counts three; the "
        "paper's text has 35.31 dB on the validation set and 31.02 dB on the test set, which agrees with no table",
    ),
    _submission("HiImage", "", (256, 256), "600", "", (11,), 200),
    _submission(
        "0noise",
        "",
        (504, 504),
        "200",
        "",
        (0.17,),
        19,
        "zero-noise",
        "the SSDNet paper, table 3, has 86 M and 6 ms here, which the slides give to OzU VGL, and 0.17 M and 19 ms in "
        "the CVIP row",
    ),
    _submission(
        "OzU VGL",
        "RST-ISP-Net",
        (496, 496),
        "52",
        "",
        (86,),
        6,
        "rst",
        "its paper: S7 504 pixels, 101 epochs, 5.45 ms; P20 496 pixels, 52 epochs (table 1: 101), 5.54 ms; 86.3 M; the "
        "SSDNet paper, table 3, has 2.8 M and 10 ms here, and 86 M and 6 ms in the 0noise row",
    ),
    _submission("PixelJump", "", (504, 504), "400", "E", (6.64,), 40),
    _submission(
        "CVIP",
        "",
        (504, 504),
        "75",
        "",
        (2.8,),
        400,
        note="400 ms in the slides, 10 ms in the SSDNet paper, table 3, if its 2.8 M and 10 ms in the OzU VGL row are "
        "of this team; here it has 0.17 M and 19 ms, which the slides give to 0noise",
    ),
    Submission("CycleISP", "CycleISP"),
    Submission("UPI", "UPI", "upi"),
    Submission("U-Net Base", "U-Net", "u-net"),
)
"""In the order of the slides; the last three are baselines of the organizers."""

_S7 = {  # Test1 and Test2, PSNR and SSIM each
    "NOAHTCV": (31.86, 0.83, 32.69, 0.88),
    "MiAlgo": (31.39, 0.82, 30.73, 0.80),
    "CASIA LCVG": (30.19, 0.81, 31.47, 0.86),
    "HIT-IIL": (29.12, 0.80, 30.22, 0.87),
    "SenseBrains": (28.36, 0.80, 30.08, 0.86),
    "CS^2U": (29.13, 0.79, 29.95, 0.84),
    "HiImage": (27.96, 0.79),
    "0noise": (27.67, 0.79, 29.81, 0.87),
    "OzU VGL": (27.89, 0.79, 28.83, 0.83),
    "PixelJump": (28.15, 0.80),
    "CVIP": (27.85, 0.80, 29.50, 0.86),
    "CycleISP": (26.75, 0.78),
    "UPI": (26.90, 0.78),
    "U-Net Base": (26.30, 0.77),
}
_P20 = {
    "NOAHTCV": (38.38, 0.93, 35.77, 0.92),
    "MiAlgo": (40.06, 0.93, 37.09, 0.92),
    "CASIA LCVG": (37.58, 0.93, 33.99, 0.92),
    "HIT-IIL": (36.53, 0.91, 34.25, 0.90),
    "SenseBrains": (35.47, 0.92, 32.63, 0.91),
    "HiImage": (34.40, 0.94, 32.13, 0.90),
    "0noise": (33.68, 0.90, 31.83, 0.89),
    "OzU VGL": (32.72, 0.87, 30.69, 0.86),
    "CycleISP": (32.70, 0.85),
    "U-Net Base": (30.01, 0.80),
}
_ENTRANTS = {one.team: one.entrant for one in SUBMISSIONS}


def _of(team: str, track: str, part: int, psnr: float, ssim: float, source: str = SLIDES, note: str = "") -> Figure:
    return Figure(team, f"aim22-{track}", psnr, source, ssim, f"Test{part}", _ENTRANTS[team], note=note)


CHALLENGE = (
    *(
        _of(team, track, part + 1, values[2 * part], values[2 * part + 1])
        for track, table in (("s7", _S7), ("p20", _P20))
        for team, values in table.items()
        for part in range(len(values) // 2)
    ),
    # Values of other documents for the same cells.
    _of(
        "MiAlgo",
        "s7",
        2,
        28.56,
        0.85,
        SSDNET_PAPER,
        "RST-ISP-Net paper, table 2, and RST-ISP-Net slides: 30.73 / 0.80, as in the organizers' slides",
    ),
    _of("MiAlgo", "p20", 2, 35.41, 0.91, RST_PAPER, "RST-ISP-Net slides: the same"),
    _of("HIT-IIL", "s7", 2, 29.98, 0.87, RST_PAPER, "RST-ISP-Net slides and SSDNet paper, table 3: the same"),
    _of("HIT-IIL", "p20", 2, 34.07, 0.90, RST_PAPER, "RST-ISP-Net slides: the same"),
)
"""Every figure; if a team has two for a protocol and part, the first is the slides'."""

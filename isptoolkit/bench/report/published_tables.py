"""Published figures as the Markdown tables of the documentation."""

from collections.abc import Iterable, Sequence

from .challenge import CHALLENGE, SLIDES, SUBMISSIONS, Submission
from .published import FIVEK, NOISE
from .published_figure import Figure

_CELLS = [(f"aim22-{track}", part) for track in ("s7", "p20") for part in ("Test1", "Test2")]


def markdown() -> dict[str, str]:
    """All tables, by the name of their marker in `docs/benchmark.md`.

    >>> sorted(markdown())
    ['challenge', 'fivek published', 'sidd published']
    """
    return {"challenge": challenge_table(), "fivek published": fivek_table(), "sidd published": sidd_table()}


def challenge_table() -> str:
    """The fourteen rows of the challenge: Test1 and Test2 of both tracks, and the networks."""
    head = ["team", "system", "ours", "S7 Test1", "S7 Test2", "P20 Test1", "P20 Test2"]
    head += ["input", "epochs", "extra data", "ensemble", "M parameters", "ms"]
    notes = _Notes()
    rows = []
    for one in SUBMISSIONS:
        name = one.team + (notes.mark(one.note) if one.note else "")
        scores = [_scores(one.team, protocol, part, notes) for protocol, part in _CELLS]
        rows.append([name, one.system, _ours(one.entrant), *scores, *_facts(one)])
    return _table(head, rows) + notes.text()


def fivek_table() -> str:
    """FiveK: both cameras, by the input of the method."""
    notes = _Notes()
    rows = [
        [row.method, _ours(row.entrant), f"`{row.protocol}`{_noted(row, notes)}", row.text(), row.source]
        for row in FIVEK
    ]
    return _table(["method", "ours", "protocol", "RAW dB", "source"], rows) + notes.text()


def sidd_table() -> str:
    """RAW denoising, with the data set of each row, SIDD or DND."""
    notes = _Notes()
    rows = [
        [row.method, _ours(row.entrant), f"`{row.protocol}`{_noted(row, notes)}", row.text(3), row.source]
        for row in NOISE
    ]
    return _table(["method", "ours", "data", "RAW dB / SSIM", "source"], rows) + notes.text()


class _Notes:
    """Numbered notes; equal texts share a number."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def mark(self, text: str) -> str:
        if text not in self.texts:
            self.texts.append(text)
        return f" ({self.texts.index(text) + 1})"

    def text(self) -> str:
        lines = [f"{number}. {text[0].upper()}{text[1:]}." for number, text in enumerate(self.texts, 1)]
        return "\n" + "\n".join(lines) + "\n" if lines else ""


def _scores(team: str, protocol: str, part: str, notes: _Notes) -> str:
    """One cell; values from other sources than the slides have a note."""
    figures = [row for row in CHALLENGE if (row.method, row.protocol, row.part) == (team, protocol, part)]
    return ", ".join(row.text() + ("" if row.source == SLIDES else notes.mark(_source(row))) for row in figures)


def _source(row: Figure) -> str:
    return row.source + (f" ({row.note})" if row.note else "")


def _noted(row: Figure, notes: _Notes) -> str:
    return notes.mark(row.note) if row.note else ""


def _ours(entrant: str | None) -> str:
    return f"`{entrant}`" if entrant else "no"


def _facts(one: Submission) -> list[str]:
    return [
        " x ".join(str(size) for size in one.sizes),
        one.training,
        *("" if mark is None else "yes" if mark else "no" for mark in (one.extra_data, one.ensemble)),
        " / ".join(f"{count:g}" for count in one.parameters),
        "" if one.runtime is None else f"{one.runtime:g}",
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

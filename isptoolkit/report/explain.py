"""What the inverse of a pipeline cannot recover, stage by stage."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..capture import Capture
from ..display import html_table
from ..errors import InvalidArgument
from ..pipeline import Pipeline
from ..spaces import resample_mask
from ..stage import Inverse, Stage

VERDICTS = ("exact", "exact on its domain", "bound", "no promise", "one-way")
"""What a contract says of the round trip, best first."""


@dataclass(frozen=True)
class Loss:
    """What one stage loses.

    Attributes:
        name: dotted, for stages of nested pipelines.
        kind: the class of the stage.
        verdict: one of `VERDICTS`.
        sentence: what is lost, in words.
        leaves: share of all input pixels that first leave a domain at this stage; None without data.
        alive: share of all input pixels that no stage so far has lost; None without data.
        on_domain: largest `|inverse(forward(x)) - x|` of this stage alone over the pixels of its domain, in the
            units of the space that it takes; None without data, without an inverse, or without such a pixel.
        everywhere: largest `|inverse(forward(x)) - x|` of this stage alone over all pixels.
    """

    name: str
    kind: str
    verdict: str
    sentence: str
    leaves: float | None = None
    alive: float | None = None
    on_domain: float | None = None
    everywhere: float | None = None


@dataclass(frozen=True)
class Explanation:
    """One row per stage, in order; `str()` renders a table, and notebooks show one.

    Attributes:
        rows: nested pipelines are flattened.
    """

    rows: tuple[Loss, ...]

    @property
    def lossy(self) -> tuple[str, ...]:
        """Stages without an exact inverse, and stages whose domain some pixels leave."""
        return tuple(row.name for row in self.rows if not row.verdict.startswith("exact") or row.leaves)

    @property
    def alive(self) -> float | None:
        """Share of the input pixels that every stage can recover; None without data."""
        return self.rows[-1].alive

    def __str__(self) -> str:
        head, table = self._table()
        numeric = range(3, len(head) - 1)
        widths = [max(len(cells[i]) for cells in [head, *table]) for i in range(len(head))]

        def line(cells: list[str]) -> str:
            padded = enumerate(zip(cells, widths, strict=True))
            return "  ".join(c.rjust(w) if i in numeric else c.ljust(w) for i, (c, w) in padded).rstrip()

        lines = [line(head), "  ".join("-" * width for width in widths), *(line(cells) for cells in table)]
        return "\n".join([*lines, self._summary()])

    def _repr_html_(self) -> str:
        head, table = self._table()
        colors = {"exact": "#2f7d55", "exact on its domain": "#66801c", "bound": "#a06c08", "one-way": "#b4402f"}
        return html_table(head, table, note=self._summary(), numeric=range(3, len(head) - 1), colors=colors)

    def _table(self) -> tuple[list[str], list[list[str]]]:
        head = ["stage", "class", "inverse", "what is lost"]
        table = [[row.name, row.kind, row.verdict, row.sentence] for row in self.rows]
        if self.alive is not None:
            head[3:3] = ["leaves", "alive", "on-domain", "everywhere"]
            for cells, row in zip(table, self.rows, strict=True):
                errors = _number(row.on_domain), _number(row.everywhere)
                cells[3:3] = [_percent(row.leaves), _percent(row.alive), *errors]
        return head, table

    def _summary(self) -> str:
        summary = "lossy: " + (", ".join(self.lossy) or "none")
        if self.alive is None and (limited := [row.name for row in self.rows if row.verdict == VERDICTS[1]]):
            summary += f"; lossy outside their domain: {', '.join(limited)}"
        return summary


def explain_inverse(pipeline: Stage, x: Tensor | None = None, capture: Capture | None = None) -> Explanation:
    """Attribute the loss of a round trip to stages: from the contracts and, with data, by measurement.

    A pixel counts at the first stage whose domain it leaves. Errors are those of each stage alone, at its input in this
    rendering, so they do not accumulate along the pipeline.

    Args:
        pipeline: any stage.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.

    Raises:
        InvalidArgument: if only one of `x` and `capture` is passed.

    >>> from isptoolkit.stages import Clip, Gain
    >>> from isptoolkit import LINEAR
    >>> chain = Pipeline(gain=Gain(2.0, space=LINEAR), clip=Clip(space=LINEAR))
    >>> x = torch.tensor([0.1, 0.2, 0.3, 0.9]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    >>> explanation = explain_inverse(chain, x, Capture.of("RGGB"))
    >>> explanation.lossy, explanation.alive
    (('clip',), 0.75)
    """
    if (x is None) != (capture is None):
        raise InvalidArgument("explain_inverse: pass both x and capture, got only one of them")
    leaves = list(flatten(pipeline))
    if x is None or capture is None:
        return Explanation(tuple(_promised(name, stage) for name, stage in leaves))
    rows = []
    with torch.no_grad():
        alive = torch.ones_like(x[:, :1], dtype=torch.bool)
        for name, stage in leaves:
            inside = stage.in_domain(x, capture)
            still_alive = alive & resample_mask(inside, stage.takes, pipeline.takes)
            y = stage.forward(x, capture)
            worst: tuple[float | None, float | None] = (None, None)
            if stage.two_way:
                error = (stage.inverse(y, capture) - x).abs().amax(1, keepdim=True)
                worst = _largest(error[inside.expand_as(error)]), _largest(error)
            promised = _promised(name, stage)
            shares = float((alive & ~still_alive).double().mean()), float(still_alive.double().mean())
            rows.append(Loss(name, promised.kind, promised.verdict, promised.sentence, *shares, *worst))
            x, alive = y, still_alive
    return Explanation(tuple(rows))


def flatten(stage: Stage, name: str = "") -> Iterator[tuple[str, Stage]]:
    """The stages in series, by dotted name; those of a reversed pipeline in reverse order.

    >>> from isptoolkit.stages import Gain
    >>> inner = Pipeline(a=Gain(2.0), b=Gain(3.0))
    >>> [name for name, _ in flatten(Pipeline(first=inner, back=inner.inv))]
    ['first.a', 'first.b', 'back.b', 'back.a']
    """
    prefix = f"{name}." if name else ""
    if isinstance(stage, Pipeline):
        for key in stage.names:
            yield from flatten(stage[key], prefix + key)
    elif isinstance(stage, Inverse) and isinstance(stage.stage, Pipeline):
        for key in reversed(stage.stage.names):
            yield from flatten(stage.stage[key].inv, prefix + key)
    else:
        yield name or type(stage).__name__, stage


def class_name(stage: Stage) -> str:
    """The name of a stage's class, with `.inv` for a reversed stage."""
    return f"{class_name(stage.stage)}.inv" if isinstance(stage, Inverse) else type(stage).__name__


def verdict(stage: Stage) -> str:
    """One of `VERDICTS`, from the contract, the domain and the inverse that the stage declares."""
    if not stage.two_way:
        return "one-way"
    bound = stage.contract.round_trip
    if bound is None:
        return "no promise"
    return "bound" if bound else "exact on its domain" if stage.has_domain else "exact"


def _promised(name: str, stage: Stage) -> Loss:
    result = verdict(stage)
    contract = stage.contract
    match result:
        case "one-way":
            sentence = "everything: there is no inverse"
        case "no promise" if contract.re_render == 0:
            sentence = "unknown, but the recovered input renders to the same output"
        case "no promise":
            sentence = "unknown: nothing is promised, so measure it"
        case "bound":
            sentence = f"up to {contract.round_trip:.3g} per value" + (" on its domain" if stage.has_domain else "")
        case "exact on its domain":
            sentence = "nothing on its domain, anything outside"
        case _:
            sentence = "nothing"
    return Loss(name, class_name(stage), result, sentence)


def _largest(error: Tensor) -> float | None:
    return float(error.max()) if error.numel() else None


def _percent(share: float | None) -> str:
    if share is None or share == 0:
        return "0 %" if share == 0 else "-"
    return f"{100 * share:.3g} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"

"""What the inverse of a pipeline cannot bring back, stage by stage."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..capture import Capture
from ..errors import InvalidArgument
from ..pipeline import Pipeline
from ..spaces import resample_mask
from ..stage import Inverse, Stage

VERDICTS = ("exact", "bound", "no promise", "one-way")
"""What a contract says of the round trip, best first."""


@dataclass(frozen=True)
class Loss:
    """What one stage loses.

    Attributes:
        name: dotted, for stages of nested pipelines.
        kind: the class of the stage.
        verdict: one of `VERDICTS`.
        sentence: what is lost, in words.
        leaves: share of all input pixels that leave the domain here first; None without data.
        alive: share of all input pixels that no stage up to here has lost; None without data.
        on_domain: largest `|inverse(forward(x)) - x|` of this stage alone over the pixels of its domain, in the
            units of the space that it takes; None without data, without an inverse or with no such pixel.
        everywhere: the same over all pixels.
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
    """One row per stage, in order; `str()` of it is a table.

    Attributes:
        rows: nested pipelines are flattened.
    """

    rows: tuple[Loss, ...]

    @property
    def lossy(self) -> tuple[str, ...]:
        """Stages that promise less than an exact inverse, or whose domain the given data leave."""
        return tuple(row.name for row in self.rows if row.verdict != "exact" or row.leaves)

    @property
    def alive(self) -> float | None:
        """Share of the input pixels that every stage can bring back; None without data."""
        return self.rows[-1].alive

    def __str__(self) -> str:
        head = ["stage", "class", "inverse", "what is lost"]
        table = [[row.name, row.kind, row.verdict, row.sentence] for row in self.rows]
        if self.alive is not None:
            head[3:3] = ["leaves", "alive", "on-domain", "everywhere"]
            for line, row in zip(table, self.rows, strict=True):
                line[3:3] = [_percent(row.leaves), _percent(row.alive), _number(row.on_domain), _number(row.everywhere)]
        numeric = range(3, len(head) - 1)
        widths = [max(len(line[i]) for line in [head, *table]) for i in range(len(head))]

        def said(line: list[str]) -> str:
            cells = zip(line, widths, strict=True)
            return "  ".join(c.rjust(w) if i in numeric else c.ljust(w) for i, (c, w) in enumerate(cells)).rstrip()

        lines = [said(head), "  ".join("-" * width for width in widths), *(said(line) for line in table)]
        lines.append("lossy: " + (", ".join(self.lossy) or "none"))
        return "\n".join(lines)


def explain_inverse(pipeline: Stage, x: Tensor | None = None, capture: Capture | None = None) -> Explanation:
    """Say which stage loses what: from the contracts, and with data also which share of the pixels is lost where.

    A pixel counts at the first stage whose domain it leaves. Errors are those of each stage alone, at the input that
    it gets in this rendering, so that they do not add up along the way.

    Args:
        pipeline: any stage.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.

    Raises:
        InvalidArgument: when only one of `x` and `capture` is given.

    >>> from isptoolkit.stages import Clip, Gain
    >>> from isptoolkit import LINEAR
    >>> chain = Pipeline(gain=Gain(2.0, space=LINEAR), clip=Clip(space=LINEAR))
    >>> x = torch.tensor([0.1, 0.2, 0.3, 0.9]).reshape(1, 1, 2, 2).expand(1, 3, 2, 2)
    >>> told = explain_inverse(chain, x, Capture.of("RGGB"))
    >>> told.lossy, told.alive
    (('clip',), 0.75)
    """
    if (x is None) != (capture is None):
        raise InvalidArgument("explain_inverse: data need both x and capture, got only one of them")
    leaves = list(flatten(pipeline))
    if x is None or capture is None:
        return Explanation(tuple(_promised(name, stage) for name, stage in leaves))
    rows = []
    with torch.no_grad():
        alive = torch.ones_like(x[:, :1], dtype=torch.bool)
        for name, stage in leaves:
            inside = stage.in_domain(x, capture)
            still = alive & resample_mask(inside, stage.takes, pipeline.takes)
            y = stage.forward(x, capture)
            worst: tuple[float | None, float | None] = (None, None)
            if stage.two_way:
                error = (stage.inverse(y, capture) - x).abs().amax(1, keepdim=True)
                worst = _largest(error[inside.expand_as(error)]), _largest(error)
            said = _promised(name, stage)
            lost = float((alive & ~still).double().mean())
            rows.append(Loss(name, said.kind, said.verdict, said.sentence, lost, float(still.double().mean()), *worst))
            x, alive = y, still
    return Explanation(tuple(rows))


def flatten(stage: Stage, name: str = "") -> Iterator[tuple[str, Stage]]:
    """The stages in series, by dotted name; those of a pipeline read backwards come backwards.

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
    """The name of the class; of a stage read backwards, that of the stage and `.inv`."""
    return f"{class_name(stage.stage)}.inv" if isinstance(stage, Inverse) else type(stage).__name__


def verdict(stage: Stage) -> str:
    """One of `VERDICTS`, from the contract alone."""
    bound = stage.contract.round_trip
    if not stage.two_way:
        return "one-way"
    return "no promise" if bound is None else "exact" if bound == 0 else "bound"


def _promised(name: str, stage: Stage) -> Loss:
    said = verdict(stage)
    contract = stage.contract
    limited = type(stage).in_domain is not Stage.in_domain and not isinstance(stage, Inverse)
    match said:
        case "one-way":
            sentence = "all of it: there is no way back"
        case "no promise" if contract.re_render == 0:
            sentence = "unknown, but rendering what comes back gives the same again"
        case "no promise":
            sentence = "unknown: nothing is promised, measure it"
        case "bound":
            sentence = f"up to {contract.round_trip:.3g} per value" + (" inside its domain" if limited else "")
        case _:
            sentence = "nothing inside its domain, anything outside" if limited else "nothing"
    return Loss(name, class_name(stage), said, sentence)


def _largest(error: Tensor) -> float | None:
    return float(error.max()) if error.numel() else None


def _percent(share: float | None) -> str:
    if share is None or share == 0:
        return "0 %" if share == 0 else "-"
    return f"{100 * share:.3g} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"

"""The graph of a stage as data, as text and as a Mermaid flowchart."""

from collections.abc import Iterator

from ..parallel import Parallel
from ..pipeline import Pipeline
from ..stage import Inverse, Stage
from ..wrappers import Pair
from .explain import class_name, verdict

COLORS = {
    "exact": ("#dcefe4", "#2f7d55"),
    "exact on its domain": ("#e6f0c9", "#66801c"),
    "bound": ("#fbeccb", "#a06c08"),
    "no promise": ("#e7e9f1", "#5f6785"),
    "one-way": ("#f8dcd8", "#b4402f"),
}
"""Fill and border of a box, by verdict."""
MEANINGS = {
    "exact": "exact inverse",
    "exact on its domain": "exact on its domain, lossy outside",
    "bound": "inverse within a bound",
    "no promise": "inverse without promise",
    "one-way": "no inverse",
}
PROMISES = {
    "exact": "exact",
    "exact on its domain": "exact on its domain; lossy outside",
    "no promise": "no promise",
    "one-way": "one-way",
}
"""What a graph says of an inverse, by verdict; bounds are given with their number."""


def series(stage: Stage) -> list[tuple[str, Stage]] | None:
    """The stages of a pipeline, or of a reversed one, in the order in which data flows; None for other stages."""
    if isinstance(stage, Pipeline):
        return stage.items()
    if isinstance(stage, Inverse) and isinstance(stage.stage, Pipeline):
        return [(name, part.inv) for name, part in reversed(stage.stage.items())]
    return None


def branches(stage: Stage) -> list[tuple[str, Stage]]:
    """The parts of a stage that lie side by side, by name; none for most stages."""
    if isinstance(stage, Parallel):
        return list(zip(stage.branches, stage.stages(), strict=True))
    if isinstance(stage, Inverse) and isinstance(stage.stage, Parallel):
        return [(name, part.inv) for name, part in branches(stage.stage)]
    return [("there", stage.there), ("back", stage.back)] if isinstance(stage, Pair) else []


def is_group(stage: Stage) -> bool:
    """Whether a stage is drawn with its parts inside."""
    return series(stage) is not None or bool(branches(stage))


def promise(stage: Stage) -> str:
    """What a graph says of the stage's inverse."""
    result = verdict(stage)
    if result != "bound":
        return PROMISES[result]
    return f"within {stage.contract.round_trip:.3g}" + (" on its domain" if stage.has_domain else "")


def text(stage: Stage) -> str:
    """The graph as indented text: spaces on the edges, one line per stage.

    >>> from isptoolkit.stages import Gain
    >>> print(text(Gain(2.0)))
    mosaic
      | Gain  exact
    mosaic
    """
    return "\n".join([stage.takes.name, *_lines(stage)])


def _lines(stage: Stage) -> Iterator[str]:
    parts = series(stage)
    if parts is None:
        yield f"  | {class_name(stage)}  {promise(stage)}"
        yield from (f"    |   {line}" for line in _inner(stage))
        yield stage.gives.name
        return
    width = max(len(name) for name, _ in parts)
    for name, part in parts:
        yield f"  | {name:{width}}  {class_name(part)}  {promise(part)}"
        if is_group(part):
            yield from (f"    |   {line}" for line in _inner(part))
        yield part.gives.name


def _inner(stage: Stage) -> Iterator[str]:
    if series(stage) is not None:
        yield stage.takes.name
        yield from _lines(stage)
    for name, branch in branches(stage):
        yield f"{name}:"
        yield from (f"  {line}" for line in [branch.takes.name, *_lines(branch)])


def mermaid(stage: Stage) -> str:
    """The graph as a Mermaid flowchart: spaces on the edges, groups as subgraphs, colors by verdict.

    >>> from isptoolkit.stages import Gain
    >>> print(mermaid(Gain(2.0)).splitlines()[0])
    flowchart LR
    """
    writer = _Mermaid()
    writer.between(stage, writer.port(stage.takes.name), writer.port(stage.gives.name))
    classes = [
        f"  classDef {_id(name)} fill:{fill},stroke:{line},color:#22252e" for name, (fill, line) in COLORS.items()
    ]
    return "\n".join(["flowchart LR", *writer.lines, *classes])


class _Mermaid:
    """Lines of a flowchart, with nodes numbered in the order of writing, so that no name is ever an identifier."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.nodes = 0

    def port(self, space: str) -> str:
        return self.node(f'(["{_escaped(space)}"])')

    def node(self, shape: str) -> str:
        self.nodes += 1
        self.lines.append(f"  n{self.nodes}{shape}")
        return f"n{self.nodes}"

    def edge(self, start: str, end: str, space: str) -> None:
        self.lines.append(f'  {start} -->|"{_escaped(space)}"| {end}')

    def between(self, stage: Stage, start: str, end: str) -> None:
        """Draw a stage from one node to another."""
        parts = series(stage) or [("", stage)]
        for i, (name, part) in enumerate(parts):
            entry, exit_ = self.part(name, part)
            self.edge(start, entry, part.takes.name)
            start = exit_
            if i == len(parts) - 1:
                self.edge(exit_, end, part.gives.name)

    def part(self, name: str, stage: Stage) -> tuple[str, str]:
        """Draw a stage by itself; the nodes at which it is entered and left."""
        texts = (name, class_name(stage), *promise(stage).split("; "))
        label = "<br/>".join(_escaped(text) for text in texts if text)
        if not is_group(stage):
            node = self.node(f'["{label}"]:::{_id(verdict(stage))}')
            return node, node
        self.nodes += 1
        self.lines.append(f'  subgraph g{self.nodes}["{label.replace("<br/>", ", ")}"]')
        entry, exit_ = self.node("(( ))"), self.node("(( ))")
        if series(stage) is not None:
            self.between(stage, entry, exit_)
        for key, branch in branches(stage):
            opposite = isinstance(stage, Pair) and key == "back"
            first, last = self.part(key, branch)
            self.edge(exit_ if opposite else entry, first, branch.takes.name)
            self.edge(last, entry if opposite else exit_, branch.gives.name)
        self.lines.append("  end")
        return entry, exit_


def _escaped(name: str) -> str:
    """Text for a quoted Mermaid label: everything but letters, digits and a few signs as its code point."""
    return "".join(c if c.isascii() and (c.isalnum() or c in " _.,-") else f"#{ord(c)};" for c in name)


def _id(verdict_name: str) -> str:
    return verdict_name.replace(" ", "_").replace("-", "_")

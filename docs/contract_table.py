"""The table of contracts, written from the code: the cases that the law tests walk, one row each."""

import inspect
import runpy
from pathlib import Path

from isptoolkit import Contract, Stage, stages

ROOT = Path(__file__).resolve().parent.parent
PUBLIC = {value for value in vars(stages).values() if inspect.isclass(value) and issubclass(value, Stage)}
HEAD = ("Stage", "Takes → gives", "Round trip", "Re-render", "Condition", "Reach", "Where the round trip holds")


def cases() -> dict[str, Stage]:
    """One configuration of every public stage: the first of the table in `tests/test_laws.py`."""
    chosen: dict[str, Stage] = {}
    for stage in runpy.run_path(str(ROOT / "tests" / "test_laws.py"))["CASES"].values():
        if type(stage) in PUBLIC:
            chosen.setdefault(type(stage).__name__, stage)
    missing = PUBLIC - {type(stage) for stage in chosen.values()}
    if missing:
        raise LookupError(f"tests/test_laws.py has no case for {sorted(kind.__name__ for kind in missing)}")
    return dict(sorted(chosen.items()))


def bound(value: float | None) -> str:
    """One promise in words."""
    return "no promise" if value is None else "exact" if value == 0 else f"≤ {value:.3g}"


def reach(contract: Contract) -> str:
    """How far an output pixel looks."""
    return "frame" if contract.reach is None else f"{contract.reach} px"


def domain(stage: Stage) -> str:
    """Where the promise holds: the first sentence of `in_domain`."""
    if stage.contract.round_trip is None:
        return "—"
    if type(stage).in_domain is Stage.in_domain:
        return "everywhere"
    said = (inspect.getdoc(type(stage).in_domain) or "").split("\n\n")[0]
    return " ".join(said.split())


def row(name: str, stage: Stage) -> tuple[str, ...]:
    """The cells of one stage."""
    contract = stage.contract
    trip = bound(contract.round_trip) if stage.two_way else "one-way"
    render = bound(contract.re_render) if stage.two_way else "one-way"
    return (
        f"{{py:class}}`~isptoolkit.stages.{name}`",
        f"{stage.takes.name} → {stage.gives.name}",
        trip,
        render,
        f"{contract.condition:g}",
        reach(contract),
        domain(stage),
    )


def table() -> str:
    """The whole table in Markdown."""
    lines = [HEAD, ("---",) * len(HEAD), *(row(name, stage) for name, stage in cases().items())]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    print(table(), end="")

"""Laws that a stage's contract claims, checked on any stage, with Hypothesis strategies for hard inputs."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from torch import Tensor

from ..capture import Capture
from ..display import html_table
from ..errors import InvalidArgument, InvalidSize
from ..stage import Stage
from .laws import NO_PIXEL, Finding, findings
from .strategies import SIZES, captures, described, example, inputs, typical_capture


@dataclass(frozen=True)
class Report:
    """What `check` found on one input; `str()` is a table of it."""

    stage: str
    findings: tuple[Finding, ...]
    example: str = ""

    @property
    def ok(self) -> bool:
        """Whether every law held."""
        return all(finding.held for finding in self.findings)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The laws that did not hold."""
        return tuple(finding for finding in self.findings if not finding.held)

    def _repr_html_(self) -> str:
        rows = [
            ["holds" if f.held else "BROKEN", f.law, f"{f.measured:.3g}", f"{f.allowed:.3g}", f.detail]
            for f in self.findings
        ]
        head = ["", "law", "measured", "allowed", "detail"]
        example = f"example: {self.example}" if self.example else ""
        colors = {"holds": "#2f7d55", "BROKEN": "#b4402f"}
        return html_table(head, rows, caption=self._title(), note=example, numeric=(2, 3), colors=colors)

    def _title(self) -> str:
        return f"{self.stage}: {'lawful' if self.ok else 'breaks ' + ', '.join(f.law for f in self.broken)}"

    def __str__(self) -> str:
        lines = [self._title()]
        for finding in self.findings:
            mark = "ok    " if finding.held else "BROKEN"
            numbers = f"measured {finding.measured:.3g}, allowed {finding.allowed:.3g}"
            lines.append(f"  {mark} {finding.law:<24} {numbers}  {finding.detail}".rstrip())
        if self.example:
            lines.append(f"  example: {self.example}")
        return "\n".join(lines)


def check(stage: Stage, x: Tensor, capture: Capture) -> Report:
    """Hold a stage to its contract on one input.

    Args:
        stage: any stage.
        x: `[B,C,H,W]` in the space that it takes; the exact laws look at in-domain pixels only.
        capture: of the same samples.

    The laws are those of `isptoolkit.testing.laws`: spaces and dtype; round trip and re-rendering within the contract's
    bounds plus rounding, where rounding is scaled by `condition` and by how far the inverse moves when its input is
    rounded at each pixel; both verbs leave input, capture and state alone and repeat themselves; a batch is its
    samples; memory layout does not matter; autograd gives the true derivative of both verbs, by input and parameters
    (float64); nothing further away than `reach` matters; crops commute (`period`), so that the CFA phase is followed; a
    flat field stays flat up to the border; white stays white where `neutral` is promised. A stage that fails with
    anything but an `InvalidSize` breaks the law "runs".

    >>> import torch
    >>> from isptoolkit import stages
    >>> check(stages.WhiteBalance(), torch.rand(1, 1, 8, 8), Capture.of("RGGB", gains=(2.0, 1.0, 1.5))).ok
    True
    """
    try:
        found = findings(stage, x, capture)
    except InvalidSize:
        raise
    except Exception as error:
        found = (Finding("runs", False, 1.0, 0.0, f"{type(error).__name__}: {error}".splitlines()[0]),)
    return Report(type(stage).__name__, found)


def assert_lawful(stage: Stage, x: Tensor | None = None, capture: Capture | None = None) -> None:
    """Raise `AssertionError` with the report unless the stage keeps its contract.

    Without `x` the inputs of `falsify` are tried, few of the small ones.
    """
    broken = falsify(lambda: stage, examples=4) if x is None else check(stage, x, capture or typical_capture("RGGB"))
    if broken is not None and not broken.ok:
        raise AssertionError(str(broken))


def falsify(make_stage: Callable[[], Stage], *, examples: int = 50, seed: int = 0) -> Report | None:
    """Search for an input on which the stage breaks a law, and shrink it; None when none was found.

    Small hard inputs come first (those of `strategies.inputs`), then larger ones of every CFA phase, which are not
    shrunk. A stage whose domain is empty on all of them is broken too: it promises nothing. The search is deterministic
    in `seed`.
    """
    stage = make_stage()
    found = _search(stage, examples)
    if found is not None:
        return found
    trips = []
    for phase, size in SIZES:
        x, capture = example(stage.takes, size, phase, seed), typical_capture(phase)
        report = check(stage, x, capture)
        if not report.ok:
            return replace(report, example=described(x, capture))
        trips += [finding for finding in report.findings if finding.law.startswith("round trip")]
    if trips and all(finding.detail == NO_PIXEL for finding in trips):
        empty = Finding("domain", False, 0.0, 0.0, "in_domain holds on no pixel of any example")
        return Report(type(stage).__name__, (empty,))
    return None


def _search(stage: Stage, examples: int) -> Report | None:
    def breaks(case: tuple[Tensor, Capture]) -> bool:
        try:
            return not check(stage, *case).ok
        except InvalidSize:
            return False

    limits = settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    try:
        x, capture = find(st.tuples(inputs(stage.takes), captures()), breaks, settings=limits)
    except NoSuchExample:
        return None
    return replace(check(stage, x, capture), example=described(x, capture))


def load_stage(spec: str) -> Stage:
    """The stage named by `FILE.py:CLASS`: an instance made without arguments, or one that the file holds by that name.

    Raises:
        InvalidArgument: when file or name do not exist, or it is no stage, or needs arguments.
    """
    name, _, attribute = spec.rpartition(":")
    if not name or not attribute:
        raise InvalidArgument(f"name a stage as FILE.py:CLASS, got {spec!r}")
    file = Path(name)
    if not file.is_file():
        raise InvalidArgument(f"{file} is not a file")
    module_spec = importlib.util.spec_from_file_location(file.stem, file)
    if module_spec is None or module_spec.loader is None:
        raise InvalidArgument(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        raise InvalidArgument(f"{file} cannot be run: {type(error).__name__}: {error}") from error
    found = getattr(module, attribute, None)
    if isinstance(found, type) and issubclass(found, Stage):
        try:
            found = found()
        except TypeError as error:
            raise InvalidArgument(f"{spec} cannot be made without arguments ({error}): name an instance") from None
    if not isinstance(found, Stage):
        raise InvalidArgument(f"{file} holds no stage called {attribute}")
    return found

"""Checking a stage against its contract, on one input or on a search for a counterexample."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from ..capture import Capture
from ..display import html_table
from ..errors import InvalidArgument, InvalidSize
from ..stage import Stage
from .examples import SIZES, described, example, suitable_layouts, typical_capture
from .laws import NO_PIXEL, Finding, findings


@dataclass(frozen=True)
class Report:
    """The result of `check` on one input; `str()` renders a table, and notebooks show one."""

    stage: str
    findings: tuple[Finding, ...]
    example: str = ""

    @property
    def ok(self) -> bool:
        """Whether every law holds."""
        return all(finding.held for finding in self.findings)

    @property
    def broken(self) -> tuple[Finding, ...]:
        """The laws that do not hold."""
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
    """Check a stage against its contract on one input.

    The laws, all in `isptoolkit.testing.laws`:

    - Spaces, shapes and dtype are as declared.
    - Both round trips stay within the contract's bounds plus rounding, which is scaled by `condition` and by how far
      the result moves when its input is rounded.
    - Both directions leave input, capture and state unchanged and repeat themselves bit for bit.
    - A batch gives the results of its samples, and memory layout does not matter.
    - Autograd computes the true derivative of both directions, by input and parameters (in float64).
    - Nothing beyond `reach` matters, and crops commute (`period`), so that the CFA phase is followed.
    - A flat field stays flat up to the border, and white stays white if the contract is `neutral`.
    - Native kernels equal the stage.
    - The stage runs: any exception but `InvalidSize` breaks this law.

    Args:
        stage: any stage.
        x: `[B,C,H,W]` in the space that it takes; the round trip is checked on pixels in its domain.
        capture: of the same samples.

    Raises:
        InvalidSize: for a size that the stage cannot handle.

    >>> import torch
    >>> from isptoolkit import stages
    >>> check(stages.WhiteBalance(), torch.rand(1, 1, 8, 8), Capture.of("RGGB", gains=(2.0, 1.0, 1.5))).ok
    True
    """
    try:
        results = findings(stage, x, capture)
    except InvalidSize:
        raise
    except Exception as error:
        results = (Finding("runs", False, 1.0, 0.0, f"{type(error).__name__}: {error}".splitlines()[0]),)
    return Report(type(stage).__name__, results)


def assert_lawful(stage: Stage, x: Tensor | None = None, capture: Capture | None = None) -> None:
    """Raise `AssertionError` with the report unless the stage honors its contract.

    Without `x`, tries the inputs of `falsify`, but only a few of the small ones.
    """
    broken = falsify(lambda: stage, examples=4) if x is None else check(stage, x, capture or typical_capture("RGGB"))
    if broken is not None and not broken.ok:
        raise AssertionError(str(broken))


def falsify(make_stage: Callable[[], Stage], *, examples: int = 50, seed: int = 0) -> Report | None:
    """Search for the smallest input on which a stage breaks a law.

    Small hard inputs come first (from `strategies.inputs`), then larger ones of every CFA phase, which are not shrunk.
    A stage whose domain is empty on all of them breaks the law "domain", since it promises nothing.

    Args:
        make_stage: constructs the stage.
        examples: number of small inputs.
        seed: of the larger inputs; the search is deterministic.

    Returns:
        The report on the counterexample; None if there is none.
    """
    stage = make_stage()
    counterexample = _search(stage, examples)
    if counterexample is not None:
        return counterexample
    trips, layouts = [], suitable_layouts(stage)
    for index, (phase, size) in enumerate(SIZES):
        if phase not in layouts:
            phase = layouts[index % len(layouts)]
        x, capture = example(stage.takes, size, phase, seed), typical_capture(phase)
        report = check(stage, x, capture)
        if not report.ok:
            return replace(report, example=described(x, capture))
        trips += [finding for finding in report.findings if finding.law.startswith("round trip")]
    if trips and all(finding.detail == NO_PIXEL for finding in trips):
        empty = Finding("domain", False, 0.0, 0.0, "in_domain is False for every pixel of every example")
        return Report(type(stage).__name__, (empty,))
    return None


def _search(stage: Stage, examples: int) -> Report | None:
    # Checks on given inputs do without Hypothesis, which takes 0.4 s of CPU time to import.
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis import strategies as st
    from hypothesis.errors import NoSuchExample

    from .strategies import captures, inputs

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
        x, capture = find(st.tuples(inputs(stage.takes), captures(suitable_layouts(stage))), breaks, settings=limits)
    except NoSuchExample:
        return None
    return replace(check(stage, x, capture), example=described(x, capture))


def load_stage(spec: str) -> Stage:
    """Load a stage from `FILE.py:NAME`: a stage in that file, or a class to construct without arguments.

    Raises:
        InvalidArgument: for a missing file or name, a value that is not a stage, or a class that needs arguments.
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
    stage = getattr(module, attribute, None)
    if isinstance(stage, type) and issubclass(stage, Stage):
        try:
            stage = stage()
        except TypeError as error:
            raise InvalidArgument(
                f"{spec} cannot be constructed without arguments ({error}): name an instance"
            ) from None
    if not isinstance(stage, Stage):
        raise InvalidArgument(f"{file} does not define a stage called {attribute}")
    return stage

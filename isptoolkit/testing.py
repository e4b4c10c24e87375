"""Laws that a stage's contract claims, checked on any stage, with Hypothesis strategies for hard inputs."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from torch import Tensor

from .capture import Capture
from .errors import InvalidArgument, InvalidSize
from .geometry import crop
from .spaces import MOSAIC, PACKED, SENSOR
from .stage import Stage
from .stages.cfa import site_channels, site_plane
from .strategies import SIZES, captures, described, example, inputs, typical_capture
from .strategies import images as images
from .strategies import mosaics as mosaics
from .strategies import sizes as sizes

ULPS = 16.0
"""Roundings that a stage of condition 1 may take; every tolerance is this many epsilons, scaled by `condition`."""

_MOSAICS = (SENSOR, MOSAIC)


@dataclass(frozen=True)
class Finding:
    """One law on one input: the worst that was `measured`, and what was `allowed`."""

    law: str
    held: bool
    measured: float
    allowed: float
    detail: str = ""


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

    def __str__(self) -> str:
        lines = [f"{self.stage}: {'lawful' if self.ok else 'breaks ' + ', '.join(f.law for f in self.broken)}"]
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

    Laws: spaces and dtype; round trip and re-rendering within the contract's bounds plus rounding, where rounding is
    scaled by `condition` and by how far the inverse moves under a rounding of its input at each pixel; both verbs leave
    input, capture and state alone and repeat themselves; a batch is its samples; memory layout does not matter; autograd
    gives the true derivative (float64); crops commute (`reach`, `period`), so that the CFA phase is followed; a flat
    field stays flat up to the border; white stays white where `neutral` is promised.

    >>> from isptoolkit import stages
    >>> check(stages.WhiteBalance(), torch.rand(1, 1, 8, 8), Capture.of("RGGB", gains=(2.0, 1.0, 1.5))).ok
    True
    """
    findings = []
    for dtype in (torch.float32, torch.float64):
        findings += _trips(stage, x.to(dtype), capture)
    exact = x.to(torch.float64)
    findings += [
        _pure(stage, exact, capture),
        _batch(stage, exact, capture),
        _layout(stage, exact, capture),
        *_gradients(stage, exact, capture),
    ]
    if stage.contract.reach is not None:
        findings += [*_crops(stage, exact, capture), *_flat(stage, exact, capture)]
    if stage.contract.neutral:
        findings += _white(stage, exact, capture)
    return Report(type(stage).__name__, tuple(findings))


def assert_lawful(stage: Stage, x: Tensor | None = None, capture: Capture | None = None) -> None:
    """Raise `AssertionError` with the report unless the stage keeps its contract.

    Without `x`, inputs of several sizes and all CFA phases are tried: random ones and those of `inputs()`.
    """
    if x is not None:
        reports = [check(stage, x, capture or typical_capture("RGGB"))]
    else:
        reports = [check(stage, example(stage.takes, size, phase), typical_capture(phase)) for phase, size in SIZES]
    for report in reports:
        if not report.ok:
            raise AssertionError(str(report))
    if x is None and (broken := _search(stage, examples=4)) is not None:
        raise AssertionError(str(broken))


def falsify(make_stage: Callable[[], Stage], *, examples: int = 50, seed: int = 0) -> Report | None:
    """Search for an input on which the stage breaks a law, and shrink it; None when none was found.

    The search is deterministic in `seed`. What only larger inputs show is reported unshrunk.
    """
    stage = make_stage()
    found = _search(stage, examples)
    if found is not None:
        return found
    for phase, size in SIZES:
        x, capture = example(stage.takes, size, phase, seed), typical_capture(phase)
        report = check(stage, x, capture)
        if not report.ok:
            return replace(report, example=described(x, capture))
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


def _trips(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    name = str(x.dtype).removeprefix("torch.")
    y = stage(x, capture)
    scale = stage.takes.downscale / stage.gives.downscale
    wanted = (x.shape[0], stage.gives.channels, round(x.shape[2] * scale), round(x.shape[3] * scale))
    fits = tuple(y.shape) == wanted and y.dtype == x.dtype and y.device == x.device
    findings = [Finding(f"spaces {name}", fits, float(not fits), 0.0, f"{tuple(y.shape)} {y.dtype}, wanted {wanted}")]
    if not fits or not stage.two_way:
        return findings
    contract = stage.contract
    rounding = ULPS * contract.condition * torch.finfo(x.dtype).eps
    if contract.round_trip is not None:
        mask = stage.in_domain(x, capture).expand_as(x)
        error = (stage.inverse(y, capture) - x).abs()
        spread = _spread(stage.inverse, y, capture)
        allowed = contract.round_trip + rounding * max(1.0, float(x.abs().max())) + spread
        findings.append(_worst(f"round trip {name}", error[mask], allowed.expand_as(x)[mask]))
    if contract.re_render is not None and bool(stage.in_domain(x, capture).all()):
        back = stage.inverse(y, capture)
        error = (stage(back, capture) - y).abs()
        allowed = contract.re_render + rounding * max(1.0, float(y.abs().max())) + _spread(stage, back, capture)
        findings.append(_worst(f"re-render {name}", error, allowed.expand_as(y)))
    return findings


def _spread(verb: Callable[[Tensor, Capture], Tensor], y: Tensor, capture: Capture) -> Tensor:
    """How far the result moves when each value is rounded up, or down, by a few epsilons: the condition at the pixel."""
    step = ULPS / 4 * torch.finfo(y.dtype).eps * y.abs().clamp_min(1.0)
    moved = (verb(y + step, capture) - verb(y - step, capture)).abs()
    return torch.nan_to_num(moved, nan=0.0, posinf=0.0)


def _worst(law: str, error: Tensor, allowed: Tensor) -> Finding:
    if not error.numel():
        return Finding(law, True, 0.0, 0.0, "no pixel in the domain")
    excess = torch.nan_to_num(error - allowed, nan=torch.inf)
    at = int(excess.argmax())
    return Finding(law, not bool(excess.flatten()[at] > 0), float(error.flatten()[at]), float(allowed.flatten()[at]))


def _same(law: str, a: Tensor, b: Tensor, stage: Stage, detail: str = "") -> Finding:
    if a.shape != b.shape:
        return Finding(law, False, float("inf"), 0.0, f"{tuple(a.shape)} against {tuple(b.shape)}")
    allowed = ULPS * stage.contract.condition * torch.finfo(a.dtype).eps * max(1.0, float(b.abs().max()))
    worst = float(torch.nan_to_num((a - b).abs(), nan=torch.inf).max()) if a.numel() else 0.0
    return Finding(law, worst <= allowed, worst, allowed, detail)


def _pure(stage: Stage, x: Tensor, capture: Capture) -> Finding:
    def snapshot() -> list[Tensor]:
        held = [getattr(capture, name) for name in ("black", "white", "gains", "srgb_to_camera", "noise")]
        return [t.clone() for t in [x, *held, *stage.state_dict().values()] if t is not None]

    before = snapshot()
    first = stage(x, capture)
    if stage.two_way:
        stage.inverse(first.clone(), capture)
    touched = sum(not torch.equal(a, b) for a, b in zip(before, snapshot(), strict=True))
    changed = not torch.equal(first, stage(x, capture))
    detail = (
        "input, capture or state was changed" if touched else "a second call gave something else" if changed else ""
    )
    return Finding("purity", not touched and not changed, float(touched + changed), 0.0, detail)


def _batch(stage: Stage, x: Tensor, capture: Capture) -> Finding:
    one, other = x[:1], x[:1].flip(-1) * 0.75
    first = capture[0]
    second = first.replace(gains=first.gains * first.gains.new_tensor([1.25, 1.0, 0.8]), black=first.black * 0.5)
    together = stage(torch.cat((one, other)), Capture.collate([first, second]))
    apart = torch.cat((stage(one, first), stage(other, second)))
    return _same("batch = loop", together, apart, stage)


def _layout(stage: Stage, x: Tensor, capture: Capture) -> Finding:
    strided = x.transpose(2, 3).contiguous().transpose(2, 3)
    spread = torch.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype)[..., ::2].copy_(x)
    straight = stage(x, capture)
    findings = [_same("memory layout", stage(variant, capture), straight, stage) for variant in (strided, spread)]
    return min(findings, key=lambda finding: finding.held)


def _gradients(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    if not stage.contract.differentiable:
        return []
    size = min(6, x.shape[2]) // 2 * 2 or 1, min(6, x.shape[3]) // 2 * 2 or 1
    noise = torch.rand(1, x.shape[1], *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    # Low contrast, so that no clip on the way is met and every curve is smooth.
    patch = 0.25 + 0.08 * noise
    patch = (700 + 2000 * patch if stage.takes == SENSOR else patch).requires_grad_()
    first = capture[0]
    verbs: list[tuple[str, Callable[[Tensor, Capture], Tensor], Tensor]] = [("forward", stage, patch)]
    if stage.two_way:
        verbs.append(("inverse", stage.inverse, stage(patch, first).detach().requires_grad_()))
    findings = []
    for name, verb, at in verbs:
        try:
            held = torch.autograd.gradcheck(lambda t, verb=verb: verb(t, first), (at,), raise_exception=True)
            findings.append(Finding(f"gradient of {name}", held, 0.0, 0.0))
        except (RuntimeError, ValueError) as error:
            findings.append(Finding(f"gradient of {name}", False, 1.0, 0.0, str(error).splitlines()[0]))
    return findings


def _crops(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    reach, period = stage.contract.reach or 0, stage.contract.period
    if stage.takes == PACKED or stage.gives == PACKED or stage.takes.downscale != stage.gives.downscale:
        return []
    height, width = x.shape[-2:]
    first, whole = capture[0], stage(x[:1], capture[0])
    findings = []
    for top, left in ((0, period), (period, 0), (period, period)):
        rows, columns = height - top - 2 * reach, width - left - 2 * reach
        if rows < 1 or columns < 1 or min(height - top, width - left) < 2:
            continue
        moved = crop(x[:1, :1], first, top, left, height - top, width - left)[1]
        part = stage(x[:1, :, top:, left:], moved)
        inner = part[..., reach : reach + rows, reach : reach + columns]
        same = whole[..., top + reach : top + reach + rows, left + reach : left + reach + columns]
        findings.append(_same("crops commute", inner, same, stage, f"crop at row {top}, column {left}, reach {reach}"))
    return findings


def _uniform(stage: Stage, x: Tensor, capture: Capture, color: tuple[float, float, float]) -> Tensor:
    """One colour all over, in the space that the stage takes."""
    if stage.takes not in (*_MOSAICS, PACKED):
        values = (color * 2)[: stage.takes.channels] if stage.takes.channels <= 6 else (0.5,) * stage.takes.channels
        return torch.tensor(values, dtype=x.dtype).view(1, -1, 1, 1).expand(1, -1, *x.shape[-2:]).clone()
    sites = torch.tensor([[color[c] for c in site_channels(capture.cfa)]], dtype=x.dtype)
    if stage.takes == PACKED:
        return sites.view(1, 4, 1, 1).expand(1, 4, *x.shape[-2:]).clone()
    if stage.takes == SENSOR:
        sites = capture.black[:1] + sites * (capture.white[:1, None] - capture.black[:1])
    return site_plane(sites, *x.shape[-2:])


def _flat(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    first = capture[0]
    y = stage(_uniform(stage, x, first, (0.4, 0.3, 0.2)), first)
    step = 2 if stage.gives in _MOSAICS else 1
    middle = y[..., : y.shape[2] // 2 // step * step + step, : y.shape[3] // 2 // step * step + step][
        ..., -step:, -step:
    ]
    tiled = middle.repeat(1, 1, y.shape[2], y.shape[3])[..., : y.shape[2], : y.shape[3]]
    return [_same("flat field stays flat", y, tiled, stage)] if min(y.shape[2:]) >= step else []


def _white(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    first = capture[0]
    y = stage(_uniform(stage, x, first, (0.35, 0.35, 0.35)), first)
    return [_same("white stays white", y, y.mean(1, keepdim=True).expand_as(y), stage)]

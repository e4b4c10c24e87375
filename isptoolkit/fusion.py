"""Fusion: several stages as one that does all their work in a single pass over memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .capture import Capture
from .errors import InvalidArgument, InvalidTensor
from .kernels import usable
from .kernels.steps import (
    MAX_PLANES,
    MAX_STEPS,
    STEP_SIZE,
    DemosaicMethod,
    Kind,
    Step,
    encode_program,
    join_coefficients,
    merge,
    on_device,
)
from .pipeline import Pipeline
from .plans import differentiable_twice, planned
from .stage import Inverse, Stage
from .stages.cfa import mosaic, site_channels
from .stages.demosaic import DemosaicBilinear, DemosaicMalvar

_TOPS = {torch.float32: 1, torch.uint16: 65535, torch.uint8: 255}
"""What `render` gives, with the code of 1."""
_METHODS: dict[type[Stage], DemosaicMethod] = {
    DemosaicBilinear: DemosaicMethod.BILINEAR,
    DemosaicMalvar: DemosaicMethod.MALVAR,
}


class Fused(Stage):
    """The stages of a pipeline in one pass over memory, by a native kernel.

    Both directions equal those of the pipeline, to rounding. Every stage must be pointwise (implement `forward_steps`),
    except for at most one bilinear or Malvar demosaic. Where kernels cannot run (float64, no compiler at installation,
    inside `kernels.reference()`), the stages themselves run.

    Args:
        stages: the pipeline to fuse.

    Attributes:
        contract: the pipeline's contract.

    Raises:
        InvalidArgument: for other stages, a second demosaic, or a space of more than 4 channels.

    >>> from isptoolkit import stages
    >>> pipeline = Pipeline(gain=stages.Gain(2.0), limits=stages.Clip(space=stages.Gain().space))
    >>> Fused(pipeline)(torch.tensor([[[[0.25, 0.75]]]]), Capture.of("RGGB"))
    tensor([[[[0.5000, 1.0000]]]])
    """

    def __init__(self, stages: Pipeline) -> None:
        super().__init__()
        self.stages = stages
        self.takes, self.gives, self.contract = stages.takes, stages.gives, stages.contract
        self.layouts = stages.layouts
        for name, stage in stages.items():
            if not (_pointwise(stage) or type(stage) in _METHODS):
                raise InvalidArgument(f"Fused: {name} ({type(stage).__name__}) is not pointwise")
        places = [i for i, stage in enumerate(stages) if type(stage) in _METHODS]
        if len(places) > 1:
            raise InvalidArgument(f"Fused: at most one demosaic, got {', '.join(stages.names[i] for i in places)}")
        self._demosaic = places[0] if places else len(stages)
        self._demosaic_method = _METHODS[type(list(stages)[places[0]])] if places else DemosaicMethod.NONE

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        plan = self._plan(x, capture)
        if plan is None:
            return self.stages.forward(x, capture)
        samples = _batched(x, plan.coefficients)
        output = _launched(
            samples, plan.coefficients, plan.before, plan.after, plan.channels, plan.method, self.gives.channels
        )
        return differentiable_twice(output, self.stages, x, capture, values_tracked=plan.coefficients.requires_grad)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        if not usable(y):
            return self.stages.inverse(y, capture)
        halves = planned(self, ("inverse", y.device), self.stages, capture, lambda: self._inverse_plan(y, capture))
        if halves is None:
            return self.stages.inverse(y, capture)
        late, early = halves
        output = late.applied(y)
        output = early.applied(mosaic(output, capture.cfa) if self._method() else output)
        tracked = late.coefficients.requires_grad or early.coefficients.requires_grad
        return differentiable_twice(output, self.stages, y, capture, values_tracked=tracked, inverse=True)

    def _inverse_plan(self, y: Tensor, capture: Capture) -> "tuple[_Run, _Run] | None":
        """The runs after and before the demosaic, inverted; None if the kernels cannot do them."""
        early, late = (
            _steps([stage.inverse_steps(capture) for stage in reversed(half)], y.device) for half in self._parts()
        )
        if early is None or late is None:
            return None
        return _Run.of(late, y.device), _Run.of(early, y.device)

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        return self.stages.in_domain(x, capture)

    @torch.no_grad()
    def render(
        self, x: Tensor, capture: Capture, *, dtype: torch.dtype = torch.float32, out: Tensor | None = None
    ) -> Tensor:
        """`forward` between the sample types of files, without gradients.

        Args:
            x: in the space that the stages take, as float32, uint16 or uint8.
            capture: of the same samples.
            dtype: of the output: float32, or uint8 or uint16, where 1 becomes the largest code and values outside
                [0, 1] are clipped.
            out: written to instead of new memory; contiguous, with the shape and dtype of the output.

        Raises:
            InvalidArgument: for another dtype, or an `out` that does not fit.
            InvalidTensor: for another layout, batch size or device.
        """
        from .kernels.launch import run
        from .kernels.native import fresh

        top = _TOPS.get(dtype if out is None else out.dtype)
        if top is None:
            raise InvalidArgument(f"render writes float32, uint16 or uint8, got {dtype if out is None else out.dtype}")
        self.takes.check(x if x.is_floating_point() else torch.empty(x.shape, device="meta"))
        capture.check(x)
        plan = self._plan(x, capture)
        samples = x.shape[0] if plan is None else max(x.shape[0], len(plan.coefficients))
        shape = (samples, self.gives.channels, *x.shape[2:])
        if out is None:
            out = fresh(shape, dtype, x.device)
        if out.shape != shape or not out.is_contiguous() or out.device != x.device:
            layout = "contiguous" if out.is_contiguous() else f"strides {list(out.stride())}"
            raise InvalidArgument(
                f"render: out must be contiguous {list(shape)} on {x.device}, "
                f"got {list(out.shape)} ({layout}) on {out.device}"
            )
        if plan is None:
            y = self.stages.forward(x.float(), capture)
            return out.copy_(y if top == 1 else (y * top).round().nan_to_num(0).clamp(0, top))
        x = _batched(x, plan.coefficients)
        plan = plan.without_rounding_to(top)
        run(x, plan.coefficients, plan.before, plan.after, plan.channels, plan.method, out)
        return out

    @property
    def has_domain(self) -> bool:
        return self.stages.has_domain

    @property
    def two_way(self) -> bool:
        return self.stages.two_way

    def _plan(self, x: Tensor, capture: Capture) -> "_Plan | None":
        """The work of `forward` for the kernels; None if they cannot do it."""
        if not usable(x.new_empty(0, dtype=torch.float32) if x.dtype in (torch.uint8, torch.uint16) else x):
            return None
        method = self._method()
        if method and min(x.shape[-2:]) < 2:
            return None
        return planned(self, ("forward", x.device), self.stages, capture, lambda: self._forward_plan(x, capture))

    def _forward_plan(self, x: Tensor, capture: Capture) -> "_Plan | None":
        next(iter(self.stages)).check_values(x, capture)  # once per plan: small inputs take less time than this
        device = x.device
        before, after = (_steps([s.forward_steps(capture) for s in half], device) for half in self._parts())
        if before is None or after is None:
            return None
        start = sum(step.coefficients.shape[1] for step in before)
        coefficients = join_coefficients(before + after, device)
        programs = encode_program(before), encode_program(after, start)
        channels = site_channels(capture.cfa) if self._method() else (0, 0, 0, 0)
        return _Plan(coefficients, *programs, self._method(), channels)

    def _parts(self) -> tuple[list[Stage], list[Stage]]:
        """The stages before the demosaic, and those after it."""
        stages = list(self.stages)
        return stages[: self._demosaic], stages[self._demosaic + 1 :]

    def _method(self) -> DemosaicMethod:
        """The method of the demosaic, or NONE."""
        return self._demosaic_method


@dataclass(frozen=True)
class _Plan:
    """What a kernel runs: coefficients, the programs before and after the demosaic, its method, the CFA's channels."""

    coefficients: Tensor
    before: list[int]
    after: list[int]
    method: DemosaicMethod
    channels: tuple[int, ...]

    def without_rounding_to(self, top: int) -> "_Plan":
        """The plan without a final rounding to codes 0 to `top`, to which the output is rounded anyway."""
        half = self.after if self.method else self.before
        if (
            top == 1
            or not half
            or half[-STEP_SIZE] != Kind.QUANTIZE
            or self.coefficients[0, half[1 - STEP_SIZE]] != top
        ):
            return self
        shorter = half[:-STEP_SIZE]
        return replace(self, after=shorter) if self.method else replace(self, before=shorter)


@dataclass(frozen=True)
class _Run:
    """Point-wise steps as a program with its coefficients."""

    coefficients: Tensor
    program: list[int]

    @classmethod
    def of(cls, steps: list[Step], device: torch.device) -> "_Run":
        return cls(join_coefficients(steps, device), encode_program(steps))

    def applied(self, x: Tensor) -> Tensor:
        """The output for `x`; no steps need no pass over memory."""
        return _launched(_batched(x, self.coefficients), self.coefficients, self.program) if self.program else x


def _steps(parts: list[list[Step] | None], device: torch.device) -> list[Step] | None:
    """The steps of all stages on one device, merged where possible; None if a stage has none or they are too many."""
    if any(part is None for part in parts):
        return None
    steps = [on_device(step, device) if device.type == "cuda" else step for part in parts for step in part or ()]
    merged = merge(steps)
    return merged if len(merged) <= MAX_STEPS else None


def _batched(x: Tensor, values: Tensor) -> Tensor:
    """One sample for each capture."""
    if len(values) in (1, len(x)):
        return x
    if len(x) == 1:
        return x.expand(len(values), *x.shape[1:])
    raise InvalidTensor(f"the capture describes {len(values)} samples, the tensor holds {len(x)}")


def _launched(
    x: Tensor,
    coefficients: Tensor,
    before: list[int],
    after: Sequence[int] = (),
    channels: tuple[int, ...] = (0, 0, 0, 0),
    method: DemosaicMethod = DemosaicMethod.NONE,
    planes: int | None = None,
) -> Tensor:
    """Run programs and a demosaic, through the dispatcher only if it has something to do: that takes 30 us."""
    from .kernels.launch import run
    from .kernels.native import fresh
    from .kernels.operators import needs_dispatch
    from .kernels.render import develop, render

    if needs_dispatch(x, coefficients):
        if method:
            return render(x, coefficients, before, after, channels, method, x.dtype)
        return develop(x, coefficients, before)
    output = fresh((x.shape[0], planes or x.shape[1], *x.shape[2:]), x.dtype, x.device)
    run(x, coefficients, before, after, channels, method, output)
    return output


def _pointwise(stage: Stage) -> bool:
    if isinstance(stage, Inverse):
        return _pointwise(stage.stage)
    return type(stage).forward_steps is not Stage.forward_steps and stage.takes.channels <= MAX_PLANES


def fuse(pipeline: Pipeline, *, demosaic: bool = False) -> Pipeline:
    """A pipeline in which one `Fused` stage replaces each longest run of pointwise stages.

    Args:
        pipeline: nested pipelines are fused inside.
        demosaic: let a run span one bilinear or Malvar demosaic, so that a whole RAW development takes one pass.

    >>> from isptoolkit import presets
    >>> fuse(presets.classic()).names
    ('levels_to_highlights', 'demosaic', 'matrix_to_quantize')
    >>> fuse(presets.classic(), demosaic=True).names
    ('levels_to_quantize',)
    """
    stages: dict[str, Stage] = {}
    run: dict[str, Stage] = {}

    def close() -> None:
        if run:
            names = list(run)
            name = names[0] if len(names) == 1 else f"{names[0]}_to_{names[-1]}"
            stages[name] = Fused(Pipeline(**run))
            run.clear()

    for name, stage in pipeline.items():
        crossed = any(type(part) in _METHODS for part in run.values())
        if _pointwise(stage) or (demosaic and type(stage) in _METHODS and not crossed):
            run[name] = stage
        else:
            close()
            stages[name] = _fused_inside(stage, demosaic)
    close()
    return Pipeline(**stages)


def fuse_each(pipeline: Pipeline) -> Pipeline:
    """A pipeline in which its own kernel runs each pointwise stage, so that every intermediate value still exists.

    >>> from isptoolkit import presets
    >>> fuse_each(presets.classic()).names == presets.classic().names
    True
    """
    return Pipeline(**{name: fuse(Pipeline(**{name: stage}))[name] for name, stage in pipeline.items()})


def _fused_inside(stage: Stage, demosaic: bool) -> Stage:
    if isinstance(stage, Pipeline):
        return fuse(stage, demosaic=demosaic)
    if isinstance(stage, Inverse) and isinstance(stage.stage, Pipeline):
        return fuse(stage.stage, demosaic=demosaic).inv
    return stage

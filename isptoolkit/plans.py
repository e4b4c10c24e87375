"""What a fused stage prepares for its kernels, when that may be used again, and its second derivatives."""

import ctypes
import weakref
from collections.abc import Callable, Hashable, Iterator
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from .capture import QUANTITIES, Capture
from .kernels.derivatives import with_reference
from .stage import Stage

Plan = TypeVar("Plan")

_KEPT = 8
"""Plans per fused stage and purpose; a folder of captures needs one at a time."""
_plans: "weakref.WeakKeyDictionary[Stage, dict[Hashable, list[_Made]]]" = weakref.WeakKeyDictionary()


def planned(owner: Stage, purpose: Hashable, stages: Stage, capture: Capture, make: Callable[[], Plan]) -> Plan:
    """The plan that `make` returns, or an earlier one for the same values.

    A plan is used again only while every tensor of the stages and the capture has equal bytes, so a value that was
    changed in place, however that was done, gets a new plan. A plan is never used again where a gradient flows to a
    value, while tracing, or for values on a GPU, whose bytes are not read.

    Args:
        owner: the stage that runs the plan; its plans die with it.
        purpose: distinguishes the plans of one stage for equal values.
        stages: what the plan executes.
        capture: what the plan executes it for.
        make: computes the plan from the stages and the capture.
    """
    if torch.compiler.is_compiling():
        return make()
    grad = torch.is_grad_enabled()
    plans = _plans.setdefault(owner, {}).setdefault((purpose, torch.is_inference_mode_enabled()), [])
    for earlier in plans:
        if earlier.fits(capture, grad):
            return cast(Plan, earlier.plan)
    made = _Made(stages, capture, make())
    if made.fits(capture, grad):
        plans.insert(0, made)
        del plans[_KEPT:]
    return cast(Plan, made.plan)


class _Made:
    """A plan with the values that it was made from."""

    def __init__(self, stages: Stage, capture: Capture, plan: Any) -> None:
        self.plan, self.cfa = plan, capture.cfa
        places = [values for module in stages.modules() for values in (vars(module), *_registered(module))]
        self.sizes = [(values, len(values)) for values in places]
        # The state of the compiler and of autograd in a module is in plain attributes, of which only tensors count.
        self.held = [
            (values, name, value, _content(value))
            for values in places
            for name, value in values.items()
            if isinstance(value, Tensor) or (value is None and not name.startswith("_"))
        ]
        self.quantities = [_content(getattr(capture, name)) for name in QUANTITIES]

    def fits(self, capture: Capture, grad: bool) -> bool:
        """Whether the values are still the same, and no gradient is wanted of one."""
        if capture.cfa != self.cfa:
            return False
        for name, content in zip(QUANTITIES, self.quantities, strict=True):
            if not _equals(getattr(capture, name), content, grad):
                return False
        for values, size in self.sizes:
            if len(values) != size:
                return False
        for values, name, value, content in self.held:
            if values.get(name) is not value or not _equals(value, content, grad):
                return False
        return True


_NONE: tuple[None, None, None] = (None, None, None)


def _registered(module: nn.Module) -> tuple[dict[str, Any], ...]:
    return module._parameters, module._buffers, module._modules


def _content(value: Tensor | None) -> tuple[Any, Any, bytes | None]:
    """Shape, dtype and bytes of a tensor; no bytes if they cannot be read."""
    if value is None:
        return _NONE
    readable = type(value) in (Tensor, nn.Parameter) and value.device.type == "cpu" and value.layout == torch.strided
    if not readable or not value.is_contiguous():
        return value.shape, value.dtype, None
    return value.shape, value.dtype, ctypes.string_at(value.data_ptr(), value.nbytes)


def _equals(value: Tensor | None, content: tuple[Any, Any, bytes | None], grad: bool) -> bool:
    if value is None:
        return content is _NONE
    shape, dtype, data = content
    return (
        data is not None
        and not (grad and value.requires_grad)
        and value.device.type == "cpu"
        and value.shape == shape
        and value.dtype == dtype
        and value.is_contiguous()
        and ctypes.string_at(value.data_ptr(), len(data)) == data
    )


def differentiable_twice(
    output: Tensor, stages: Stage, x: Tensor, capture: Capture, *, values_tracked: bool, inverse: bool = False
) -> Tensor:
    """The output of a fused kernel, with the second derivatives of the stages that it replaces.

    Args:
        output: of the kernel.
        stages: what the kernel computes.
        x: the input.
        capture: of the same samples.
        values_tracked: whether a gradient flows to a value of the stages or the capture.
        inverse: whether the kernel computes the stages' inverse.
    """
    if not output.requires_grad or torch.compiler.is_compiling():
        return output
    named: dict[str, Tensor] = {}
    tracked: list[str] = []
    if values_tracked:
        if any(isinstance(v, Tensor) and v.requires_grad for module in stages.modules() for v in vars(module).values()):
            return output  # such a value cannot be replaced; the operator refuses second derivatives
        named = {f"stages.{name}": value for name, value in _named_tensors(stages) if value.requires_grad}
        tracked = [name for name in QUANTITIES if (q := getattr(capture, name)) is not None and q.requires_grad]

    def definition(x: Tensor, *values: Tensor) -> Tensor:
        own = dict(zip(named, values[: len(named)], strict=True))
        changed = capture.replace(**dict(zip(tracked, values[len(named) :], strict=True))) if tracked else capture
        direction = _Direction(stages, inverse)
        result: Tensor = torch.func.functional_call(direction, own, (x, changed)) if own else direction(x, changed)
        return result

    return with_reference(output, definition, x, *named.values(), *(getattr(capture, name) for name in tracked))


class _Direction(nn.Module):
    def __init__(self, stages: Stage, inverse: bool) -> None:
        super().__init__()
        self.stages, self.backwards = stages, inverse

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return self.stages.inverse(x, capture) if self.backwards else self.stages(x, capture)


def _named_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()

"""Registration of kernels as torch operators on a `torch.library.Library`, which does not import the compiler."""

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ..errors import KernelError

_library: Any = torch.library.Library("isptoolkit", "DEF")  # type: ignore[no-untyped-call]

Backward = Callable[..., Sequence[Tensor | None]]
Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def operator(
    fake: Callable[..., Any],
    *,
    devices: Sequence[str] = ("CPU", "CUDA"),
    save: Callable[..., None] | None = None,
    backward: Backward | None = None,
) -> Callable[[Kernel], Kernel]:
    """Turn a kernel into the operator `isptoolkit::` and its name; a decorator.

    Reverse mode runs `backward`. Any other derivative of an operator raises: stages compute it from their definition in
    plain torch, see `isptoolkit.kernels.derivatives`.

    Args:
        fake: the outputs' shapes, dtypes and devices from arguments without values.
        devices: the dispatch keys that the kernel serves.
        save: stores what `backward` needs: `save(ctx, inputs, output)`.
        backward: the gradients of all arguments: `backward(ctx, *grads)`.
    """

    def register(kernel: Kernel) -> Kernel:
        name = kernel.__name__
        _library.define(name + torch.library.infer_schema(kernel, mutates_args=()))
        op = getattr(torch.ops.isptoolkit, name).default
        for key in devices:
            _library.impl(name, _untraced(kernel), key)
        torch.library.register_fake(f"isptoolkit::{name}", fake, lib=_library)
        _library.impl(name, _autograd(op, save, backward), "Autograd", with_keyset=True)
        return cast(Kernel, op)

    return register


def needs_dispatch(*tensors: Tensor) -> bool:
    """Whether a call must go through the dispatcher: for a gradient, a tracer, a mode or a subclass of tensors."""
    return (
        torch.compiler.is_compiling()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._get_tracing_state() is not None
        or any(type(value) is not Tensor for value in tensors)
        or (torch.is_grad_enabled() and any(value.requires_grad for value in tensors))
    )


def _untraced(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel, hidden from the compiler if that is loaded: tracing a ctypes call is of no use."""
    disabled: Callable[..., Any] | None = None

    def run(*args: Any) -> Any:
        nonlocal disabled
        if "torch._dynamo" not in sys.modules:
            return kernel(*args)
        if disabled is None:
            # Not earlier, because this imports the compiler.
            disabled = torch.compiler.disable(kernel)  # type: ignore[no-untyped-call]
        return disabled(*args)

    return run


def _autograd(op: Any, save: Callable[..., None] | None, backward: Backward | None) -> Callable[..., Any]:
    """The operator's autograd kernel: reverse mode once, an error for what would otherwise be silently zero."""

    def below(keys: Any, args: Sequence[Any]) -> Any:
        with torch._C._AutoDispatchBelowAutograd():
            return op.redispatch(keys & torch._C._after_autograd_keyset, *args)

    class Differentiable(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, keys: Any, *args: Any) -> Any:
            output = below(keys, args)
            # A gradient that is not needed arrives as None, and is None further on.
            ctx.set_materialize_grads(False)
            if save is not None:
                save(ctx, args, output)
            return output

        @staticmethod
        def backward(ctx: Any, *grads: Tensor | None) -> Any:
            assert backward is not None
            if all(grad is None for grad in grads):
                return (None,) * len(ctx.needs_input_grad)
            return None, *backward(ctx, *grads)

    def run(keys: Any, *args: Any) -> Any:
        tracked = torch.is_grad_enabled() and any(isinstance(a, Tensor) and a.requires_grad for a in args)
        if (tracked and (backward is None or torch._C._are_functorch_transforms_active())) or _has_tangent(args):
            raise KernelError(
                f"{op.name()} has no such derivative: call the stage, or compute inside isptoolkit.kernels.reference()"
            )
        return Differentiable.apply(keys, *args) if tracked else below(keys, args)  # type: ignore[no-untyped-call]

    return run


def _has_tangent(args: Sequence[Any]) -> bool:
    unpack: Any = forward_ad.unpack_dual
    return forward_ad._current_level >= 0 and any(isinstance(a, Tensor) and unpack(a).tangent is not None for a in args)

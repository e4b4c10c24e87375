"""Derivatives of kernels beyond plain reverse mode: the definition in plain torch answers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import reference as kernels_off
from . import transforming


def differentiating(*inputs: Tensor) -> bool:
    """Whether an output of these inputs needs a derivative: a gradient, or inside a forward mode or a transform.

    >>> differentiating(torch.zeros(1)), differentiating(torch.zeros(1, requires_grad=True))
    (False, True)
    """
    return transforming() or (torch.is_grad_enabled() and any(value.requires_grad for value in inputs))


def with_derivative(values: Tensor, real: Tensor) -> Tensor:
    """`values`, bit for bit, with every derivative of `real`.

    Args:
        values: holds no derivative, such as integers.
        real: of the same shape and dtype; where it is not finite, the derivative is zero.

    >>> x = torch.tensor([1.4], requires_grad=True)
    >>> y = with_derivative(x.detach().round(), 3 * x)
    >>> y, torch.autograd.grad(y, x)
    (tensor([1.], grad_fn=<AddBackward0>), (tensor([3.]),))
    """
    return values + (real - real.detach()).nan_to_num(0, 0, 0)


def with_reference(output: Tensor, reference: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """A kernel's output whose gradient can be differentiated again, as that of its definition.

    A plain backward pass runs the kernel's gradient. One with `create_graph=True` evaluates `reference` at the inputs
    and differentiates it instead.

    Args:
        output: of the kernel.
        reference: computes the same from `inputs` in plain torch.
        inputs: every tensor on which the output depends.

    >>> x = torch.ones(2, requires_grad=True)
    >>> (grad,) = torch.autograd.grad(with_reference(x**2, torch.square, x).sum(), x, create_graph=True)
    >>> torch.autograd.grad(grad.sum(), x)
    (tensor([2., 2.]),)
    """
    if not output.requires_grad or torch.compiler.is_compiling():
        return output
    routed: Tensor = _Routed.apply(output, reference, *inputs)  # type: ignore[no-untyped-call]
    return routed


class _Routed(torch.autograd.Function):
    """The identity of a kernel's output: gradients go to the kernel, or, with `create_graph`, around it."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, reference: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        ctx.reference, ctx.inputs = reference, inputs
        ctx.versions = [_version(value) for value in inputs]
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, grad_output: Tensor) -> Any:
        if not torch.is_grad_enabled():
            return grad_output, None, *(None for _ in ctx.inputs)
        if ctx.versions != [_version(value) for value in ctx.inputs]:
            raise RuntimeError(
                "a tensor needed for create_graph=True was modified in place since the forward pass: modify it later"
            )
        needed = ctx.needs_input_grad[2:]
        # Views, so that one input's gradient holds nothing of another input computed from it.
        inputs = [value.view_as(value) for value in ctx.inputs]
        with kernels_off():
            output = ctx.reference(*inputs)
        grads = iter(
            torch.autograd.grad(
                output,
                [value for value, need in zip(inputs, needed, strict=True) if need],
                grad_output,
                create_graph=True,
                allow_unused=True,
            )
        )
        return None, None, *(next(grads) if need else None for need in needed)


def _version(value: Tensor) -> int:
    return -1 if value.is_inference() else value._version

"""Native kernels for CPU and CUDA from one source; the stages define in plain torch what they compute."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = [
    "describe_kernels",
    "reference",
    "transforming",
    "usable",
]

_off = 0


@contextlib.contextmanager
def reference() -> Iterator[None]:
    """Disable native kernels in this context: every stage runs its definition in plain torch.

    >>> with reference():
    ...     usable(torch.zeros(1, 1, 2, 2))
    False
    """
    global _off
    _off += 1
    try:
        yield
    finally:
        _off -= 1


def transforming() -> bool:
    """Whether forward-mode differentiation or a transform of `torch.func` is active.

    >>> torch.func.vmap(lambda x: x * transforming())(torch.ones(2))
    tensor([1., 1.])
    """
    return forward_ad._current_level >= 0 or bool(torch._C._are_functorch_transforms_active())


def usable(x: Tensor) -> bool:
    """Whether kernels run on this tensor: float32 on the CPU, or float32, float16 or bfloat16 on CUDA.

    False during ONNX export, which supports torch's own operators only, and in forward mode and in transforms of
    `torch.func`, where the definitions in plain torch are differentiated.
    """
    if _off or transforming() or _writing_onnx():
        return False
    if x.is_cuda:
        return x.dtype in (torch.float32, torch.float16, torch.bfloat16) and _cuda()
    return x.device.type == "cpu" and x.dtype == torch.float32 and _cpu()


def _cpu() -> bool:
    from .native import library

    return library() is not None


def _cuda() -> bool:
    from .cuda import available

    return available()


def _writing_onnx() -> bool:
    onnx: Any = sys.modules.get("torch.onnx")
    return onnx is not None and bool(onnx.is_in_onnx_export())


for _fixed in (_cpu, _cuda, _writing_onnx, transforming):
    # As torch.compiler.assume_constant_result does, but without importing the compiler.
    setattr(_fixed, "_dynamo_marked_constant", True)  # noqa: B010


def describe_kernels() -> dict[str, str]:
    """What runs on the CPU and on GPUs, and why, as lines of a report.

    >>> sorted(describe_kernels())
    ['cpu kernels', 'cpu threads', 'cuda kernels']
    """
    from . import cuda, native

    return {
        "cpu kernels": native.state(),
        "cpu threads": str(torch.get_num_threads()),
        "cuda kernels": cuda.state(),
    }


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

"""The CPU library: loading it, its argument structures, and why it is unavailable if it is."""

import ctypes
import functools
import logging
from collections.abc import Sequence
from ctypes import POINTER, c_int32, c_int64, c_void_p
from pathlib import Path

import torch
from torch import Tensor

from ..errors import KernelError
from .library import load

log = logging.getLogger(__name__)

TYPES = {torch.float32: 0, torch.uint16: 1, torch.uint8: 2, torch.float16: 3, torch.bfloat16: 4}
"""Codes of the dtypes that kernels read and write: `isp_type` in csrc/steps.h."""
RING_ROWS, ROW_MARGINS = 8, 16
"""Scratch memory of the demosaic adjoint: `ISP_RING_ROWS` and `ISP_ROW_MARGINS` in csrc/cpu.h."""
STREAMED = 32 << 20
"""Outputs of at least this many bytes are written past the caches."""
HUGE = 4 << 20
"""Outputs of at least this many bytes request huge pages."""

Channels = c_int32 * 4


class Program(ctypes.Structure):
    """`isp_program` in csrc/cpu.h."""

    _fields_ = (("steps", POINTER(c_int32)), ("count", c_int64))


class LaunchArgs(ctypes.Structure):
    """`isp_launch_args` in csrc/cpu.h."""

    _fields_ = (
        ("input", c_void_p),
        ("output", c_void_p),
        ("coefficients", c_void_p),
        ("before", Program),
        ("after", Program),
        *((name, c_int64) for name in ("batch", "planes", "height", "width")),
        *((name, c_int64) for name in ("input_batch", "input_plane", "input_row", "coefficients_stride")),
        *((name, c_int32) for name in ("input_type", "output_type", "demosaic", "threads", "streaming")),
        ("channels", Channels),
    )


class GradientArgs(ctypes.Structure):
    """`isp_gradient_args` in csrc/cpu.h."""

    _fields_ = (
        ("launch", LaunchArgs),
        *((name, c_void_p) for name in ("grad_y", "grad_x", "grad_coefficients")),
        ("coefficient_count", c_int64),
    )


class Adjoint(ctypes.Structure):
    """`isp_adjoint` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("grad_y", "grad_x", "scratch")),
        *((name, c_int64) for name in ("batch", "height", "width")),
        ("demosaic", c_int32),
        ("threads", c_int32),
        ("channels", Channels),
    )


class Sampling(ctypes.Structure):
    """`isp_sampling` in csrc/cpu.h."""

    _fields_ = (
        ("input", c_void_p),
        ("output", c_void_p),
        *((name, c_int64) for name in ("batch", "height", "width", "input_batch", "input_plane", "input_row")),
        ("threads", c_int32),
        ("channels", Channels),
    )


@functools.cache
def _loaded() -> tuple[ctypes.CDLL | None, str]:
    """The CPU library, loaded once, with its description; or None and the reason, which is also logged once."""
    loaded, reason = load(Path(__file__).parent)
    if loaded is None:
        log.warning("no native kernels for the CPU: %s; using plain torch", reason)
        return None, f"plain torch: {reason}"
    loaded.isp_instruction_set.restype = ctypes.c_char_p
    loaded.isp_use.argtypes = [ctypes.c_char_p]
    threaded = "OpenMP" if loaded.isp_has_threads() else "one thread, since the compiler had no OpenMP"
    return loaded, f"{loaded.isp_instruction_set().decode()}, {threaded}"


def library() -> ctypes.CDLL | None:
    """The CPU library, or None if it is unavailable."""
    return _loaded()[0]


def state() -> str:
    """What runs on the CPU, and why: an instruction set and its threading, or plain torch with the reason."""
    return _loaded()[1]


def call(name: str, args: ctypes.Structure) -> None:
    """Call a function of the CPU library.

    Raises:
        KernelError: if the library is unavailable.
    """
    native = library()
    if native is None:
        raise KernelError(f"{name} needs the CPU library, which is unavailable: {state()}")
    getattr(native, name)(ctypes.byref(args))


def fresh(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Allocate an output; on Linux in huge pages, because mapping small pages takes longer than filling them."""
    output = torch.empty(shape, dtype=dtype, device=device)
    native = library()
    if native is not None and device.type == "cpu" and output.nbytes >= HUGE:
        native.isp_huge_pages(c_void_p(output.data_ptr()), c_int64(output.nbytes))
    return output


def rows(x: Tensor) -> Tensor:
    """`x` itself if its rows are dense, else a contiguous copy."""
    return x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()


def threads(work: int) -> int:
    """The number of threads that pays off for `work` values."""
    return max(1, min(torch.get_num_threads(), work // 16384))

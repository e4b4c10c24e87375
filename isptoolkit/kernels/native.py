"""The CPU library: where it is, what it takes, and why it is not there when it is not."""

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
"""What kernels read and write; the order is that of `isp_type` in csrc/steps.h."""
KEPT_ROWS, ROW_MARGINS = 8, 16
"""As in csrc/cpu.h."""
STREAMED = 32 << 20
"""Bytes from which outputs go past the caches."""
HUGE = 4 << 20
"""Bytes from which outputs ask for huge pages."""

Channels = c_int32 * 4


class Steps(ctypes.Structure):
    """`isp_steps` in csrc/cpu.h."""

    _fields_ = (("words", POINTER(c_int32)), ("count", c_int64))


class Trip(ctypes.Structure):
    """`isp_trip` in csrc/cpu.h."""

    _fields_ = (
        ("input", c_void_p),
        ("output", c_void_p),
        ("numbers", c_void_p),
        ("before", Steps),
        ("after", Steps),
        *((name, c_int64) for name in ("batch", "planes", "height", "width")),
        *((name, c_int64) for name in ("input_batch", "input_plane", "input_row", "numbers_stride")),
        *((name, c_int32) for name in ("input_type", "output_type", "demosaic", "threads", "streaming")),
        ("channels", Channels),
    )


class TripGradient(ctypes.Structure):
    """`isp_trip_gradient` in csrc/cpu.h."""

    _fields_ = (
        ("trip", Trip),
        *((name, c_void_p) for name in ("output_gradient", "input_gradient", "numbers_gradient")),
        ("count", c_int64),
    )


class Adjoint(ctypes.Structure):
    """`isp_adjoint` in csrc/cpu.h."""

    _fields_ = (
        *((name, c_void_p) for name in ("output_gradient", "input_gradient", "scratch")),
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
        log.warning("no native kernels for the CPU: %s; torch does the work", reason)
        return None, f"plain torch: {reason}"
    loaded.isp_instruction_set.restype = ctypes.c_char_p
    loaded.isp_use.argtypes = [ctypes.c_char_p]
    threaded = "OpenMP" if loaded.isp_has_threads() else "one thread, since the compiler had no OpenMP"
    return loaded, f"{loaded.isp_instruction_set().decode()}, {threaded}"


def library() -> ctypes.CDLL | None:
    """The CPU library, or None."""
    return _loaded()[0]


def state() -> str:
    """What runs on the CPU, and why."""
    return _loaded()[1]


def call(name: str, job: ctypes.Structure) -> None:
    """Do a job; the library must be there."""
    native = library()
    if native is None:
        raise KernelError(f"{name}: the CPU library is not there, as the log said")
    getattr(native, name)(ctypes.byref(job))


def fresh(shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """New memory for an output; on Linux in huge pages, since small ones take longer to get than to fill."""
    made = torch.empty(shape, dtype=dtype, device=device)
    native = library()
    if native is not None and device.type == "cpu" and made.nbytes >= HUGE:
        native.isp_huge_pages(c_void_p(made.data_ptr()), c_int64(made.nbytes))
    return made


def rows(x: Tensor) -> Tensor:
    """`x` itself if its rows are dense, else a copy."""
    return x if x.stride(-1) == 1 or x.shape[-1] == 1 else x.contiguous()


def threads(work: int) -> int:
    """How many threads are worth it for so many values."""
    return max(1, min(torch.get_num_threads(), work // 16384))

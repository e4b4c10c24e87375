"""A launcher for `isptoolkit.kernels.cuda` that runs kernels on the CPU and checks what they do."""

import contextlib
import ctypes
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from isptoolkit.kernels import cuda
from isptoolkit.kernels.native import TYPES

from .compile import KERNEL, load

DTYPES = {"float": torch.float32, "double": torch.float64, "int": torch.int32, "isp_byte": torch.uint8}
PACKED = {
    "isp_long": (np.int64, ctypes.c_int64),
    "int": (np.int32, ctypes.c_int32),
    "float": (np.float32, ctypes.c_float),
    "double": (np.float64, ctypes.c_double),
}
"""How the CUDA driver receives each type of a kernel's parameter."""
TRACKED = 64 << 20
"""Bytes of the largest tensor whose items are tracked one by one."""
ORDERS = (1, 2, 0)
"""Seeds of `emulated_launch`: descending, shuffled, ascending."""


class EmulationError(AssertionError):
    """A kernel, or its launch, did something that is wrong on a GPU."""


@dataclass(frozen=True)
class Parameter:
    """A kernel's parameter: `type` without const and `*`."""

    name: str
    type: str
    pointer: bool
    const: bool


class _Tensor(ctypes.Structure):
    """`emulated_tensor` in runtime.cpp."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        *((name, ctypes.c_void_p) for name in ("start", "end", "inside", "writers")),
        ("item", ctypes.c_int32),
        ("writable", ctypes.c_int32),
    )


def parameters(sources: Path) -> dict[str, list[Parameter]]:
    """The parameters of every kernel, as its source declares them."""
    kernels = {}
    for source in sorted(sources.glob("*.cu")):
        for kernel, declared in KERNEL.findall(source.read_text()):
            kernels[kernel] = []
            for text in declared.split(","):
                match = re.fullmatch(r"\s*(const )?(\w+) (\*?)(\w+)\s*", text)
                assert match, f"{source.name}: cannot read parameter {text.strip()!r} of {kernel}"
                kernels[kernel].append(Parameter(match[4], match[2], bool(match[3]), bool(match[1])))
    return kernels


class Emulator:
    """Runs kernels on the CPU, as the launcher of `isptoolkit.kernels.cuda`.

    Each launch runs three times on the same inputs, with its threads and blocks in different orders. It fails unless

    - CUDA accepts the grid;
    - every argument is packed as the kernel declares it, and every tensor has the declared dtype;
    - all threads of a block reach the same barriers, and all of a warp the same shuffles;
    - every access stays inside a tensor, on items of its view, and no const tensor is written;
    - no two threads access the same memory, one of them writing, without a barrier or atomics between them;
    - no shared memory is read before it is written, and every item of an output is written;
    - the results of all orders are bit-identical, except for float64 sums by atomics.

    Args:
        sources: a folder like `isptoolkit/kernels/csrc`.
        cache: where compiled libraries stay.
        multiprocessors: of the emulated GPU; small, so that threads visit several items.
        first: the first block that runs; those before it are skipped and outputs may be incomplete.
    """

    def __init__(self, sources: Path, cache: Path, multiprocessors: int = 1, first: int = 0) -> None:
        self._library = load(sources, cache)
        self._library.emulated_launch.restype = ctypes.c_char_p
        self.sources, self._parameters = sources, parameters(sources)
        self._multiprocessors, self._first = multiprocessors, first
        self._lock = threading.Lock()
        self.launches: list[str] = []

    def probe(self) -> tuple[bool, str]:
        return True, "emulated on the CPU"

    def multiprocessors(self, device: torch.device) -> int:
        return self._multiprocessors

    def launch(self, x: Tensor, kernel: str, grid: tuple[int, ...], block: int, arguments: Sequence[Any]) -> None:
        if not all(grid) or max(grid[1:], default=1) > cuda.GRID_LIMIT or grid[0] >= 2**31 or block > 1024:
            raise EmulationError(f"{kernel}: CUDA refuses a grid of {grid} blocks of {block} threads")
        declared = self._parameters[kernel]
        packed = _packed(kernel, declared, arguments)
        tensors = {p.name: (p, a) for p, a in zip(declared, arguments, strict=True) if isinstance(a, Tensor)}
        _check_dtypes(kernel, declared, arguments)
        outputs = {name: a for name, (p, a) in tensors.items() if not p.const}
        for name, output in outputs.items():
            if not output.is_contiguous():
                raise EmulationError(f"{kernel}: output {name} is not contiguous")
        large = sum(a.nbytes for a in outputs.values()) > TRACKED
        before = {} if large else {name: a.clone() for name, a in outputs.items()}
        results: list[dict[str, Tensor]] = []
        with self._lock:
            for seed in ORDERS[-1:] if large else ORDERS:
                for name, content in before.items():
                    outputs[name].copy_(content)
                self._run(kernel, grid, block, packed, tensors, seed)
                results.append({} if large else {name: a.clone() for name, a in outputs.items()})
        self.launches.append(kernel)
        for result, seed in zip(results[:-1], ORDERS, strict=False):
            for name, value in result.items():
                if not _same(value, results[-1][name]):
                    raise EmulationError(f"{kernel}: {name} depends on the order of threads (seed {seed})")

    def _run(
        self,
        kernel: str,
        grid: tuple[int, ...],
        block: int,
        packed: list[Any],
        tensors: dict[str, tuple[Parameter, Tensor]],
        seed: int,
    ) -> None:
        masks = {name: _inside(a) for name, (_, a) in tensors.items()}
        writers = {
            name: torch.zeros(a.numel(), dtype=torch.int32)
            for name, (p, a) in tensors.items()
            if not p.const and a.nbytes <= TRACKED
        }
        table = (_Tensor * len(tensors))(
            *(
                _Tensor(
                    name.encode(),
                    a.data_ptr(),
                    a.data_ptr() + _extent(a) * a.itemsize,
                    _address(masks[name]),
                    _address(writers.get(name)),
                    a.itemsize,
                    not p.const,
                )
                for name, (p, a) in tensors.items()
            )
        )
        pointers = (ctypes.c_void_p * len(packed))(*(ctypes.addressof(value) for value in packed))
        sizes = (ctypes.c_uint * 3)(*grid, *(1,) * (3 - len(grid)))
        function = ctypes.cast(getattr(self._library, f"emulated_{kernel}"), ctypes.c_void_p)
        problem = self._library.emulated_launch(
            function, pointers, sizes, block, table, len(tensors), seed, ctypes.c_longlong(self._first)
        )
        if problem:
            raise EmulationError(f"{kernel}: {problem.decode()}")
        for name, items in writers.items():
            # Sums by atomics, whose writer is negative, may leave items unchanged.
            unwritten = 0 if self._first or bool((items < 0).any()) else int((items == 0).sum())
            if unwritten and tensors[name][1].dtype != torch.float64:
                raise EmulationError(f"{kernel}: {unwritten} of {len(items)} items of {name} are never written")


@contextlib.contextmanager
def emulated(emulator: Emulator) -> Iterator[Emulator]:
    """Treat the CPU as a GPU in this context: tensors answer `is_cuda`, and `emulator` runs the kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "is_cuda", property(lambda self: True))
        patch.setattr(cuda, "launcher", emulator)
        yield emulator


def _packed(kernel: str, declared: Sequence[Parameter], arguments: Sequence[Any]) -> list[Any]:
    """The arguments in C, after a check that `cuda.pack` gave each the type that the kernel declares."""
    if len(declared) != len(arguments):
        raise EmulationError(f"{kernel} takes {len(declared)} arguments, not {len(arguments)}")
    values = []
    for parameter, value in zip(declared, cuda.pack(arguments), strict=True):
        if parameter.pointer:
            valid = type(value) is int or (type(value) is np.int64 and value == 0)
            ctype: Any = ctypes.c_void_p
        else:
            expected, ctype = PACKED[parameter.type]
            valid = type(value) is expected
        if not valid:
            pointer = "*" if parameter.pointer else ""
            raise EmulationError(f"{kernel}: {parameter.type} {pointer}{parameter.name} gets a {type(value).__name__}")
        values.append(ctype(value.item() if isinstance(value, np.generic) else value))
    return values


def _check_dtypes(kernel: str, declared: Sequence[Parameter], arguments: Sequence[Any]) -> None:
    """Each tensor has the dtype that the kernel declares: by its C type, or, for void, by `NAME_type` or `type`."""
    codes = {p.name: int(a) for p, a in zip(declared, arguments, strict=True) if p.name.endswith("type")}
    for parameter, value in zip(declared, arguments, strict=True):
        if not isinstance(value, Tensor):
            continue
        dtype = DTYPES.get(parameter.type)
        if dtype is None:
            code = codes.get(f"{parameter.name}_type", codes.get("type"))
            dtype = next((dtype for dtype, number in TYPES.items() if number == code), None)
        if value.dtype != dtype:
            raise EmulationError(f"{kernel}: {parameter.name} is {value.dtype}, and the kernel reads {dtype}")


def _extent(x: Tensor) -> int:
    """Items from the first to the last of a tensor, those that its view skips included."""
    return 1 + sum((n - 1) * stride for n, stride in zip(x.shape, x.stride(), strict=True)) if x.numel() else 0


def _inside(x: Tensor) -> Tensor | None:
    """Which items of its extent belong to a tensor, or None if all do or the extent is too large to tell."""
    if x.is_contiguous() or _extent(x) > TRACKED:
        return None
    inside = torch.zeros(_extent(x), dtype=torch.uint8)
    inside.as_strided(x.shape, x.stride()).fill_(1)
    return inside


def _address(x: Tensor | None) -> int | None:
    return None if x is None else x.data_ptr()


def _same(a: Tensor, b: Tensor) -> bool:
    """Bit-identical; float64 sums by atomics, to rounding."""
    if a.dtype == torch.float64:
        return torch.allclose(a, b, rtol=1e-9, atol=1e-12 * float(b.abs().nan_to_num(0, 0, 0).max()), equal_nan=True)
    return torch.equal(a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))

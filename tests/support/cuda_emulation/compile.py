"""Compile the CUDA sources for the CPU: one library per content of the sources, shared by test processes."""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = ("-O1", "-std=c++17", "-fPIC", "-w", "-U_FORTIFY_SOURCE")
CHECKED = ("-fsanitize=thread", "-fno-exceptions", "-ffp-contract=fast", "-fexpensive-optimizations")
"""These flags make the compiler announce each access of a kernel to runtime.cpp; the sanitizer itself is not linked.
Products and sums are contracted, as by NVRTC, where the processor can."""
KERNEL = re.compile(r"__global__ void (\w+)\((.*?)\)\s*\{", re.DOTALL)


class CompileError(Exception):
    """The compiler rejects a source."""


def compiler() -> str | None:
    """The C++ compiler, or None if there is none."""
    return shutil.which("g++")


def load(sources: Path, cache: Path) -> ctypes.CDLL:
    """The library of all kernels in a folder of sources.

    Args:
        sources: a folder like `isptoolkit/kernels/csrc`.
        cache: where compiled objects and libraries stay.

    Raises:
        CompileError: if a source does not compile.
    """
    import fcntl

    cache.mkdir(parents=True, exist_ok=True)
    headers = sorted([*sources.glob("*.h"), HERE / "device.h"])
    jobs = [(HERE / "runtime.cpp", (HERE / "runtime.cpp").read_text(), FLAGS)]
    checked = (*FLAGS, *CHECKED, *_contracting())
    jobs += [(source, _unit(source), (*checked, f"-I{sources}")) for source in sorted(sources.glob("*.cu"))]
    keys = [_key(text, headers, flags[: len(checked)]) for _, text, flags in jobs]
    objects = [cache / f"{source.stem}-{key}.o" for (source, _, _), key in zip(jobs, keys, strict=True)]
    library = cache / f"kernels-{hashlib.sha256(''.join(keys).encode()).hexdigest()[:24]}.so"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_compile, objects, [text for _, text, _ in jobs], [flags for *_, flags in jobs]))
        if not library.is_file():
            _run("-shared", "-o", str(library), *map(str, objects))
    return ctypes.CDLL(str(library))


def _contracting() -> tuple[str, ...]:
    """The flag that lets an x86 processor contract products and sums, if it can."""
    information = Path("/proc/cpuinfo").read_text()
    return ("-mfma",) if re.search(r"^flags.*\bfma\b", information, re.MULTILINE) else ()


def _unit(source: Path) -> str:
    """A translation unit of one source, unchanged, between the device's header and the list of kernels."""
    text = source.read_text()
    kernels = "".join(f"EMULATED({name})\n" for name, _ in KERNEL.findall(text))
    return f'#include "{HERE / "device.h"}"\n#line 1 "{source.name}"\n{text}\n{kernels}'


def _key(text: str, headers: list[Path], flags: tuple[str, ...]) -> str:
    parts = [text.encode(), *(header.read_bytes() for header in headers), repr((compiler(), flags)).encode()]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:24]


def _compile(target: Path, text: str, flags: tuple[str, ...]) -> None:
    if target.is_file():
        return
    unit = target.with_suffix(".cpp")
    unit.write_text(text)
    _run(*flags, "-c", str(unit), "-o", str(target))


def _run(*arguments: str) -> None:
    """Run the compiler; its output appears under its final name only if it succeeds."""
    at = arguments.index("-o") + 1
    temporary = f"{arguments[at]}.tmp"
    command = [str(compiler()), *arguments[:at], temporary, *arguments[at + 1 :]]
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        raise CompileError(result.stderr)
    os.replace(temporary, arguments[at])

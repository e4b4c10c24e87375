"""Compile CUDA sources to cubins with NVRTC, which needs no GPU, and cache them on disk."""

import contextlib
import functools
import hashlib
import io
import os
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..atomic import replacing
from ..errors import IspError, KernelError, needs

SOURCES = ("cuda_render.cu", "cuda_gradient.cu", "cuda_blocks.cu", "cuda_jpeg.cu", "cuda_jpeg_color.cu")
_FOLDER = Path(__file__).parent / "csrc"
_STANDARD = "c++17"


def compile_source(name: str, architecture: str) -> bytes:
    """Compile one source to a cubin for an architecture such as "sm_90", or read it from the cache.

    Raises:
        KernelError: if it does not compile.
    """
    cached = _cache() / f"{Path(name).stem}-{architecture}-{_key(name, architecture)}.cubin"
    with contextlib.suppress(OSError):
        return cached.read_bytes()
    cubin, _ = _compiled(name, architecture)
    with contextlib.suppress(OSError, IspError):  # an unwritable cache only costs time
        cached.parent.mkdir(parents=True, exist_ok=True)
        with replacing(cached) as temporary:
            temporary.write_bytes(cubin)
    return cubin


@dataclass(frozen=True)
class Resources:
    """What a compiled kernel uses.

    Args:
        registers: 32-bit registers per thread.
        stack: bytes of local memory per thread.
        spilled: bytes of registers that are stored to and loaded from local memory, per thread.
        shared: bytes of shared memory per block.
    """

    registers: int
    stack: int
    spilled: int
    shared: int


def resources(name: str, architecture: str) -> dict[str, Resources]:
    """Compile one source and return what each of its kernels uses, as ptxas reports it; needs no GPU.

    Raises:
        KernelError: if it does not compile.
    """
    _, log = _compiled(name, architecture)
    used = {}
    for report in log.split("Compiling entry function '")[1:]:

        def number(pattern: str, report: str = report) -> int:
            return sum(int(value) for value in re.findall(pattern, report))

        used[report.split("'")[0]] = Resources(
            number(r"Used (\d+) registers"),
            number(r"(\d+) bytes stack frame"),
            number(r"(\d+) bytes spill"),
            number(r"(\d+) bytes smem"),
        )
    return used


def _compiled(name: str, architecture: str) -> tuple[bytes, str]:
    """The cubin of a source, and the log of ptxas."""
    with needs("nvrtc", "compiling CUDA kernels needs cuda-core and NVRTC"):
        from cuda.core import Program, ProgramOptions

    options = ProgramOptions(
        name=name, arch=architecture, std=_STANDARD, include_path=[str(_FOLDER)], ptxas_options=["-v"]
    )
    log = io.StringIO()
    try:
        cubin = bytes(Program((_FOLDER / name).read_text(), "c++", options).compile("cubin", logs=log).code)
    except Exception as error:
        raise KernelError(f"{name} does not compile for {architecture}: {error}") from error
    return cubin, log.getvalue()


def _key(name: str, architecture: str) -> str:
    """The cache key: a hash of the source, all headers, the options, the compiler and the architecture."""
    parts = [(_FOLDER / name).read_bytes(), *(file.read_bytes() for file in sorted(_FOLDER.glob("*.h")))]
    parts += [text.encode() for text in (_STANDARD, _compiler(), architecture)]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:32]


@functools.cache
def _compiler() -> str:
    for package in ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12", "nvidia-cuda-nvrtc-cu13"):
        with contextlib.suppress(PackageNotFoundError):
            return f"{package} {version(package)}"
    return "unknown"


def _cache() -> Path:
    """The cache folder: `ISPTOOLKIT_CACHE`, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ISPTOOLKIT_CACHE") or Path(base) / "isptoolkit")


def source_of(kernel: str) -> str:
    """The name of the source that defines a kernel."""
    return next(name for name in SOURCES if f"void {kernel}(" in (_FOLDER / name).read_text())

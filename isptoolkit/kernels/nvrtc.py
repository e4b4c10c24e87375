"""CUDA sources to machine code by NVRTC, which needs no GPU; what was compiled once is kept on disk."""

import contextlib
import functools
import hashlib
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..atomic import replacing
from ..errors import IspError, KernelError, needs

SOURCES = ("cuda_trip.cu", "cuda_gradient.cu", "cuda_blocks.cu")
_FOLDER = Path(__file__).parent / "csrc"
_STANDARD = "c++17"


def compile_source(name: str, architecture: str) -> bytes:
    """The cubin of one source for an architecture such as "sm_90", from the disk if it was ever made.

    Raises:
        KernelError: when it does not compile.
    """
    with needs("nvrtc", "compiling CUDA kernels needs cuda-core and NVRTC"):
        from cuda.core import Program, ProgramOptions

    kept = _cache() / f"{Path(name).stem}-{architecture}-{_key(name, architecture)}.cubin"
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    options = ProgramOptions(name=name, arch=architecture, std=_STANDARD, include_path=[str(_FOLDER)])
    try:
        made = bytes(Program((_FOLDER / name).read_text(), "c++", options).compile("cubin").code)
    except Exception as error:
        raise KernelError(f"{name} does not compile for {architecture}: {error}") from error
    with contextlib.suppress(OSError, IspError):  # a folder that cannot be written to only costs time
        kept.parent.mkdir(parents=True, exist_ok=True)
        with replacing(kept) as temporary:
            temporary.write_bytes(made)
    return made


def _key(name: str, architecture: str) -> str:
    """What the result depends on: the source, every header, the options, the compiler, the architecture."""
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
    """`ISPTOOLKIT_CACHE`, or the folder for caches that the system has."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("ISPTOOLKIT_CACHE") or Path(base) / "isptoolkit")


def source_of(kernel: str) -> str:
    """The source that defines a kernel."""
    return next(name for name in SOURCES if f"void {kernel}(" in (_FOLDER / name).read_text())

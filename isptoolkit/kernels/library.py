"""The CPU library: what it was built from, where it is, and why it is not used. Needs only Python, like the build."""

import ctypes
import hashlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

NAMES = ("_cpu.so", "_cpu.dll")
"""File names of the library, beside this file; `get_ext_filename` in build.py chooses one."""


def fingerprint(folder: Path) -> str:
    """The hash of everything that determines the library: its C sources and headers, and the flags in build.py.

    The build stores it in the library, so that a library is only used with the Python code that it was built for.
    Line endings do not count, since Git may convert them.

    Args:
        folder: `isptoolkit/kernels` of a checkout or an installation.

    Returns:
        32 hexadecimal digits.

    >>> len(fingerprint(Path(__file__).parent))
    32
    """
    csrc = folder / "csrc"
    files = [folder / "build.py", *sorted(csrc.glob("*.c")), *sorted(csrc.glob("*.h"))]
    contents = [f"{file.name}\n{file.read_text(encoding='utf-8')}" for file in files]
    return hashlib.sha256("\0".join(contents).encode()).hexdigest()[:32]


def load(folder: Path) -> tuple[ctypes.CDLL | None, str]:
    """The library for the Python code in a folder, and "", or None and the reason with a remedy.

    The code of a checkout, which shadows the installed package when Python runs in its root, uses the library of the
    installed package if both have the same sources.

    Args:
        folder: `isptoolkit/kernels` of a checkout or an installation.
    """
    installed = [other for other in _installations() if not other.samefile(folder)]
    is_installed = len(installed) < len(list(_installations()))
    reasons = []
    for place in [folder] if is_installed else [folder, *installed]:
        for path in (place / name for name in NAMES):
            if path.is_file():
                library, reason = _load(path, folder)
                if library is not None:
                    return library, ""
                reasons.append(reason)
    if reasons:
        return None, reasons[0]
    if is_installed or installed:
        return None, "isptoolkit was installed without them: install a C compiler, then install isptoolkit again"
    return None, "this checkout's kernels are not built: pip install ."


def _installations() -> Iterator[Path]:
    """The folders `isptoolkit/kernels` of installed distributions. What a build leaves in a checkout has no RECORD."""
    for distribution in metadata.distributions(name="isptoolkit"):
        folder = Path(str(distribution.locate_file("isptoolkit/kernels")))
        if distribution.read_text("RECORD") and folder.is_dir():
            yield folder


def _load(path: Path, folder: Path) -> tuple[ctypes.CDLL | None, str]:
    """The library in a file if it was built from the sources in the folder."""
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        return None, f"{path.name} does not load ({error})"
    try:
        expected = fingerprint(folder)
    except OSError as error:
        return None, f"their sources are incomplete ({error}): install isptoolkit again"
    stored = getattr(library, "isp_fingerprint", None)
    if stored is not None:
        stored.restype = ctypes.c_char_p
    if stored is None or stored().decode() != expected:
        return None, f"{path} was built from other sources than {folder / 'csrc'}: pip install ."
    return library, ""

"""LibRaw: open RAW files, with its messages silenced and its errors typed, and render them."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import UnreadableFile


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a RAW file as a `rawpy.RawPy`; errors of LibRaw inside the block become `UnreadableFile`.

    Args:
        path: the RAW file.

    Raises:
        UnreadableFile: if the file is missing, empty, truncated, or of a format that LibRaw does not decode.

    >>> with opened(Path("missing.dng")):
    ...     pass
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    import rawpy

    if not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")
    try:
        if path.stat().st_size == 0:
            raise UnreadableFile(f"{path} is empty")
        with _SILENCE, path.open("rb") as stream, rawpy.imread(stream) as raw:
            yield raw
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
        raise UnreadableFile(f"{path} has no embedded preview that LibRaw can read") from None
    except (rawpy.LibRawError, rawpy.NotSupportedError, NotImplementedError) as error:
        message = error.args[0] if error.args else ""
        message = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
        raise UnreadableFile(
            f"{path} cannot be decoded by LibRaw ({message}): it is truncated, in a format that LibRaw does not know, "
            "or a headerless dump, which read_mosaic reads (--size on the command line)"
        ) from None
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror or error}") from None


def render_by_libraw(path: str | Path, *, fixed_levels: bool = False) -> Tensor:
    """Render a RAW file to sRGB with LibRaw: as-shot white balance, no automatic brightness, not rotated.

    Args:
        path: any file that LibRaw renders.
        fixed_levels: use the camera's white level for every file. By default, LibRaw uses the largest sample of a file
            as white if it is not far below the white level (`adjust_maximum_thr`).

    Returns:
        `[1,3,H,W]` uint8 sRGB, aligned with the mosaic of `read_raw`.

    Raises:
        UnreadableFile: if the file is missing or LibRaw cannot render it.

    >>> render_by_libraw("missing.crw")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.crw is not a file
    """
    levels: dict[str, Any] = {"adjust_maximum_thr": 0.0} if fixed_levels else {}
    with opened(Path(path)) as raw:
        rendered = raw.postprocess(use_camera_wb=True, no_auto_bright=True, user_flip=0, **levels)
    return torch.from_numpy(rendered).permute(2, 0, 1)[None].contiguous()


class _Silence:
    """Redirect the process's standard error to nowhere while LibRaw runs: LibRaw prints there about damaged files.

    Errors are raised, so nothing is lost. Threads may decode at the same time: the first one to enter redirects, the
    last one to leave restores.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._saved = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._saved = _redirect()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._saved >= 0:
                os.dup2(self._saved, _STDERR)
                os.close(self._saved)


def _redirect() -> int:
    """Redirect standard error to the null device; returns a copy of its descriptor, or -1 if it was closed."""
    try:
        saved = os.dup(_STDERR)
    except OSError:
        return -1
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, _STDERR)
    os.close(null)
    return saved


_STDERR = 2
_SILENCE = _Silence()

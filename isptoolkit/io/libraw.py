"""LibRaw: open RAW files, with its messages silenced and its errors typed, and render them."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UnreadableFile
from .completeness import check_complete
from .limits import check_size, read_content
from .signatures import HEAD, compression_name, not_raw, raw_format
from .tiff import LINEAR_RAW, Tiff, parsed

_MARK = 0xA5C3
"""Value of the memory into which LibRaw decodes."""


@contextlib.contextmanager
def opened(path: Path, content: bytes | None = None) -> Iterator[Any]:
    """Open a RAW file as a `rawpy.RawPy`; errors of LibRaw inside the block become `UnreadableFile`.

    Args:
        path: the RAW file.
        content: its bytes, if they have been read.

    Raises:
        UnreadableFile: if the file is missing, empty, not a RAW file, truncated, or of a format that LibRaw does not
            decode.

    >>> with opened(Path("missing.dng")):
    ...     pass
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    import rawpy

    content = read_content(path) if content is None else content
    try:
        with _SILENCE, rawpy.imread(io.BytesIO(content)) as raw:
            yield raw
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
        raise UnreadableFile(f"{path} has no embedded preview that LibRaw can read") from None
    except (rawpy.LibRawFileUnsupportedError, rawpy.NotSupportedError, NotImplementedError):
        raise UnreadableFile(_why_unsupported(path, content)) from None
    except rawpy.LibRawError as error:
        if (kind := not_raw(content[:HEAD])) is not None:
            raise UnreadableFile(f"{path} is {kind}") from None
        message = error.args[0] if error.args else ""
        message = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
        raise UnreadableFile(f"{path} is truncated or damaged: LibRaw cannot decode it ({message})") from None


def _why_unsupported(path: Path, content: bytes) -> str:
    """Why LibRaw does not open a file."""
    if (kind := not_raw(content[:HEAD])) is not None:
        return f"{path} is {kind}"
    tiff = parsed(content, path)
    if tiff is None and (form := raw_format(content[:HEAD])) is not None:
        return f"{path} is a {form} file that LibRaw cannot open: it is truncated, damaged, or of an unknown camera"
    if tiff is None:
        return (
            f"{path} is in no RAW format that LibRaw knows, or a headerless dump, which read_mosaic reads "
            "(--size on the command line)"
        )
    if tiff.is_plain:
        return f"{path} is a TIFF image, not a RAW file"
    main = tiff.main
    return (
        f"{path} is in a format that LibRaw does not decode: {main.width} x {main.height} samples of {main.bits} bits "
        f"with {compression_name(main.compression)} compression"
    )


def unpacked(path: Path, raw: Any, content: bytes, planes: int) -> "np.ndarray[Any, np.dtype[np.uint16]]":
    """Decode the samples of an open file: a view of LibRaw's memory, `[H,W]` or `[H,W,colors]`.

    LibRaw does not clear its memory, and where it gives up on a damaged strip without an error, the samples of the file
    read before remain. So a block of the same size is filled with a mark and released just before: the allocator hands
    it to LibRaw, and samples that still hold the mark were not written. (A block above some 32 MB comes cleared from
    the operating system.)

    Args:
        path: of the file, for error messages.
        raw: the `rawpy.RawPy` of the open file.
        content: bytes of the file.
        planes: number of 16-bit numbers that LibRaw stores at each pixel: four for linear files, one for mosaics.

    Raises:
        UnreadableFile: if samples of the visible area were not written, or the image is too large.
    """
    import rawpy

    check_size(path, raw.sizes.raw_height, raw.sizes.raw_width, planes)
    marked = _unwritten(raw, _MARK, planes)
    if marked.any():  # decode again over another mark: the file may hold this one
        with rawpy.imread(io.BytesIO(content)) as again:
            if (marked & _unwritten(again, _MARK ^ 0xFFFF, planes)).any():
                raise UnreadableFile(f"{path} is damaged: LibRaw left a part of the image without samples")
    stored: np.ndarray[Any, np.dtype[np.uint16]] = raw.raw_image
    return stored


def planes_of(tiff: Tiff | None) -> int:
    """Number of 16-bit numbers that LibRaw stores at each pixel: four for linear files, one for mosaics.

    Args:
        tiff: structure of the file; None if it is not TIFF-based.

    >>> planes_of(None)
    1
    """
    return 4 if tiff is not None and tiff.main.photometric == LINEAR_RAW else 1


def _unwritten(raw: Any, mark: int, planes: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Decode over memory that holds a mark; True where two neighbors hold it afterwards."""
    sizes = raw.sizes
    block = np.full((sizes.raw_height + 8) * sizes.raw_width * planes, mark, np.uint16)
    del block
    visible = raw.raw_image_visible
    marked: np.ndarray[Any, np.dtype[np.bool_]] = (visible if visible.ndim == 2 else visible[..., 0]) == mark
    return marked[:, 1:] & marked[:, :-1]


def render_by_libraw(path: str | Path, *, fixed_levels: bool = False) -> Tensor:
    """Render a RAW file to sRGB with LibRaw: as-shot white balance, no automatic brightness, not rotated.

    Args:
        path: any file that LibRaw renders.
        fixed_levels: use the camera's white level for every file. By default, LibRaw uses the largest sample of a file
            as white if it is not far below the white level (`adjust_maximum_thr`).

    Returns:
        `[1,3,H,W]` uint8 sRGB, aligned with the mosaic of `read_raw`.

    Raises:
        UnreadableFile: if the file is missing, truncated, or hollow, or LibRaw cannot render it.

    >>> render_by_libraw("missing.crw")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.crw is not a file
    """
    levels: dict[str, Any] = {"adjust_maximum_thr": 0.0} if fixed_levels else {}
    path = Path(path)
    content = read_content(path)
    tiff = parsed(content, path)
    if tiff is not None:
        check_complete(path, tiff, content)
    with opened(path, content) as raw:
        unpacked(path, raw, content, planes_of(tiff))
        rendered = raw.postprocess(use_camera_wb=True, no_auto_bright=True, user_flip=0, **levels)
    return torch.from_numpy(rendered).permute(2, 0, 1)[None].contiguous()


class _Silence:
    """Redirect the process's standard error to nowhere while LibRaw runs: LibRaw prints there about damaged files.

    LibRaw also raises an error, and `check_complete` finds the truncated streams that libjpeg reports only there.
    Threads may decode at the same time: the first one to enter redirects, the last one to leave restores.
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

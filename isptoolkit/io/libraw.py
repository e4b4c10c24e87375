"""LibRaw: open RAW files, with its messages silenced and its errors typed, and render them."""

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UnreadableFile
from .signatures import HEAD, compression_name, kind_of
from .tiff import parsed

MAX_BYTES = 1 << 32
"""Files with more bytes than this are refused."""
_MARK = 0xA5C3
"""Value of the memory into which LibRaw decodes."""


@dataclass(frozen=True)
class LibRawFacts:
    """The metadata of a RAW file as LibRaw states them.

    Args:
        black: black levels of the colors R, G, B, and second G, in digital numbers.
        pattern: rows and columns of the color filter array; None without one, or if LibRaw did not decode the samples.
        sites: the colors (0 to 3, in this order) of the top-left 2x2 pixels of the visible area, row-major; empty
            without such a pattern.
        letters: of these four pixels.
        white: saturation level in digital numbers.
        balance: as-shot multipliers of the four colors; equal ones where the file states none.
        matrix: `[3][3]` XYZ (D65) to camera; None if LibRaw does not know the camera.
        flip: rotation, in LibRaw's codes: 1 mirror, 2 upside down, 4 transpose, in any sum.
        iso: ISO speed, 0 if not stated.
        shutter: exposure time in seconds, 0 if not stated.
        aperture: f-number, 0 if not stated.
        lens: model, empty if not stated.
        time: when the picture was taken, by the camera's clock; None if not stated.
        crop: top, left, height and width of the camera's own picture in the visible area; None if LibRaw knows none.
    """

    black: tuple[float, ...]
    pattern: tuple[int, int] | None
    sites: tuple[int, ...]
    letters: str
    white: float
    balance: tuple[float, ...]
    matrix: list[list[float]] | None
    flip: int
    iso: float
    shutter: float
    aperture: float
    lens: str
    time: datetime | None
    crop: tuple[int, int, int, int] | None


def read_content(path: Path) -> bytes:
    """All bytes of a file.

    Args:
        path: of the file.

    Raises:
        UnreadableFile: if the file is missing, empty, not readable, or larger than `MAX_BYTES`.

    >>> read_content(Path("missing.dng"))
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    if not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")
    try:
        size = path.stat().st_size
        if size == 0:
            raise UnreadableFile(f"{path} is empty")
        if size > MAX_BYTES:
            raise UnreadableFile(f"{path} has {size} bytes: at most {MAX_BYTES} are read")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror or error}") from None


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
    except (rawpy.LibRawError, MemoryError) as error:
        if (kind := kind_of(content[:HEAD])) is not None:
            raise UnreadableFile(f"{path} is {kind}, not a RAW file") from None
        message = error.args[0] if error.args else "out of memory"
        message = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
        raise UnreadableFile(f"{path} is truncated or damaged: LibRaw cannot decode it ({message})") from None


def _why_unsupported(path: Path, content: bytes) -> str:
    """Why LibRaw does not open a file."""
    if (kind := kind_of(content[:HEAD])) is not None:
        return f"{path} is {kind}, not a RAW file"
    tiff = parsed(content, path)
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


def unpacked(path: Path, raw: Any, content: bytes, planes: int = 1) -> "np.ndarray[Any, np.dtype[np.uint16]]":
    """Decode the samples of an open file: a view of LibRaw's memory, `[H,W]` or `[H,W,colors]`.

    LibRaw does not clear its memory, and where it gives up on a damaged strip without an error, the samples of the file
    read before remain. So a block of the same size is filled with a mark and released just before: the allocator hands
    it to LibRaw, and samples that still hold the mark were not written. (A block above some 32 MB comes cleared from
    the operating system.)

    Args:
        path: of the file, for error messages.
        raw: the `rawpy.RawPy` of the open file.
        content: bytes of the file.
        planes: number of colors at each pixel.

    Raises:
        UnreadableFile: if samples of the visible area were not written.
    """
    import rawpy

    marked = _unwritten(raw, _MARK, planes)
    if marked.any():  # decode again over another mark: the file may hold this one
        with rawpy.imread(io.BytesIO(content)) as again:
            if (marked & _unwritten(again, _MARK ^ 0xFFFF, planes)).any():
                raise UnreadableFile(f"{path} is damaged: LibRaw left a part of the image without samples")
    stored: np.ndarray[Any, np.dtype[np.uint16]] = raw.raw_image
    return stored


def _unwritten(raw: Any, mark: int, planes: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Decode over memory that holds a mark; True where two neighbors hold it afterwards."""
    sizes = raw.sizes
    block = np.full((sizes.raw_height + 8) * sizes.raw_width * planes, mark, np.uint16)
    del block
    visible = raw.raw_image_visible
    marked: np.ndarray[Any, np.dtype[np.bool_]] = (visible if visible.ndim == 2 else visible[..., 0]) == mark
    return marked[:, 1:] & marked[:, :-1]


def libraw_facts(raw: Any, *, is_decoded: bool) -> LibRawFacts:
    """Collect the metadata of an open file.

    Args:
        raw: the `rawpy.RawPy` of the open file.
        is_decoded: whether LibRaw has decoded its samples; reading the pattern would decode them.
    """
    sizes = raw.sizes
    matrix = raw.rgb_xyz_matrix[:3].astype(float)
    pattern = raw.raw_pattern if is_decoded and raw.num_colors > 1 else None
    is_bayer = pattern is not None and pattern.shape == (2, 2)
    corner = [(row, column) for row in (0, 1) for column in (0, 1)] if is_bayer else []
    names = raw.color_desc.decode("ascii", "replace")
    sites = tuple(int(raw.raw_color(sizes.top_margin + row, sizes.left_margin + column)) for row, column in corner)
    return LibRawFacts(
        black=tuple(float(level) for level in raw.black_level_per_channel),
        pattern=None if pattern is None else (int(pattern.shape[0]), int(pattern.shape[1])),
        sites=sites,
        letters="".join(names[site : site + 1] or "?" for site in sites),
        white=float(raw.white_level),
        balance=tuple(float(value) for value in raw.camera_whitebalance),
        matrix=matrix.tolist() if np.isfinite(matrix).all() and matrix.any() else None,
        flip=int(sizes.flip),
        iso=float(raw.other.iso_speed),
        shutter=float(raw.other.shutter_speed),
        aperture=float(raw.other.aperture),
        lens=str(raw.lens.model),
        time=raw.other.timestamp if raw.other.timestamp.timestamp() > 0 else None,  # LibRaw's 0 is 1970
        crop=_crop_of(sizes),
    )


def _crop_of(sizes: Any) -> tuple[int, int, int, int] | None:
    top, left = sizes.crop_top_margin - sizes.top_margin, sizes.crop_left_margin - sizes.left_margin
    return (top, left, sizes.crop_height, sizes.crop_width) if sizes.crop_height and sizes.crop_width else None


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

"""Decode the samples of a RAW file, and refuse a file that does not hold all of them."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..capture import BAYER, LAYOUT_OF, Layout
from ..errors import NotAMosaic, UnreadableFile
from .completeness import JPEG, LOSSY_JPEG, NONE, check_complete, jpeg_frame, stored_bytes
from .libraw import opened, planes_of, unpacked
from .libraw_facts import LibRawFacts, libraw_facts
from .limits import check_size, read_content
from .meaning import check_samples
from .tiff import CFA, CFA_PATTERN, LINEAR_RAW, Tiff, parsed
from .tiff_directory import Directory
from .tiff_samples import COLUMN_FIELDS, ROW_FIELDS, TABLE, read_samples

_REPEAT, _ACTIVE_AREA, _OPCODES, _POLYNOMIAL = 33421, 50829, 51009, 8
_BIG_TIFF, _SMALLEST, _NARROW = (b"+\0", b"\0+"), 22, 64
_HEADERLESS_BITS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Decoded:
    """The samples of a RAW file and where they lie in the stored frame.

    Args:
        samples: `[H,W]`, or `[H,W,3]` where the layout is linear; uint16 or float32, of the visible area. The
            LinearizationTable of the file is applied; levels are not.
        layout: a mosaic, three linear samples per pixel, or one sample per pixel without color filters.
        cfa: letters of the top-left 2x2 samples of a mosaic, row-major; empty for other layouts.
        top: row of the stored frame with the first sample.
        left: column of the stored frame with the first sample.
        frame: rows and columns of the stored frame.
        levels_apply: whether BlackLevel and WhiteLevel of the file describe the samples. Not so for lossy DNG with
            a polynomial in its opcodes, which LibRaw applies: its samples have black 0 and white 65535.
        tiff: structure of a TIFF-based file.
        libraw: metadata that LibRaw states; None if LibRaw does not open the file.
    """

    samples: "np.ndarray[Any, Any]"
    layout: Layout
    cfa: str
    top: int
    left: int
    frame: tuple[int, int]
    levels_apply: bool
    tiff: Tiff | None
    libraw: LibRawFacts | None


def decode(path: str | Path, *, cfa: str | None = None) -> Decoded:
    """Decode the samples of a RAW file.

    LibRaw decodes, except plain TIFF and the kinds of DNG that it does not decode, or decodes with a loss:
    floating-point, JPEG XL, deflated, planar, separate strips, and some lossy JPEG.

    Args:
        path: any file that LibRaw decodes, a DNG, or a gray TIFF with a stated `cfa`.
        cfa: letters of the color filter array, for files that do not state it or state another one.

    Raises:
        UnreadableFile: if the file is missing, not a RAW file, truncated, hollow, compressed in a way that is not
            decoded, or has more than `MAX_SAMPLES` samples.
        NotAMosaic: for X-Trans, Foveon and other files with neither a Bayer mosaic, nor linear RAW, nor one plane; and
            for a TIFF without a color filter array where none is passed.

    >>> decode("missing.dng")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    path = Path(path)
    content = read_content(path)
    tiff = parsed(content, path)
    try:
        if tiff is None:
            return _from_libraw(path, None, content, cfa)
        check_samples(path, tiff, cfa)
        check_complete(path, tiff, content)
        if tiff.is_plain or (tiff.is_dng and not _suits_libraw(tiff, content)):
            return _from_tiff(path, tiff, content, cfa)
        return _from_libraw(path, tiff, content, cfa)
    except MemoryError:
        raise UnreadableFile(f"{path} needs more memory than there is") from None


def _suits_libraw(tiff: Tiff, content: bytes) -> bool:
    """Whether LibRaw decodes a DNG exactly.

    - It refuses BigTIFF and images below 22 x 22.
    - It guesses the packing of some cameras from the number of bytes (NIKON Z: 14 bits, or less than 64 columns).
    - It cuts floating-point samples to 14 bits, mixes up separate planes, reads strips as if they followed each other
      and tiles as if none were larger than the image, and decodes only the first of several strips of lossless JPEG.
    - It does not decode mosaics of lossy JPEG, and decodes linear lossy JPEG with an invented curve unless the file
      states a polynomial.
    - It drops the first row or column of an active area that starts at an odd one.
    - It applies the LinearizationTable of any directory, such as that of a preview, and leaves interleaved rows and
      columns in the order of the file.
    """
    main = tiff.main
    top, left, bottom, right = _stated_area(main) or (0, 0, main.height, main.width)
    is_refused = content[2:4] in _BIG_TIFF or min(bottom - top, right - left) < _SMALLEST
    is_guessed = main.compression == NONE and (main.bits not in (8, 16) or main.width < _NARROW)
    is_moved = main.compression != LOSSY_JPEG and bool(top % 2 or left % 2)
    has_another_table = any(TABLE in directory.tags for directory in tiff.directories if directory is not main)
    is_mixed = max(main.number(ROW_FIELDS, 1), main.number(COLUMN_FIELDS, 1)) > 1 or has_another_table
    is_misread = is_guessed or is_moved or (is_mixed and main.compression != LOSSY_JPEG)
    if is_refused or is_misread or main.bits > 16 or main.is_float or main.is_planar:
        return False
    if main.compression == JPEG:
        frame = jpeg_frame(content[main.offsets[0] :][: main.byte_counts[0]])
        if frame is None or not frame.is_lossless:
            return False
        rows, columns = main.segment
        is_padded = columns > main.width and frame.samples >= rows * columns * main.samples
        return not is_padded if main.is_tiled else len(main.offsets) == 1
    if main.compression == LOSSY_JPEG:
        return main.photometric == LINEAR_RAW and TABLE not in main.tags and _has_polynomial(main)
    return main.compression == NONE and not main.is_tiled and _is_contiguous(main)


def _is_contiguous(main: Directory) -> bool:
    """Whether uncompressed strips follow each other in the file."""
    ends = [offset + stored_bytes(main, index) for index, offset in enumerate(main.offsets)]
    return list(main.offsets[1:]) == ends[:-1]


def _has_polynomial(main: Directory) -> bool:
    """Whether OpcodeList2 has a MapPolynomial (DNG 1.6 specification, chapter 6)."""
    opcodes, at = main.tags.get(_OPCODES, b""), 4
    while isinstance(opcodes, bytes) and at + 16 <= len(opcodes):
        code, _, _, size = struct.unpack_from(">4I", opcodes, at)
        if code == _POLYNOMIAL:
            return True
        at += 16 + size
    return False


def _from_libraw(path: Path, tiff: Tiff | None, content: bytes, cfa: str | None) -> Decoded:
    with opened(path, content) as raw:
        sizes = raw.sizes
        if tiff is not None and tiff.is_dng and _is_another(tiff, (sizes.raw_height, sizes.raw_width)):
            return _from_tiff(path, tiff, content, cfa)
        stored = unpacked(path, raw, content, planes_of(tiff))
        facts = libraw_facts(raw, is_decoded=True)
        layout, letters = _layout_of_libraw(path, facts, stored, tiff, cfa)
        if tiff is None and _is_bare(content, sizes):
            raise UnreadableFile(
                f"{path} is a headerless dump, and LibRaw's {sizes.raw_width} x {sizes.raw_height} is a guess from its "
                "size: read it with read_mosaic and state its geometry (--size on the command line)"
            )
        rows = slice(sizes.top_margin, sizes.top_margin + sizes.height)
        columns = slice(sizes.left_margin, sizes.left_margin + sizes.width)
        return Decoded(
            samples=(stored[..., :3] if stored.ndim == 3 else stored)[rows, columns].copy(),
            layout=layout,
            cfa=letters,
            top=sizes.top_margin,
            left=sizes.left_margin,
            frame=(stored.shape[0], stored.shape[1]),
            levels_apply=tiff is None or tiff.main.compression != LOSSY_JPEG,
            tiff=tiff,
            libraw=facts,
        )


def _is_another(tiff: Tiff, size: tuple[int, int]) -> bool:
    """Whether an image of this size is not the main one: of several at full size, LibRaw takes the first."""
    fitting = [directory for directory in tiff.directories if (directory.height, directory.width) == size]
    return bool(fitting) and all(directory is not tiff.main for directory in fitting)


def _layout_of_libraw(
    path: Path, facts: LibRawFacts, stored: Any, tiff: Tiff | None, cfa: str | None
) -> tuple[Layout, str]:
    if stored.ndim == 3:
        if tiff is None or tiff.main.photometric != LINEAR_RAW or tiff.main.samples != 3:
            raise NotAMosaic(f"{path} has layered pixels, not a mosaic: use a Bayer RAW file or a linear DNG")
        return _stated(path, "linear", "", cfa)
    shape = facts.pattern
    if shape is None or (tiff is not None and tiff.main.photometric == LINEAR_RAW):
        return _stated(path, "mono", "", cfa)
    repeat = () if tiff is None else tiff.main.numbers(_REPEAT)
    if cfa is None and (shape != (2, 2) or repeat not in ((), (2, 2))):
        sizes = " x ".join(map(str, shape if shape != (2, 2) else repeat))
        raise NotAMosaic(f"{path} has a {sizes} color filter array: only Bayer (2 x 2) is supported")
    return _stated(path, "mosaic", facts.letters, cfa)


def _stated(path: Path, layout: Layout, letters: str, cfa: str | None) -> tuple[Layout, str]:
    """Layout and letters of the file, or those of the stated `cfa`."""
    if cfa is not None:
        stated = LAYOUT_OF.get(cfa, "mosaic")
        if (stated == "linear") != (layout == "linear"):
            raise NotAMosaic(f"{path} has {1 if layout != 'linear' else 3} samples per pixel, which {cfa} does not fit")
        return stated, cfa if stated == "mosaic" else ""
    if layout == "mosaic" and letters not in BAYER:
        raise NotAMosaic(f"{path} has the color filter array {letters}: only {', '.join(BAYER)} are supported")
    return layout, letters


def _from_tiff(path: Path, tiff: Tiff, content: bytes, cfa: str | None) -> Decoded:
    """Decode without LibRaw, which still states metadata."""
    main = tiff.main
    check_size(path, main.height, main.width, main.samples)
    layout, letters = _layout_of_tags(path, main, cfa)
    top, left, bottom, right = _active_area(path, main)
    stored = read_samples(path, tiff, content)
    try:
        with opened(path, content) as raw:
            facts = libraw_facts(raw, is_decoded=False)
    except UnreadableFile:
        facts = None
    return Decoded(
        samples=stored[top:bottom, left:right].copy(),
        layout=layout,
        cfa=letters,
        top=top,
        left=left,
        frame=(main.height, main.width),
        levels_apply=True,
        tiff=tiff,
        libraw=facts,
    )


def _layout_of_tags(path: Path, main: Directory, cfa: str | None) -> tuple[Layout, str]:
    if main.samples == 3:
        return _stated(path, "linear", "", cfa)
    if main.photometric != CFA:
        return _stated(path, "mono", "", cfa)
    shape, colors = main.numbers(_REPEAT), main.tags.get(CFA_PATTERN, b"")
    if cfa is None and (shape != (2, 2) or not isinstance(colors, bytes)):
        sizes = " x ".join(map(str, shape)) or "nameless"
        raise NotAMosaic(f"{path} has a {sizes} color filter array: only Bayer (2 x 2) is supported")
    letters = "" if cfa is not None else "".join("RGB"[color] if color < 3 else "?" for color in colors)
    return _stated(path, "mosaic", letters, cfa)


def _active_area(path: Path, main: Directory) -> tuple[int, int, int, int]:
    area = _stated_area(main) if _ACTIVE_AREA in main.tags else (0, 0, main.height, main.width)
    if area is None:
        raise UnreadableFile(
            f"{path} is damaged: ActiveArea {main.numbers(_ACTIVE_AREA)} does not lie in {main.height} x {main.width}"
        )
    return area


def _stated_area(main: Directory) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right of the active area; None if the file states none that lies in the frame."""
    area = main.numbers(_ACTIVE_AREA)
    if len(area) != 4 or not (0 <= area[0] < area[2] <= main.height and 0 <= area[1] < area[3] <= main.width):
        return None
    return area[0], area[1], area[2], area[3]


def _is_bare(content: bytes, sizes: Any) -> bool:
    """Whether the samples alone, at some common bit depth, account for every byte of the file."""
    return any(len(content) * 8 == sizes.raw_width * sizes.raw_height * bits for bits in _HEADERLESS_BITS)

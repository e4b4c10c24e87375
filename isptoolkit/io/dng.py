"""Write DNG files: mosaics or linear images, with the metadata that a raw converter needs."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..atomic import check_target, replacing
from ..capture import MONO, RGB, Capture
from ..errors import InvalidArgument, InvalidSize, InvalidTensor
from ..spaces import SRGB
from ..stages import LensShadingMesh
from .color_profile import ColorProfile
from .dng_color import camera_fields, source_fields
from .exif import add_exif, main_fields, read_exif
from .opcodes import gain_map_opcodes
from .tiff_fields import Field, Kind, field

_PHOTOMETRIC, _MOSAIC, _LINEAR, _SUB_IFDS = 262, 32803, 34892, 330
SMALLEST = 22
"""Rows and columns below which LibRaw 0.22 takes a file for no RAW file."""
_NARROW = 64
"""Columns up to which LibRaw may take one strip, by its size, for the 14-bit samples of a NIKON Z: two are written."""
_MOST = 65535
_FAR = 10
"""Half of the values above so many times white cannot be digital numbers of the capture."""


def write_dng(
    path: str | Path,
    mosaic: Tensor,
    capture: Capture,
    *,
    levels: tuple[float, float] | None = None,
    compress: bool = False,
    profile: ColorProfile | None = None,
    source: str | Path | None = None,
    exif: str | Path | None = None,
    shading: LensShadingMesh | None = None,
    preview: Tensor | None = None,
    crop: tuple[int, int, int, int] | None = None,
) -> None:
    """Write a DNG: unaltered samples, levels per site, gains, color matrix, noise and exposure; atomically.

    `read_raw` reads the same samples and capture back, with green gain 1: AsShotNeutral has no scale, so a green gain
    g adds log2(g) to BaselineExposure. The color matrix, XYZ to camera under D65, is
    `diag(neutral) srgb_to_camera (XYZ to sRGB)`, so that converters reproduce the capture's colors.

    Args:
        path: the file to write, with the suffix `.dng`.
        mosaic: `[1,1,H,W]` of a Bayer or monochrome sensor, or `[1,3,H,W]` for a LinearRaw file, in digital numbers,
            which are rounded.
        capture: metadata of the mosaic.
        levels: black and white level to write; `mosaic` then holds MOSAIC values, black 0 and white 1, instead of
            digital numbers at the capture's levels, and is written as `round(black + mosaic (white - black))`.
        compress: use lossless JPEG; one plane only.
        profile: color matrices, forward matrices, and illuminants to state instead of the capture's matrix.
        source: a DNG from the same camera, whose color profile and camera names replace those of `capture` and
            `profile`.
        exif: the RAW file or photograph whose author, lens, time and exposure are stated; `source` if None.
        shading: lens shading to write as GainMap opcodes, which converters apply after the levels.
        preview: `[1,3,h,w]` sRGB in [0, 1], in the order of the mosaic's pixels.
        crop: top, left, height and width of the part that converters show, DefaultCropOrigin and DefaultCropSize.

    Raises:
        InvalidArgument: for another suffix, a missing folder, more than one image, values or levels that 16 bits cannot
            hold, a white level that is not whole, values far from the capture's levels, or a crop outside
            the frame.
        InvalidSize: for fewer than 22 rows or columns, which LibRaw refuses.
        InvalidTensor: for another layout, or NaN.
        UnreadableFile: for a source that is not a DNG, or a missing file.

    Warns:
        UserWarning: for two black levels of green in a LinearRaw file, which holds their mean.

    Source: DNG 1.6 specification, chapters 2 and 4; TIFF 6.0; TIFF/EP (ISO 12234-2).

    >>> capture = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5))
    >>> write_dng("/nowhere/a.png", torch.zeros(1, 1, 32, 32), capture)
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: cannot write /nowhere/a.png: the suffix must be one of .dng
    """
    import tifffile

    path = Path(path)
    check_target(path, (".dng",))
    _check(mosaic, capture)
    if levels is not None:
        mosaic, capture = _at_levels(mosaic, capture, *levels)
    codes = _codes(mosaic, capture)
    if compress and codes.ndim == 3:
        raise InvalidArgument("write_dng cannot compress LinearRaw files of three planes: pass compress=False")
    thumbnail = None
    if preview is not None:
        SRGB.check(preview)
        thumbnail = (preview[0].detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    copied = [] if source is None else source_fields(Path(source))
    photograph = exif if exif is not None else source
    facts = {} if photograph is None else read_exif(photograph)
    authors = {name: value for name, value in facts.items() if name in ("artist", "copyright")}
    own = [*camera_fields(capture, profile, copied, facts), *main_fields(authors)]
    raw = [*_level_fields(capture, codes.ndim), *_frame_fields(codes.shape[:2], shading, crop)]
    options: dict[str, Any] = {"shape": codes.shape, "dtype": codes.dtype, "metadata": None}
    options["rowsperstrip"] = len(codes) if compress or codes.shape[1] > _NARROW else -(-len(codes) // 2)
    options |= {"photometric": _LINEAR, "planarconfig": "contig"} if codes.ndim == 3 else {"photometric": _MOSAIC}
    if compress:
        data: Any = iter([_lossless_jpeg(codes)])
        options["compression"] = "jpeg"
    else:
        data = codes
    with replacing(path) as temporary:
        with tifffile.TiffWriter(temporary, bigtiff=False, byteorder="<") as file:
            if thumbnail is None:
                file.write(data, software="isptoolkit", extratags=own + raw, **options)
            else:
                reduced: dict[str, Any] = {"photometric": "rgb", "subfiletype": 1, "subifds": 1, "metadata": None}
                file.write(thumbnail, software="isptoolkit", extratags=own, **reduced)
                file.write(data, subfiletype=0, extratags=raw, **options)
        with tifffile.TiffFile(temporary, mode="r+") as written:
            first: Any = written.pages[0]
            if thumbnail is not None:
                place = first.tags[_SUB_IFDS]
                place.overwrite(place.value, dtype="I")  # with type LONG, which TIFF/EP requires
            if capture.cfa == MONO:  # tifffile writes LinearRaw with three samples only
                (first if thumbnail is None else first.pages[0]).tags[_PHOTOMETRIC].overwrite(_LINEAR)
        if facts:
            add_exif(temporary, facts)


def _check(mosaic: Tensor, capture: Capture) -> None:
    if mosaic.ndim != 4 or mosaic.shape[0] != 1 or mosaic.shape[1] not in (1, 3) or not mosaic.is_floating_point():
        raise InvalidTensor(f"write_dng takes [1,1,H,W] or [1,3,H,W], got {tuple(mosaic.shape)} {mosaic.dtype}")
    if len(capture) != 1:
        raise InvalidArgument(f"write_dng writes one image, but the capture describes {len(capture)}")
    planes = {RGB: (3,), MONO: (1,)}.get(capture.cfa, (1, 3))
    if mosaic.shape[1] not in planes:
        raise InvalidTensor(f"a capture of cfa {capture.cfa} has {planes[0]} planes, got {mosaic.shape[1]}")
    rows, columns = mosaic.shape[2:]
    if min(rows, columns) < SMALLEST:
        raise InvalidSize(
            f"a DNG file needs {SMALLEST} rows and columns, or LibRaw refuses it, got {rows} x {columns}: pad the "
            "mosaic and state the visible part by crop="
        )


def _at_levels(mosaic: Tensor, capture: Capture, black: float, white: float) -> tuple[Tensor, Capture]:
    """MOSAIC values as digital numbers, and the capture with their levels."""
    if not 0 <= black < white:
        raise InvalidArgument(f"levels are black and white, 0 or more and white above black, got {black:g}, {white:g}")
    stated = capture.replace(black=torch.full_like(capture.black, black), white=torch.full_like(capture.white, white))
    return black + mosaic.detach().double() * (white - black), stated


def _codes(mosaic: Tensor, capture: Capture) -> "np.ndarray[Any, np.dtype[np.uint16]]":
    """Digital numbers as `[H,W]` or `[H,W,3]` codes."""
    values = mosaic.detach().double()
    whole, white = values.round(), float(capture.white[0])
    low, high = float(whole.min()), float(whole.max())
    if not (low >= 0 and high <= _MOST):
        raise InvalidArgument(
            f"values from {low:g} to {high:g} do not fit the 16 bits of a DNG: clip or scale them first"
        )
    if min(white, high) <= 2 and not torch.equal(whole, values):
        raise InvalidArgument(
            f"values up to {float(values.max()):g} with fractions, at white {white:g}, would be rounded to the codes 0 "
            f"to {high:g}: pass levels=(black, white), such as levels=(0, {_MOST}), to write MOSAIC values"
        )
    if float(values.median()) > _FAR * white:
        raise InvalidArgument(
            f"half of the values are above {float(values.median()):g}, {_FAR} times the capture's white {white:g}: "
            "pass a capture with the levels of these digital numbers"
        )
    codes = whole[0].to(torch.int32).cpu().numpy().astype(np.uint16)
    return codes[0] if len(codes) == 1 else np.ascontiguousarray(codes.transpose(1, 2, 0))


def _lossless_jpeg(codes: "np.ndarray[Any, np.dtype[np.uint16]]") -> bytes:
    """Encode one plane as DNG cameras do: predictor 1, and neighbors as two components, of different colors."""
    import imagecodecs

    pairs = codes.reshape(len(codes), -1, 2) if codes.shape[1] % 2 == 0 else codes
    return bytes(imagecodecs.jpeg8_encode(pairs, lossless=True, predictor=1, bitspersample=16))


def _level_fields(capture: Capture, dimensions: int) -> list[Field]:
    """Color filter array, levels, and noise."""
    black, white = capture.black[0].tolist(), float(capture.white[0])
    if not (min(black) >= 0 and 0 < white <= _MOST):
        raise InvalidArgument(f"levels of a DNG must be between 0 and {_MOST}, got black {black}, white {white:g}")
    if white != round(white):
        raise InvalidArgument(
            f"the white level of a DNG is a whole number, got {white}: scale the mosaic to a whole one, or pass "
            "levels=(black, white) to write MOSAIC values"
        )
    planes = 1
    if dimensions == 2:
        fields = [field(50713, Kind.SHORT, 2, 2), field(50714, Kind.RATIONAL, *black)]
        if capture.cfa != MONO:
            colors = ("RGB".index(letter) for letter in capture.cfa)
            fields += [field(33421, Kind.SHORT, 2, 2), field(33422, Kind.BYTE, *colors)]
            planes = 3
    else:
        sites = "RGGB" if capture.cfa == RGB else capture.cfa
        of_color = [[level for level, site in zip(black, sites, strict=True) if site == color] for color in "RGB"]
        if len(set(of_color[1])) > 1:
            warnings.warn(
                f"a LinearRaw file has one black level per plane: the mean of the levels of green, {of_color[1]}, is "
                "written",
                stacklevel=3,
            )
        fields = [field(50714, Kind.RATIONAL, *(sum(levels) / len(levels) for levels in of_color))]
        planes = 3
    fields.append(field(50717, Kind.LONG, *[round(white)] * (planes if dimensions == 3 else 1)))
    if capture.noise is not None:
        fields.append(field(51041, Kind.DOUBLE, *capture.noise[0].tolist() * planes))
    return fields


def _frame_fields(
    size: Sequence[int], shading: LensShadingMesh | None, crop: tuple[int, int, int, int] | None
) -> list[Field]:
    """Default crop and lens shading."""
    fields: list[Field] = []
    if crop is not None:
        top, left, height, width = crop
        if not (top >= 0 and left >= 0 and 0 < height <= size[0] - top and 0 < width <= size[1] - left):
            raise InvalidArgument(
                f"crop is top, left, height and width inside the {size[0]} x {size[1]} frame, got {crop}"
            )
        fields += [field(50719, Kind.LONG, left, top), field(50720, Kind.LONG, width, height)]
    if shading is not None:
        opcodes = gain_map_opcodes(shading, tuple(size))
        fields.append((51009, Kind.UNDEFINED, len(opcodes), opcodes, True))
    return fields

"""Read RAW files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ..capture import MONO, Capture
from ..errors import InvalidArgument, InvalidCapture, MissingMetadata
from ..spaces import XYZ_FROM_SRGB
from .color_profile import ColorProfile
from .levels import BlackLevel, leveled
from .metadata import green_normalized, srgb_to_camera_of
from .raw_facts import Box, read_facts
from .saturation import ceiling_of

_MEANING = {
    "black": "black level",
    "white": "white level above black",
    "gains": "as-shot white balance",
    "matrix": "color matrix",
}
"""What each argument of `read_raw` replaces."""
_NO_COLOR = torch.linalg.inv(XYZ_FROM_SRGB)
"""XYZ to the three equal planes of a monochrome file: the camera's RGB is linear sRGB."""
AUTO: Literal["auto"] = "auto"
"""The white level that the histogram states."""


def read_raw(
    path: str | Path,
    *,
    cfa: str | None = None,
    gains: Sequence[float] | Tensor | None = None,
    matrix: Sequence[Sequence[float]] | Tensor | None = None,
    black: float | Sequence[float] | None = None,
    white: float | Literal["auto"] | None = None,
) -> tuple[Tensor, Capture]:
    """Read a RAW file: the samples of its active area in digital numbers, and the metadata that it states.

    Nothing that the file does not state is assumed: missing metadata are an error that names the arguments to pass. The
    color matrix is the argument, else the file's own (its DNG tags), else LibRaw's for the camera.

    A capture has four black levels and one white level. Files may state more: black levels that repeat over more than
    2x2 sites, differences of rows and columns, one white level for each plane. Then the samples are rescaled, so that
    with the levels of the capture black is 0 and white 1 everywhere. A LinearizationTable is applied.

    Args:
        path: any file that LibRaw decodes to a 2x2 Bayer mosaic, a linear or monochrome DNG, or a gray TIFF that is a
            mosaic (state its `cfa`).
        cfa: letters of the top-left 2x2 pixels, `"RGB"` or `"MONO"`; replaces the file's.
        gains: white-balance multipliers of R, G, B; replaces the as-shot white balance.
        matrix: XYZ (D65) to camera, 3x3, like the DNG ColorMatrix; replaces the file's.
        black: black level in digital numbers, one value or four (per site, row-major; R, G, G, B of linear files);
            replaces every black level of the file.
        white: saturation level in digital numbers, which replaces the file's, or `"auto"`: the level at which the blown
            areas of this file stop, if that is below the file's white level.

    Returns:
        `[1,1,H,W]` float32 in digital numbers, or `[1,3,H,W]` of a linear file, and its capture. The CFA letters start
        at the top-left pixel. Nothing is rotated: `capture.orientation` holds the file's orientation. If a camera has
        two green multipliers, the first is used. Monochrome files have gains of 1 and the identity as matrix.

    Raises:
        UnreadableFile: if the file is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for X-Trans, Foveon, and other files with neither a Bayer mosaic, nor three linear planes, nor one.
        MissingMetadata: if the file lacks white balance, color matrix or levels, and none are passed.
        InvalidArgument: for malformed arguments, or gains or a matrix for a monochrome file.
        InvalidCapture: for a white level that is not above black.

    >>> read_raw("missing.dng")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    return read_framed(path, cfa=cfa, gains=gains, matrix=matrix, black=black, white=white)[:2]


def read_framed(
    path: str | Path,
    *,
    cfa: str | None,
    gains: Sequence[float] | Tensor | None,
    matrix: Sequence[Sequence[float]] | Tensor | None,
    black: float | Sequence[float] | None,
    white: float | Literal["auto"] | None,
) -> tuple[Tensor, Capture, Box | None]:
    """Decode a RAW file once: its samples, its capture, and the part that the camera's own picture shows.

    Args:
        path: the RAW file.
        cfa: letters of the top-left 2x2 pixels, `"RGB"` or `"MONO"`; None for those of the file.
        gains: white-balance multipliers of R, G, B; None for the as-shot white balance.
        matrix: XYZ (D65) to camera, 3x3; None for that of the file, or of LibRaw for the camera.
        black: black level in digital numbers, one value or four; None for that of the file.
        white: saturation level in digital numbers, or `"auto"`; None for that of the file.

    Raises:
        UnreadableFile: if the file is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for files with neither a Bayer mosaic, nor three linear planes, nor one.
        MissingMetadata: if the file lacks white balance, color matrix or levels, and none are passed.
        InvalidArgument: for malformed arguments, or gains or a matrix for a monochrome file.
        InvalidCapture: for a white level that is not above black.
    """
    if white is not None and white != AUTO and not (isinstance(white, int | float) and 0 < white < math.inf):
        raise InvalidArgument(f"white must be a positive number or 'auto', got {white!r}")
    decoded, facts = read_facts(path, cfa)
    is_gray = facts.cfa == MONO
    if is_gray and (gains is not None or matrix is not None):
        raise InvalidArgument(f"{path} has one plane without color filters: gains and matrix do not apply to it")
    planes = np.atleast_3d(decoded.samples).shape[2]
    blacks = facts.black if black is None else BlackLevel.of(black, planes)
    stated = facts.white_above_black if black is None else facts.white
    whites = stated if white is None or isinstance(white, str) else np.array([float(white)])
    balance = [1.0] * 3 if is_gray else facts.gains if gains is None else green_normalized(gains)
    color = _NO_COLOR if is_gray else facts.color if matrix is None else matrix
    if blacks is None or whites is None or balance is None or color is None:
        values = {"black": blacks, "white": whites, "gains": balance, "matrix": color}
        missing = [name for name, value in values.items() if value is None]
        raise MissingMetadata(
            f"{path} has {_joined([f'no {_MEANING[name]}' for name in missing])}: pass "
            + _joined([f"{name}=" for name in missing])
        )
    if isinstance(color, ColorProfile):
        srgb_to_camera = color.srgb_to_camera([1 / gain for gain in balance]).tolist()
    else:
        srgb_to_camera = srgb_to_camera_of(color)
    if not (whites > blacks.highest).all():
        raise InvalidCapture(f"white must be above black, got white {whites.min():g}, black {blacks.highest:g}")
    samples, four, top = leveled(decoded.samples, blacks, whites)
    if white == AUTO and (ceiling := ceiling_of(samples, min(four), top)) is not None:
        top = ceiling
    capture = Capture.of(
        facts.cfa,
        black=four,
        white=top,
        gains=balance,
        srgb_to_camera=srgb_to_camera,
        camera=facts.camera,
        orientation=facts.orientation,
        noise=facts.noise,
        exposure=facts.exposure,
    )
    sensor = np.ascontiguousarray(np.atleast_3d(samples).transpose(2, 0, 1), np.float32)
    return torch.from_numpy(sensor)[None], capture, facts.crop


def default_crop(path: str | Path) -> Box | None:
    """The part of a RAW file's samples that the camera's own picture shows.

    Args:
        path: any file that `read_raw` reads.

    Returns:
        Top, left, height and width in the tensor of `read_raw`: DefaultCropOrigin and DefaultCropSize of a DNG, or the
        crop that LibRaw knows for the camera; None if the file states none.

    Raises:
        UnreadableFile: if the file is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for files that `read_raw` does not read.

    >>> default_crop("missing.dng")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    return read_facts(path)[1].crop


def _joined(words: Sequence[str]) -> str:
    """The words as a list in a sentence."""
    return " and ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])}, and {words[-1]}"

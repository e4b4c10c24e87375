"""The metadata of a RAW file: what its tags state, then what LibRaw knows."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..capture import LAYOUTS, MONO, RGB
from ..errors import InvalidArgument
from .camera_name import camera_name
from .color_profile import ColorProfile
from .decode import Decoded, decode
from .dng_tags import ACTIVE_AREA, NEUTRAL, NOISE, crop_of, exposure_of, neutral_of, noise_of, problems_of
from .levels import BlackLevel, white_of
from .metadata import green_normalized
from .tag_values import numbers
from .tiff import CFA, LINEAR_RAW, Tiff

Array = np.ndarray[Any, np.dtype[Any]]
Box = tuple[int, int, int, int]
"""Top, left, height and width; or bottom and right."""

# LibRaw's flip codes (1 mirror, 2 upside down, 4 transpose, in any sum) to EXIF orientation (Exif 2.32, tag 274).
_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
_ORIENTATION, _WHITE_XY = 274, 50729
"""TIFF and DNG tags (DNG 1.6 specification, chapter 4)."""


@dataclass(frozen=True)
class RawFacts:
    """The metadata of a RAW file; None where the file does not state a value.

    Args:
        cfa: layout of the samples: the letters of the top-left 2x2 pixels, `"RGB"`, or `"MONO"`.
        black: black levels from the first sample on.
        white: `[P]` saturation level of each plane, not necessarily above black.
        gains: as-shot white-balance multipliers of R, G, B, green = 1.
        profile: color profile that the file states.
        matrix: `[3][3]` XYZ (D65) to camera that LibRaw knows for the camera.
        orientation: EXIF orientation.
        camera: make and model; empty if unknown.
        noise: shot and read noise variance on the MOSAIC scale.
        exposure: stops by which a rendering brightens the image.
        crop: the part of the samples that the camera's own picture shows.
        problems: a phrase for each defect of the metadata.
    """

    cfa: str
    black: BlackLevel | None
    white: Array | None
    gains: list[float] | None
    profile: ColorProfile | None
    matrix: list[list[float]] | None
    orientation: int
    camera: str
    noise: tuple[float, float] | None
    exposure: float | None
    crop: Box | None
    problems: list[str]

    @property
    def white_above_black(self) -> Array | None:
        """The saturation levels, if they are above the black levels that the file states."""
        is_above = self.white is None or self.black is None or bool((self.white > self.black.highest).all())
        return self.white if is_above else None

    @property
    def color(self) -> ColorProfile | list[list[float]] | None:
        """The color profile of the file, else LibRaw's matrix."""
        return self.matrix if self.profile is None else self.profile

    @property
    def matrix_source(self) -> str | None:
        """Where the color matrix comes from; None if there is none."""
        if self.profile is not None:
            return f"the file's {self.profile.parts}"
        return None if self.matrix is None else f"LibRaw's table, for {self.camera or 'an unnamed camera'}"


def read_facts(path: str | Path, cfa: str | None = None) -> tuple[Decoded, RawFacts]:
    """Decode a file and collect its metadata.

    Args:
        path: the RAW file.
        cfa: layout of the samples that replaces the file's.

    Raises:
        UnreadableFile: if the file is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for X-Trans, Foveon, and other files with neither a Bayer mosaic, nor three linear planes, nor one.
        InvalidArgument: for an unknown `cfa`.

    >>> read_facts("missing.dng")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    if cfa is not None and cfa not in LAYOUTS:
        raise InvalidArgument(f"cfa must be one of {', '.join(LAYOUTS)}, got {cfa!r}")
    decoded = decode(path, cfa=cfa)
    return decoded, _facts_of(Path(path), decoded)


def _facts_of(path: Path, decoded: Decoded) -> RawFacts:
    tiff = decoded.tiff
    if tiff is not None and tiff.is_plain:  # LibRaw only guesses the metadata of an ordinary TIFF
        decoded = replace(decoded, libraw=None)
    libraw = decoded.libraw
    tags = {} if tiff is None else _tags_of(tiff)
    black, white, problems = _levels(decoded)
    if black is not None and white is not None and not (white > black.highest).all():
        problems.append(f"white {white.min():g} is not above black {black.highest:g}")
    profile = ColorProfile.from_tags(tags)
    crop, defect = _crop(decoded)
    return RawFacts(
        cfa=decoded.cfa or {"linear": RGB, "mono": MONO}[decoded.layout],
        black=black,
        white=white,
        gains=_gains(decoded, tags, profile),
        profile=profile,
        matrix=None if libraw is None else libraw.matrix,
        orientation=_orientation(decoded, tags),
        camera=camera_name(path, tags),
        noise=noise_of(tags),
        exposure=exposure_of(tags),
        crop=crop,
        problems=problems_of(tags, is_color=decoded.layout != "mono") + problems + defect,
    )


def _tags_of(tiff: Tiff) -> dict[int, Any]:
    """Tags of the file: of its first directory, under those of the RAW image. A preview's noise is not the image's."""
    first, main = tiff.directories[0], tiff.main
    is_preview = first is not main and first.photometric in (CFA, LINEAR_RAW)
    return {code: value for code, value in first.tags.items() if code != NOISE or not is_preview} | main.tags


def _levels(decoded: Decoded) -> tuple[BlackLevel | None, Array | None, list[str]]:
    """Black and white levels from the first sample on, and a phrase for each malformed one."""
    planes = 3 if decoded.layout == "linear" else 1
    if decoded.tiff is None or not decoded.tiff.is_dng or not decoded.levels_apply:
        libraw = decoded.libraw
        if libraw is None:
            return None, None, []
        sites = [libraw.black[color] for color in libraw.sites] or [libraw.black[0]]
        return BlackLevel.of(sites, planes), np.array([libraw.white]), []
    main = decoded.tiff.main
    (top, left, bottom, right), is_inside = _active_area(decoded)
    black = BlackLevel.from_tags(main.tags, planes, (bottom - top, right - left))
    white = white_of(main.tags, planes, floating=main.is_float)
    problems = [] if is_inside else ["ActiveArea does not lie in the frame"]
    problems += (
        [] if black is not None else ["BlackLevel or one of its deltas does not hold as many values as it should"]
    )
    if white is not None and not main.is_float and white.max() >= 2 ** max(main.bits, 16):
        problems.append(f"WhiteLevel {white.max():g} is above every sample")
    problems += [] if white is not None else ["WhiteLevel is not one positive number for each plane"]
    return None if black is None else black.moved(decoded.top - top, decoded.left - left), white, problems


def _active_area(decoded: Decoded) -> tuple[Box, bool]:
    """Top, left, bottom and right of the active area in the stored frame, the origin of levels and crops.

    The flag is False where the file states an impossible area: then it is that of the samples.
    """
    height, width = decoded.frame
    tags = {} if decoded.tiff is None else decoded.tiff.main.tags
    stated = numbers(tags.get(ACTIVE_AREA, (0, 0, height, width)), 4)
    if stated is not None and 0 <= stated[0] < stated[2] <= height and 0 <= stated[1] < stated[3] <= width:
        top, left, bottom, right = stated.astype(int).tolist()
        return (top, left, bottom, right), True
    rows, columns = decoded.samples.shape[:2]
    return (decoded.top, decoded.left, decoded.top + rows, decoded.left + columns), False


def _crop(decoded: Decoded) -> tuple[Box | None, list[str]]:
    """The part of the samples that the camera's own picture shows, and what is wrong with the file's statement."""
    if decoded.tiff is None or not decoded.tiff.is_dng:
        box = None if decoded.libraw is None else decoded.libraw.crop
    else:
        top, left = _active_area(decoded)[0][:2]
        box = crop_of(decoded.tiff.main.tags, decoded.top - top, decoded.left - left)
    height, width = decoded.samples.shape[:2]
    if box is None:
        return None, []
    top, left = max(0, box[0]), max(0, box[1])
    bottom, right = min(height, box[0] + box[2]), min(width, box[1] + box[3])
    if bottom <= top or right <= left:
        return None, [f"the default crop, {box[3]} x {box[2]} at {box[1]}, {box[0]}, lies outside the frame"]
    return (top, left, bottom - top, right - left), []


def _gains(decoded: Decoded, tags: dict[int, Any], profile: ColorProfile | None) -> list[float] | None:
    """As-shot multipliers. LibRaw reports equal ones for files without any, so equal ones count only with their tag."""
    if (as_shot := neutral_of(tags)) is not None:
        return green_normalized([1 / value for value in as_shot])
    if decoded.libraw is not None:
        balance = np.asarray(decoded.libraw.balance[:3], float)
        if np.isfinite(balance).all() and balance.min() > 0 and (np.ptp(balance) > 0 or NEUTRAL in tags):
            return green_normalized(balance.tolist())
    white = numbers(tags.get(_WHITE_XY, ()), 2)
    if profile is None or white is None or not (white > 0).all():
        return None
    neutral = profile.neutral(white.tolist())
    return green_normalized(1 / neutral) if (neutral > 0).all() else None


def _orientation(decoded: Decoded, tags: dict[int, Any]) -> int:
    if decoded.libraw is not None:
        return _ORIENTATIONS.get(decoded.libraw.flip, 1)
    stated = numbers(tags.get(_ORIENTATION, 1), 1)
    return int(stated[0]) if stated is not None and stated[0] in range(1, 9) else 1

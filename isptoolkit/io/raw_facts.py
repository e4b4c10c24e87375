"""The metadata of a RAW file: LibRaw's, corrected and completed by the file's own tags."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..capture import BAYER
from ..errors import NotAMosaic, UnreadableFile
from .color_profile import ColorProfile
from .dng_tags import NEUTRAL, neutral_of, noise_of, problems_of
from .metadata import green_normalized
from .tiff import tiff_tags

# LibRaw's flip codes (1 mirror, 2 upside down, 4 transpose, in any sum) to EXIF orientation (Exif 2.32, tag 274).
_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
_MAKE, _MODEL, _BLACK_LEVEL, _WHITE_XY, _ACTIVE_AREA = 271, 272, 50714, 50729, 50829
"""TIFF and DNG tags (DNG 1.6 specification, chapter 4)."""
_QUICKTAKE = {b"qktk": "Apple QuickTake 100", b"qktn": "Apple QuickTake 150"}
_SAMPLE_BITS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class RawFacts:
    """The metadata of a RAW file; None where the file does not state a value.

    Args:
        cfa: letters of the top-left 2x2 pixels of the visible area, row-major.
        black: black levels of these four sites, in digital numbers.
        white: saturation level in digital numbers; None if it is not above black.
        gains: as-shot white-balance multipliers of R, G, B, green = 1.
        matrix: `[3][3]` XYZ (D65) to camera, as LibRaw knows it.
        profile: color profile of a DNG file.
        orientation: EXIF orientation.
        camera: make and model; empty if unknown.
        noise: shot and read noise variance on the MOSAIC scale.
        problems: a phrase for each defect of the metadata.
    """

    cfa: str
    black: tuple[float, ...]
    white: float | None
    gains: list[float] | None
    matrix: list[list[float]] | None
    profile: ColorProfile | None
    orientation: int
    camera: str
    noise: tuple[float, float] | None
    problems: list[str]


def facts_of(path: Path, raw: Any) -> RawFacts:
    """Collect the metadata of an open RAW file.

    Args:
        path: the file, for its TIFF tags and for error messages.
        raw: the `rawpy.RawPy` of the open file.

    Raises:
        NotAMosaic: unless LibRaw decodes the file to a Bayer mosaic.
        UnreadableFile: for a headerless dump, whose geometry LibRaw only guesses.
    """
    pattern = raw.raw_pattern
    if raw.raw_type.name != "Flat" or pattern is None:
        raise NotAMosaic(f"{path} has linear or layered pixels, not a mosaic: use a Bayer RAW file")
    if pattern.shape != (2, 2):
        raise NotAMosaic(
            f"{path} has a {pattern.shape[0]} x {pattern.shape[1]} color filter array: only Bayer (2 x 2) is supported"
        )
    sites = raw.raw_colors_visible[:2, :2].flatten()
    cfa = "".join(chr(raw.color_desc[color]) for color in sites)
    if cfa not in BAYER:
        raise NotAMosaic(f"{path} has the color filter array {cfa}: only {', '.join(BAYER)} are supported")
    tags = tiff_tags(path)
    camera = _camera(path, tags)
    if not camera and _is_bare(path, raw):
        raise UnreadableFile(
            f"{path} is a headerless dump, and LibRaw's {raw.sizes.raw_width} x {raw.sizes.raw_height} {cfa} is a "
            "guess from its size: read it with read_mosaic and state its geometry (--size on the command line)"
        )
    profile = ColorProfile.from_tags(tags)
    black, white = _black(raw, sites, tags), float(raw.white_level)
    inverted = [] if white > max(black) else [f"white {white:g} is not above black {max(black):g}"]
    return RawFacts(
        cfa=cfa,
        black=black,
        white=white if white > max(black) else None,
        gains=_gains(raw, tags, profile),
        matrix=_libraw_matrix(raw),
        profile=profile,
        orientation=_ORIENTATIONS.get(raw.sizes.flip, 1),
        camera=camera,
        noise=noise_of(tags),
        problems=problems_of(tags) + inverted,
    )


def _black(raw: Any, sites: Any, tags: dict[int, Any]) -> tuple[float, ...]:
    """Black levels of the four sites of the visible area, row-major."""
    levels = raw.black_level_per_channel
    grid = np.array([float(levels[color]) for color in sites]).reshape(2, 2)
    # LibRaw moves an odd ActiveArea to even margins and keeps the black levels where the area started.
    if _ACTIVE_AREA in tags and np.size(tags.get(_BLACK_LEVEL, 0)) > 1:
        top, left = tags[_ACTIVE_AREA][:2]
        grid = np.roll(grid, (top - raw.sizes.top_margin, left - raw.sizes.left_margin), (0, 1))
    return tuple(grid.flatten().tolist())


def _gains(raw: Any, tags: dict[int, Any], profile: ColorProfile | None) -> list[float] | None:
    """As-shot multipliers. LibRaw reports equal ones for files without any, so equal ones count only with their tag."""
    if (as_shot := neutral_of(tags)) is not None:
        return green_normalized([1 / value for value in as_shot])
    balance = np.asarray(raw.camera_whitebalance[:3], float)
    if np.isfinite(balance).all() and balance.min() > 0 and (np.ptp(balance) > 0 or NEUTRAL in tags):
        return green_normalized(balance.tolist())
    white = tags.get(_WHITE_XY, ())
    if profile is None or np.size(white) != 4 or min(white) <= 0:
        return None
    neutral = profile.neutral((white[0] / white[1], white[2] / white[3]))
    return green_normalized(1 / neutral) if (neutral > 0).all() else None


def _libraw_matrix(raw: Any) -> list[list[float]] | None:
    matrix = raw.rgb_xyz_matrix[:3].astype(float)
    rows: list[list[float]] = matrix.tolist()
    return rows if np.isfinite(matrix).all() and matrix.any() else None


def _is_bare(path: Path, raw: Any) -> bool:
    """Whether the samples alone, at some common bit depth, account for every byte of the file."""
    samples = raw.sizes.raw_width * raw.sizes.raw_height
    return any(path.stat().st_size * 8 == samples * bits for bits in _SAMPLE_BITS)


def _camera(path: Path, tags: dict[int, Any]) -> str:
    """Make and model from the TIFF tags, the CIFF heap, or the QuickTake signature; empty if there are none."""
    make, model = (str(tags.get(code, "")).strip() for code in (_MAKE, _MODEL))
    if make or model:
        return model if set(make.lower().split()) & set(model.lower().split()[:1]) else f"{make} {model}".strip()
    with path.open("rb") as stream:
        head = stream.read(14)
    if head[6:14] != b"HEAPCCDR":
        return _QUICKTAKE.get(head[:4], "")
    _, marker, rest = path.read_bytes().partition(b"Canon\0Canon ")
    return "Canon " + rest[:64].split(b"\0")[0].decode("ascii", "replace") if marker else "Canon"

"""Describe RAW files as plain data."""

from pathlib import Path
from typing import Any

from ..capture import MONO
from .corrections import describe_corrections
from .exif import read_exif
from .levels import leveled
from .raw_facts import RawFacts, read_facts
from .saturation import ceiling_of
from .shot import shot_of


def describe_raw(path: str | Path, *, cfa: str | None = None) -> dict[str, Any]:
    """Describe a RAW file as plain data.

    Args:
        path: any file that `read_raw` reads.
        cfa: letters of the top-left 2x2 pixels, `"RGB"` or `"MONO"`, instead of the file's; a gray TIFF states none.

    Returns:
        `file`, `camera`, `lens`, `iso`, `exposure_time` in seconds, `aperture`, `date`, `width`, `height`, `cfa` (or
        `RGB`, `MONO`), `black` (of the 2x2 sites, or of R, G, G, B), `white`, `ceiling` (the level at which the blown
        areas of this file stop), `gains`, `matrix`, `matrix_source`, `orientation`, `noise`, `exposure`
        (BaselineExposure in stops), `crop` (top, left, height and width of the camera's own picture), `corrections`
        (a phrase for each of its opcodes), `problems` (a phrase for each defect), and `missing` (the arguments of
        `read_raw` that the file needs). A value that the file does not state is None.

    Raises:
        UnreadableFile: if the file is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for X-Trans, Foveon, and other files with neither a Bayer mosaic, nor three linear planes, nor one.
        InvalidArgument: for an unknown `cfa`.

    >>> describe_raw("missing.dng")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    decoded, facts = read_facts(path, cfa)
    matrix = facts.matrix if facts.profile is None else facts.profile.color_matrix1.tolist()
    black, white, ceiling = _levels(decoded.samples, facts)
    required: dict[str, Any] = {"black": black, "white": white}
    if facts.cfa != MONO:
        required |= {"gains": facts.gains, "matrix": matrix}
    problems = list(facts.problems)
    if white is not None and ceiling is not None and ceiling < white:
        problems.append(f"blown areas stop at {ceiling:g}, below the white level {white:g}: read with white auto")
    return {
        "file": str(path),
        "camera": facts.camera,
        **shot_of(read_exif(path)),
        "width": decoded.samples.shape[1],
        "height": decoded.samples.shape[0],
        "cfa": facts.cfa,
        "black": black,
        "white": white,
        "ceiling": ceiling,
        "gains": None if facts.gains is None else [round(gain, 6) for gain in facts.gains],
        "matrix": None if matrix is None else [[round(value, 6) for value in row] for row in matrix],
        "matrix_source": facts.matrix_source,
        "orientation": facts.orientation,
        "noise": None if facts.noise is None else list(facts.noise),
        "exposure": facts.exposure,
        "crop": None if facts.crop is None else list(facts.crop),
        "corrections": describe_corrections(path),
        "problems": problems,
        "missing": [name for name, value in required.items() if value is None],
    }


def _levels(samples: Any, facts: RawFacts) -> tuple[list[float] | None, float | None, float | None]:
    """Black levels, white level and ceiling of the capture that `read_raw` returns."""
    stated = facts.white_above_black
    if facts.black is None or stated is None:
        black = None if facts.black is None else facts.black.four()
        return black, None if stated is None else float(stated.max()), None
    samples, black, white = leveled(samples, facts.black, stated)
    return black, white, ceiling_of(samples, min(black), white)

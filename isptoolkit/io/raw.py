"""Read and describe Bayer RAW files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import Capture
from ..errors import MissingMetadata
from .libraw import opened
from .metadata import green_normalized, srgb_to_camera_of
from .raw_facts import RawFacts, facts_of

_MEANING = {"gains": "as-shot white balance", "matrix": "color matrix", "white": "white level above black"}
"""What each argument of `read_raw` replaces."""


def read_raw(
    path: str | Path,
    *,
    gains: Sequence[float] | Tensor | None = None,
    matrix: Sequence[Sequence[float]] | Tensor | None = None,
    black: float | Sequence[float] | None = None,
    white: float | None = None,
) -> tuple[Tensor, Capture]:
    """Read a Bayer RAW file: the visible mosaic in digital numbers, and the metadata that the file states.

    Nothing that the file does not state is assumed: missing metadata are an error that names the argument to pass.

    Args:
        path: any file that LibRaw decodes to a 2x2 Bayer mosaic.
        gains: white-balance multipliers of R, G, B; replaces the as-shot white balance.
        matrix: XYZ (D65) to camera, 3x3, like the DNG ColorMatrix; replaces the file's.
        black: black level in digital numbers, one value or four (per site, row-major); replaces the file's.
        white: saturation level in digital numbers; replaces the file's.

    Returns:
        `[1,1,H,W]` float32 in digital numbers, and its capture. The CFA letters start at the top-left pixel of the
        visible area. The mosaic is not rotated: `capture.orientation` holds the file's orientation. If a camera has two
        green multipliers, the first is used.

    Raises:
        UnreadableFile: if the file is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for X-Trans, Foveon, linear DNG, and other files without a Bayer mosaic.
        MissingMetadata: if the file has no white balance, color matrix, or white level and none is passed.
        InvalidArgument: for malformed gains or matrix.
        InvalidCapture: for a white level that is not above black.

    >>> read_raw("missing.dng")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    pixels, facts = _decode(Path(path))
    balance = facts.gains if gains is None else green_normalized(gains)
    top = facts.white if white is None else white
    rows = facts.matrix if matrix is None else matrix
    profile = facts.profile if rows is None else None
    values = {"gains": balance, "matrix": rows if profile is None else profile, "white": top}
    missing = [name for name, value in values.items() if value is None]
    if balance is None or top is None or (rows is None and profile is None):
        raise MissingMetadata(
            f"{path} has no {' and no '.join(_MEANING[name] for name in missing)}: pass "
            + " and ".join(f"{name}=" for name in missing)
        )
    if rows is not None:
        srgb_to_camera = srgb_to_camera_of(rows)
    elif profile is not None:
        srgb_to_camera = profile.srgb_to_camera([1 / gain for gain in balance]).tolist()
    capture = Capture.of(
        facts.cfa,
        black=facts.black if black is None else black,
        white=top,
        gains=balance,
        srgb_to_camera=srgb_to_camera,
        camera=facts.camera,
        orientation=facts.orientation,
        noise=facts.noise,
    )
    return torch.from_numpy(pixels.astype(np.float32))[None, None], capture


def describe_raw(path: str | Path) -> dict[str, Any]:
    """Describe a RAW file as plain data.

    Args:
        path: any file that LibRaw decodes to a 2x2 Bayer mosaic.

    Returns:
        `file`, `camera`, `width`, `height`, `cfa`, `black`, `white`, `gains`, `matrix`, `orientation`, `noise`,
        `problems` (a phrase for each defect of the metadata), and `missing` (the arguments of `read_raw` that the file
        needs). A value that the file does not state is None.

    Raises:
        UnreadableFile: if the file is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for X-Trans, Foveon, linear DNG, and other files without a Bayer mosaic.

    >>> describe_raw("missing.dng")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a file
    """
    pixels, facts = _decode(Path(path))
    matrix = facts.matrix
    if matrix is None and facts.profile is not None:
        matrix = facts.profile.color_matrix1.tolist()
    required = {"gains": facts.gains, "matrix": matrix, "white": facts.white}
    return {
        "file": str(path),
        "camera": facts.camera,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "cfa": facts.cfa,
        "black": list(facts.black),
        "white": facts.white,
        "gains": None if facts.gains is None else [round(gain, 6) for gain in facts.gains],
        "matrix": None if matrix is None else [[round(value, 6) for value in row] for row in matrix],
        "orientation": facts.orientation,
        "noise": None if facts.noise is None else list(facts.noise),
        "problems": facts.problems,
        "missing": [name for name, value in required.items() if value is None],
    }


def _decode(path: Path) -> tuple["np.ndarray[Any, Any]", RawFacts]:
    """The visible samples `[H,W]` in digital numbers, and the file's metadata."""
    with opened(path) as raw:
        facts = facts_of(path, raw)
        return raw.raw_image_visible.copy(), facts

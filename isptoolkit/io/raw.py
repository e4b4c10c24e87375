"""RAW files in: LibRaw decodes the pixels, and nothing that the file does not say is made up."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import BAYER, Capture
from ..color_profile import XYZ_FROM_SRGB, ColorProfile, normalized_rows
from ..errors import MissingMetadata, NotAMosaic, UnreadableFile

# LibRaw's flip codes to EXIF orientation (Exif 2.32, tag 274).
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}


@dataclass(frozen=True)
class _Decoded:
    """What LibRaw and the tags say; None where they say nothing."""

    pixels: np.ndarray[Any, Any]
    cfa: str
    black: tuple[float, ...]
    white: float
    gains: tuple[float, ...] | None
    matrix: list[list[float]] | None
    profile: ColorProfile | None
    orientation: int
    camera: str


def read_raw(
    path: str | Path,
    *,
    gains: Sequence[float] | None = None,
    matrix: Sequence[Sequence[float]] | None = None,
    black: float | None = None,
    white: float | None = None,
) -> tuple[Tensor, Capture]:
    """Read a Bayer RAW file: the visible mosaic in digital numbers, and what the file says about it.

    Args:
        path: any file that LibRaw decodes to a 2x2 Bayer mosaic.
        gains: white-balance multipliers of R, G, B, instead of the as-shot ones.
        matrix: XYZ (D65) to camera, 3x3, like the DNG ColorMatrix, instead of the file's.
        black: black level of all sites, instead of the file's.
        white: saturation level, instead of the file's.

    Returns:
        `[1,1,H,W]` float32 in digital numbers, and its capture. The CFA letters are those of the top-left pixel of the
        visible area. Nothing is rotated: `capture.orientation` keeps what the file says.

    Raises:
        UnreadableFile: when it is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for X-Trans, Foveon, linear DNG and other files without a Bayer mosaic.
        MissingMetadata: when it has no white balance or colour matrix and none is passed.
    """
    decoded = _decode(Path(path))
    own_gains, own_matrix = gains or decoded.gains, matrix or decoded.matrix
    missing = [name for name, value in (("gains", own_gains), ("matrix", own_matrix)) if value is None]
    if missing and not (missing == ["matrix"] and decoded.profile):
        what = {"gains": "as-shot white balance", "matrix": "colour matrix"}
        raise MissingMetadata(
            f"{path} has no {' and no '.join(what[name] for name in missing)}: pass "
            + " and ".join(f"{name}=" for name in missing)
        )
    assert own_gains is not None
    if matrix is None and decoded.matrix is None and decoded.profile is not None:
        srgb_to_camera = decoded.profile.srgb_to_camera([1 / gain for gain in own_gains])
    else:
        srgb_to_camera = normalized_rows(torch.as_tensor(own_matrix, dtype=torch.float64) @ XYZ_FROM_SRGB)
    capture = Capture.of(
        decoded.cfa,
        black=decoded.black if black is None else black,
        white=decoded.white if white is None else white,
        gains=[gain / own_gains[1] for gain in own_gains],
        srgb_to_camera=srgb_to_camera.tolist(),
        camera=decoded.camera,
        orientation=decoded.orientation,
    )
    return torch.from_numpy(decoded.pixels.astype(np.float32))[None, None], capture


def describe_raw(path: str | Path) -> dict[str, Any]:
    """What a RAW file says, as plain data, with a list of what is `missing`; raises only where it cannot be decoded."""
    decoded = _decode(Path(path))
    has_matrix = decoded.matrix is not None or decoded.profile is not None
    return {
        "file": str(path),
        "camera": decoded.camera,
        "width": decoded.pixels.shape[1],
        "height": decoded.pixels.shape[0],
        "cfa": decoded.cfa,
        "black": list(decoded.black),
        "white": decoded.white,
        "gains": None if decoded.gains is None else [round(gain / decoded.gains[1], 6) for gain in decoded.gains],
        "matrix": decoded.matrix or ("from the DNG tags" if decoded.profile else None),
        "orientation": decoded.orientation,
        "missing": [
            name for name, there in (("gains", decoded.gains is not None), ("matrix", has_matrix)) if not there
        ],
    }


def _decode(path: Path) -> _Decoded:
    import rawpy

    if not path.is_file():
        raise UnreadableFile(f"{path} is not a file")
    if path.stat().st_size == 0:
        raise UnreadableFile(f"{path} is empty")
    try:
        with path.open("rb") as stream, rawpy.imread(stream) as raw:
            return _facts(path, raw)
    except rawpy.LibRawError as error:
        said = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise UnreadableFile(f"{path} cannot be decoded by LibRaw: {said}") from None


def _facts(path: Path, raw: Any) -> _Decoded:
    import rawpy

    pattern = raw.raw_pattern
    if raw.raw_type != rawpy.RawType.Flat or pattern is None or raw.num_colors != 3:
        raise NotAMosaic(f"{path} holds no mosaic (linear or layered pixels): a Bayer RAW is needed")
    if pattern.shape != (2, 2):
        raise NotAMosaic(
            f"{path} has a {pattern.shape[0]} x {pattern.shape[1]} colour filter array: only Bayer is read"
        )
    pixels = raw.raw_image_visible
    sites = raw.raw_colors_visible[:2, :2].flatten()
    cfa = "".join(chr(raw.color_desc[color]) for color in sites)
    if cfa not in BAYER:
        raise NotAMosaic(f"{path} has the colour filter array {cfa}: only {', '.join(BAYER)} are read")
    if _headerless(path, raw):
        raise UnreadableFile(f"{path} has no header, so its geometry would be a guess: use read_mosaic (--size ...)")
    levels = raw.black_level_per_channel
    balance = raw.camera_whitebalance[:3]
    matrix = raw.rgb_xyz_matrix[:3]
    profile = None if np.any(matrix) else ColorProfile.from_dng(path)
    return _Decoded(
        pixels=pixels.copy(),
        cfa=cfa,
        black=tuple(float(levels[color]) for color in sites),
        white=float(raw.white_level),
        gains=tuple(balance) if min(balance) > 0 and _is_as_shot(raw) else None,
        matrix=matrix.astype(float).tolist() if np.any(matrix) else None,
        profile=profile,
        orientation=_ORIENTATIONS.get(raw.sizes.flip, 1),
        camera=_camera(path),
    )


def _is_as_shot(raw: Any) -> bool:
    """LibRaw fills in equal multipliers for a file that has none; no camera shoots with those."""
    red, green, blue = raw.camera_whitebalance[:3]
    return not (red == green == blue)


def _headerless(path: Path, raw: Any) -> bool:
    """Whether LibRaw recognised the file by its size alone: it is nothing but samples."""
    samples = raw.sizes.raw_width * raw.sizes.raw_height
    return path.stat().st_size in (samples, 2 * samples) and not _camera(path)


def _camera(path: Path) -> str:
    """Make and model from the TIFF tags or the CIFF heap, or nothing."""
    import tifffile

    with path.open("rb") as stream:
        head = stream.read(14)
    if head[6:14] == b"HEAPCCDR":
        data = path.read_bytes()
        start = data.find(b"Canon\0Canon")
        if start >= 0:
            return data[start + 6 : data.index(b"\0", start + 6)].decode("ascii", "replace")
        return "Canon"
    try:
        with tifffile.TiffFile(path) as tiff:
            tags = tiff.pages[0].tags  # type: ignore[union-attr]
            parts = [str(tags[name].value).strip() for name in ("Make", "Model") if name in tags]
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, KeyError):
        return ""
    return " ".join(part for part in parts if part)

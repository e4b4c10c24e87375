"""RAW files in: LibRaw decodes the pixels, and nothing that the file does not say is made up."""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..capture import BAYER, Capture
from ..errors import MissingMetadata, NotAMosaic, UnreadableFile
from .color_profile import ColorProfile, tiff_tags
from .dng_tags import NEUTRAL, neutral_of, noise_of, problems_of
from .metadata import green_normalized, srgb_to_camera_of

# LibRaw's flip codes (1 mirror, 2 upside down, 4 transpose, in any sum) to EXIF orientation (Exif 2.32, tag 274).
_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
_MAKE, _MODEL, _BLACK_LEVEL, _WHITE_XY, _ACTIVE_AREA = 271, 272, 50714, 50729, 50829
"""TIFF and DNG tags (DNG 1.6 specification, chapter 4)."""
_QUICKTAKE = {b"qktk": "Apple QuickTake 100", b"qktn": "Apple QuickTake 150"}
_SAMPLE_BITS = (8, 10, 12, 14, 16)
_MEANING = {"gains": "as-shot white balance", "matrix": "color matrix", "white": "white level above black"}


@dataclass(frozen=True)
class _Decoded:
    """What LibRaw and the tags say; None where they say nothing."""

    pixels: np.ndarray[Any, Any]
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


def read_raw(
    path: str | Path,
    *,
    gains: Sequence[float] | Tensor | None = None,
    matrix: Sequence[Sequence[float]] | Tensor | None = None,
    black: float | Sequence[float] | None = None,
    white: float | None = None,
) -> tuple[Tensor, Capture]:
    """Read a Bayer RAW file: the visible mosaic in digital numbers, and what the file says about it.

    Args:
        path: any file that LibRaw decodes to a 2x2 Bayer mosaic.
        gains: white-balance multipliers of R, G, B, instead of the as-shot ones.
        matrix: XYZ (D65) to camera, 3x3, like the DNG ColorMatrix, instead of the file's.
        black: black level, one or four (per site, row-major), instead of the file's.
        white: saturation level, instead of the file's.

    Returns:
        `[1,1,H,W]` float32 in digital numbers, and its capture. The CFA letters are those of the top-left pixel of the
        visible area. Nothing is rotated: `capture.orientation` keeps what the file says. Where a camera has two green
        multipliers, the first is used.

    Raises:
        UnreadableFile: when it is missing, truncated, not decodable, or a headerless dump.
        NotAMosaic: for X-Trans, Foveon, linear DNG and other files without a Bayer mosaic.
        MissingMetadata: when it has no white balance, color matrix or white level and none is passed.
        InvalidArgument: for malformed gains or matrix.
        InvalidCapture: for a white level that is not above black.
    """
    decoded = _decode(Path(path))
    balance = decoded.gains if gains is None else green_normalized(gains)
    top = decoded.white if white is None else white
    rows = decoded.matrix if matrix is None else matrix
    profile = decoded.profile if rows is None else None
    missing = [
        name
        for name, there in (("gains", balance), ("matrix", rows if profile is None else profile), ("white", top))
        if there is None
    ]
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
        decoded.cfa,
        black=decoded.black if black is None else black,
        white=top,
        gains=balance,
        srgb_to_camera=srgb_to_camera,
        camera=decoded.camera,
        orientation=decoded.orientation,
        noise=decoded.noise,
    )
    return torch.from_numpy(decoded.pixels.astype(np.float32))[None, None], capture


def render_by_libraw(path: str | Path, *, fixed_levels: bool = False) -> Tensor:
    """LibRaw's own sRGB picture, with as-shot white balance and no automatic brightness, not rotated.

    Args:
        path: the file.
        fixed_levels: white is the camera's white level in every file; by default LibRaw takes the largest sample of a
            file for white where that is not far below it (`adjust_maximum_thr`).

    Returns:
        `[1,3,H,W]` uint8, of the pixels of `read_raw`.

    Raises:
        UnreadableFile: when LibRaw cannot render it.
    """
    import rawpy

    try:
        with _SILENCE, rawpy.imread(str(path)) as raw:
            levels: dict[str, Any] = {"adjust_maximum_thr": 0.0} if fixed_levels else {}
            made = raw.postprocess(use_camera_wb=True, no_auto_bright=True, user_flip=0, **levels)
    except (rawpy.LibRawError, rawpy.NotSupportedError, OSError) as error:
        raise UnreadableFile(f"{path} cannot be rendered by LibRaw ({error})") from None
    return torch.from_numpy(made).permute(2, 0, 1)[None].contiguous()


def describe_raw(path: str | Path) -> dict[str, Any]:
    """What a RAW file says, as plain data, with a list of what is `missing` (names of arguments of `read_raw`).

    Raises:
        UnreadableFile: as `read_raw`.
        NotAMosaic: as `read_raw`.
    """
    decoded = _decode(Path(path))
    matrix = decoded.matrix
    if matrix is None and decoded.profile is not None:
        matrix = decoded.profile.color_matrix1.tolist()
    said = {"gains": decoded.gains, "matrix": matrix, "white": decoded.white}
    return {
        "file": str(path),
        "camera": decoded.camera,
        "width": decoded.pixels.shape[1],
        "height": decoded.pixels.shape[0],
        "cfa": decoded.cfa,
        "black": list(decoded.black),
        "white": decoded.white,
        "gains": None if decoded.gains is None else [round(gain, 6) for gain in decoded.gains],
        "matrix": None if matrix is None else [[round(value, 6) for value in row] for row in matrix],
        "orientation": decoded.orientation,
        "noise": None if decoded.noise is None else list(decoded.noise),
        "problems": decoded.problems,
        "missing": [name for name, value in said.items() if value is None],
    }


def _decode(path: Path) -> _Decoded:
    import rawpy

    if not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")
    try:
        if path.stat().st_size == 0:
            raise UnreadableFile(f"{path} is empty")
        with _SILENCE, path.open("rb") as stream, rawpy.imread(stream) as raw:
            return _facts(path, raw)
    except (rawpy.LibRawError, rawpy.NotSupportedError, NotImplementedError) as error:
        said = error.args[0] if error.args else ""
        said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise UnreadableFile(
            f"{path} cannot be decoded by LibRaw ({said}): it is truncated, of a kind that LibRaw does not know, or a "
            "headerless dump, which read_mosaic reads"
        ) from None
    except OSError as error:
        raise UnreadableFile(f"{path} cannot be read: {error.strerror or error}") from None


class _Silence:
    """Standard error of the process while LibRaw runs, which writes there what it thinks of a broken file.

    What matters is raised. Threads may decode at once: the first one in turns it off, the last one out turns it on.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._kept = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._kept = _turned_off()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._kept >= 0:
                os.dup2(self._kept, _STDERR)
                os.close(self._kept)


def _turned_off() -> int:
    """A copy of what standard error was, or -1 where there is none."""
    try:
        kept = os.dup(_STDERR)
    except OSError:
        return -1
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    return kept


_STDERR = 2
_SILENCE = _Silence()


def _facts(path: Path, raw: Any) -> _Decoded:
    import rawpy

    pattern = raw.raw_pattern
    if raw.raw_type != rawpy.RawType.Flat or pattern is None:
        raise NotAMosaic(f"{path} holds no mosaic (linear or layered pixels): a Bayer RAW is needed")
    if pattern.shape != (2, 2):
        raise NotAMosaic(f"{path} has a {pattern.shape[0]} x {pattern.shape[1]} color filter array: only Bayer is read")
    pixels = raw.raw_image_visible
    sites = raw.raw_colors_visible[:2, :2].flatten()
    cfa = "".join(chr(raw.color_desc[color]) for color in sites)
    if cfa not in BAYER:
        raise NotAMosaic(f"{path} has the color filter array {cfa}: only {', '.join(BAYER)} are read")
    tags = tiff_tags(path)
    camera = _camera(path, tags)
    if not camera and _is_bare(path, raw):
        raise UnreadableFile(
            f"{path} is nothing but samples, so LibRaw's {raw.sizes.raw_width} x {raw.sizes.raw_height} {cfa} is a "
            "guess from its size: read it with read_mosaic, stating its geometry (--size on the command line)"
        )
    profile = ColorProfile.from_tags(tags)
    black, white = _black(raw, sites, tags), float(raw.white_level)
    inverted = [] if white > max(black) else [f"white {white:g} is not above black {max(black):g}"]
    return _Decoded(
        pixels=pixels.copy(),
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
    """Black level of the four sites of the visible area, row-major."""
    levels = raw.black_level_per_channel
    grid = np.array([float(levels[color]) for color in sites]).reshape(2, 2)
    # LibRaw moves an odd ActiveArea to even margins and keeps the black levels where the area began.
    if _ACTIVE_AREA in tags and np.size(tags.get(_BLACK_LEVEL, 0)) > 1:
        top, left = tags[_ACTIVE_AREA][:2]
        grid = np.roll(grid, (top - raw.sizes.top_margin, left - raw.sizes.left_margin), (0, 1))
    return tuple(grid.flatten().tolist())


def _gains(raw: Any, tags: dict[int, Any], profile: ColorProfile | None) -> list[float] | None:
    """As-shot multipliers; LibRaw fills in equal ones for a file that has none, so those count only with their tag."""
    if (neutral := neutral_of(tags)) is not None:
        return green_normalized([1 / value for value in neutral])
    balance = np.asarray(raw.camera_whitebalance[:3], float)
    if np.isfinite(balance).all() and balance.min() > 0 and (np.ptp(balance) > 0 or NEUTRAL in tags):
        return green_normalized(balance.tolist())
    white = tags.get(_WHITE_XY, ())
    if profile is None or np.size(white) != 4 or min(white) <= 0:
        return None
    seen = profile.neutral((white[0] / white[1], white[2] / white[3]))
    return green_normalized(1 / seen) if (seen > 0).all() else None


def _libraw_matrix(raw: Any) -> list[list[float]] | None:
    matrix = raw.rgb_xyz_matrix[:3].astype(float)
    rows: list[list[float]] = matrix.tolist()
    return rows if np.isfinite(matrix).all() and matrix.any() else None


def _is_bare(path: Path, raw: Any) -> bool:
    """Whether the file has exactly as many bytes as the samples alone take, at some common number of bits."""
    samples = raw.sizes.raw_width * raw.sizes.raw_height
    return any(path.stat().st_size * 8 == samples * bits for bits in _SAMPLE_BITS)


def _camera(path: Path, tags: dict[int, Any]) -> str:
    """Make and model from the TIFF tags, the CIFF heap or the QuickTake signature, or nothing."""
    make, model = (str(tags.get(code, "")).strip() for code in (_MAKE, _MODEL))
    if make or model:
        return model if set(make.lower().split()) & set(model.lower().split()[:1]) else f"{make} {model}".strip()
    with path.open("rb") as stream:
        head = stream.read(14)
    if head[6:14] != b"HEAPCCDR":
        return _QUICKTAKE.get(head[:4], "")
    _, found, model_onwards = path.read_bytes().partition(b"Canon\0Canon ")
    return "Canon " + model_onwards[:64].split(b"\0")[0].decode("ascii", "replace") if found else "Canon"

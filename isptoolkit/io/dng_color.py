"""What a DNG file states of its camera: names, white balance, color profile, and brightness."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..capture import MONO, Capture
from ..errors import InvalidArgument, UnreadableFile
from ..spaces import XYZ_FROM_SRGB
from .color_profile import PROFILE_TAGS, ColorProfile
from .dng_tags import EXPOSURE, EXPOSURE_OFFSET, NEUTRAL, VERSION
from .exif import Exif
from .tiff_fields import Field, Kind, field, text

_MAKE, _MODEL, _ORIENTATION, _UNIQUE_MODEL = 271, 272, 274, 50708
_D65 = 21
"""EXIF LightSource code (Exif 2.32, tag 37384)."""
_COPIED = {
    *(_MAKE, _MODEL, _UNIQUE_MODEL, 50735),  # 50735: serial number
    *PROFILE_TAGS.values(),
    *(EXPOSURE, EXPOSURE_OFFSET, 50731, 50732, 50734, 50739),  # baselines, linear response limit, shadow scale
    *(50931, 50932, 50936, 50937, 50938, 50939, 50940, 50941, 50942, 50981, 50982, 51107, 51108, 51110),
}
"""Tags that are copied from a source file: its camera and its color profile."""


def camera_fields(capture: Capture, profile: ColorProfile | None, source: Sequence[Field], exif: Exif) -> list[Field]:
    """The fields of the whole file.

    Args:
        capture: one capture.
        profile: replaces the capture's matrix.
        source: fields of another DNG, whose color profile and names replace all others; its exposure counts if the
            capture has none.
        exif: facts of the photograph; its make and model are used where they spell the capture's camera.

    Raises:
        InvalidArgument: for an orientation outside 1 to 8, or colors of a sensor without color filters.

    >>> [code for code, *_ in camera_fields(Capture.of("MONO", exposure=0.5), None, [], {})]
    [274, 50706, 50707, 50708, 50730]
    """
    orientation = capture.orientation[0] if capture.orientation else 1
    if orientation not in range(1, 9):
        raise InvalidArgument(f"an EXIF orientation is 1 to 8, got {orientation}")
    own = [
        field(_ORIENTATION, Kind.SHORT, orientation),
        field(VERSION, Kind.BYTE, 1, 4, 0, 0),
        field(50707, Kind.BYTE, 1, 3, 0, 0),  # the version that readers need: opcodes
        *_names(capture.camera[0] if capture.camera else "", exif),
        *_exposure(capture),
        *(_no_colors(capture, profile) if capture.cfa == MONO else _colors(capture, profile)),
    ]
    copied = {tag[0]: tag for tag in source}
    if PROFILE_TAGS["color_matrix1"] in copied:
        own = [tag for tag in own if tag[0] not in PROFILE_TAGS.values()]
    named = {tag[0]: tag for tag in own}
    kept = {EXPOSURE, EXPOSURE_OFFSET} if EXPOSURE in named else set()  # a reader adds the two
    return list((named | {code: tag for code, tag in copied.items() if code not in kept}).values())


def source_fields(path: Path) -> list[Field]:
    """The camera and color profile of a DNG file, as fields.

    Args:
        path: the file.

    Raises:
        UnreadableFile: for a file that is not a DNG.

    >>> source_fields(Path("missing.dng"))
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.dng is not a readable DNG: No such file or directory
    """
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            first: Any = file.pages[0]
            fields = [(tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in first.tags]
    except OSError as error:
        raise UnreadableFile(f"{path} is not a readable DNG: {error.strerror}") from None
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, TypeError) as error:
        raise UnreadableFile(f"{path} is not a readable DNG: {error}") from None
    if not any(code == VERSION for code, *_ in fields):
        raise UnreadableFile(f"{path} is not a DNG: it has no DNGVersion tag")
    return [tag for tag in fields if tag[0] in _COPIED]


def _names(camera: str, exif: Exif) -> list[Field]:
    if not camera:
        return [text(_UNIQUE_MODEL, "isptoolkit")]
    make, _, model = camera.partition(" ")
    if camera in (exif.get("model"), f"{exif.get('make')} {exif.get('model')}"):
        make, model = str(exif.get("make", make)), str(exif["model"])
    return [text(_UNIQUE_MODEL, camera), text(_MAKE, make), text(_MODEL, model or make)]


def _exposure(capture: Capture) -> list[Field]:
    """BaselineExposure: the capture's, and its gain of green, since AsShotNeutral is free of scale."""
    brightness = float(capture.gains[0, 1])
    if capture.exposure is None and brightness == 1:
        return []
    stated = 0.0 if capture.exposure is None else float(capture.exposure[0])
    return [field(EXPOSURE, Kind.SRATIONAL, stated + float(torch.tensor(brightness).double().log2()))]


def _colors(capture: Capture, profile: ColorProfile | None) -> list[Field]:
    """AsShotNeutral, and a profile: the one passed, or the capture's matrix as XYZ to camera under D65."""
    gains = capture.gains[0].double().cpu()
    neutral = field(NEUTRAL, Kind.RATIONAL, *(1 / gains).tolist())
    if profile is None:
        balanced = capture.srgb_to_camera[0].double().cpu() @ torch.linalg.inv(XYZ_FROM_SRGB)
        profile = ColorProfile(torch.diag(gains.max() / gains) @ balanced, illuminant1=_D65)
    fields = [neutral]
    for name, code in PROFILE_TAGS.items():
        value = getattr(profile, name)
        if name.startswith("illuminant"):
            fields += [field(code, Kind.SHORT, value)] if value else []
        elif value is not None:
            kind = Kind.RATIONAL if name == "analog_balance" else Kind.SRATIONAL
            fields.append(field(code, kind, *value.flatten().tolist()))
    return fields


def _no_colors(capture: Capture, profile: ColorProfile | None) -> list[Field]:
    gains = capture.gains[0].tolist()
    if profile is not None or len(set(gains)) > 1:
        what = f"gains {gains}" if profile is None else "a color profile"
        raise InvalidArgument(f"a sensor without color filters (cfa MONO) has equal gains and no profile, got {what}")
    return []

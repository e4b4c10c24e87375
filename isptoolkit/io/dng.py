"""Write DNG files: mosaics or linear images, with the metadata that a raw converter needs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..atomic import check_target, replacing
from ..capture import Capture
from ..errors import InvalidArgument, InvalidTensor, UnreadableFile
from ..spaces import SRGB, XYZ_FROM_SRGB
from ..stages import LensShadingMesh
from .color_profile import PROFILE_TAGS, ColorProfile
from .dng_tags import VERSION
from .opcodes import gain_map_opcodes

Tag = tuple[int, int, int, Any, bool]
"""Code, TIFF type, count, value, and whether it is written once: tifffile's `extratags`."""

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL, _DOUBLE = 1, 2, 3, 4, 5, 7, 10, 12
_MOSAIC, _LINEAR, _SUB_IFDS = 32803, 34892, 330
_D65 = 21
"""EXIF LightSource code (Exif 2.32, tag 37384)."""
_COPIED = {
    *(271, 272, 306, 315, 33432),  # make, model, date, artist, copyright
    *(50708, 50735, 50827),  # unique camera model, serial number, original file name
    *(50721, 50722, 50723, 50724, 50727, 50778, 50779, 50964, 50965),  # matrices, calibrations, balance, illuminants
    *(50730, 50731, 50732, 50734, 50739),  # baselines, linear response limit, shadow scale
    *(50931, 50932, 50936, 50937, 50938, 50939, 50940, 50941, 50942, 50981, 50982, 51107, 51108, 51109, 51110),
}
"""Tags that are copied from a source file: its camera and its color profile."""
_PROFILE = {50721, 50778}
"""Color matrix and its illuminant, which are replaced together."""


def write_dng(
    path: str | Path,
    mosaic: Tensor,
    capture: Capture,
    *,
    compress: bool = False,
    profile: ColorProfile | None = None,
    source: str | Path | None = None,
    shading: LensShadingMesh | None = None,
    preview: Tensor | None = None,
) -> None:
    """Write a DNG: unaltered samples, levels per site, gains, color matrix, and noise; atomically.

    LibRaw-based converters read back the same samples and levels. The color matrix, XYZ to camera under D65, is
    `diag(neutral) srgb_to_camera (XYZ to sRGB)`, so that converters reproduce the capture's colors. A green gain other
    than 1 becomes BaselineExposure.

    Args:
        path: the file to write, with the suffix `.dng`.
        mosaic: `[1,1,H,W]` in digital numbers, or `[1,3,H,W]` for a LinearRaw file; values are rounded.
        capture: metadata of the mosaic.
        compress: use lossless JPEG; mosaics only.
        profile: color matrices, forward matrices, and illuminants to state instead of the capture's matrix.
        source: a DNG from the same camera, whose color profile and camera names replace those of `capture` and
            `profile`.
        shading: lens shading to write as GainMap opcodes, which converters apply after the levels.
        preview: `[1,3,h,w]` sRGB in [0, 1].

    Raises:
        InvalidArgument: for another suffix, a missing folder, more than one image, or values that do not fit 16 bits.
        InvalidTensor: for another layout, or NaN.
        UnreadableFile: for a source that is not a DNG.

    Source: DNG 1.6 specification, chapters 2 and 4; TIFF 6.0; TIFF/EP (ISO 12234-2).

    >>> capture = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5))
    >>> write_dng("/nowhere/a.png", torch.zeros(1, 1, 8, 8), capture)
    Traceback (most recent call last):
    ...
    isptoolkit.errors.InvalidArgument: cannot write /nowhere/a.png: the suffix must be one of .dng
    """
    import imagecodecs
    import tifffile

    path = Path(path)
    check_target(path, (".dng",))
    codes = _codes(mosaic, capture)
    if compress and codes.ndim == 3:
        raise InvalidArgument("write_dng cannot compress LinearRaw files: pass compress=False")
    thumbnail = None
    if preview is not None:
        SRGB.check(preview)
        thumbnail = (preview[0].detach().clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    own = _camera_tags(capture)
    if profile is not None:
        own = [tag for tag in own if tag[0] not in _PROFILE] + _profile_tags(profile)
    if source is not None:
        copied = _source_tags(Path(source))
        named = {code for code, *_ in copied}
        replaced = named | (_PROFILE if _PROFILE & named else set())
        own = [tag for tag in own if tag[0] not in replaced] + copied
    raw = _raw_tags(capture, codes, shading)
    options: dict[str, Any] = {"shape": codes.shape, "dtype": codes.dtype, "metadata": None, "rowsperstrip": len(codes)}
    options |= {"photometric": _MOSAIC} if codes.ndim == 2 else {"photometric": _LINEAR, "planarconfig": "contig"}
    if compress:
        data: Any = iter([imagecodecs.ljpeg_encode(codes, bitspersample=16)])
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
        if thumbnail is not None:
            with tifffile.TiffFile(temporary, mode="r+") as written:
                place: Any = written.pages[0].tags[_SUB_IFDS]  # type: ignore[union-attr]
                place.overwrite(place.value, dtype="I")  # with type LONG, which TIFF/EP requires


def _codes(mosaic: Tensor, capture: Capture) -> "np.ndarray[Any, np.dtype[np.uint16]]":
    if mosaic.ndim != 4 or mosaic.shape[0] != 1 or mosaic.shape[1] not in (1, 3) or not mosaic.is_floating_point():
        raise InvalidTensor(f"write_dng takes [1,1,H,W] or [1,3,H,W], got {tuple(mosaic.shape)} {mosaic.dtype}")
    if len(capture) != 1:
        raise InvalidArgument(f"write_dng writes one image, but the capture describes {len(capture)}")
    whole = mosaic.detach().double().round()
    low, high = float(whole.min()), float(whole.max())
    if not (low >= 0 and high <= 65535):
        raise InvalidArgument(
            f"values from {low:g} to {high:g} do not fit the 16 bits of a DNG: clip or scale them first"
        )
    codes = whole[0].to(torch.int32).cpu().numpy().astype(np.uint16)
    return codes[0] if len(codes) == 1 else np.ascontiguousarray(codes.transpose(1, 2, 0))


def _camera_tags(capture: Capture) -> list[Tag]:
    """Tags of the whole file: camera, orientation, color."""
    gains = capture.gains[0].double().cpu()
    neutral = 1 / gains
    matrix = (
        torch.diag(gains.max() / gains) @ capture.srgb_to_camera[0].double().cpu() @ torch.linalg.inv(XYZ_FROM_SRGB)
    )
    camera = capture.camera[0] if capture.camera and capture.camera[0] else "isptoolkit"
    orientation = capture.orientation[0] if capture.orientation else 1
    tags = [
        _tag(274, _SHORT, [orientation]),
        _tag(50706, _BYTE, [1, 4, 0, 0]),
        _tag(50707, _BYTE, [1, 3, 0, 0]),
        _text(50708, camera),
        _tag(50721, _SRATIONAL, matrix.flatten().tolist()),
        _tag(50778, _SHORT, [_D65]),
        _tag(50728, _RATIONAL, neutral.tolist()),
    ]
    if camera != "isptoolkit":
        make, _, model = camera.partition(" ")
        tags += [_text(271, make), _text(272, model or make)]
    if float(gains[1]) != 1:
        tags.append(_tag(50730, _SRATIONAL, [float(gains[1].log2())]))
    return tags


def _profile_tags(profile: ColorProfile) -> list[Tag]:
    tags = []
    for name, code in PROFILE_TAGS.items():
        value = getattr(profile, name)
        if name.startswith("illuminant"):
            tags += [_tag(code, _SHORT, [value])] if value else []
        elif value is not None:
            tags.append(_tag(code, _RATIONAL if name == "analog_balance" else _SRATIONAL, value.flatten().tolist()))
    return tags


def _raw_tags(capture: Capture, codes: "np.ndarray[Any, Any]", shading: LensShadingMesh | None) -> list[Tag]:
    """Tags of the samples: color filter array, levels, noise, shading."""
    black, white = capture.black[0].tolist(), float(capture.white[0])
    if not (min(black) >= 0 and 0 < white <= 65535):
        raise InvalidArgument(f"levels of a DNG must be between 0 and 65535, got black {black}, white {white:g}")
    tags: list[Tag] = []
    if codes.ndim == 2:
        tags += [
            _tag(33421, _SHORT, [2, 2]),
            _tag(33422, _BYTE, ["RGB".index(letter) for letter in capture.cfa]),
            _tag(50713, _SHORT, [2, 2]),
            _tag(50714, _RATIONAL, black),
            _tag(50717, _LONG, [round(white)]),
        ]
    else:
        sites = [[level for level, site in zip(black, capture.cfa, strict=True) if site == letter] for letter in "RGB"]
        tags += [_tag(50714, _RATIONAL, [sum(levels) / len(levels) for levels in sites])]
        tags += [_tag(50717, _LONG, [round(white)] * 3)]
    if capture.noise is not None:
        tags.append(_tag(51041, _DOUBLE, capture.noise[0].tolist() * 3))
    if shading is not None:
        opcodes = gain_map_opcodes(shading, codes.shape[:2])
        tags.append((51009, _UNDEFINED, len(opcodes), opcodes, True))
    return tags


def _tag(code: int, kind: int, values: Sequence[float]) -> Tag:
    if kind in (_RATIONAL, _SRATIONAL):
        pairs = [part for value in values for part in _fraction(value)]
        return (code, kind, len(values), tuple(pairs), True)
    if kind == _BYTE:
        return (code, kind, len(values), bytes(int(value) for value in values), True)
    return (code, kind, len(values), tuple(values) if len(values) > 1 else values[0], True)


def _fraction(value: float) -> tuple[int, int]:
    """Numerator and denominator with as many digits as fit 31 bits."""
    below = 10 ** max(0, min(9, 9 - len(str(int(abs(value))))))
    return round(value * below), below


def _text(code: int, text: str) -> Tag:
    plain = text.encode("ascii", "replace").decode()
    return (code, _ASCII, 0, plain, True)


def _source_tags(path: Path) -> list[Tag]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            first: Any = file.pages[0]
            tags = [(tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in first.tags]
    except (tifffile.TiffFileError, OSError, ValueError, IndexError, KeyError, TypeError) as error:
        raise UnreadableFile(f"{path} is not a readable DNG: {error}") from None
    if not any(code == VERSION for code, *_ in tags):
        raise UnreadableFile(f"{path} is not a DNG: it has no DNGVersion tag")
    return [tag for tag in tags if tag[0] in _COPIED]

"""The meaning of DNG opcodes: the stages that one opcode, or one group of them, stands for."""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..spaces import CAMERA, MOSAIC, SENSOR, Space
from ..stage import Stage
from ..stages import BadPixelConstant, BadPixelList, Clip, GainMap, LensShadingMesh, LensShadingRadial
from . import opcodes, tiff
from .opcodes import GainMapValues, Opcode

_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 259, 262, 277
_DEFAULT_SCALE, _ACTIVE_AREA = 50718, 50829
_LINEAR_RAW, _LOSSY_JPEG = 34892, 34892
_SAMPLE_CHANGES = {50712: "LinearizationTable", 50715: "BlackLevelDeltaH", 50716: "BlackLevelDeltaV"}
"""Tags that change the samples while they are read, so that a bad pixel no longer holds the value that marks it."""
_MOST_BAD_PIXELS = 1 << 18


class UnsupportedError(Exception):
    """Why an opcode is not applied."""


@dataclass(frozen=True)
class Frame:
    """The samples that `read_raw` returns, and what their tags say about them."""

    top: int
    left: int
    height: int
    width: int
    planes: int
    demosaiced: Space
    square: bool
    lossy: bool
    changed_by: tuple[str, ...]

    @classmethod
    def of(cls, path: str | Path) -> "Frame":
        """Read the tags of a DNG file; raises `UnreadableFile` if they contradict the specification."""
        tags = tiff.tiff_tags(path)
        linear = tags.get(_PHOTOMETRIC) == _LINEAR_RAW
        try:
            planes = _numbers(tags, _SAMPLES, (1,))[0] if linear else 1
            size = _numbers(tags, _HEIGHT, (0,)) + _numbers(tags, _WIDTH, (0,))
            top, left, bottom, right = _numbers(tags, _ACTIVE_AREA, (0, 0, *size))
            across, across_of, down, down_of = _numbers(tags, _DEFAULT_SCALE, (1, 1, 1, 1))
        except ValueError as error:
            raise opcodes.unreadable(path, "the frame of its opcodes", error) from None
        return cls(
            *(top, left, bottom - top, right - left, planes),
            demosaiced=MOSAIC if planes == 1 and linear else CAMERA,
            square=across * down_of == down * across_of,
            lossy=tags.get(_COMPRESSION) == _LOSSY_JPEG,
            changed_by=tuple(name for code, name in _SAMPLE_CHANGES.items() if code in tags),
        )

    def space(self, number: int) -> Space:
        """What the stages of an opcode list are applied to."""
        return (SENSOR, MOSAIC if self.planes == 1 else CAMERA, self.demosaiced)[number - 1]

    def spanned(self, values: GainMapValues) -> bool:
        """Whether the map's nodes span the frame, and its area every pixel from `top` and `left` on, by its pitch."""
        sizes = (self.height, self.width)
        area = values.area or (0, 0, *sizes)
        reach = all(
            start < pitch and stop >= size - (size - 1 - start) % pitch
            for start, stop, size, pitch in zip(area[:2], area[2:], sizes, values.pitch, strict=True)
        )
        nodes = values.gains.shape[1:]
        spread = (step * max(n - 1, 1) for n, step in zip(nodes, values.spacing, strict=True))
        return reach and all(abs(each - 1) < 1e-6 for each in spread) and max(map(abs, values.origin)) < 1e-6


def _numbers(tags: Mapping[int, Any], code: int, default: tuple[int, ...]) -> tuple[int, ...]:
    """The whole numbers of a tag, as many as the default has; raises `ValueError` for anything else."""
    value = tags.get(code, default)
    numbers = value if isinstance(value, tuple) else (value,)
    if len(numbers) != len(default) or not all(isinstance(number, int) for number in numbers):
        raise ValueError(f"tag {code} is {value!r:.60}")
    return numbers


def grouped(entries: Sequence[Opcode], frame: Frame) -> Iterator[Sequence[Opcode]]:
    """Single opcodes, and four successive gain maps that are the four sites of one mesh."""
    at = 0
    while at < len(entries):
        four = entries[at : at + 4]
        size = 4 if _is_site_mesh(four, frame) else 1
        yield four[:size]
        at += size


def _is_site_mesh(four: Sequence[Opcode], frame: Frame) -> bool:
    if len(four) < 4 or {(each.list, each.code) for each in four} != {(four[0].list, opcodes.GAIN_MAP)}:
        return False
    try:
        maps = [opcodes.gain_map_values(each.body) for each in four]
    except (ValueError, struct.error):
        return False
    return (
        frame.space(four[0].list) == MOSAIC
        and all(frame.spanned(each) and each.pitch == (2, 2) and each.planes[0] == 0 for each in maps)
        and {_corner(each) for each in maps} == {(0, 0), (0, 1), (1, 0), (1, 1)}
        and len({each.gains.shape[1:] for each in maps}) == 1
    )


def _corner(values: GainMapValues) -> tuple[int, int]:
    """The first row and column that the map multiplies."""
    return (0, 0) if values.area is None else values.area[:2]


def stages_of(group: Sequence[Opcode], frame: Frame) -> tuple[list[Stage], str]:
    """The stages of one opcode, or of the gain maps of one mesh, and what they do."""
    first = group[0]
    if first.version > opcodes.NEWEST:
        raise UnsupportedError(f"it needs DNG {'.'.join(map(str, first.version))}")
    if first.code == opcodes.MAP_POLYNOMIAL and first.list == 2 and frame.lossy:
        return [], "lossy compression undone while decoding"
    if first.code not in _READERS:
        raise UnsupportedError("this kind of correction is not supported")
    return _READERS[first.code](group, frame)


def _gain_map(group: Sequence[Opcode], frame: Frame) -> tuple[list[Stage], str]:
    maps = [opcodes.gain_map_values(each.body) for each in group]
    space, values = _light(group[0], frame), maps[0]
    depth, rows, columns = values.gains.shape
    first, count = values.planes
    if first >= space.channels:
        raise UnsupportedError(f"it starts at plane {first} of an image that has {space.channels}")
    stage: Stage
    if len(maps) == 4:
        sites = sorted(maps, key=_corner)
        stage = LensShadingMesh(torch.from_numpy(np.concatenate([each.gains[:1] for each in sites])), space)
    elif (
        frame.spanned(values)
        and values.pitch == (1, 1)
        and first == 0
        and count >= space.channels
        and min(depth, space.channels) in (1, space.channels)
    ):
        stage = LensShadingMesh(torch.from_numpy(values.gains[: space.channels].copy()), space)
    else:
        stage = GainMap(
            torch.from_numpy(values.gains.copy()),
            *(values.origin, values.spacing, values.area, values.pitch, values.planes, space),
        )
    gains = np.concatenate([each.gains.ravel() for each in maps])
    what = f"lens shading by {len(maps)} gain {'map' if len(maps) == 1 else 'maps'} of {depth} x {rows} x {columns}"
    return _limited(stage, space), f"{what}, gains {gains.min():.4g} to {gains.max():.4g}"


def _vignette(group: Sequence[Opcode], frame: Frame) -> tuple[list[Stage], str]:
    coefficients, center = opcodes.vignette_values(group[0].body)
    space = _light(group[0], frame)
    if not frame.square:
        raise UnsupportedError("pixels are not square (DefaultScale)")
    stage = LensShadingRadial(coefficients, center, space)
    return _limited(stage, space), f"vignette correction, gain {1 + sum(coefficients):.4g} in the farthest corner"


def _light(opcode: Opcode, frame: Frame) -> Space:
    """The space of gains: linear light."""
    if opcode.list == 1:
        raise UnsupportedError("gains of stored samples, before black is subtracted, are not supported")
    return frame.space(opcode.list)


def _limited(stage: Stage, space: Space) -> list[Stage]:
    """Gains, and the limit at white after them."""
    return [stage, Clip(low=-1.0, high=1.0, space=space)]


def _bad_constant(group: Sequence[Opcode], frame: Frame) -> tuple[list[Stage], str]:
    constant = opcodes.bad_constant_value(group[0].body)
    if group[0].list != 1 or frame.planes != 1:
        raise UnsupportedError("values mark bad pixels in the stored samples of a mosaic only")
    if frame.changed_by:
        raise UnsupportedError(f"{' and '.join(frame.changed_by)} changes the samples that it looks for")
    return [BadPixelConstant(float(constant))], f"replacement of pixels that hold {constant}"


def _bad_list(group: Sequence[Opcode], frame: Frame) -> tuple[list[Stage], str]:
    points, rectangles = opcodes.bad_pixels(group[0].body)
    space = frame.space(group[0].list)
    if frame.planes != 1 or space.channels != 1:
        raise UnsupportedError("bad pixels of images with several planes are not supported")
    # Positions in stored samples count from the corner of the whole frame, all others from that of the active area.
    offset = (frame.top, frame.left) if group[0].list == 1 else (0, 0)
    inside = (frame.height, frame.width)
    corners = (rectangles.reshape(-1, 2, 2) - offset).clip(0, inside)
    sizes = (corners[:, 1] - corners[:, 0]).clip(0)
    if len(points) + int(sizes.prod(-1).sum()) > _MOST_BAD_PIXELS:
        raise UnsupportedError(f"it lists more than {_MOST_BAD_PIXELS} pixels")
    filled = [at + np.argwhere(np.ones(size)) for at, size in zip(corners[:, 0], sizes, strict=True)]
    places = np.concatenate([points - offset, *filled])
    places = np.unique(places[((places >= 0) & (places < inside)).all(-1)], axis=0)
    if not len(places):
        return [], "no bad pixel in the active area"
    return [BadPixelList(torch.from_numpy(places), space)], f"replacement of {len(places)} bad pixels"


_READERS: dict[int, Callable[[Sequence[Opcode], Frame], tuple[list[Stage], str]]] = {
    opcodes.GAIN_MAP: _gain_map,
    opcodes.FIX_VIGNETTE_RADIAL: _vignette,
    opcodes.FIX_BAD_PIXELS_CONSTANT: _bad_constant,
    opcodes.FIX_BAD_PIXELS_LIST: _bad_list,
}

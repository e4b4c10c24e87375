"""The meaning of DNG opcodes: the stages that one opcode, or one group of them, stands for."""

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from ..spaces import CAMERA, MOSAIC, SENSOR, Space
from ..stage import Stage
from ..stages import BadPixelConstant, BadPixelList, Clip, GainMap, LensShadingMesh, LensShadingRadial
from . import opcodes, tiff
from .decode import decode
from .opcodes import GainMapValues, Opcode

_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _SAMPLES = 256, 257, 259, 262, 277
_DEFAULT_SCALE, _ACTIVE_AREA = 50718, 50829
_LINEAR_RAW, _LOSSY_JPEG = 34892, 34892
_REPEAT = 50713
_SAMPLE_CHANGES = {50712: "LinearizationTable", 50715: "BlackLevelDeltaH", 50716: "BlackLevelDeltaV"}
"""Tags that change the samples while they are read, so that a bad pixel no longer holds the value that marks it."""
_MOST_BAD_PIXELS = 1 << 18

Pair: TypeAlias = tuple[int, int]
"""Rows and columns."""


class UnsupportedError(Exception):
    """Why an opcode is not applied."""


@dataclass(frozen=True)
class Frame:
    """The samples that `read_raw` returns, and what their tags say about them.

    Args:
        corner: row and column of the stored samples at which the active area starts.
        active: rows and columns of the active area.
        shift: rows and columns of the active area before the first sample that is read.
        size: rows and columns that are read.
        planes: of the stored samples.
        demosaiced: space of the image after the demosaic.
        square: whether pixels are.
        lossy: whether the samples are compressed with loss.
        changed_by: tags that change the samples while they are read.
    """

    corner: Pair
    active: Pair
    shift: Pair
    size: Pair
    planes: int
    demosaiced: Space
    square: bool
    lossy: bool
    changed_by: tuple[str, ...]

    @classmethod
    def of(cls, path: str | Path) -> "Frame":
        """Read the tags of a DNG file; raises `UnreadableFile` if they contradict the specification."""
        tags = tiff.main_tags(path)
        linear = tags.get(_PHOTOMETRIC) == _LINEAR_RAW
        try:
            planes = _numbers(tags, _SAMPLES, (1,))[0] if linear else 1
            stored = _numbers(tags, _HEIGHT, (0,)) + _numbers(tags, _WIDTH, (0,))
            top, left, bottom, right = _numbers(tags, _ACTIVE_AREA, (0, 0, *stored))
            across, across_of, down, down_of = _numbers(tags, _DEFAULT_SCALE, (1, 1, 1, 1))
            repeat = _numbers(tags, _REPEAT, (1, 1))
            if bottom <= top or right <= left:
                raise ValueError(f"it has no pixels from row {top} to {bottom} and column {left} to {right}")
        except ValueError as error:
            raise opcodes.unreadable(path, "the frame of its opcodes", error) from None
        shift, size = (0, 0), (bottom - top, right - left)
        if tags.get(_COMPRESSION) == _LOSSY_JPEG and (top % 2 or left % 2):
            # LibRaw decodes these files and leaves out the first row or column of an area that starts at an odd one.
            decoded = decode(path)
            shift, size = (decoded.top - top, decoded.left - left), decoded.samples.shape[:2]
        return cls(
            *((top, left), (bottom - top, right - left), shift, size, planes),
            demosaiced=MOSAIC if planes == 1 and linear else CAMERA,
            square=across * down_of == down * across_of,
            lossy=tags.get(_COMPRESSION) == _LOSSY_JPEG,
            changed_by=(
                *(name for code, name in _SAMPLE_CHANGES.items() if code in tags),
                *(["BlackLevelRepeatDim"] if max(repeat) > 2 else []),
            ),
        )

    def space(self, number: int) -> Space:
        """What the stages of an opcode list are applied to."""
        return (SENSOR, MOSAIC if self.planes == 1 else CAMERA, self.demosaiced)[number - 1]

    def placed(self, values: GainMapValues) -> GainMapValues:
        """A gain map of the active area as one of the samples that are read."""
        (down, right), (height, width), (rows, columns) = self.shift, self.active, self.size
        area = None
        if values.area is not None:
            top, left, bottom, end = values.area
            area = (top - down, left - right, bottom - down, end - right)
        return replace(
            values,
            area=area,
            spacing=(values.spacing[0] * height / rows, values.spacing[1] * width / columns),
            origin=((values.origin[0] * height - down) / rows, (values.origin[1] * width - right) / columns),
        )

    def spanned(self, values: GainMapValues) -> bool:
        """Whether the map's nodes span the frame, and its area every pixel from `top` and `left` on, by its pitch."""
        area = values.area or (0, 0, *self.size)
        reach = all(
            start < pitch and stop >= size - (size - 1 - start) % pitch
            for start, stop, size, pitch in zip(area[:2], area[2:], self.size, values.pitch, strict=True)
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
        maps = [frame.placed(opcodes.gain_map_values(each.body)) for each in four]
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
    maps = [frame.placed(opcodes.gain_map_values(each.body)) for each in group]
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
    what = f"lens shading by {len(maps)} gain map{'s' if len(maps) > 1 else ''} of {depth} x {rows} x {columns}"
    return _limited(stage, space), f"{what}, gains {gains.min():.4g} to {gains.max():.4g}"


def _vignette(group: Sequence[Opcode], frame: Frame) -> tuple[list[Stage], str]:
    coefficients, center = opcodes.vignette_values(group[0].body)
    space = _light(group[0], frame)
    if not frame.square:
        raise UnsupportedError("pixels are not square (DefaultScale)")
    height, width = frame.active
    x, y = center[0] * (width - 1), center[1] * (height - 1)
    rows, columns = (max(n - 1, 1) for n in frame.size)
    place = ((x - frame.shift[1]) / columns, (y - frame.shift[0]) / rows)
    if not all(0 <= each <= 1 for each in place):
        raise UnsupportedError("its center lies outside the samples that are read")
    # The radius is 1 in the farthest corner of the active area; for the stage, in that of the samples.
    nearer = math.hypot(*(max(p, 1 - p) * n for p, n in zip(place, (columns, rows), strict=True)))
    ratio = nearer / max(math.hypot(max(x, width - 1 - x), max(y, height - 1 - y)), 1.0)
    scaled = [k * ratio ** (2 * n) for n, k in enumerate(coefficients, 1)]
    stage = LensShadingRadial(scaled, place, space)
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
        raise UnsupportedError(f"{' and '.join(frame.changed_by)} changed the samples that it looks for")
    return [BadPixelConstant(float(constant))], f"replacement of pixels that hold {constant}"


def _bad_list(group: Sequence[Opcode], frame: Frame) -> tuple[list[Stage], str]:
    points, rectangles = opcodes.bad_pixels(group[0].body)
    space = frame.space(group[0].list)
    if frame.planes != 1 or space.channels != 1:
        raise UnsupportedError("bad pixels of images with several planes are not supported")
    # Positions in stored samples count from the corner of the whole frame, all others from that of the active area.
    corner = frame.corner if group[0].list == 1 else (0, 0)
    offset, inside = np.add(corner, frame.shift), frame.size
    corners = (rectangles.reshape(-1, 2, 2) - offset).clip(0, inside)
    sizes = (corners[:, 1] - corners[:, 0]).clip(0)
    if len(points) + int(sizes.prod(-1).sum()) > _MOST_BAD_PIXELS:
        raise UnsupportedError(f"it lists more than {_MOST_BAD_PIXELS} pixels")
    filled = [at + np.argwhere(np.ones(size)) for at, size in zip(corners[:, 0], sizes, strict=True)]
    places = np.concatenate([points - offset, *filled])
    places = np.unique(places[((places >= 0) & (places < inside)).all(-1)], axis=0)
    if not len(places):
        return [], "no bad pixel in the active area"
    what = f"replacement of {len(places)} bad pixel{'s' if len(places) > 1 else ''}"
    return [BadPixelList(torch.from_numpy(places), space)], what


_READERS: dict[int, Callable[[Sequence[Opcode], Frame], tuple[list[Stage], str]]] = {
    opcodes.GAIN_MAP: _gain_map,
    opcodes.FIX_VIGNETTE_RADIAL: _vignette,
    opcodes.FIX_BAD_PIXELS_CONSTANT: _bad_constant,
    opcodes.FIX_BAD_PIXELS_LIST: _bad_list,
}

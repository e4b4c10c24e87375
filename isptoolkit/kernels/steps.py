"""What a run of point-wise stages becomes: steps with numbers of their own per sample."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import torch
from torch import Tensor

MAX_STEPS = 32
MAX_PLANES = 4
WORDS = 5
"""How many words a step takes."""


class Kind(IntEnum):
    """What a step does; the order is that of csrc/steps.h and of its list of curves."""

    SITES = 0
    CHANNELS = 1
    MATRIX = 2
    CLAMP = 3
    QUANTIZE = 4
    MESH_MULTIPLY = 5
    MESH_DIVIDE = 6
    SRGB_ENCODE = 7
    SRGB_DECODE = 8
    REC709_ENCODE = 9
    REC709_DECODE = 10
    POWER = 11
    PQ_ENCODE = 12
    PQ_DECODE = 13
    HLG_ENCODE = 14
    HLG_DECODE = 15
    SMOOTHSTEP = 16
    SMOOTHSTEP_INVERSE = 17
    REINHARD = 18
    REINHARD_INVERSE = 19
    HABLE = 20
    HABLE_INVERSE = 21


@dataclass(frozen=True)
class Step:
    """One step.

    Args:
        kind: what it does.
        numbers: `[B,n]` or `[1,n]`, its numbers for each sample; how many is up to the kind.
        mesh: planes, rows and columns of a mesh.
    """

    kind: Kind
    numbers: Tensor
    mesh: tuple[int, int, int] = (0, 0, 0)


def sites(black: Tensor, scale: Tensor, offset: Tensor) -> Step:
    """`(x - black) scale + offset` by the 2x2 site of a mosaic; `[B,4]` each, or what broadcasts to it."""
    return Step(Kind.SITES, _joined(4, black, scale, offset))


def channels(scale: Tensor, offset: Tensor) -> Step:
    """`x scale + offset` by the plane; `[B,C]` each, or what broadcasts to it, C at most 4."""
    planes = max(scale.shape[-1], offset.shape[-1])
    scale, offset = (value.expand(value.shape[0], planes) for value in (scale, offset))
    # One plane's numbers serve all planes that there may be.
    scale, offset = (value[:, [min(i, planes - 1) for i in range(MAX_PLANES)]] for value in (scale, offset))
    return Step(Kind.CHANNELS, _joined(4, scale, offset))


def scaled(factor: Tensor) -> Step:
    """`x factor` in every plane; `[B]` or a scalar."""
    factor = factor.reshape(-1, 1)
    return channels(factor, torch.zeros_like(factor))


def matrix(mix: Tensor, offset: Tensor | None = None) -> Step:
    """`mix x + offset`; `[B,3,3]` and `[B,3]`."""
    mix = mix.reshape(-1, 9)
    return Step(Kind.MATRIX, torch.cat((mix, mix[:, :3] * 0 if offset is None else offset.expand(len(mix), 3)), 1))


def curve(kind: Kind, parameter: Tensor | None = None) -> Step:
    """A curve, with its parameter `[B]` or a scalar where it has one."""
    return Step(kind, torch.zeros(1, 1, dtype=torch.float64) if parameter is None else parameter.reshape(-1, 1))


def on_device(step: Step, device: torch.device) -> Step:
    """The same with its numbers on a GPU; constants are sent there once, so that graphs can be captured later."""
    values = step.numbers
    if values.device == device or values.requires_grad:
        return replace(step, numbers=values.to(device))
    return replace(step, numbers=_constant(tuple(values.flatten().tolist()), values.shape[1], device))


@functools.lru_cache(maxsize=256)
def _constant(values: tuple[float, ...], width: int, device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float64, device=device).view(-1, width)


def _joined(width: int, *values: Tensor) -> Tensor:
    samples = max(len(value) for value in values)
    return torch.cat([value.expand(samples, width) for value in values], 1)


def merge(steps: Sequence[Step]) -> list[Step]:
    """The same steps, neighbouring linear ones multiplied together."""
    merged: list[Step] = []
    for step in steps:
        both = _product(merged[-1], step) if merged else None
        if both is None:
            merged.append(step)
        else:
            merged[-1] = both
    return merged


def _product(first: Step, second: Step) -> Step | None:
    match first.kind, second.kind:
        case Kind.SITES, Kind.SITES:
            black, scale, offset = _fours(first)
            black_2, scale_2, offset_2 = _fours(second)
            return sites(black, scale * scale_2, (offset - black_2) * scale_2 + offset_2)
        case Kind.SITES, Kind.CHANNELS:
            black, scale, offset = _fours(first)
            scale_2, offset_2 = second.numbers[:, :1], second.numbers[:, 4:5]
            return sites(black, scale * scale_2, offset * scale_2 + offset_2)
        case Kind.CHANNELS, Kind.CHANNELS:
            (scale, offset), (scale_2, offset_2) = (_fours(step) for step in (first, second))
            return channels(scale * scale_2, offset * scale_2 + offset_2)
        case Kind.CHANNELS, Kind.MATRIX:
            scale, offset = (half[:, :3] for half in _fours(first))
            mix, add = _matrix(second)
            return matrix(mix * scale[:, None], (mix @ offset[:, :, None])[..., 0] + add)
        case Kind.MATRIX, Kind.CHANNELS:
            mix, add = _matrix(first)
            scale, offset = (half[:, :3] for half in _fours(second))
            return matrix(mix * scale[:, :, None], add * scale + offset)
        case Kind.MATRIX, Kind.MATRIX:
            (mix, add), (mix_2, add_2) = _matrix(first), _matrix(second)
            return matrix(mix_2 @ mix, (mix_2 @ add[:, :, None])[..., 0] + add_2)
    return None


def _fours(step: Step) -> tuple[Tensor, ...]:
    return tuple(step.numbers[:, i : i + 4] for i in range(0, step.numbers.shape[1], 4))


def _matrix(step: Step) -> tuple[Tensor, Tensor]:
    return step.numbers[:, :9].reshape(-1, 3, 3), step.numbers[:, 9:]


def words(steps: Sequence[Step], start: int = 0) -> list[int]:
    """The steps as the kernels read them, their numbers beginning at `start`."""
    made = []
    for step in steps:
        made += [int(step.kind), start, *step.mesh]
        start += step.numbers.shape[1]
    return made


def numbers(steps: Sequence[Step], device: torch.device) -> Tensor:
    """`[B,N]` or `[1,N]` float32: the numbers of all steps, in order."""
    if not steps:
        return torch.zeros(1, 1, device=device)
    samples = max(len(step.numbers) for step in steps)
    joined = torch.cat([step.numbers.to(device, torch.float64).expand(samples, -1) for step in steps], 1)
    return joined.to(torch.float32)

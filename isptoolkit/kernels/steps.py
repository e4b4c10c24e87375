"""A run of point-wise stages as a program: a list of steps, whose coefficients are stored per sample."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, auto

import torch
from torch import Tensor

MAX_STEPS = 32
MAX_PLANES = 4
STEP_SIZE = 5
"""Integers per encoded step."""
RADIAL_TERMS = 5
"""Coefficients of a radial gain, besides its center."""


class DemosaicMethod(IntEnum):
    """A linear demosaic: `isp_demosaic_method` in csrc/steps.h."""

    NONE = 0
    BILINEAR = 1
    MALVAR = 2


class Kind(IntEnum):
    """The operation of a step: `isp_kind` in csrc/steps.h, which lists those of the headers that define them."""

    SITES = 0
    CHANNELS = auto()
    CLAMP = auto()
    QUANTIZE = auto()
    TABLE = auto()
    TABLE_INVERSE = auto()
    MONOTONE = auto()
    MONOTONE_INVERSE = auto()
    MATRIX = auto()
    HIGHLIGHT = auto()
    HIGHLIGHT_INVERSE = auto()
    MESH_MULTIPLY = auto()
    MESH_DIVIDE = auto()
    RADIAL_MULTIPLY = auto()
    RADIAL_DIVIDE = auto()
    SRGB_ENCODE = auto()
    SRGB_DECODE = auto()
    REC709_ENCODE = auto()
    REC709_DECODE = auto()
    POWER = auto()
    PQ_ENCODE = auto()
    PQ_DECODE = auto()
    HLG_ENCODE = auto()
    HLG_DECODE = auto()
    SMOOTHSTEP = auto()
    SMOOTHSTEP_INVERSE = auto()
    REINHARD = auto()
    REINHARD_INVERSE = auto()
    HABLE = auto()
    HABLE_INVERSE = auto()


@dataclass(frozen=True)
class Step:
    """One point-wise operation.

    Args:
        kind: the operation.
        coefficients: `[B,N]` or `[1,N]`, of each sample; N depends on the kind.
        shape: three integers that the kind defines, such as the planes, rows and columns of a mesh.
    """

    kind: Kind
    coefficients: Tensor
    shape: tuple[int, int, int] = (0, 0, 0)


def sites(black: Tensor, scale: Tensor, offset: Tensor) -> Step:
    """`(x - black) scale + offset` per site of the 2x2 cell; each broadcasts to `[B,4]`, row-major."""
    return Step(Kind.SITES, _joined(4, black, scale, offset))


def channels(scale: Tensor, offset: Tensor) -> Step:
    """`x scale + offset` per channel; each broadcasts to `[B,C]`, C at most 4."""
    planes = max(scale.shape[-1], offset.shape[-1])
    scale, offset = (value.expand(value.shape[0], planes) for value in (scale, offset))
    # The coefficients of a single plane apply to all planes.
    scale, offset = (value[:, [min(i, planes - 1) for i in range(MAX_PLANES)]] for value in (scale, offset))
    return Step(Kind.CHANNELS, _joined(4, scale, offset))


def scaled(factor: Tensor) -> Step:
    """`x factor` in every channel; `[B]` or a scalar."""
    factor = factor.reshape(-1, 1)
    return channels(factor, torch.zeros_like(factor))


def matrix(mix: Tensor, offset: Tensor | None = None) -> Step:
    """`mix x + offset` per pixel; `mix` is `[B,3,3]`, `offset` `[B,3]` or None for zero."""
    mix = mix.reshape(-1, 9)
    return Step(Kind.MATRIX, torch.cat((mix, mix[:, :3] * 0 if offset is None else offset.expand(len(mix), 3)), 1))


def curve(kind: Kind, parameter: Tensor | None = None) -> Step:
    """A curve, with its parameter, `[B]` or a scalar, if it has one."""
    return Step(kind, torch.zeros(1, 1, dtype=torch.float64) if parameter is None else parameter.reshape(-1, 1))


def lookup(kind: Kind, *parameters: Tensor, per_unit: int = 1, below: int = 0) -> Step:
    """A function of the segment in which a value lies.

    Args:
        kind: the operation.
        parameters: of the segments, each `[B,N]`.
        per_unit: segments per unit of x.
        below: segments below x = 0.
    """
    width = parameters[0].shape[1]
    return Step(kind, _joined(width, *parameters), (width, per_unit, below))


def on_device(step: Step, device: torch.device) -> Step:
    """Move the coefficients to a GPU; constants are cached there, so a CUDA graph captured later copies nothing."""
    values = step.coefficients
    if values.device == device or values.requires_grad:
        return replace(step, coefficients=values.to(device))
    content = values.detach().double().cpu().numpy().tobytes()
    return replace(step, coefficients=_constant(content, values.shape[1], device))


@functools.lru_cache(maxsize=256)
def _constant(values: bytes, width: int, device: torch.device) -> Tensor:
    return torch.frombuffer(bytearray(values), dtype=torch.float64).view(-1, width).to(device)


def _joined(width: int, *values: Tensor) -> Tensor:
    samples = max(len(value) for value in values)
    return torch.cat([value.expand(samples, width) for value in values], 1)


def merge(steps: Sequence[Step]) -> list[Step]:
    """Steps with adjacent linear ones multiplied together; the result computes the same function."""
    merged: list[Step] = []
    for step in steps:
        product = _product(merged[-1], step) if merged else None
        if product is None:
            merged.append(step)
        else:
            merged[-1] = product
    return merged


def _product(first: Step, second: Step) -> Step | None:
    match first.kind, second.kind:
        case Kind.SITES, Kind.SITES:
            black, scale, offset = _fours(first)
            black_2, scale_2, offset_2 = _fours(second)
            return sites(black, scale * scale_2, (offset - black_2) * scale_2 + offset_2)
        case Kind.SITES, Kind.CHANNELS:
            black, scale, offset = _fours(first)
            scale_2, offset_2 = second.coefficients[:, :1], second.coefficients[:, 4:5]
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
    return tuple(step.coefficients[:, i : i + 4] for i in range(0, step.coefficients.shape[1], 4))


def _matrix(step: Step) -> tuple[Tensor, Tensor]:
    return step.coefficients[:, :9].reshape(-1, 3, 3), step.coefficients[:, 9:]


def encode_program(steps: Sequence[Step], start: int = 0) -> list[int]:
    """Encode steps as the kernels read them: `STEP_SIZE` integers each.

    Args:
        steps: at most `MAX_STEPS`.
        start: index of the first step's first coefficient.
    """
    program = []
    for step in steps:
        program += [int(step.kind), start, *step.shape]
        start += step.coefficients.shape[1]
    return program


def join_coefficients(steps: Sequence[Step], device: torch.device) -> Tensor:
    """The coefficients of all steps, in order: `[B,N]` or `[1,N]` float32."""
    if not steps:
        return torch.zeros(1, 1, device=device)
    samples = max(len(step.coefficients) for step in steps)
    joined = torch.cat([step.coefficients.to(device, torch.float64).expand(samples, -1) for step in steps], 1)
    return joined.to(torch.float32)

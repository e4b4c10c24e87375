"""Ready-made classical pipelines, from sensor digital numbers to sRGB."""

from .pipeline import Pipeline
from .spaces import LINEAR, MOSAIC
from .stage import Pair, Stage
from .stages import (
    Clip,
    ColorMatrix,
    DemosaicBilinear,
    DemosaicMalvar,
    Levels,
    Pack,
    Quantize,
    Smoothstep,
    SRGBCurve,
    WhiteBalance,
)

__all__ = [
    "classic",
    "classic_undone_by",
    "libraw",
]


def classic(*, bits: int = 8) -> Pipeline:
    """The textbook camera: levels, white balance, Malvar demosaic, color matrix, clip, sRGB curve, S-curve, quantize.

    White-balanced samples above the white level are clipped before demosaicing as well, since blown highlights would
    turn magenta; noise below black passes through. The S-curve is half of UPI's smoothstep: its slope is 0.5 at both
    ends, so that float32 can invert it everywhere.

    Args:
        bits: bit depth of the output.

    >>> classic().names
    ('levels', 'balance', 'highlights', 'demosaic', 'matrix', 'clip', 'curve', 'tone', 'quantize')
    """
    return Pipeline(
        levels=Levels(),
        balance=WhiteBalance(space=MOSAIC),
        highlights=Clip(low=-1.0, high=1.0, space=MOSAIC),
        demosaic=DemosaicMalvar(),
        matrix=ColorMatrix(),
        clip=Clip(space=LINEAR),
        curve=SRGBCurve(),
        tone=Smoothstep(amount=0.5),
        quantize=Quantize(bits=bits),
    )


def libraw(*, bits: int = 16) -> Pipeline:
    """LibRaw's plain rendering: the output of `rawpy.postprocess` with every automatic adjustment off.

    The settings are `demosaic_algorithm=LINEAR, use_camera_wb=True, no_auto_bright=True, output_color=sRGB,
    gamma=(2.4, 12.92), adjust_maximum_thr=0, user_flip=0`. LibRaw balances and clips the mosaic before it demosaics;
    its gamma pair (2.4, 12.92) is the sRGB curve. `benchmarks/libraw_parity.py` measures the agreement.

    Args:
        bits: bit depth of the output.

    >>> libraw().takes.name, libraw().gives.name
    ('sensor', 'srgb')
    """
    return Pipeline(
        levels=Levels(),
        balance=WhiteBalance(space=MOSAIC),
        highlights=Clip(space=MOSAIC),
        demosaic=DemosaicBilinear(),
        matrix=ColorMatrix(),
        clip=Clip(space=LINEAR),
        curve=SRGBCurve(),
        quantize=Quantize(bits=bits),
    )


def classic_undone_by(network: Stage) -> Pipeline:
    """`classic()` with a network as its inverse, one two-way stage for `roundtrip` and `show`.

    Args:
        network: from SRGB to PACKED.
    """
    back = Pipeline(network=network, unpack=Pack().inv, levels=Levels().inv)
    return Pipeline(camera=Pair(classic(), back))


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

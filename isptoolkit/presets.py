"""Ready-made classical pipelines, from sensor digital numbers to sRGB."""

from .capture import Layout as Layout
from .errors import InvalidArgument
from .pipeline import Pipeline
from .spaces import CAMERA, LINEAR, LINEAR_RAW, MOSAIC
from .stage import Stage
from .stages import (
    Clip,
    ColorMatrix,
    DemosaicBilinear,
    DemosaicMalvar,
    Exposure,
    Levels,
    Monochrome,
    Pack,
    Quantize,
    Smoothstep,
    SRGBCurve,
    WhiteBalance,
)
from .wrappers import Pair

__all__ = [
    "Layout",
    "classic",
    "classic_undone_by",
    "libraw",
]


def classic(*, bits: int = 8, layout: Layout = "mosaic") -> Pipeline:
    """The textbook camera: levels, white balance, Malvar demosaic, color matrix, exposure, clip, sRGB curve, S-curve.

    White-balanced samples above the white level are clipped before demosaicing as well, since blown highlights would
    turn magenta; noise below black passes through. Gains below 1 are scaled up with the others until the smallest is 1,
    so that no channel of a blown highlight stays below white. The exposure is the capture's. The S-curve is half of
    UPI's smoothstep: its slope is 0.5 at both ends, so that float32 can invert it everywhere. The last stage rounds.

    Args:
        bits: bit depth of the output.
        layout: of the samples: `"mosaic"`; `"linear"` for three planes (LinearRaw), which need no demosaic; `"mono"`
            for a sensor without color filters, which needs no white balance and no matrix either.

    Raises:
        InvalidArgument: for another layout or depth.

    >>> classic().names
    ('levels', 'balance', 'highlights', 'demosaic', 'matrix', 'exposure', 'clip', 'curve', 'tone', 'quantize')
    >>> classic(layout="linear").names
    ('levels', 'balance', 'highlights', 'matrix', 'exposure', 'clip', 'curve', 'tone', 'quantize')
    >>> classic(layout="mono").names
    ('levels', 'gray', 'exposure', 'clip', 'curve', 'tone', 'quantize')
    """
    return Pipeline(
        **_linear(DemosaicMalvar(), layout, noise_floor=-1.0),
        exposure=Exposure(),
        clip=Clip(space=LINEAR),
        curve=SRGBCurve(),
        tone=Smoothstep(amount=0.5),
        quantize=Quantize(bits=bits),
    )


def libraw(*, bits: int = 16, layout: Layout = "mosaic") -> Pipeline:
    """LibRaw's plain rendering: the output of `rawpy.postprocess` with every automatic adjustment off.

    The settings are `demosaic_algorithm=LINEAR, use_camera_wb=True, no_auto_bright=True, output_color=sRGB,
    gamma=(2.4, 12.92), adjust_maximum_thr=0, user_flip=0`. LibRaw divides the gains by the smallest, balances and clips
    the mosaic before it demosaics, and ignores the tag BaselineExposure; its gamma pair (2.4, 12.92) is the sRGB curve.
    `benchmarks/libraw_parity.py` measures the agreement.

    Args:
        bits: bit depth of the output.
        layout: of the samples: `"mosaic"`; `"linear"` for three planes (LinearRaw); `"mono"` for a sensor without color
            filters.

    Raises:
        InvalidArgument: for another layout or depth.

    >>> libraw().takes.name, libraw().gives.name
    ('sensor', 'srgb')
    """
    return Pipeline(
        **_linear(DemosaicBilinear(), layout, noise_floor=0.0),
        clip=Clip(space=LINEAR),
        curve=SRGBCurve(),
        quantize=Quantize(bits=bits),
    )


def _linear(demosaic: Stage, layout: Layout, noise_floor: float) -> dict[str, Stage]:
    """The stages from digital numbers to LINEAR."""
    if layout == "mosaic":
        return {
            "levels": Levels(),
            "balance": WhiteBalance(space=MOSAIC, floor=1.0),
            "highlights": Clip(low=noise_floor, high=1.0, space=MOSAIC),
            "demosaic": demosaic,
            "matrix": ColorMatrix(),
        }
    if layout == "linear":
        return {
            "levels": Levels(space=LINEAR_RAW),
            "balance": WhiteBalance(space=CAMERA, floor=1.0),
            "highlights": Clip(low=noise_floor, high=1.0, space=CAMERA),
            "matrix": ColorMatrix(),
        }
    if layout == "mono":
        return {"levels": Levels(), "gray": Monochrome()}
    raise InvalidArgument(f"layout must be mosaic, linear or mono, got {layout!r}")


def classic_undone_by(network: Stage) -> Pipeline:
    """`classic()` with a network as its inverse, one two-way stage for `roundtrip` and `show`.

    Args:
        network: from SRGB to PACKED.
    """
    back = Pipeline(network=network, unpack=Pack().inv, levels=Levels().inv)
    return Pipeline(camera=Pair(classic(), back))


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

"""Every public stage, in one or more configurations, against every law that its contract implies."""

import pytest
import torch
from torch import nn

from isptoolkit import (
    CAMERA,
    LINEAR,
    LINEAR_RAW,
    MOSAIC,
    SRGB,
    ChannelSplit,
    Pair,
    Parallel,
    Pipeline,
    Stage,
    presets,
    stages,
)
from isptoolkit.testing import assert_lawful

torch.manual_seed(0)
_SPLIT = ChannelSplit(SRGB, (1, 2))
_MATRIX = ((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76))

CASES: dict[str, Stage] = {
    "levels": stages.Levels(),
    "own levels": stages.Levels(black=(1, 2, 3, 4), white=250.0),
    "linearize": stages.Linearize([0.0, 1.0, 3.0, 7.0, 20.0, 60.0]),
    "bad pixel list": stages.BadPixelList([[0, 0], [1, 1], [1, 2], [2, 2], [3, 2]]),
    "bad pixels of a mosaic": stages.BadPixelList([[1, 3], [4, 4], [5, 5], [4, 5]], space=MOSAIC),
    "bad pixel constant": stages.BadPixelConstant(1.0, space=MOSAIC),
    "radial shading": stages.LensShadingRadial([0.5, 0.2, -0.1]),
    "mesh shading": stages.LensShadingMesh(1 + torch.rand(4, 3, 5, dtype=torch.float64)),
    "channel mesh shading": stages.LensShadingMesh(1 + torch.rand(3, 4, 3, dtype=torch.float64), space=CAMERA),
    "gain map": stages.GainMap(
        1 + torch.rand(1, 3, 4, dtype=torch.float64), (0.1, -0.2), (0.3, 0.5), (1, 0, 9, 8), pitch=(2, 1)
    ),
    "channel gain map": stages.GainMap(1 + torch.rand(2, 2, 3, dtype=torch.float64), planes=(1, 2), space=CAMERA),
    "linear levels": stages.Levels(space=LINEAR_RAW),
    "balance": stages.WhiteBalance(),
    "balance up to white": stages.WhiteBalance(floor=1.0),
    "camera balance": stages.WhiteBalance(space=CAMERA, gains=nn.Parameter(torch.tensor([2.0, 1.0, 1.5]))),
    "highlight balance": stages.HighlightWhiteBalance(brightness=1.25),
    "mosaic": stages.Mosaic(),
    "pack": stages.Pack(),
    "bilinear": stages.DemosaicBilinear(),
    "malvar": stages.DemosaicMalvar(),
    "menon": stages.DemosaicMenon(),
    "menon unrefined": stages.DemosaicMenon(refine=False),
    "matrix": stages.ColorMatrix(),
    "own matrix": stages.ColorMatrix(srgb_to_camera=_MATRIX),
    "exposure": stages.Exposure(),
    "own exposure": stages.Exposure(stops=1.5),
    "monochrome": stages.Monochrome(),
    "gain": stages.Gain(gain=0.7, space=MOSAIC),
    "saturation": stages.Saturation(amount=1.3),
    "ycbcr 601": stages.YCbCr(),
    "clip": stages.Clip(space=LINEAR),
    "clip above": stages.Clip(low=-1.0, high=1.0, space=MOSAIC),
    "quantize": stages.Quantize(bits=8),
    "quantize coarsely": stages.Quantize(bits=2, space=MOSAIC),
    "srgb": stages.SRGBCurve(),
    "rec709": stages.Rec709Curve(),
    "power": stages.PowerCurve(gamma=2.2),
    "pq": stages.PQCurve(),
    "hlg": stages.HLGCurve(),
    "jpeg": stages.Jpeg(quality=80, subsampling="4:4:4"),
    "soft jpeg": stages.Jpeg(quality=50, rounding="fejer"),
    "published jpeg": stages.DiffJpeg(quality=50),
    "shot and read noise": stages.ShotReadNoise(seed=3),
    "photons": stages.PoissonGaussianNoise(noise=(1e-3, 1e-6)),
    "row noise": stages.RowNoise(deviation=0.01),
    "smoothstep": stages.Smoothstep(),
    "half smoothstep": stages.Smoothstep(amount=0.5),
    "reinhard": stages.ExtendedReinhard(white=4.0),
    "filmic": stages.Filmic(),
    "monotone curve": stages.MonotoneCurve(nn.Parameter(torch.randn(6, dtype=torch.float64))),
    "parallel": Parallel(
        _SPLIT, a=stages.Gain(gain=2.0, space=_SPLIT.gives[0]), b=stages.Gain(gain=0.5, space=_SPLIT.gives[1])
    ),
    "pair": Pair(stages.SRGBCurve(), stages.SRGBCurve().inv),
    "pipeline": presets.classic().span("levels", "tone"),
    "lossy pipeline": presets.classic(),
    "linear pipeline": presets.classic(layout="linear").span("levels", "tone"),
    "monochrome pipeline": presets.classic(layout="mono").span("levels", "tone"),
    "nested pipeline": Pipeline(raw=presets.libraw().span("levels", "demosaic"), matrix=stages.ColorMatrix()),
    "reversed": stages.SRGBCurve().inv,
}


@pytest.mark.parametrize("name", CASES)
def test_lawful(name):
    assert_lawful(CASES[name])


def test_no_public_stage_is_missing():
    public = {value for value in vars(stages).values() if isinstance(value, type) and issubclass(value, Stage)}
    assert public - {type(stage) for stage in CASES.values()} == set()

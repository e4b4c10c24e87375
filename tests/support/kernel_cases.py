"""Every stage that kernels compute by steps: the table behind the parity tests and `benchmarks.kernel_parity`."""

import torch
from torch import nn

from isptoolkit import CAMERA, LINEAR, MOSAIC, Stage, stages

_RANDOM = torch.Generator().manual_seed(5)
_MESHES = [1 + torch.rand(*shape, generator=_RANDOM) for shape in ((4, 3, 5), (3, 4, 3))]
_TABLE = torch.linspace(0, 1, 1100) * 1000 + torch.linspace(0, 1, 1100) ** 2 * 2000
_TABLE[200:204] = _TABLE[200]  # a flat run, after which the table jumps

CURVES: dict[str, Stage] = {
    "srgb": stages.SRGBCurve(),
    "rec709": stages.Rec709Curve(),
    "power": stages.PowerCurve(gamma=nn.Parameter(torch.tensor(2.2))),
    "pq": stages.PQCurve(),
    "hlg": stages.HLGCurve(),
    "smoothstep": stages.Smoothstep(amount=nn.Parameter(torch.tensor(0.5))),
    "reinhard": stages.ExtendedReinhard(white=nn.Parameter(torch.tensor(4.0))),
    "filmic": stages.Filmic(),
}
"""Those from [0, 1] to [0, 1], in both directions within 2e-6 of the exact value."""

STEPS: dict[str, Stage] = {
    "levels": stages.Levels(),
    "levels with own black and white": stages.Levels(black=(1, 2, 3, 4), white=250.0),
    "mesh of sites": stages.LensShadingMesh(nn.Parameter(_MESHES[0])),
    "mesh of channels": stages.LensShadingMesh(_MESHES[1], space=CAMERA),
    "radial shading": stages.LensShadingRadial(nn.Parameter(torch.tensor([0.5, 0.2, -0.1]))),
    "radial shading off center": stages.LensShadingRadial([0.4, -0.3, 0.2, 0.1, -0.1], (0.3, 0.9), CAMERA),
    "linearize": stages.Linearize(nn.Parameter(_TABLE)),
    "monotone": stages.MonotoneCurve(nn.Parameter(torch.randn(7, generator=_RANDOM))),
    "monotone with one segment": stages.MonotoneCurve([0.0], space=LINEAR),
    "highlight balance": stages.HighlightWhiteBalance(brightness=nn.Parameter(torch.tensor(1.25))),
    "balance": stages.WhiteBalance(),
    "balance of camera RGB": stages.WhiteBalance(space=CAMERA, gains=nn.Parameter(torch.tensor([2.0, 1.0, 1.5]))),
    "matrix": stages.ColorMatrix(),
    "exposure": stages.Exposure(stops=nn.Parameter(torch.tensor(1.5))),
    "gain": stages.Gain(gain=nn.Parameter(torch.tensor(0.7)), space=MOSAIC),
    "saturation": stages.Saturation(amount=nn.Parameter(torch.tensor(1.3))),
    "ycbcr": stages.YCbCr(),
    "clip": stages.Clip(space=LINEAR),
    "quantize": stages.Quantize(bits=8),
    **CURVES,
}
"""Stages whose steps contain every `isptoolkit.kernels.steps.Kind`, forward or inverse."""

PER_SAMPLE: dict[str, Stage] = {
    "radial shading": stages.LensShadingRadial(nn.Parameter(torch.tensor([[0.5, 0.2], [0.1, -0.3]])), (0.3, 0.9)),
    "linearize": stages.Linearize(nn.Parameter(torch.stack((_TABLE, _TABLE.sqrt() * 60)))),
    "monotone": stages.MonotoneCurve(nn.Parameter(torch.randn(2, 5, generator=_RANDOM))),
    "highlight balance": stages.HighlightWhiteBalance(
        nn.Parameter(torch.tensor([[2.1, 1.0, 1.6], [0.7, 1.2, 1.0]])),
        nn.Parameter(torch.tensor([1.3, 0.8])),
        nn.Parameter(torch.tensor([0.9, 0.6])),
    ),
}
"""Stages whose two samples have their own values."""

"""How far kernels and plain stages are from the exact values, stage by stage, both ways, in units of the last place.

    python -m benchmarks.kernel_parity

A unit of the last place is 2^-23 of the value, or of 1/8 where that is larger. Inputs are 600000 random values over
[0, 1], or over the sensor's range; inverses get the exact results of the stage. The exact values are float64.
"""

from typing import Any

import torch
from torch import Tensor

from isptoolkit import CAMERA, LINEAR, Capture, Fused, Pipeline, Stage, stages
from isptoolkit.kernels import native, reference

CAPTURE = Capture.of(
    "RGGB",
    black=(60, 64, 66, 70),
    white=1023,
    gains=(2.1, 1.0, 1.6),
    srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
)
CASES: dict[str, Stage] = {
    "levels": stages.Levels(),
    "mesh shading": stages.LensShadingMesh([[[1.5, 1.2], [1.1, 1.9]]], space=CAMERA),
    "white balance": stages.WhiteBalance(),
    "color matrix": stages.ColorMatrix(),
    "exposure": stages.Exposure(stops=0.7),
    "saturation": stages.Saturation(1.3),
    "YCbCr": stages.YCbCr(),
    "clip": stages.Clip(space=LINEAR),
    "sRGB": stages.SRGBCurve(),
    "Rec. 709": stages.Rec709Curve(),
    "power 2.2": stages.PowerCurve(2.2),
    "PQ": stages.PQCurve(),
    "HLG": stages.HLGCurve(),
    "smoothstep 0.5": stages.Smoothstep(0.5),
    "Reinhard": stages.ExtendedReinhard(4.0),
    "filmic": stages.Filmic(),
    "bilinear": stages.DemosaicBilinear(),
    "Malvar": stages.DemosaicMalvar(),
}


def ulps(found: Tensor, exact: Tensor) -> float:
    """The largest distance."""
    unit = torch.finfo(torch.float32).eps * exact.abs().clamp_min(0.125)
    return float(((found.double() - exact).abs() / unit).max())


def builds() -> list[str]:
    """The instruction sets that run here."""
    library: Any = native.library()
    names = ("baseline", "neon", "avx2", "avx512") if library is not None else ()
    return [name for name in names if library.isp_use(name.encode())]


def main() -> None:
    """Print a row per stage and way."""
    names = builds()
    heads = " ".join(f"{name:>9}" for name in names)
    print(f"{'stage':<15} {'way':<8} {'torch':>7} {heads}   largest error of a kernel")
    for title, stage in CASES.items():
        x = torch.rand(200_000 * 3, dtype=torch.float64).sort().values.float()
        x = x.view(1, stage.takes.channels, -1, 500) * (959 if stage.takes.name == "sensor" else 1)
        x = x + 64 if stage.takes.name == "sensor" else x
        exact = CAPTURE.to(torch.float64)
        for way in ("forward", "inverse"):
            value = x if way == "forward" else stage.forward(x.double(), exact).float()
            right = getattr(stage, way)(value.double(), exact)
            with reference():
                cells = [ulps(getattr(stage, way)(value, CAPTURE), right)]
            worst = 0.0
            for name in names:
                native.library().isp_use(name.encode())
                made = getattr(Fused(Pipeline(only=stage)), way)(value, CAPTURE)
                cells.append(ulps(made, right))
                worst = max(worst, float((made.double() - right).abs().max()))
            columns = [f"{cells[0]:7.2f}", *(f"{cell:9.2f}" for cell in cells[1:])]
            print(f"{title:<15} {way:<8} {' '.join(columns)}   {worst:.1e}")


if __name__ == "__main__":
    main()

"""Errors of kernels and plain stages in units in the last place, per stage and direction.

    python -m benchmarks.kernel_parity

A unit in the last place is 2^-23 times the value, or times 1/8 if that is larger. Inputs are 600000 random values in
[0, 1], or in the sensor's range; inverses get the exact outputs of the stage. The reference is float64.
"""

import argparse
import runpy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isptoolkit import Capture, Fused, Pipeline, Stage, stages
from isptoolkit.kernels import native, reference

CAPTURE = Capture.of(
    "RGGB",
    black=(60, 64, 66, 70),
    white=1023,
    gains=(2.1, 1.0, 1.6),
    srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
)
TABLE = Path(__file__).parents[1] / "tests" / "support" / "kernel_cases.py"
CASES: dict[str, Stage] = {
    **runpy.run_path(str(TABLE))["STEPS"],
    "bilinear": stages.DemosaicBilinear(),
    "Malvar": stages.DemosaicMalvar(),
}


def ulps(result: Tensor, exact: Tensor) -> float:
    """The largest error, in units in the last place."""
    unit = torch.finfo(torch.float32).eps * exact.abs().clamp_min(0.125)
    return float(((result.double() - exact).abs() / unit).max())


def builds() -> list[str]:
    """The instruction sets that this processor supports."""
    library: Any = native.library()
    names = ("baseline", "neon", "avx2", "avx512") if library is not None else ()
    return [name for name in names if library.isp_use(name.encode())]


@torch.no_grad()
def main() -> None:
    """Print a row per stage and direction."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    library: Any = native.library()
    names = builds()
    heads = " ".join(f"{name:>9}" for name in names)
    print(f"{'stage':<31} {'direction':<9} {'torch':>7} {heads}   largest error of a kernel")
    for title, stage in CASES.items():
        x = torch.rand(200_000 * 3, dtype=torch.float64).sort().values.float()
        x = x.view(1, stage.takes.channels, -1, 500) * (959 if stage.takes.name == "sensor" else 1)
        x = x + 64 if stage.takes.name == "sensor" else x
        exact = CAPTURE.to(torch.float64)
        for direction in ("forward", "inverse"):
            value = x if direction == "forward" else stage.forward(x.double(), exact).float()
            expected = getattr(stage, direction)(value.double(), exact)
            with reference():
                cells = [ulps(getattr(stage, direction)(value, CAPTURE), expected)]
            worst = 0.0
            for name in names:
                library.isp_use(name.encode())
                output = getattr(Fused(Pipeline(only=stage)), direction)(value, CAPTURE)
                cells.append(ulps(output, expected))
                worst = max(worst, float((output.double() - expected).abs().max()))
            columns = [f"{cells[0]:7.2f}", *(f"{cell:9.2f}" for cell in cells[1:])]
            print(f"{title:<31} {direction:<9} {' '.join(columns)}   {worst:.1e}")


if __name__ == "__main__":
    main()

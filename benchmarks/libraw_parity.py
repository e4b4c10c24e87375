"""PSNR of `presets.libraw()` against LibRaw, away from the border, on every Canon CRW of the camera data.

python benchmarks/libraw_parity.py [--data DIR] [--json FILE]
"""

import argparse
import json
import os
from pathlib import Path

import rawpy
import torch

from isptoolkit import presets, read_raw
from isptoolkit.metrics import psnr

BORDER = 8


def rendered_by_libraw(path: Path) -> torch.Tensor:
    """LibRaw's 16-bit rendering without adjustments, `[1,3,H,W]` in [0, 1]."""
    with rawpy.imread(str(path)) as raw:
        image = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
            use_camera_wb=True,
            no_auto_bright=True,
            output_color=rawpy.ColorSpace.sRGB,
            gamma=(2.4, 12.92),
            adjust_maximum_thr=0,
            user_flip=0,
            output_bps=16,
        )
    return torch.from_numpy(image.astype("float64") / 65535).permute(2, 0, 1)[None]


def agreement(path: Path) -> float:
    """PSNR in decibels between the two renderings, away from the border."""
    sensor, capture = read_raw(path)
    ours = presets.libraw(bits=16)(sensor, capture)
    inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return float(psnr(ours[inner], rendered_by_libraw(path)[inner]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows = {path.name: agreement(path) for path in sorted(arguments.data.rglob("*.CRW"))}
    for name, value in rows.items():
        print(f"{name:<20} {value:6.2f} dB")
    print(f"{'worst of ' + str(len(rows)):<20} {min(rows.values()):6.2f} dB")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()

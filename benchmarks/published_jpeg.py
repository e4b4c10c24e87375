"""InvISP's published JPEG simulator beside files: how far it and its parts are from an encode and decode by Pillow.

    python -m benchmarks.published_jpeg [--data DIR] [--qualities 50,75,90,95] [--photographs 8] [--out FILE.json]

Of the first Kodak photographs, in memory: PSNR over all samples together, after rounding to 8 bits, and the share of
equal samples. `stages.Jpeg` with hard rounding is Pillow's result exactly; the other rows change one part of the
simulator at a time.
"""

import argparse
import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isptoolkit import Capture, Stage, read_image, stages

CAPTURE = Capture.of("RGGB")
METHODS: dict[str, Callable[[float], Stage]] = {
    "as published": stages.DiffJpeg,
    "hard rounding": lambda quality: stages.DiffJpeg(quality, "hard"),
    "luma table not transposed": lambda quality: stages.DiffJpeg(quality, transposed=False),
    "both": lambda quality: stages.DiffJpeg(quality, "hard", transposed=False),
    "stages.Jpeg, fourier": lambda quality: stages.Jpeg(quality, rounding="fourier"),
    "stages.Jpeg, hard": stages.Jpeg,
}


def by_pillow(codes: np.ndarray[Any, Any], quality: int, subsampling: int) -> Tensor:
    """A file and back, as whole numbers `[1,3,H,W]`."""
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return torch.from_numpy(np.array(Image.open(io.BytesIO(file.getvalue())))).permute(2, 0, 1)[None]


@torch.no_grad()
def fidelity(paths: list[Path], quality: int) -> dict[str, dict[str, float]]:
    """Of each method: decibels against 4:2:0 and 4:2:2 files, and the share of samples equal to those of the first."""
    squares = {name: [0.0, 0.0, 0.0] for name in METHODS}
    count = 0
    for path in paths:
        image = read_image(path).float()
        codes = (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        files = [by_pillow(codes, quality, subsampling) for subsampling in (2, 1)]
        count += image.numel()
        for name, method in METHODS.items():
            made = (method(quality)(image, CAPTURE) * 255).round()
            for place, file in enumerate(files):
                squares[name][place] += float((made - file).double().square().sum())
            squares[name][2] += float((made == files[0]).sum())
    return {
        name: {"4:2:0 dB": _decibels(first / count), "4:2:2 dB": _decibels(second / count), "equal": equal / count}
        for name, (first, second, equal) in squares.items()
    }


def _decibels(square: float) -> float:
    return math.inf if square == 0 else 10 * math.log10(255**2 / square)


def main() -> None:
    """Print a table for each quality."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--qualities", default="50,75,90,95")
    parser.add_argument("--photographs", type=int, default=8)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    paths = sorted((arguments.data / "kodak24").glob("*.png"))[: arguments.photographs]
    found = {quality: fidelity(paths, int(quality)) for quality in arguments.qualities.split(",")}
    for quality, rows in found.items():
        print(f"{'quality ' + quality:<30} {'4:2:0 dB':>9} {'4:2:2 dB':>9} {'equal':>8}")
        for name, row in rows.items():
            print(f"{name:<30} {row['4:2:0 dB']:9.2f} {row['4:2:2 dB']:9.2f} {row['equal']:8.2%}")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

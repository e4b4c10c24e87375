"""How fast photographs become RAW, in megapixels per second of one core: beside plain torch, and beside decoding JPEG.

python -m benchmarks.unprocess [--data DIR] [--out FILE.json]
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isptoolkit import Capture
from isptoolkit.io.photograph import read_photograph
from isptoolkit.priors import random_captures
from isptoolkit.unprocess import unprocess


def plain(srgb: Tensor, capture: Capture, generator: torch.Generator) -> Tensor:
    """The published steps, one torch operation after the other."""
    matrix, (shot, read) = capture.srgb_to_camera[0].float(), capture.noise[0].tolist()
    gains = 1 / capture.gains[0].float().view(1, 3, 1, 1)
    x = 0.5 - torch.sin(torch.asin(1 - 2 * srgb.clamp(0, 1)) / 3)
    x = x.clamp(min=1e-8) ** 2.2
    x = torch.einsum("kc,bchw->bkhw", matrix, x)
    mask = ((x.mean(1, keepdim=True) - 0.9).clamp(min=0) / 0.1) ** 2
    x = (x * torch.maximum(mask + (1 - mask) * gains, gains)).clamp(0, 1)
    planes = x[:, 0, ::2, ::2], x[:, 1, ::2, 1::2], x[:, 1, 1::2, ::2], x[:, 2, 1::2, 1::2]
    raw = torch.stack(planes, 1)
    return raw + torch.sqrt(shot * raw + read) * torch.randn(raw.shape, generator=generator)


def fastest(work: Callable[[], object], runs: int = 5) -> float:
    """Seconds of the best of some runs."""
    spent = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--out", type=Path, default=Path("unprocess.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    path = arguments.data / "digicam_corpus" / "srgb-colorchecker" / "Nikon_D90.JPG"
    srgb = read_photograph(path)
    srgb = srgb[..., : srgb.shape[2] // 2 * 2, : srgb.shape[3] // 2 * 2]
    generator = torch.Generator().manual_seed(0)
    capture = random_captures(1, generator)
    silent = capture.replace(noise=None)
    work: dict[str, Callable[[], object]] = {
        "isptoolkit": lambda: unprocess(srgb, generator, capture),
        "isptoolkit, no noise": lambda: unprocess(srgb, generator, silent),
        "plain torch": lambda: plain(srgb, capture, generator),
        "decoding the JPEG": lambda: np.asarray(Image.open(path)),
    }
    with torch.no_grad():
        mine = unprocess(srgb, torch.Generator().manual_seed(1), silent)[0]
        theirs = plain(srgb, capture.replace(noise=torch.zeros(1, 2)), generator)
        apart = float((torch.nn.functional.pixel_unshuffle(mine, 2) - theirs).abs().max())
        found = {name: srgb.shape[2] * srgb.shape[3] / 1e6 / fastest(run) for name, run in work.items()}
    print(f"{srgb.shape[3]} x {srgb.shape[2]}, one thread; both algorithms agree within {apart:.1e}")
    for name, rate in found.items():
        print(f"{name:<22} {rate:6.1f} MP/s  {rate / found['plain torch']:5.2f} of plain torch")
    arguments.out.write_text(json.dumps(found | {"largest difference": apart}, indent=1) + "\n")


if __name__ == "__main__":
    main()

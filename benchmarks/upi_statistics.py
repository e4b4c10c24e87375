"""Compare unprocessed photographs with camera files: levels, gradients, and noise against signal.

    python -m benchmarks.upi_statistics [--data DIR] [--out DIR]

Draws `statistics.png`, and prints the distance between the distributions: the area between the cumulative histograms,
on a scale where 1 is the whole range of the axis. Noise of the unprocessed is what `calibrate noise` finds in single
pictures, beside what was added.
"""

import argparse
import json
import os
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from isptoolkit import read_image, read_raw, stages
from isptoolkit.calibrate.noise import noise_of_picture
from isptoolkit.unprocess import unprocess

LEVELS, GRADIENTS = np.geomspace(1e-4, 1, 80), np.geomspace(1e-4, 1, 80)


def pack_sensor(mosaic: torch.Tensor, capture) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Black 0, white 1: `[4,h,w]`."""
    even = mosaic[..., : mosaic.shape[2] // 2 * 2, : mosaic.shape[3] // 2 * 2]
    return stages.Pack()(stages.Levels()(even.double(), capture), capture)[0].numpy()


def histograms(pictures: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the levels of green, and of its steps from pixel to pixel, over all pictures."""
    levels = np.mean([np.histogram(p[1], LEVELS)[0] / p[1].size for p in pictures], 0)
    steps = [np.abs(np.diff(p[1], axis=-1)) for p in pictures]
    return levels, np.mean([np.histogram(s, GRADIENTS)[0] / s.size for s in steps], 0)


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Area between the cumulative histograms, over bins of equal width."""
    return float(np.abs(np.cumsum(a / a.sum()) - np.cumsum(b / b.sum())).mean())


def main() -> None:
    """Measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/upi"))
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    made, flat, found = [], [], []
    for path in sorted((arguments.data / "kodak24").glob("*.png")):
        photograph = read_image(path)
        _, capture, noisy = unprocess(photograph, generator)
        made.append(pack_sensor(noisy, capture))
        flat.append(pack_sensor(stages.Mosaic()(photograph, capture), capture))  # sRGB taken for RAW
        profile = noise_of_picture(noisy, capture)
        found.append((capture.noise[0].tolist(), (profile.shot, profile.read)))
    files = sorted((arguments.data / "digicam_corpus").glob("canon-powershot-*/*.CRW"))
    real, noise = [], []
    for path in files:
        mosaic, capture = read_raw(path)
        real.append(pack_sensor(mosaic, capture))
        profile = noise_of_picture(mosaic, capture)
        noise.append((profile.shot, profile.read))
    (levels, steps), (levels_made, steps_made), (levels_flat, steps_flat) = map(histograms, (real, made, flat))
    numbers = {
        "levels: unprocessed to RAW": distance(levels_made, levels),
        "levels: sRGB to RAW": distance(levels_flat, levels),
        "gradients: unprocessed to RAW": distance(steps_made, steps),
        "gradients: sRGB to RAW": distance(steps_flat, steps),
        "shot variance found / added, median": float(np.median([f[0] / a[0] for a, f in found])),
        "shot variance of the camera files, median": float(np.median([shot for shot, _ in noise])),
    }
    figure, axes = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    for axis, edges, title, curves in (
        (axes[0], LEVELS, "green, 0 black to 1 white", (levels, levels_made, levels_flat)),
        (axes[1], GRADIENTS, "step to the next green pixel", (steps, steps_made, steps_flat)),
    ):
        for name, curve in zip(("camera RAW", "unprocessed Kodak", "Kodak sRGB"), curves, strict=True):
            axis.plot(np.sqrt(edges[1:] * edges[:-1]), curve / curve.sum(), label=name)
        axis.set(title=title, xscale="log", ylabel="share of pixels")
    axes[0].legend(fontsize=8)
    added, measured = (np.array([pair[side][0] for pair in found]) for side in (0, 1))
    axes[2].plot(added, measured, "o", markersize=4, label="unprocessed Kodak")
    for shot, _ in noise:
        axes[2].axhline(shot, color="C0", linewidth=0.6, label="camera RAW" if shot == noise[0][0] else None)
    axes[2].plot([1e-4, 1.2e-2], [1e-4, 1.2e-2], color="gray", linewidth=0.8)
    axes[2].set(title="shot variance", xlabel="added", ylabel="found in the picture", xscale="log", yscale="log")
    axes[2].legend(fontsize=8)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "statistics.png", dpi=110)
    print(f"{len(made)} photographs, {len(real)} camera files")
    print("\n".join(f"{name:<44} {value:.3g}" for name, value in numbers.items()))
    (arguments.out / "statistics.json").write_text(json.dumps(numbers, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Pictures of `benchmarks.reverse`: RAW as each method finds it, where it is wrong, and a piece of texture.

python -m benchmarks.reverse_pictures [--data DIR] [--runs reverse-benchmark] [--out DIR]
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks.reverse import pairs_of, tests_of
from isptoolkit import Capture
from isptoolkit.bench import pictures
from isptoolkit.learned.raw_network import planes

SAMPLES = {"libraw": 0, "camera": 0, "kodak": 0}
"""Of the six that are kept, the one that is drawn."""
ZOOM = 32


def visible(raw: Tensor, capture: Capture, exposure: float) -> np.ndarray[Any, Any]:
    """Planes as a picture for matplotlib."""
    shown: np.ndarray[Any, Any] = pictures.visible(raw[None], capture, exposure)[0].permute(1, 2, 0).numpy()
    return shown


def detailed(raw: Tensor) -> tuple[int, int]:
    """The corner of the square with the most detail."""
    detail = (raw[1] - torch.nn.functional.avg_pool2d(raw[None, 1:2], 5, 1, 2)[0, 0]).abs()
    energy = torch.nn.functional.avg_pool2d(detail[None, None], ZOOM, 4)[0, 0]
    row, column = divmod(int(energy.argmax()), energy.shape[1])
    return 4 * row, 4 * column


def sheet(kind: str, runs: Path, data: Path, out: Path) -> None:
    """A row for what was there and for every method, best first."""
    with tempfile.TemporaryDirectory() as folder:
        batch = tests_of(pairs_of(kind, data, Path(folder))[1])[SAMPLES[kind]]
    capture, truth = batch.capture[0], planes(batch.sensor, batch.capture)[0].clamp(0, 1)
    rows = {path.parent.name: json.loads(path.read_text()) for path in (runs / kind).glob("*/result.json")}
    names = sorted(rows, key=lambda name: -rows[name]["dB"])
    exposure = 0.9 / float(torch.quantile(truth * capture.gains[0].mean(), 0.99))
    top, left = detailed(truth)
    part = (..., slice(top, top + ZOOM), slice(left, left + ZOOM))
    figure, axes = plt.subplots(len(names) + 1, 3, figsize=(7.2, 2.45 * (len(names) + 1)), layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    axes[0][0].imshow(batch.target[0].permute(1, 2, 0).numpy())
    axes[0][0].set_title("the picture", fontsize=9)
    axes[0][1].imshow(visible(truth, capture, exposure))
    axes[0][1].set_title("its RAW", fontsize=9)
    axes[0][2].imshow(visible(truth[part], capture, exposure))
    axes[0][2].set_title("detail", fontsize=9)
    for row, name in zip(axes[1:], names, strict=True):
        made = load_file(runs / kind / name / "planes.safetensors")["planes"][SAMPLES[kind]]
        row[0].imshow(visible(made, capture, exposure))
        row[0].set_title(f"{name}: {rows[name]['dB']:.1f} dB", fontsize=9)
        row[1].imshow((made - truth).abs().mean(0).numpy(), cmap="magma", vmin=0, vmax=0.03)
        row[1].set_title("error, 0 to 0.03", fontsize=9)
        row[2].imshow(visible(made[part], capture, exposure))
        row[2].set_title("detail", fontsize=9)
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / f"{kind}.jpg", dpi=90, pil_kwargs={"quality": 85})


def main() -> None:
    """Draw all sets that have been run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--runs", type=Path, default=Path("reverse-benchmark"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/reverse"))
    arguments = parser.parse_args()
    for kind in SAMPLES:
        if (arguments.runs / kind).is_dir():
            sheet(kind, arguments.runs, arguments.data, arguments.out)


if __name__ == "__main__":
    main()

"""Draw what `python -m benchmarks.invisp` has trained: learning curves, and a sheet of pictures and error maps.

python -m benchmarks.invisp_pictures [--data DIR] [--runs DIR] [--out DIR]
"""

import argparse
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from benchmarks import invisp as benchmark
from isptoolkit.train.log import steps_of

SHOWN = ("least-squares", "classic", "without", "published", "hard", "hard-8-blocks")
COLUMNS = ("rendered", "error x 8", "RAW back through a JPEG", "error x 40")


def smooth(values: list[float], width: int = 50) -> np.ndarray:
    """A running mean."""
    width = min(width, len(values))
    return np.convolve(values, np.ones(width) / width, "valid")


def curves(runs: Path, out: Path) -> None:
    """Both errors of every training batch against the step."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for path in sorted(runs.glob("*/log.jsonl")):
        lines = list(steps_of(path))
        for axis, name in zip(axes, ("rgb", "raw"), strict=True):
            if name in lines[0]:
                made = smooth([line[name] for line in lines])
                axis.plot(np.arange(len(made)) + len(lines) - len(made), made, label=path.parent.name, linewidth=1)
    for axis, title in zip(axes, ("sRGB", "RAW back through the simulated JPEG"), strict=True):
        axis.set(title=title, xlabel="step", ylabel="mean absolute error, 50 steps", yscale="log")
        axis.grid(alpha=0.3, which="both")
    axes[1].legend(fontsize=7)
    figure.savefig(out / "curves.png", dpi=110)


def ways(name: str, runs: Path, data: Path) -> benchmark.Renders:
    """Of an entrant that is done."""
    if name == "classic":
        return benchmark.classic()
    if name == "least-squares":
        with tempfile.TemporaryDirectory() as folder:
            return benchmark.least_squares(benchmark.folder_of(benchmark.raw_files(data), folder))
    made = benchmark.Objective(benchmark.ENTRANTS[name])
    made.load_state_dict(load_file(runs / name / "weights.safetensors"))
    return benchmark.ways_of(made.pipeline)


def shown(x: Tensor) -> np.ndarray:
    """For matplotlib."""
    return x[0].clamp(0, 1).permute(1, 2, 0).numpy()


def sheet(runs: Path, data: Path, out: Path) -> None:
    """A row for each method on a test file."""
    files = [path for path in benchmark.raw_files(data) if path.name == benchmark.HELD_OUT[1]]
    (case,) = benchmark.cases(files)
    names = [name for name in SHOWN if (runs / name / "result.json").is_file()]
    figure, axes = plt.subplots(
        len(names) + 1, len(COLUMNS), figsize=(10, 2.6 * (len(names) + 1)), layout="constrained", squeeze=False
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, title, picture in zip(
        axes[0][::2], ("LibRaw's sRGB", "RAW, encoded"), (case.target, case.raw), strict=True
    ):
        axis.imshow(shown(picture))
        axis.set_title(title, fontsize=9)
    for row, name in zip(axes[1:], names, strict=True):
        render, back = ways(name, runs, data)
        with torch.no_grad():
            made = render(case).clamp(0, 1)
            again = back(case, benchmark.through_jpeg(made)).clamp(0, 1)
        maps = (made, 8 * (made - case.target).abs(), again, 40 * (again - case.raw).abs())
        for axis, title, picture in zip(row, COLUMNS, maps, strict=True):
            axis.imshow(shown(picture))
            axis.set_title(f"{name}: {title}" if picture is made else title, fontsize=9)
    figure.savefig(out / "sheet.jpg", dpi=100, pil_kwargs={"quality": 85})


def main() -> None:
    """Draw both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--runs", type=Path, default=Path("invisp-benchmark"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/invisp"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    curves(arguments.runs, arguments.out)
    sheet(arguments.runs, arguments.data, arguments.out)


if __name__ == "__main__":
    main()

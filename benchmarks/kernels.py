"""Benchmark the native kernels against peers and the roofline, from 64 x 64 to 48 megapixels, in interleaved runs.

    python -m benchmarks.kernels [--sizes 64x64,1,12] [--batch 16] [--threads 1,2] [--device cuda] [--out DIR]

Writes a table, results.json and a plot to DIR. Times are medians in milliseconds; compare only times from the same run.
Peers: eager torch, torch.compile, kornia, OpenCV, colour-demosaicing, LibRaw through rawpy. Peers that are not
installed are skipped; `pip install -c constraints.txt ".[bench]"` installs them. A peer that takes more than
`--patience` seconds per run is skipped at larger sizes.
"""

import argparse
import json
import os
import platform
import statistics
import time
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from isptoolkit import Capture, Fused, fuse, presets
from isptoolkit.kernels.launch import run as launch

from .kernel_entrants import TASKS, Entrants, Frame, describe_versions
from .kernel_report import Row, bandwidths, draw, targets, text_table

SIZES = ("64x64", "256x256", "0.25", "1", "4", "12", "24", "48")


def size_of(text: str) -> tuple[int, int]:
    """Height and width of `HEIGHTxWIDTH`, or of megapixels at an aspect ratio of 3:4, multiples of 16."""
    if "x" in text:
        height, _, width = text.partition("x")
        return int(height), int(width)
    pixels = float(text) * 1e6
    rows = round((pixels * 3 / 4) ** 0.5 / 16) * 16
    return rows, round(pixels / rows / 16) * 16


def interleaved(entrants: Entrants, wait: Callable[[], None], seconds: float, patience: float) -> dict[str, float]:
    """The median time of each entrant in milliseconds, run in turns until each has had `seconds`."""
    times: dict[str, list[float]] = {name: [] for name in entrants}
    slow: set[str] = set()
    for name, entrant in entrants.items():
        begin = time.perf_counter()
        entrant.run()  # warms up, compiles
        second = time.perf_counter()
        entrant.run()
        wait()
        last = time.perf_counter() - second
        times[name].append(last)
        if last > patience or second - begin > 20 * patience:
            slow.add(name)
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds * len(entrants):
        for name, entrant in entrants.items():
            if name in slow or (sum(times[name]) > seconds and len(times[name]) > 2):
                continue
            wait()
            start = time.perf_counter()
            entrant.run()
            wait()
            times[name].append(time.perf_counter() - start)
        if all(name in slow or (sum(t) > seconds and len(t) > 2) for name, t in times.items()):
            break
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def overhead() -> list[Row]:
    """The median time of a call of the fused `classic` at 64 x 64 on one thread, and of its kernel alone."""
    pipeline = fuse(presets.classic(), demosaic=True)
    stage = pipeline[pipeline.names[0]]
    assert isinstance(stage, Fused)
    capture = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.6))
    x, out = 64 + 900 * torch.rand(1, 1, 64, 64), torch.empty(1, 3, 64, 64)
    torch.set_num_threads(1)
    rows = []
    with torch.no_grad():
        plan = stage._plan(x, capture)
        assert plan is not None
        arguments = plan.coefficients, plan.before, plan.after, plan.channels, plan.method, out
        y = stage(x, capture)
        for name, run in {
            "isptoolkit": lambda: stage(x, capture),
            "isptoolkit, inverse": lambda: stage.inverse(y, capture),
            "isptoolkit, out=": lambda: stage.render(x, capture, out=out),
            "kernel alone": lambda: launch(x, *arguments),
        }.items():
            taken = 1e3 * statistics.median(timeit.repeat(run, number=10, repeat=200)) / 10
            rows.append({"task": "overhead", "name": name, "size": "64x64", "batch": 1, "threads": 1, "ms": taken})
    return rows


def machine(device: torch.device) -> dict[str, Any]:
    """The hardware and the versions that the results were measured with."""
    name = platform.processor()
    cpus = Path("/proc/cpuinfo")
    if cpus.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in cpus.read_text().splitlines() if line.startswith("model name")
        ]
        name = names[0] if names else name
    description = {"cpu": name, "cores": os.cpu_count(), "torch": torch.__version__, **describe_versions()}
    return description | ({"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {})


def main() -> None:
    """Run the benchmark, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=",".join(SIZES), help="HEIGHTxWIDTH or megapixels")
    parser.add_argument("--batch", type=int, default=16, help="images of a batch, at sizes below a megapixel")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=1.0, help="per entrant and size")
    parser.add_argument("--patience", type=float, default=6.0, help="largest number of seconds per run")
    parser.add_argument("--out", type=Path, default=Path("kernel-benchmark"))
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    rows: list[Row] = overhead() if device.type == "cpu" else []
    frames = [(size, 1, *size_of(size)) for size in arguments.sizes.split(",")]
    frames += [(size, arguments.batch, *pixels) for size, _, *pixels in frames if pixels[0] * pixels[1] < 1e6]
    for threads in (int(count) for count in arguments.threads.split(",")):
        torch.set_num_threads(threads)
        too_slow: set[tuple[str, str]] = set()
        for size, batch, height, width in frames:
            for task in arguments.tasks.split(","):
                entrants = TASKS[task](Frame(batch, height, width, device), threads)
                entrants = {name: entrant for name, entrant in entrants.items() if (task, name) not in too_slow}
                place = {"task": task, "size": size, "batch": batch, "threads": threads}
                fresh = []
                for name, taken in interleaved(entrants, wait, arguments.seconds, arguments.patience).items():
                    fresh.append(place | {"name": name, "ms": taken, "bytes": entrants[name].moved})
                    if taken * 2 > 1e3 * arguments.patience:
                        too_slow.add((task, name))
                entrants.clear()
                rows += fresh
                print(text_table(fresh, bandwidths(rows)), flush=True)
    result = {"machine": machine(device), "rows": rows, "targets": targets(rows)}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(result, indent=1) + "\n")
    report = "\n\n".join(
        [
            text_table(rows, bandwidths(rows)),
            "\n".join(f"{t['met']:<7} {t['what']}: {t['found']} (target {t['target']})" for t in result["targets"]),
        ]
    )
    (arguments.out / "table.txt").write_text(report + "\n")
    draw(rows, arguments.out / "kernels.png")
    print(report)


if __name__ == "__main__":
    main()

"""Time and memory of InvISP's network: a training step with and without recomputed activations, and the inverse.

    python -m benchmarks.flow [--out FILE.json]

Every case runs in its own process, whose peak resident memory is compared with that before the work.
"""

import argparse
import json
import multiprocessing
import resource
import time
from pathlib import Path

import torch

from isptoolkit import Capture
from isptoolkit.recipes import invisp
from isptoolkit.tiles import Tiled

CAPTURE = Capture.of("RGGB")
CASES = {
    "step, 3 blocks, stored": ("step", 3, False),
    "step, 3 blocks, recomputed": ("step", 3, True),
    "step, 8 blocks, recomputed": ("step", 8, True),  # stored, it would not fit in 24 GB
    "inverse, 8 blocks, 1 MP": ("inverse", 8, 1),
    "inverse, 8 blocks, 12 MP": ("inverse", 8, 12),
}


def step(blocks: int, recompute: bool) -> float:
    """Seconds of a training step on a batch of 4 patches of 256x256, including the JPEG."""
    torch.manual_seed(0)
    chain = invisp.build(invisp.Config(blocks=blocks, recompute=recompute))
    optimizer = torch.optim.Adam(chain["render"].parameters(), 1e-4)
    raw = torch.rand(4, 3, 256, 256)
    start = time.perf_counter()
    invisp.objective(chain, raw, raw, Capture.collate([CAPTURE] * 4))[0].backward()
    optimizer.step()
    return time.perf_counter() - start


def inverse(blocks: int, megapixels: int) -> float:
    """Seconds to recover RAW from an sRGB image, in tiles."""
    torch.manual_seed(0)
    stage = Tiled(invisp.InvISP(blocks).eval())
    height, width = {1: (1000, 1000), 12: (3000, 4000)}[megapixels]
    y = torch.rand(1, 3, height, width)
    start = time.perf_counter()
    with torch.no_grad():
        stage.inverse(y, CAPTURE)
    return time.perf_counter() - start


def measured(name: str, results: "multiprocessing.Queue[dict[str, float]]") -> None:
    """Run one case in its own process."""
    kind, blocks, other = CASES[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = step(blocks, other) if kind == "step" else inverse(blocks, other)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results.put({"seconds": seconds, "more MB": (after - before) / 1024, "peak MB": after / 1024})


def main() -> None:
    """Run all cases, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("flow.json"))
    arguments = parser.parse_args()
    context, rows = multiprocessing.get_context("spawn"), {}
    print(f"{torch.get_num_threads()} threads\n{'':<32} {'seconds':>8} {'more MB':>8} {'peak MB':>8}")
    for name in CASES:
        results = context.Queue()
        process = context.Process(target=measured, args=(name, results))
        process.start()
        rows[name] = results.get()
        process.join()
        row = rows[name]
        print(f"{name:<32} {row['seconds']:8.1f} {row['more MB']:8.0f} {row['peak MB']:8.0f}", flush=True)
    arguments.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()

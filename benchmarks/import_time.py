"""Time of `import isptoolkit` beyond `import torch`, each in fresh interpreters: medians in seconds.

python benchmarks/import_time.py [--runs N] [--json FILE]
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

LIMIT = 1.5
CLOCK = "import time; start = time.perf_counter(); import torch; torch_s = time.perf_counter() - start; {}"
AFTER = "start = time.perf_counter(); import isptoolkit; print(torch_s, time.perf_counter() - start)"


def once() -> tuple[float, float]:
    """Seconds to import torch, and then to import isptoolkit, in a new process."""
    done = subprocess.run([sys.executable, "-c", CLOCK.format(AFTER)], check=True, capture_output=True, text=True)
    torch_seconds, own_seconds = map(float, done.stdout.split())
    return torch_seconds, own_seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    arguments = parser.parse_args()
    once()  # compiles the byte code and warms the file cache
    runs = [once() for _ in range(arguments.runs)]
    torch_seconds, own_seconds = (statistics.median(column) for column in zip(*runs, strict=True))
    print(f"import torch       {torch_seconds:.2f} s (median of {len(runs)})")
    print(f"import isptoolkit  {own_seconds:.2f} s more (at most {max(run[1] for run in runs):.2f} s; limit {LIMIT} s)")
    if arguments.json:
        figures = {"torch_seconds": torch_seconds, "isptoolkit_seconds": own_seconds, "runs": len(runs)}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if own_seconds < LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main())

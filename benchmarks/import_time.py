"""Start-up times: CPU seconds of imports and short commands, each in fresh interpreters; medians.

python benchmarks/import_time.py [--runs N] [--json FILE]

CPU time is that of the whole process, the interpreter's own start included. Exit status 1 if a limit is exceeded:
`import isptoolkit` takes at most 0.1 s more than `import torch`, and a command that needs no torch at most 0.4 s.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

MORE_THAN_TORCH, COMMAND = 0.1, 0.4
"""Limits in CPU seconds."""
TORCH, PACKAGE = "import torch", "import isptoolkit"
STATEMENTS = (TORCH, PACKAGE, "from isptoolkit import *")
COMMANDS = ("--version", "--help", "render --help", "render nothing.dng -o out.png", "render --hlep")


def cpu_seconds(arguments: list[str]) -> float:
    """CPU seconds, user and system, of a Python process with these arguments."""
    before = os.times()
    subprocess.run([sys.executable, *arguments], check=False, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="also write the figures there")
    options = parser.parse_args()
    processes = {statement: ["-c", statement] for statement in STATEMENTS}
    processes |= {f"isptoolkit {command}": ["-m", "isptoolkit.cli", *command.split()] for command in COMMANDS}
    for arguments in processes.values():
        cpu_seconds(arguments)  # compiles byte code and warms the file cache
    times: dict[str, list[float]] = {name: [] for name in processes}
    for _ in range(options.runs):
        for name, arguments in processes.items():
            times[name].append(cpu_seconds(arguments))
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    limits = {f"isptoolkit {command}": COMMAND for command in COMMANDS} | {PACKAGE: medians[TORCH] + MORE_THAN_TORCH}
    for name, seconds in times.items():
        limit = f", limit {limits[name]:.2f} s" if name in limits else ""
        print(f"{name:<42} {medians[name]:5.2f} s  ({min(seconds):.2f} to {max(seconds):.2f}{limit})")
    if options.json:
        options.json.write_text(json.dumps({"cpu_seconds": medians, "runs": options.runs}, indent=2) + "\n")
    return int(any(medians[name] > limit for name, limit in limits.items()))


if __name__ == "__main__":
    raise SystemExit(main())

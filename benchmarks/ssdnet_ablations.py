"""What the parts of SSDNet give: its branch, its interactions, its soft supervision; three seeds each.

    python -m benchmarks.ssdnet_ablations [--data DIR] [--steps 450] [--seeds 3] [--set kodak] [--out DIR]

The pairs of `benchmarks.reverse`, a network an eighth as wide as the published one, as many steps for all. Seeds are of
weights and of data, and the same for all, so that differences to the reference are taken seed by seed.
"""

import argparse
import json
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from isptoolkit.recipes import ssdnet

from benchmarks.reverse import pairs_of, scored, tests_of, training
from isptoolkit.data import Batch
from isptoolkit.train import Training, train
from isptoolkit.train.loop import Source

TINY = ssdnet.Config(width=8, blocks=(1, 1, 1), middle=1, last=1, refinement=1)
BARE = replace(TINY, channel_interaction=False, spatial_interaction=False)


@dataclass(frozen=True)
class Variant:
    """A configuration, what it is compared with, and what the paper reports for the difference on the S7, in dB."""

    config: ssdnet.Config
    against: str | None = None
    paper: float | None = None


VARIANTS = {
    "no branch": Variant(replace(BARE, kernel=0)),
    "branch alone": Variant(BARE, "no branch", 33.89 - 33.53),
    "channel interaction": Variant(replace(BARE, channel_interaction=True), "branch alone", 34.03 - 33.89),
    "spatial interaction": Variant(replace(BARE, spatial_interaction=True), "branch alone", 34.18 - 33.89),
    "both": Variant(TINY, "branch alone", 34.23 - 33.89),
    "both with kernel 3": Variant(replace(TINY, kernel=3), "both", 34.14 - 34.23),
    "simplified feed-forward": Variant(replace(TINY, expansion=0.0), "both"),
    "variance branch": Variant(replace(TINY, supervision="branch"), "both"),
    "variance branch of weight 1": Variant(replace(TINY, supervision="testing", weight=1.0), "both"),
    "training-resampling": Variant(replace(TINY, supervision="training"), "both", 34.45 - 34.23),
    "detached training-resampling": Variant(replace(TINY, supervision="training-detached"), "both"),
}
DRAWN = "testing-resampling"
"""The weights of the variance branch of weight 1, 50 draws averaged: no training of its own."""


def table(found: dict[str, list[float]]) -> str:
    """Means and spreads, and differences seed by seed."""
    lines = [f"{'':<32} {'dB':>6} {'+-':>5}  {'difference':>10} {'+-':>5} {'paper':>6}  against"]
    against = {name: (variant.against, variant.paper) for name, variant in VARIANTS.items()}
    against[DRAWN] = ("both", 34.94 - 34.23)
    for name, (other, paper) in against.items():
        if name not in found:
            continue
        scores = np.array(found[name])
        line = f"{name:<32} {scores.mean():6.2f} {scores.std(ddof=1) if len(scores) > 1 else 0:5.2f}"
        if other in found:
            gains = scores - np.array(found[other])
            told = "" if paper is None else f"{paper:+6.2f}"
            line += f"  {gains.mean():+10.2f} {gains.std(ddof=1) if len(gains) > 1 else 0:5.2f} {told:>6}  {other}"
        lines.append(line)
    return "\n".join(lines)


def compete(name: str, source: Source, tests: list[Batch], how: Training, run: Path) -> dict[str, float]:
    """Train, and score what comes of it."""
    config = VARIANTS[name].config
    net: Any = train(lambda: ssdnet.Objective(config), source, how, run)
    net = net.net.eval()
    made = {name: scored(tests, lambda batch: net.softened(batch.target)[0])[0]["dB"]}
    if config.supervision == "testing":
        made[DRAWN] = scored(tests, lambda batch: net(batch.target))[0]["dB"]
    return made


def main() -> None:
    """Train, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", default="kodak")
    parser.add_argument("--only", default=",".join(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path("ssdnet-ablations"))
    arguments = parser.parse_args()
    runs = arguments.out / "runs"
    with tempfile.TemporaryDirectory() as folder:
        source, held = pairs_of(arguments.set, arguments.data, Path(folder))
        tests = tests_of(held)
        for seed in range(arguments.seeds):
            for name in arguments.only.split(","):
                run = runs / f"{name.replace(' ', '-')}-{seed}"
                if (run / "result.json").is_file():
                    continue
                made = compete(name, source, tests, replace(training(arguments.steps, 2e-3), seed=seed), run)
                (run / "result.json").write_text(json.dumps(made) + "\n")
                print(seed, made, flush=True)
    found: dict[str, list[float]] = {}
    for seed in range(arguments.seeds):
        for path in sorted(runs.glob(f"*-{seed}/result.json")):
            for name, score in json.loads(path.read_text()).items():
                found.setdefault(name, []).append(score)
    (arguments.out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    text = table(found)
    (arguments.out / "table.txt").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

"""Ablations of SSDNet: its branch, its interactions, its soft supervision; three seeds each.

    python -m benchmarks.ssdnet_ablations [--protocol micro] [--data DIR] [--steps 450] [--seeds 0,1,2] [--out DIR]

Data, training and scoring are those of `isptoolkit bench PROTOCOL`: a network a sixth as wide as the published one, as
many steps for all. Seeds are of weights and of data, and the same for all, so that differences to the reference are
taken seed by seed. The figures in `benchmarks/results/ssdnet_ablations` were measured by an earlier script, on
photographs unprocessed by one camera.
"""

import argparse
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.data.case import Pairs
from isptoolkit.bench.data.pairs import pairs_of
from isptoolkit.bench.job import Job, settings_of
from isptoolkit.bench.methods.entrant import Entrant, Predictor
from isptoolkit.bench.scoring import score
from isptoolkit.recipes import ssdnet
from isptoolkit.train import train

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


def entrant_of(config: ssdnet.Config) -> Entrant:
    """What the benchmark would train, without a name there."""
    return Entrant("a variant of SSDNet", predictor_of, lambda: ssdnet.Objective(config), lr=2e-3)


def predictor_of(objective: Any) -> Predictor:
    """RAW without drawing from the variance branch."""
    return Predictor(lambda picture, capture: objective.stage.net.softened(picture)[0], module=objective)


def decibels(predictor: Predictor, data: Pairs, protocol: str) -> float:
    """Mean RAW PSNR over the cases."""
    return float(np.mean([score(predictor, case, PROTOCOLS[protocol])[0]["raw PSNR"] for case in data.cases]))


def compete(name: str, job: Job, data: Pairs, run: Path) -> dict[str, float]:
    """Train, and score what comes of it."""
    config = VARIANTS[name].config
    entrant = entrant_of(config)
    objective: Any = train(lambda: ssdnet.Objective(config), data.train, settings_of(job, entrant), run)
    objective = objective.eval()
    made = {name: decibels(entrant.predictor(objective), data, job.protocol)}
    if config.supervision == "testing":
        drawn = Predictor(lambda picture, capture: objective.stage.net(picture), module=objective)
        made[DRAWN] = decibels(drawn, data, job.protocol)
    return made


def main() -> None:
    """Train, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--protocol", default="micro")
    parser.add_argument("--data", type=Path, help="folder of the protocol's data, where it needs one")
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", default=",".join(VARIANTS))
    parser.add_argument("--out", type=Path, default=Path("ssdnet-ablations"))
    arguments = parser.parse_args()
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as decoded:
        data = pairs_of(arguments.protocol, arguments.data, "libraw-fixed", Path(decoded))
        job = Job(arguments.protocol, "", arguments.data, "libraw-fixed", arguments.steps, 0, "cpu", 0)
        for seed in arguments.seeds.split(","):
            for name in arguments.only.split(","):
                run = arguments.out / "runs" / f"{name.replace(' ', '-')}-{seed}"
                if not (run / "result.json").is_file():
                    made = compete(name, replace(job, seed=int(seed)), data, run)
                    (run / "result.json").write_text(json.dumps(made) + "\n")
                    print(seed, made, flush=True)
                for one, value in json.loads((run / "result.json").read_text()).items():
                    found.setdefault(one, []).append(value)
    (arguments.out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    text = table(found)
    (arguments.out / "table.txt").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

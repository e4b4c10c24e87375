"""RAW out of a finished picture: SSDNet, RST-ISP-Net, the AIM 2022 U-Net, 0noise, InvISP backwards, baselines.

    python -m benchmarks.reverse [--data DIR] [--minutes 10] [--sets libraw,camera,kodak] [--only NAME,NAME] [--out DIR]

Three sets of pairs: Canon S40 and G2 files with LibRaw's renderings (`libraw`) and with the pictures that the cameras
left in them (`camera`), one file of each camera held out for the test; Kodak photographs unprocessed by one camera
(`kodak`), the last four for the test. PSNR and SSIM are of the four planes, 0 to 1, on patches of 256 pixels. Every
network has as many steps as it does in so many minutes of CPU time, and the same patches. Only `classic()` and InvISP
know the gains of a capture, and `classic()` its matrix. Entrants that are done in the folder are not trained again.
"""

import argparse
import functools
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import kornia
import numpy as np
import torch
from isptoolkit.recipes import aim_unet, invisp, rst_isp_net, ssdnet, upi, zero_noise
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.invisp import HELD_OUT, raw_files
from isptoolkit import Capture, presets
from isptoolkit.bench.least_squares import fitted
from isptoolkit.data import Batch, PhotoFolder, RawFolder
from isptoolkit.learned.raw_network import planes
from isptoolkit.priors import random_captures
from isptoolkit.round_trip import psnr
from isptoolkit.train import Training, train
from isptoolkit.train.loop import Source

PATCH, BATCH, TEST_PATCH, TEST_BATCHES = 64, 4, 256, 6
Back = Callable[[Batch], Tensor]
"""From the pictures of a batch to planes of RAW."""


@dataclass(frozen=True)
class Entrant:
    """What is trained, and how RAW comes out of it."""

    objective: Callable[[], Any]
    back: Callable[[Any], Back]
    rate: float = 1e-3


def _by_net(objective: Any) -> Back:
    net = objective.net.eval()
    return lambda batch: net(batch.target)


def _by_flow(objective: Any) -> Back:
    chain = objective.pipeline.span("levels", "render").eval()
    return lambda batch: planes(chain.inverse(batch.target, batch.capture), batch.capture)


ENTRANTS = {
    "ssdnet": Entrant(lambda: ssdnet.Objective(ssdnet.SMALL), _by_net),
    "rst": Entrant(lambda: rst_isp_net.Objective(rst_isp_net.SMALL), _by_net),
    "rst-published-loss": Entrant(lambda: rst_isp_net.Objective(rst_isp_net.PUBLISHED_SMALL), _by_net),
    "rst-lean": Entrant(lambda: rst_isp_net.Objective(rst_isp_net.LEAN), _by_net),
    "u-net": Entrant(lambda: aim_unet.Objective(aim_unet.SMALL), _by_net),
    "zero-noise": Entrant(lambda: zero_noise.Objective(zero_noise.SMALL), _by_net),
    "invisp": Entrant(lambda: invisp.Objective(invisp.Config(blocks=3, growth=16)), _by_flow, 2e-3),
}
BASELINES = ("least-squares", "classic")


class UnprocessedPairs:
    """Photographs, and the RAW of one camera without noise that they could have been made of."""

    def __init__(self, folder: Path) -> None:
        self.photographs = PhotoFolder(folder)
        self.capture = random_captures(1, torch.Generator().manual_seed(0)).replace(noise=None)

    def batch(self, number: int, size: int, patch: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> Batch:
        """See `RawFolder.batch`."""
        target, _ = self.photographs.patches(number, size, patch, seed=seed, rank=rank, world=world)
        captures = Capture.collate([self.capture] * len(target))
        return Batch(upi.unprocess(target, torch.Generator(), captures)[0], captures, target)


def pairs_of(kind: str, data: Path, folder: Path) -> tuple[Source, Source]:
    """Pairs to train on, and to test on."""
    files = sorted((data / "kodak24").glob("*.png")) if kind == "kodak" else raw_files(data)
    held = [path.name for path in files[-4:]] if kind == "kodak" else HELD_OUT
    for path in files:
        part = folder / kind / ("test" if path.name in held else "train")
        part.mkdir(parents=True, exist_ok=True)
        (part / path.name).symlink_to(path.resolve())
    both = (folder / kind / "train", folder / kind / "test")
    if kind == "kodak":
        return UnprocessedPairs(both[0]), UnprocessedPairs(both[1])
    return RawFolder(both[0], target=kind, mixed=True), RawFolder(both[1], target=kind, mixed=True)


def tests_of(source: Source) -> list[Batch]:
    """The same patches for all."""
    return [source.batch(number, 4, TEST_PATCH, seed=1, rank=0, world=1) for number in range(TEST_BATCHES)]


def scored(tests: list[Batch], back: Back) -> tuple[dict[str, float], Tensor]:
    """Mean PSNR and SSIM of the planes, and the planes of the first sample of each batch."""
    decibels, similarities, shown = [], [], []
    with torch.no_grad():
        for batch in tests:
            made, wanted = back(batch).clamp(0, 1), planes(batch.sensor, batch.capture).clamp(0, 1)
            decibels += [psnr(x, y) for x, y in zip(made, wanted, strict=True)]
            similarities += kornia.metrics.ssim(made, wanted, 11).mean((1, 2, 3)).tolist()
            shown.append(made[0])
    return {"dB": float(np.mean(decibels)), "SSIM": float(np.mean(similarities))}, torch.stack(shown)


def steps_in(minutes: float, make: Callable[[], nn.Module], source: Source) -> int:
    """By the CPU time of a few of them."""
    spent: list[float] = []
    started = [time.process_time()]

    def on_step(step: int, figures: dict[str, float]) -> None:
        spent.append(time.process_time() - started[0])
        started[0] += spent[-1]

    with tempfile.TemporaryDirectory() as folder:
        train(make, source, replace(training(9, 1e-9), keep_every=9), Path(folder), on_step=on_step)
    return int(60 * minutes / float(np.median(spent)))


def training(steps: int, rate: float) -> Training:
    """How all are trained."""
    return Training(
        steps=steps, batch=BATCH, patch=PATCH, rate=rate, optimizer="adamw", clip=1.0, schedule="cosine", keep_every=50
    )


def least_squares(source: Source) -> Back:
    """For each site, a polynomial of degree 3 of the pixel that lies there."""
    cubic = fitted(source, patch=128)
    return lambda batch: cubic(batch.target, batch.capture)


def classic(batch: Batch) -> Tensor:
    """The inverse of `classic()`."""
    return planes(presets.classic().span("levels", "tone").inverse(batch.target, batch.capture), batch.capture)


def report(out: Path) -> str:
    """The tables of all that is done, best last."""
    lines, found = [], {}
    for kind in sorted(path.name for path in out.iterdir() if path.is_dir()):
        rows = {path.parent.name: json.loads(path.read_text()) for path in sorted((out / kind).glob("*/result.json"))}
        found[kind] = rows
        lines.append(f"{kind:<18} {'dB':>6} {'SSIM':>7} {'steps':>6} {'CPU s':>6} {'parameters':>11}")
        for name, row in sorted(rows.items(), key=lambda item: item[1]["dB"]):
            spent = f"{row['steps']:6d} {row['CPU s']:6.0f} {row['parameters']:11,d}" if "steps" in row else ""
            lines.append(f"{name:<18} {row['dB']:6.2f} {row['SSIM']:7.4f} {spent}".rstrip())
        lines.append("")
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "table.txt").write_text("\n".join(lines).strip() + "\n")
    return "\n".join(lines).strip()


def compete(entrant: Entrant, source: Source, minutes: float, run: Path) -> tuple[dict[str, float], Back]:
    """Train, and tell how long that took."""
    steps = steps_in(minutes, entrant.objective, source)
    start = time.process_time()
    made = train(entrant.objective, source, training(steps, entrant.rate), run)
    count = sum(value.numel() for value in made.parameters())
    return {"steps": steps, "CPU s": time.process_time() - start, "parameters": count}, entrant.back(made)


def main() -> None:
    """Train, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, help="instead of the entrants' own")
    parser.add_argument("--sets", default="libraw,camera,kodak")
    parser.add_argument("--only", default=",".join((*BASELINES, *ENTRANTS)))
    parser.add_argument("--out", type=Path, default=Path("reverse-benchmark"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.sets.split(","):
            source, held = pairs_of(kind, arguments.data, Path(folder))
            tests = tests_of(held)
            baselines = {"least-squares": functools.partial(least_squares, source), "classic": lambda: classic}
            for name in arguments.only.split(","):
                run = arguments.out / kind / name
                if (run / "result.json").is_file():
                    continue
                about: dict[str, float] = {}
                if name in baselines:
                    back = baselines[name]()
                else:
                    entrant = ENTRANTS[name]
                    chosen = entrant if arguments.rate is None else replace(entrant, rate=arguments.rate)
                    about, back = compete(chosen, source, arguments.minutes, run)
                scores, shown = scored(tests, back)
                run.mkdir(parents=True, exist_ok=True)
                save_file({"planes": shown.contiguous()}, run / "planes.safetensors")
                (run / "result.json").write_text(json.dumps(scores | about) + "\n")
                print(kind, name, scores | about, flush=True)
    print(report(arguments.out))


if __name__ == "__main__":
    main()

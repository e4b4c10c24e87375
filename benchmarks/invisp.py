"""How well RAW comes back through a real JPEG: InvISP by rounding surrogate, and baselines, on held-out camera files.

    python -m benchmarks.invisp [--data DIR] [--minutes 10] [--only NAME,NAME] [--out DIR]

Trains on the CRW files of the Canon S40 and G2 but one of each, which are for the test, with LibRaw's renderings as
targets. RAW is white-balanced, gamma-encoded camera RGB, bilinearly demosaiced, as in the paper; the JPEG of the test
is Pillow's, quality 90, 4:2:0. Every network has as many steps as its kind does in so many minutes of CPU time, and the
same seed and data. Networks of this size and budget are not the paper's. Entrants that are done in the folder are not
trained again.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from isptoolkit.recipes import invisp
from torch import Tensor, nn

from benchmarks.published_jpeg import PublishedJpeg
from isptoolkit import Capture, Pipeline, presets, read_raw, stages
from isptoolkit.bench.least_squares import features
from isptoolkit.bench.scoring import through_file
from isptoolkit.data import Batch, RawFolder
from isptoolkit.io.raw import render_by_libraw
from isptoolkit.round_trip import psnr
from isptoolkit.train import Training, train

HELD_OUT = ("CRW_0118.CRW", "CRW_0305.CRW")
CROP = 512
SMALL = {"blocks": 3, "growth": 16, "start": "identity"}


@dataclass(frozen=True)
class Entrant:
    """A network and what it is trained through; no JPEG at all where that is None."""

    config: invisp.Config
    jpeg: Callable[[invisp.Config], nn.Module] | None = lambda c: stages.Jpeg(c.quality, c.subsampling, c.rounding)


def _by_slope(slope: str) -> Entrant:
    return Entrant(invisp.Config(**SMALL), lambda c: stages.Jpeg(c.quality, c.subsampling, "hard", slope=slope))


ENTRANTS = {
    "without": Entrant(invisp.Config(**SMALL), None),
    "published": Entrant(invisp.Config(**SMALL), lambda c: PublishedJpeg(c.quality)),
    "fourier": Entrant(invisp.Config(**SMALL, rounding="fourier")),
    "lanczos": Entrant(invisp.Config(**SMALL, rounding="lanczos")),
    "fejer": Entrant(invisp.Config(**SMALL, rounding="fejer")),
    "cubic": Entrant(invisp.Config(**SMALL, rounding="cubic")),
    "straight-through": Entrant(invisp.Config(**SMALL, rounding="straight-through")),
    "noise": Entrant(invisp.Config(**SMALL, rounding="noise")),
    "hard": _by_slope("straight-through"),
    "hard-fejer": _by_slope("fejer"),
    "hard-8-blocks": Entrant(invisp.Config(blocks=8, growth=16, rounding="hard", start="identity")),
    "fourier-published-start": Entrant(invisp.Config(**{**SMALL, "start": "published"}, rounding="fourier")),
}


@dataclass(frozen=True)
class Case:
    """A test picture: encoded RAW, LibRaw's sRGB, and what both were made of."""

    name: str
    sensor: Tensor
    capture: Capture
    raw: Tensor
    target: Tensor


def through_jpeg(picture: Tensor) -> Tensor:
    """A real file."""
    return through_file(picture, 90, 2)


def encoded(sensor: Tensor, capture: Capture) -> Tensor:
    """What the flow takes."""
    return invisp.build(invisp.Config(blocks=1, growth=1)).span("levels", "gamma")(sensor, capture)


def raw_files(data: Path) -> list[Path]:
    """The CRW files of both cameras."""
    folders = [data / "digicam_corpus" / f"canon-powershot-{camera}" for camera in ("s40", "g2")]
    return [path for folder in folders for path in sorted(folder.glob("*.CRW"))]


def cases(paths: list[Path]) -> list[Case]:
    """The middle of every test file."""
    made = []
    for path in paths:
        sensor, capture = read_raw(path)
        top, left = ((n - CROP) // 2 // 2 * 2 for n in sensor.shape[2:])
        part = (..., slice(top, top + CROP), slice(left, left + CROP))
        target = render_by_libraw(path)[part].float() / 255
        with torch.no_grad():
            made.append(Case(path.name, sensor[part], capture, encoded(sensor, capture)[part], target))
    return made


Renders = tuple[Callable[[Case], Tensor], Callable[[Case, Tensor], Tensor]]
"""A way there, and one back from a decoded JPEG."""


def scored(tests: list[Case], ways: Renders) -> dict[str, float]:
    """Mean PSNR of the picture, and of RAW after a real JPEG of it."""
    render, back = ways
    rgb, raw = [], []
    with torch.no_grad():
        for case in tests:
            picture = render(case).clamp(0, 1)
            rgb.append(psnr(picture, case.target))
            raw.append(psnr(back(case, through_jpeg(picture)).clamp(0, 1), case.raw.clamp(0, 1)))
    return {"sRGB dB": float(np.mean(rgb)), "RAW dB": float(np.mean(raw))}


class Objective(nn.Module):
    """The recipe's, through the JPEG of an entrant, or without the way back."""

    def __init__(self, entrant: Entrant) -> None:
        super().__init__()
        self.entrant = entrant
        chain = invisp.build(entrant.config)
        self.pipeline = chain.swap("jpeg", entrant.jpeg(entrant.config)) if entrant.jpeg else chain

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss."""
        with torch.no_grad():
            raw = self.pipeline.span("levels", "gamma")(batch.sensor, batch.capture)
        if self.entrant.jpeg is None:
            return (self.pipeline["render"](raw, batch.capture) - batch.target).abs().mean(), {}
        return invisp.objective(self.pipeline, raw, batch.target, batch.capture)


def ways_of(pipeline: Pipeline) -> Renders:
    """Of a flow."""
    stage = pipeline["render"].eval()
    return lambda c: stage(c.raw, c.capture), lambda c, y: stage.inverse(y, c.capture)


def training(steps: int) -> Training:
    """How all are trained."""
    return Training(steps=steps, batch=4, patch=64, rate=2e-3, schedule="cosine", keep_every=steps)


def steps_in(minutes: float, entrant: Entrant, source: RawFolder) -> int:
    """By the CPU time of a few of them."""
    plain = Objective(entrant)
    optimizer = torch.optim.Adam(plain.parameters(), 1e-9)
    spent = []
    for number in range(7):
        start = time.process_time()
        plain(source.batch(number, 4, 64))[0].backward()
        optimizer.step()
        spent.append(time.process_time() - start)
    return int(60 * minutes / float(np.median(spent)))


def least_squares(source: RawFolder) -> Renders:
    """A polynomial of degree 3 there, another one back, fitted to the same pixels."""
    parts = [source.batch(number, 4, 128) for number in range(60)]
    raw = torch.cat([encoded(part.sensor, part.capture) for part in parts])
    target = torch.cat([part.target for part in parts])

    def fitted(x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
        columns = y.double().permute(0, 2, 3, 1).reshape(-1, 3)
        weights = torch.linalg.lstsq(features(x), columns).solution
        return lambda z: (features(z) @ weights).reshape(len(z), *z.shape[2:], 3).permute(0, 3, 1, 2).float()

    there, back = fitted(raw, target), fitted(target, raw)
    return lambda c: there(c.raw), lambda c, y: back(y)


def classic() -> Renders:
    """The classical pipeline and its inverse, gamma-encoded like the others."""
    chain = presets.classic().span("levels", "tone")

    def back(case: Case, y: Tensor) -> Tensor:
        return encoded(chain.inverse(y.clamp(0, 1), case.capture), case.capture)

    return lambda c: chain(c.sensor, c.capture), back


def folder_of(files: list[Path], folder: str) -> RawFolder:
    """The files that are for training."""
    for path in files:
        if path.name not in HELD_OUT:
            (Path(folder) / path.name).symlink_to(path.resolve())
    return RawFolder(folder, mixed=True)


def report(out: Path) -> str:
    """The table of all that is done."""
    rows = {path.parent.name: json.loads(path.read_text()) for path in sorted(out.glob("*/result.json"))}
    lines = [f"{'':<26} {'sRGB dB':>8} {'RAW dB':>8} {'steps':>6} {'CPU s':>6}"]
    for name, row in sorted(rows.items(), key=lambda item: item[1]["RAW dB"]):
        spent = f"{row['steps']:6d} {row['CPU s']:6.0f}" if "steps" in row else ""
        lines.append(f"{name:<26} {row['sRGB dB']:8.2f} {row['RAW dB']:8.2f} {spent}".rstrip())
    (out / "results.json").write_text(json.dumps(rows, indent=1) + "\n")
    (out / "table.txt").write_text("\n".join(lines) + "\n")
    return "\n".join(lines)


def main() -> None:
    """Train, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--only", default=",".join(("least-squares", "classic", *ENTRANTS)))
    parser.add_argument("--out", type=Path, default=Path("invisp-benchmark"))
    arguments = parser.parse_args()
    files = raw_files(arguments.data)
    tests = cases([path for path in files if path.name in HELD_OUT])
    with tempfile.TemporaryDirectory() as folder:
        source = folder_of(files, folder)
        for name in arguments.only.split(","):
            run = arguments.out / name
            if (run / "result.json").is_file():
                continue
            if name in ("least-squares", "classic"):
                found = scored(tests, least_squares(source) if name == "least-squares" else classic())
            else:
                entrant = ENTRANTS[name]
                steps = steps_in(arguments.minutes, entrant, source)
                start = time.process_time()
                made = train(lambda one=entrant: Objective(one), source, training(steps), run)
                spent = time.process_time() - start
                found = scored(tests, ways_of(made.pipeline)) | {"steps": steps, "CPU s": spent}
            run.mkdir(parents=True, exist_ok=True)
            (run / "result.json").write_text(json.dumps(found) + "\n")
            print(name, found, flush=True)
    print(report(arguments.out))


if __name__ == "__main__":
    main()

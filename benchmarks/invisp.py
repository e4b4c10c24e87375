"""How well RAW comes back through a real JPEG: InvISP by rounding surrogate, and baselines, on held-out camera files.

    python -m benchmarks.invisp [--data DIR] [--steps 400] [--blocks 3] [--out DIR]

Trains on the CRW files of the Canon S40 and G2 but one of each, which are for the test, with LibRaw's renderings as
targets. Every entrant has the same steps, seed and data. RAW is white-balanced, gamma-encoded camera RGB, bilinearly
demosaiced, as in the paper; the JPEG of the test is Pillow's, quality 90, 4:2:0. Networks of this size and budget are
not the paper's.
"""

import argparse
import io
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
from PIL import Image
from torch import Tensor, nn

from isptoolkit import Capture, presets, read_raw
from isptoolkit.data import Batch, RawFolder
from isptoolkit.io.raw import render_by_libraw
from isptoolkit.round_trip import psnr
from isptoolkit.train import Training, train

HELD_OUT = ("CRW_0118.CRW", "CRW_0305.CRW")
CROP = 512


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
    codes = (picture[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG", quality=90, subsampling=2)
    return torch.from_numpy(np.array(Image.open(io.BytesIO(file.getvalue())))).permute(2, 0, 1)[None].float() / 255


def encoded(sensor: Tensor, capture: Capture) -> Tensor:
    """What the flow takes."""
    return invisp.build(invisp.Config(blocks=1, growth=1)).span("levels", "gamma")(sensor, capture)


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


def scored(
    tests: list[Case], render: Callable[[Case], Tensor], back: Callable[[Case, Tensor], Tensor]
) -> dict[str, float]:
    """Mean PSNR of the picture, and of RAW after a real JPEG of it."""
    rgb, raw = [], []
    with torch.no_grad():
        for case in tests:
            picture = render(case).clamp(0, 1)
            rgb.append(psnr(picture, case.target))
            raw.append(psnr(back(case, through_jpeg(picture)).clamp(0, 1), case.raw.clamp(0, 1)))
    return {"sRGB dB": float(np.mean(rgb)), "RAW dB": float(np.mean(raw))}


class WithoutJpeg(nn.Module):
    """The same network, trained to render only: it inverts itself perfectly until a JPEG comes between."""

    def __init__(self, config: invisp.Config) -> None:
        super().__init__()
        self.pipeline = invisp.build(config)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.no_grad():
            raw = self.pipeline.span("levels", "gamma")(batch.sensor, batch.capture)
        return (self.pipeline["render"](raw, batch.capture) - batch.target).abs().mean(), {}


def flow(
    source: RawFolder, tests: list[Case], config: invisp.Config, training: Training, out: Path, jpeg: bool = True
) -> dict[str, float]:
    """Train a flow and score it."""
    start = time.perf_counter()
    made = train(lambda: invisp.Objective(config) if jpeg else WithoutJpeg(config), source, training, out)
    stage = made.pipeline["render"].eval()
    found = scored(tests, lambda c: stage(c.raw, c.capture), lambda c, y: stage.inverse(y, c.capture))
    return found | {"seconds": time.perf_counter() - start}


def features(x: Tensor) -> Tensor:
    """All products of up to three of r, g, b and 1: `[pixels, 20]`."""
    r, g, b = x.clamp(0, 1).double().permute(0, 2, 3, 1).reshape(-1, 3).unbind(1)
    one = torch.ones_like(r)
    base = (one, r, g, b)
    products = [base[i] * base[j] * base[k] for i in range(4) for j in range(i, 4) for k in range(j, 4)]
    return torch.stack(products, 1)


def least_squares(source: RawFolder, tests: list[Case], training: Training) -> dict[str, float]:
    """A polynomial of degree 3 there, another one back, fitted to the same pixels."""
    parts = [source.batch(number, training.batch, 128, seed=training.seed) for number in range(60)]
    raw = torch.cat([encoded(part.sensor, part.capture) for part in parts])
    target = torch.cat([part.target for part in parts])

    def fitted(x: Tensor, y: Tensor) -> Callable[[Tensor], Tensor]:
        columns = y.double().permute(0, 2, 3, 1).reshape(-1, 3)
        weights = torch.linalg.lstsq(features(x), columns).solution
        return lambda z: (features(z) @ weights).reshape(len(z), *z.shape[2:], 3).permute(0, 3, 1, 2).float()

    there, back = fitted(raw, target), fitted(target, raw)
    return scored(tests, lambda c: there(c.raw), lambda c, y: back(y))


def classic(tests: list[Case]) -> dict[str, float]:
    """The classical pipeline and its inverse, gamma-encoded like the others."""
    chain = presets.classic().span("levels", "tone")

    def back(case: Case, y: Tensor) -> Tensor:
        return encoded(chain.inverse(y.clamp(0, 1), case.capture), case.capture)

    return scored(tests, lambda c: chain(c.sensor, c.capture), back)


def main() -> None:
    """Train, score, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--blocks", type=int, default=3)
    parser.add_argument("--growth", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path("invisp-benchmark"))
    arguments = parser.parse_args()
    files = [
        p
        for camera in ("s40", "g2")
        for p in sorted((arguments.data / "digicam_corpus" / f"canon-powershot-{camera}").glob("*.CRW"))
    ]
    training = Training(
        steps=arguments.steps, batch=4, patch=64, rate=1e-3, schedule="cosine", keep_every=arguments.steps
    )
    tests = cases([path for path in files if path.name in HELD_OUT])
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in files:
            if path.name not in HELD_OUT:
                (Path(folder) / path.name).symlink_to(path.resolve())
        source = RawFolder(folder, mixed=True)
        found["polynomial, least squares"] = least_squares(source, tests, training)
        found["classic() and its inverse"] = classic(tests)
        for rounding in ("fourier", "lanczos", "fejer", "cubic", "straight-through", "hard"):
            config = invisp.Config(blocks=arguments.blocks, growth=arguments.growth, rounding=rounding)
            found[f"InvISP, {rounding}"] = flow(source, tests, config, training, arguments.out / rounding)
            print(rounding, found[f"InvISP, {rounding}"], flush=True)
        plain = invisp.Config(blocks=arguments.blocks, growth=arguments.growth)
        found["InvISP, trained without JPEG"] = flow(source, tests, plain, training, arguments.out / "without", False)
    size = f"{arguments.steps} steps, {arguments.blocks} blocks, growth {arguments.growth}"
    lines = [f"{len(source.files)} files to train, {len(tests)} to test; {size}"]
    lines.append(f"{'':<32} {'sRGB dB':>8} {'RAW dB':>8} {'seconds':>8}")
    for name, row in found.items():
        lines.append(f"{name:<32} {row['sRGB dB']:8.2f} {row['RAW dB']:8.2f} {row.get('seconds', 0):8.0f}")
    print("\n".join(lines))
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (arguments.out / "table.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

"""Is unprocessed data worth it? Denoisers trained on it, on Gaussian noise in sRGB, and BM3D, on noisy camera files.

    python -m benchmarks.upi_denoiser [--data DIR] [--minutes 2] [--out DIR]

The same small U-Net, the same photographs (Kodak) and CPU time; tested on the middle of seven Canon CRW files with
known noise added to RAW, compared in sRGB after `isptoolkit.unprocess.process`. The files carry a little noise of their
own, which counts as signal for all methods. BM3D needs `pip install bm3d`; it gets the true noise level.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn

from isptoolkit import Capture, read_raw, stages
from isptoolkit.data import PhotoFolder
from isptoolkit.learned import UNet
from isptoolkit.metrics import psnr
from isptoolkit.recipes import upi
from isptoolkit.stages import pack, unpack
from isptoolkit.stages.noise import shot_read_noise
from isptoolkit.unprocess import process

WIDTHS, CROP, NOISE = (16, 32, 64), 384, (4e-3, 4e-5)


@dataclass(frozen=True)
class Case:
    """A test image: clean and noisy mosaic of black 0, white 1."""

    clean: Tensor
    noisy: Tensor
    capture: Capture


def cases(data: Path) -> list[Case]:
    """The middle of every file, with noise."""
    made = []
    for path in sorted((data / "digicam_corpus").glob("canon-powershot-*/*.CRW")):
        mosaic, capture = read_raw(path)
        top, left = ((n - CROP) // 4 * 2 for n in mosaic.shape[2:])
        clean = stages.Levels()(mosaic, capture)[..., top : top + CROP, left : left + CROP].clamp(0, 1)
        generator = torch.Generator().manual_seed(len(made))
        own = Capture.of(capture.cfa, gains=capture.gains[0].tolist(), noise=NOISE).replace(
            srgb_to_camera=capture.srgb_to_camera
        )
        made.append(Case(clean, shot_read_noise(clean, own.noise, generator), own))
    return made


def trained(module: nn.Module, loss: Callable[[int], Tensor], minutes: float) -> tuple[nn.Module, int]:
    """Steps for a number of minutes of CPU time; the learning rate falls along a cosine of the time spent."""
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    start, number = time.process_time(), 0
    while (spent := time.process_time() - start) < 60 * minutes:
        for group in optimizer.param_groups:
            group["lr"] = 5e-4 * (1 + np.cos(np.pi * spent / (60 * minutes)))
        optimizer.zero_grad()
        loss(number).backward()
        nn.utils.clip_grad_norm_(module.parameters(), 0.1)
        optimizer.step()
        number += 1
    return module.eval(), number


def unprocessed(photographs: PhotoFolder, minutes: float, domain: str) -> tuple[Callable[[Case], Tensor], int]:
    """The recipe's denoiser."""
    torch.manual_seed(0)
    config = upi.Config(widths=WIDTHS, domain=domain)
    source, objective = upi.Unprocessed(photographs, config), upi.Objective(config)
    _, steps = trained(objective, lambda number: objective(source.batch(number, 4, 128))[0], minutes)

    def work(case: Case) -> Tensor:
        return process(unpack(objective.stage(pack(case.noisy), case.capture)).clamp(0, 1), case.capture)

    return work, steps


def in_srgb(photographs: PhotoFolder, minutes: float) -> tuple[Callable[[Case], Tensor], int]:
    """A U-Net of the same widths on pictures with Gaussian noise, whose deviation it sees."""
    torch.manual_seed(0)
    net = UNet(4, 3, WIDTHS)
    nn.init.zeros_(net.last.weight)
    nn.init.zeros_(net.last.bias)

    def denoised(x: Tensor, sigma: Tensor) -> Tensor:
        made: Tensor = x + net(torch.cat((x, sigma.view(-1, 1, 1, 1).expand(-1, 1, *x.shape[2:])), 1))
        return made

    def loss(number: int) -> Tensor:
        clean, seeds = photographs.patches(number, 4, 96)
        generator = torch.Generator().manual_seed(seeds[0])
        sigma = 0.2 * torch.rand(len(clean), generator=generator)
        noisy = clean + sigma.view(-1, 1, 1, 1) * torch.randn(clean.shape, generator=generator)
        return (denoised(noisy, sigma) - clean).abs().mean()

    _, steps = trained(net, loss, minutes)
    return lambda case: denoised(process(case.noisy.clamp(0, 1), case.capture), level(case)), steps


def level(case: Case) -> Tensor:
    """The deviation of the noise in sRGB, by what is known of this one."""
    shown = (process(x.clamp(0, 1), case.capture) for x in (case.noisy, case.clean))
    return torch.tensor([float((next(shown) - next(shown)).std())])


def bm3d(case: Case) -> Tensor:
    """Of colors in sRGB."""
    from bm3d import bm3d_rgb

    picture = process(case.noisy.clamp(0, 1), case.capture)[0].permute(1, 2, 0).double().numpy()
    return torch.from_numpy(bm3d_rgb(picture, float(level(case)))).permute(2, 0, 1)[None].float()


def main() -> None:
    """Train, test, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/upi"))
    arguments = parser.parse_args()
    tests, photographs = cases(arguments.data), PhotoFolder(arguments.data / "kodak24")
    methods: dict[str, tuple[Callable[[Case], Tensor], int]] = {
        "noisy": (lambda case: process(case.noisy.clamp(0, 1), case.capture), 0),
        "U-Net, unprocessed data, loss in sRGB": unprocessed(photographs, arguments.minutes, "srgb"),
        "U-Net, unprocessed data, loss in RAW": unprocessed(photographs, arguments.minutes, "raw"),
        "U-Net, Gaussian noise in sRGB": in_srgb(photographs, arguments.minutes),
        "BM3D in sRGB": (bm3d, 0),
    }
    found: dict[str, dict[str, float]] = {}
    shown: dict[str, Tensor] = {"clean": process(tests[0].clean, tests[0].capture)}
    with torch.no_grad():
        for name, (work, steps) in methods.items():
            made = [work(case).clamp(0, 1) for case in tests]
            errors = [float(psnr(x, process(c.clean, c.capture).clamp(0, 1))) for x, c in zip(made, tests, strict=True)]
            found[name] = {"sRGB dB": float(np.mean(errors)), "steps": steps}
            shown[name] = made[0]
            print(f"{name:<40} {found[name]['sRGB dB']:6.2f} dB  {steps or '':>5}", flush=True)
    figure, axes = plt.subplots(2, 3, figsize=(11, 7.6), layout="constrained")
    for axis, (name, picture) in zip(axes.flat, shown.items(), strict=True):
        axis.imshow(picture[0, :, 80:272, 80:272].permute(1, 2, 0).clamp(0, 1).numpy())
        axis.set_title(name, fontsize=9)
        axis.axis("off")
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "denoisers.jpg", dpi=100, pil_kwargs={"quality": 88})
    (arguments.out / "denoisers.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

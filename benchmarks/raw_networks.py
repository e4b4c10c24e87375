"""Size, work, time and memory of the networks of RAW at their published configurations.

    python -m benchmarks.raw_networks [--only NAME,NAME] [--out FILE.json]

Multiply-adds and times are of a picture of 504x504, the challenge's size (496 for the P20 network). Times are the best
of three where they are short; a step is forward, backward and AdamW with a batch of one (of SSDNet with `recompute`),
the ensemble eight passes, `frame` a picture of 4 megapixels, worked on in strips. Every case runs in a process of its
own; memory is its peak above what it was before.
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from isptoolkit import Capture
from isptoolkit.learned import RawNetwork, SelfEnsemble
from isptoolkit.recipes import aim_unet, rst_isp_net, ssdnet, zero_noise

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "SSDNet": lambda: ssdnet.SSDNet(),
    "SSDNet with variance branch": lambda: ssdnet.SSDNet(branch=True),
    "RST-ISP-Net": lambda: rst_isp_net.RSTISPNet(),
    "RST-ISP-Net for the P20": lambda: rst_isp_net.RSTISPNet(rst_isp_net.Config(tail=1)),
    "RST-ISP-Net, lean": lambda: rst_isp_net.RSTISPNet(rst_isp_net.LEAN),
    "U-Net": lambda: aim_unet.BaselineUNet(),
    "0noise": lambda: zero_noise.GatedNet(),
    "SSDNet, small": lambda: ssdnet.SSDNet(ssdnet.SMALL),
}
FRAMES = ("RST-ISP-Net", "RST-ISP-Net, lean", "SSDNet, small")
_LONG = 5.0
"""Seconds from which on once is enough."""


def memory() -> float:
    """The peak so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def best(work: Callable[[], object], times: int = 3) -> float:
    """Seconds."""
    spent: list[float] = []
    while len(spent) < (times if not spent or spent[0] < _LONG else 1):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def measured(name: str, kind: str, results: "multiprocessing.Queue[dict[str, float]]") -> None:
    """A case, in a process of its own."""
    torch.manual_seed(0)
    recomputed = kind == "step" and name == "SSDNet"  # kept, it would not fit 24 GB
    net = ssdnet.SSDNet(ssdnet.Config(recompute=True)) if recomputed else NETWORKS[name]()
    net.eval()
    size = (1720, 2312) if kind == "frame" else (496, 496) if "P20" in name else (504, 504)
    x = torch.rand(1, 3, *size)
    before = memory()
    row: dict[str, float] = {}
    if kind == "step":
        optimizer = torch.optim.AdamW(net.parameters(), 1e-4)

        def step() -> None:
            net(x).abs().mean().backward()
            optimizer.step()
            optimizer.zero_grad()

        row["step s"] = best(step, 2)
        row["step MB"] = memory() - before
    else:
        with torch.no_grad():
            if kind == "once":
                row["once s"] = best(lambda: net(x))
                row["once MB"] = memory() - before
                with FlopCounterMode(display=False) as counter:
                    net(x)
                row["GMAC"] = counter.get_total_flops() / 2e9
                row["parameters"] = sum(value.numel() for value in net.parameters())
            elif kind == "ensemble":
                row["ensemble s"] = best(lambda: SelfEnsemble(RawNetwork(net))(x, Capture.of("RGGB")), 1)
            else:
                row["frame s"] = best(lambda: net(x), 1)
                row["frame MB"] = memory() - before
    results.put(row)


def main() -> None:
    """Run all, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=";".join(NETWORKS))
    parser.add_argument("--out", type=Path, default=Path("raw-networks.json"))
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    found: dict[str, dict[str, float]] = {}
    print(f"{torch.get_num_threads()} threads")
    for name in arguments.only.split(";"):
        kinds = ["once"] if "variance" in name else ["once", "step", "ensemble"]
        for kind in [*kinds, *(["frame"] if name in FRAMES else [])]:
            results = context.Queue()
            process = context.Process(target=measured, args=(name, kind, results))
            process.start()
            found.setdefault(name, {}).update(results.get())
            process.join()
        row = found[name]
        told = ", ".join(f"{key} {value:,.0f}" if value >= 100 else f"{key} {value:.2f}" for key, value in row.items())
        print(f"{name}: {told}", flush=True)
        arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()

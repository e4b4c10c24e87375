"""The entrants of `benchmarks.kernels`: for every task isptoolkit, a copy of the same bytes, and installed peers."""

import contextlib
import importlib
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch import Tensor

from isptoolkit import CAMERA, LINEAR, Capture, Fused, Pipeline, presets, stages
from isptoolkit.kernels import reference
from isptoolkit.learned import adain, couple
from isptoolkit.stages.jpeg.blocks import jpeg_blocks

Entrants = dict[str, Callable[[], Any]]
PEERS = ("kornia", "opencv-python-headless", "colour-demosaicing", "rawpy")
MATRIX = ((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76))
CHAIN = Pipeline(
    balance=stages.WhiteBalance(space=CAMERA),
    matrix=stages.ColorMatrix(),
    clip=stages.Clip(space=LINEAR),
    curve=stages.SRGBCurve(),
    tone=stages.Smoothstep(),
)


def describe_versions() -> dict[str, str]:
    """The versions of the installed peers."""
    versions = {}
    for name in PEERS:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def _peer(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _capture(device: torch.device) -> Capture:
    return Capture.of("RGGB", black=64, white=1023, gains=(2.1, 1.0, 1.6), srgb_to_camera=MATRIX).to(device)


def _plain(stage: Any, *arguments: Any) -> Callable[[], Any]:
    """The stage in eager torch, without kernels."""

    def run() -> Any:
        with reference(), torch.no_grad():
            return stage(*arguments)

    return run


def chain(height: int, width: int, threads: int, device: torch.device) -> Entrants:
    """White balance, matrix, clip, sRGB curve and smoothstep on three channels."""
    x, capture = torch.rand(1, 3, height, width, device=device), _capture(device)
    out, fused = torch.empty_like(x), Fused(CHAIN).to(device)
    torch.compiler.reset()  # otherwise previous sizes count toward the recompilation limit
    compiled = torch.compile(CHAIN, dynamic=False)
    leaf, gradient = x.clone().requires_grad_(), torch.rand_like(x)
    output = fused(leaf, capture)

    def new() -> Tensor:
        with torch.no_grad():
            return fused(x, capture)

    def inductor() -> Tensor:
        with torch.no_grad():
            output: Tensor = compiled(x, capture)
            return output

    return {
        "copy": lambda: out.copy_(x),
        "isptoolkit, out=": lambda: fused.render(x, capture, out=out),
        "clone": lambda: x.clone(),
        "isptoolkit": new,
        "isptoolkit, backward": lambda: torch.autograd.grad(output, leaf, gradient, retain_graph=True),
        "torch.compile": inductor,
        "torch eager": _plain(CHAIN, x, capture),
    }


def demosaic(height: int, width: int, threads: int, device: torch.device) -> Entrants:
    """Demosaic a mosaic to three channels."""
    x, capture = torch.rand(1, 1, height, width, device=device), _capture(device)
    two, other, out = (
        torch.rand(1, 2, height, width, device=device),
        torch.empty(1, 2, height, width, device=device),
        torch.empty(1, 3, height, width, device=device),
    )
    malvar, bilinear = (Fused(Pipeline(d=stage)) for stage in (stages.DemosaicMalvar(), stages.DemosaicBilinear()))
    entrants: Entrants = {
        "copy": lambda: other.copy_(two),
        "isptoolkit Malvar, out=": lambda: malvar.render(x, capture, out=out),
        "isptoolkit bilinear, out=": lambda: bilinear.render(x, capture, out=out),
        "torch eager Malvar": _plain(stages.DemosaicMalvar(), x, capture),
    }
    if device.type != "cpu":
        return entrants
    if cv2 := _peer("cv2"):
        cv2.setNumThreads(threads)
        codes, target = (x[0, 0].numpy() * 65535).astype(np.uint16), np.empty((height, width, 3), np.uint16)
        entrants["OpenCV bilinear uint16"] = lambda: cv2.cvtColor(codes, cv2.COLOR_BayerRGGB2RGB, target)
        entrants["OpenCV edge-aware uint16"] = lambda: cv2.cvtColor(codes, cv2.COLOR_BayerRGGB2RGB_EA, target)
    if kornia := _peer("kornia"):
        entrants["kornia bilinear"] = lambda: kornia.color.raw_to_rgb(x, kornia.color.CFA.BG)
    if peer := _peer("colour_demosaicing"):
        plane = x[0, 0].numpy().astype(np.float64)
        entrants["colour-demosaicing Malvar"] = lambda: peer.demosaicing_CFA_Bayer_Malvar2004(plane, "RGGB")
        entrants["colour-demosaicing bilinear"] = lambda: peer.demosaicing_CFA_Bayer_bilinear(plane, "RGGB")
    return entrants


def render(height: int, width: int, threads: int, device: torch.device) -> Entrants:
    """Render a uint16 mosaic to uint8 sRGB: levels, gains, clip, Malvar, matrix, clip, curve, tone, 8 bits."""
    pixels = torch.randint(64, 1024, (1, 1, height, width), dtype=torch.int32).to(torch.uint16)
    capture, fused = _capture(device), Fused(presets.classic()).to(device)
    out, sensor = torch.empty(1, 3, height, width, dtype=torch.uint8, device=device), pixels.to(device)
    entrants: Entrants = {"isptoolkit, out=": lambda: fused.render(sensor, capture, out=out)}
    if device.type != "cpu":
        return entrants
    mosaic = pixels[0, 0].numpy()
    if cv2 := _peer("cv2"):
        cv2.setNumThreads(threads)
        curve = np.round(255 * np.linspace(0, 1, 65536) ** (1 / 2.2)).astype(np.uint8)

        def opencv() -> Any:
            """Demosaic and a lookup table, without levels, gains or matrix."""
            return curve[cv2.cvtColor(mosaic, cv2.COLOR_BayerRGGB2RGB)]

        entrants["OpenCV bilinear + numpy curve"] = opencv
    if rawpy := _peer("rawpy"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "frame.dng"
            write_dng(path, mosaic)
            raw = rawpy.imread(str(path))
            raw.unpack()
        options = dict(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
            use_camera_wb=True,
            no_auto_bright=True,
            output_color=rawpy.ColorSpace.sRGB,
            adjust_maximum_thr=0,
        )
        entrants["LibRaw bilinear"] = lambda: raw.postprocess(**options)
    return entrants


def write_dng(path: Path, mosaic: np.ndarray[Any, Any]) -> None:
    """Write an uncompressed DNG that LibRaw reads."""
    matrix = (
        20000,
        10000,
        -8000,
        10000,
        -2000,
        10000,
        -4000,
        10000,
        14000,
        10000,
        1000,
        10000,
        0,
        10000,
        2000,
        10000,
        9000,
        10000,
    )
    tags = [
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, b"\0\1\1\2", True),
        (50706, 1, 4, b"\1\4\0\0", True),
        (50708, 2, 0, "Benchmark", True),
        (50714, 3, 1, 64, True),
        (50717, 4, 1, 1023, True),
        (50721, 10, 9, matrix, True),
        (50728, 5, 3, (1, 2, 1, 1, 2, 3), True),
        (50778, 3, 1, 21, True),
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=tags, metadata=None)


def blocks(height: int, width: int, threads: int, device: torch.device) -> Entrants:
    """AdaIN and coupling on as many values as three channels, and JPEG blocks of three channels at about quality 75."""
    x = torch.rand(1, 48, height // 4, width // 4, device=device)
    y, style, table = torch.empty_like(x), torch.rand(1, 48, device=device), torch.full((1, 8, 8), 16.0, device=device)
    planes = (255 * torch.rand(3, height // 8 * 8, width // 8 * 8, device=device)).round()
    entrants: Entrants = {
        "copy": lambda: y.copy_(x),
        "isptoolkit AdaIN": lambda: adain(x, style, style),
        "torch eager AdaIN": _plain(adain, x, style, style),
        "isptoolkit coupling": lambda: couple(x, x, x),
        "torch eager coupling": _plain(couple, x, x, x),
        "isptoolkit JPEG blocks": lambda: jpeg_blocks(planes, table),
        "torch eager JPEG blocks": _plain(jpeg_blocks, planes, table),
    }
    return entrants


TASKS = {"chain": chain, "demosaic": demosaic, "render": render, "blocks": blocks}

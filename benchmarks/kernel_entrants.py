"""The entrants of `benchmarks.kernels`: for every task isptoolkit, a copy of the same bytes, and installed peers."""

import contextlib
import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch import Tensor

from isptoolkit import CAMERA, LINEAR, MOSAIC, Capture, Fused, Pipeline, Stage, presets, stages
from isptoolkit.kernels import reference
from isptoolkit.learned import adain, couple
from isptoolkit.stages.jpeg.blocks import jpeg_blocks


@dataclass(frozen=True)
class Entrant:
    """What is timed.

    Args:
        run: the operation.
        moved: bytes that it has to read and write, if every value moves once; 0 where that is unknown.
    """

    run: Callable[[], Any]
    moved: int = 0


@dataclass(frozen=True)
class Frame:
    """Images to run a task on."""

    batch: int
    height: int
    width: int
    device: torch.device

    @property
    def pixels(self) -> int:
        return self.batch * self.height * self.width

    def random(self, channels: int) -> Tensor:
        """Values in [0, 1)."""
        return torch.rand(self.batch, channels, self.height, self.width, device=self.device)


Entrants = dict[str, Entrant]
PEERS = ("kornia", "opencv-python-headless", "colour-demosaicing", "rawpy")
MATRIX = ((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76))
CURVES = (
    stages.SRGBCurve(),
    stages.Rec709Curve(),
    stages.PowerCurve(),
    stages.PQCurve(),
    stages.HLGCurve(),
    stages.Smoothstep(),
    stages.ExtendedReinhard(),
    stages.Filmic(),
    stages.MonotoneCurve(torch.linspace(-1, 1, 16)),
)
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


def chain(frame: Frame, threads: int) -> Entrants:
    """White balance, matrix, clip, sRGB curve and smoothstep on three channels."""
    x, capture = frame.random(3), _capture(frame.device)
    out, fused = torch.empty_like(x), Fused(CHAIN).to(frame.device)
    torch.compiler.reset()  # otherwise previous sizes count toward the recompilation limit
    compiled = torch.compile(CHAIN, dynamic=False)
    leaf, gradient = x.clone().requires_grad_(), torch.rand_like(x)
    output = fused(leaf, capture)
    moved = 24 * frame.pixels

    def new() -> Tensor:
        with torch.no_grad():
            return fused(x, capture)

    def inductor() -> Tensor:
        with torch.no_grad():
            output: Tensor = compiled(x, capture)
            return output

    def backward() -> Any:
        return torch.autograd.grad(output, leaf, gradient, retain_graph=True)

    return {
        "copy": Entrant(lambda: out.copy_(x), moved),
        "isptoolkit, out=": Entrant(lambda: fused.render(x, capture, out=out), moved),
        "clone": Entrant(lambda: x.clone(), moved),
        "isptoolkit": Entrant(new, moved),
        "isptoolkit, backward": Entrant(backward, 36 * frame.pixels),
        "torch.compile": Entrant(inductor, moved),
        "torch eager": Entrant(_plain(CHAIN, x, capture), moved),
    }


def _between(encode: Stage, decode: Stage) -> Pipeline:
    """Malvar on encoded values, decoded again by the inverse of `decode`."""
    return Pipeline(encode=encode, d=stages.DemosaicMalvar(), decode=decode.inv)


def demosaic(frame: Frame, threads: int) -> Entrants:
    """Demosaic a mosaic to three channels."""
    x, capture = frame.random(1), _capture(frame.device)
    two, out = frame.random(2), torch.empty_like(frame.random(3))
    other, moved = torch.empty_like(two), 16 * frame.pixels
    malvar, bilinear, srgb, root = (
        Fused(pipeline)
        for pipeline in (
            Pipeline(d=stages.DemosaicMalvar()),
            Pipeline(d=stages.DemosaicBilinear()),
            _between(stages.SRGBCurve(MOSAIC, MOSAIC), stages.SRGBCurve(CAMERA, CAMERA)),
            _between(stages.PowerCurve(2.0, MOSAIC, MOSAIC), stages.PowerCurve(2.0, CAMERA, CAMERA)),
        )
    )
    entrants: Entrants = {
        "copy": Entrant(lambda: other.copy_(two), moved),
        "isptoolkit Malvar, out=": Entrant(lambda: malvar.render(x, capture, out=out), moved),
        "isptoolkit bilinear, out=": Entrant(lambda: bilinear.render(x, capture, out=out), moved),
        "isptoolkit Malvar in sRGB, out=": Entrant(lambda: srgb.render(x, capture, out=out), moved),
        "isptoolkit Malvar in square root, out=": Entrant(lambda: root.render(x, capture, out=out), moved),
        "torch eager Malvar": Entrant(_plain(stages.DemosaicMalvar(), x, capture), moved),
    }
    if frame.device.type != "cpu" or frame.batch > 1:
        return entrants
    if cv2 := _peer("cv2"):
        cv2.setNumThreads(threads)
        codes = (x[0, 0].numpy() * 65535).astype(np.uint16)
        target, halved = np.empty((frame.height, frame.width, 3), np.uint16), moved // 2
        for name, code in (("bilinear", cv2.COLOR_BayerRGGB2RGB), ("edge-aware", cv2.COLOR_BayerRGGB2RGB_EA)):
            entrants[f"OpenCV {name} uint16"] = Entrant(lambda code=code: cv2.cvtColor(codes, code, target), halved)
    if kornia := _peer("kornia"):
        entrants["kornia bilinear"] = Entrant(lambda: kornia.color.raw_to_rgb(x, kornia.color.CFA.BG), moved)
    if peer := _peer("colour_demosaicing"):
        plane = x[0, 0].numpy().astype(np.float64)
        entrants["colour-demosaicing Malvar"] = Entrant(lambda: peer.demosaicing_CFA_Bayer_Malvar2004(plane, "RGGB"))
        entrants["colour-demosaicing bilinear"] = Entrant(lambda: peer.demosaicing_CFA_Bayer_bilinear(plane, "RGGB"))
    return entrants


def curves(frame: Frame, threads: int) -> Entrants:
    """Each curve, the monotone one with 16 segments, on three channels."""
    x, out, capture = frame.random(3), torch.empty_like(frame.random(3)), _capture(frame.device)
    moved = 24 * frame.pixels
    entrants = {"copy": Entrant(lambda: out.copy_(x), moved)}
    for curve in CURVES:
        for name, stage in ((type(curve).__name__, curve), (f"{type(curve).__name__} inverse", curve.inv)):
            fused = Fused(Pipeline(curve=stage)).to(frame.device)
            entrants[f"isptoolkit {name}"] = Entrant(lambda fused=fused: fused.render(x, capture, out=out), moved)
    return entrants


def render(frame: Frame, threads: int) -> Entrants:
    """Render a uint16 mosaic to uint8 sRGB: levels, gains, clip, Malvar, matrix, clip, curve, tone, 8 bits."""
    size = frame.batch, 1, frame.height, frame.width
    pixels = torch.randint(64, 1024, size, dtype=torch.int32).to(torch.uint16)
    capture, fused = _capture(frame.device), Fused(presets.classic()).to(frame.device)
    out = torch.empty(frame.batch, 3, frame.height, frame.width, dtype=torch.uint8, device=frame.device)
    sensor, moved = pixels.to(frame.device), 5 * frame.pixels
    entrants = {"isptoolkit, out=": Entrant(lambda: fused.render(sensor, capture, out=out), moved)}
    if frame.device.type != "cpu" or frame.batch > 1:
        return entrants
    mosaic = pixels[0, 0].numpy()
    if cv2 := _peer("cv2"):
        cv2.setNumThreads(threads)
        curve = np.round(255 * np.linspace(0, 1, 65536) ** (1 / 2.2)).astype(np.uint8)

        def opencv() -> Any:
            """Demosaic and a lookup table, without levels, gains or matrix."""
            return curve[cv2.cvtColor(mosaic, cv2.COLOR_BayerRGGB2RGB)]

        entrants["OpenCV bilinear + numpy curve"] = Entrant(opencv)
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
        entrants["LibRaw bilinear"] = Entrant(lambda: raw.postprocess(**options))
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


def blocks(frame: Frame, threads: int) -> Entrants:
    """AdaIN and coupling on as many values as three channels, and JPEG blocks of three channels at about quality 75."""
    size = frame.batch, 48, frame.height // 4, frame.width // 4
    x, style = torch.rand(*size, device=frame.device), torch.rand(frame.batch, 48, device=frame.device)
    y, table = torch.empty_like(x), torch.full((1, 8, 8), 16.0, device=frame.device)
    height, width = (n // 8 * 8 for n in (frame.height, frame.width))
    planes = (255 * torch.rand(3 * frame.batch, height, width, device=frame.device)).round()
    moved = 4 * x.numel()
    return {
        "copy": Entrant(lambda: y.copy_(x), 2 * moved),
        "isptoolkit AdaIN": Entrant(lambda: adain(x, style, style), 3 * moved),
        "torch eager AdaIN": Entrant(_plain(adain, x, style, style), 3 * moved),
        "isptoolkit coupling": Entrant(lambda: couple(x, x, x), 2 * moved),  # x, h and t are one tensor
        "torch eager coupling": Entrant(_plain(couple, x, x, x), 2 * moved),
        "isptoolkit JPEG blocks": Entrant(lambda: jpeg_blocks(planes, table), 2 * moved),
        "torch eager JPEG blocks": Entrant(_plain(jpeg_blocks, planes, table), 2 * moved),
    }


TASKS = {"chain": chain, "demosaic": demosaic, "curves": curves, "render": render, "blocks": blocks}

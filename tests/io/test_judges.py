"""Raw converters that others wrote open our DNG files and render them as we do."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from torch import Tensor

from isptoolkit import Capture, presets
from isptoolkit.io import write_dng
from isptoolkit.metrics import psnr
from isptoolkit.stages import LensShadingMesh, Levels

LEAST = 50.0
"""Decibels; measured are 58 (darktable 4.2.1) and 73 (RawTherapee 5.9) on a mosaic."""
CAPTURE = Capture.of(
    "GRBG",
    black=512,
    white=16383,
    gains=(2.0, 1.0, 1.6),
    srgb_to_camera=[[0.60, 0.30, 0.10], [0.12, 0.70, 0.18], [0.02, 0.25, 0.73]],
    camera="Test Camera",
)
NEUTRAL = """
[Exposure]
Auto=false
HistogramMatching=false
[RAW Bayer]
Method=fast
Border=0
[Color Management]
InputProfile=(camera)
ToneCurve=false
ApplyLookTable=false
ApplyHueSatMap=false
OutputProfile=RTv4_sRGB
[White Balance]
Setting=Camera
[HLRecovery]
Enabled=false
"""
"""RawTherapee's settings without any adjustment; `fast` is a bilinear demosaic."""


def darktable(file: Path, output: Path) -> None:
    options = ["--conf", "plugins/darkroom/workflow=none", "--library", ":memory:", "--configdir", output.parent / "dt"]
    run("darktable-cli", file, output, "--icc-type", "SRGB", "--core", *options)


def rawtherapee(file: Path, output: Path) -> None:
    settings = output.with_suffix(".pp3")
    settings.write_text(NEUTRAL)
    run("rawtherapee-cli", "-o", output, "-t", "-b16", "-Y", "-p", settings, "-c", file)


def run(program: str, *arguments: str | Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"needs {program}: install {program.removesuffix('-cli')}")
    subprocess.run([program, *map(str, arguments)], check=True, capture_output=True, timeout=120)


def rendered(render, file: Path) -> Tensor:
    output = file.with_suffix(".tif")
    render(file, output)
    codes = tifffile.imread(output)
    return torch.from_numpy(codes / np.iinfo(codes.dtype).max).permute(2, 0, 1)[None]


def chart(seed: int = 0) -> Tensor:
    """Smooth colors, so that all demosaic methods agree, inside the gamut, so that nothing clips."""
    generator = torch.Generator().manual_seed(seed)
    nodes = 0.2 + 0.6 * torch.rand(1, 3, 7, 9, generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(nodes, size=(240, 320), mode="bicubic", align_corners=True)
    return smooth.clamp(0.1, 0.9)


@pytest.fixture
def mosaic() -> Tensor:
    """The chart in digital numbers, as the camera of `CAPTURE` sees it."""
    return presets.libraw().inverse(chart(), CAPTURE).round()


@pytest.mark.parametrize("render", [darktable, rawtherapee])
def test_a_mosaic_is_rendered_as_we_render_it(render, mosaic, tmp_path):
    write_dng(tmp_path / "a.dng", mosaic, CAPTURE)
    assert psnr(rendered(render, tmp_path / "a.dng"), presets.libraw()(mosaic, CAPTURE)) > LEAST


@pytest.mark.parametrize("render", [darktable, rawtherapee])
def test_a_linear_image_is_rendered_as_we_render_it(render, tmp_path):
    # Both programs misread the black level of LinearRaw files (24 and 42 dB), so this camera has none.
    capture = CAPTURE.replace(black=0 * CAPTURE.black)
    color = presets.libraw().span("matrix", "quantize")
    balanced = color.inverse(chart(), capture)
    linear = (balanced / capture.gains.view(1, 3, 1, 1) * capture.white).round()
    write_dng(tmp_path / "a.dng", linear, capture)
    own = color(linear / capture.white * capture.gains.view(1, 3, 1, 1), capture)
    assert psnr(rendered(render, tmp_path / "a.dng"), own) > LEAST


@pytest.mark.parametrize("render", [darktable])  # RawTherapee 5.9 applies no gain maps
def test_gain_maps_of_the_four_sites_are_applied_as_we_apply_them(render, mosaic, tmp_path):
    generator = torch.Generator().manual_seed(1)
    shading = LensShadingMesh(1 + torch.rand(4, 5, 7, generator=generator, dtype=torch.float64))
    levels = Levels()
    shaded = levels.inverse(shading.inverse(levels(mosaic, CAPTURE), CAPTURE), CAPTURE).round()
    write_dng(tmp_path / "a.dng", shaded, CAPTURE, shading=shading)
    corrected = levels.inverse(shading(levels(shaded, CAPTURE), CAPTURE), CAPTURE)
    own = presets.libraw()(corrected, CAPTURE)
    assert psnr(rendered(render, tmp_path / "a.dng"), own) > LEAST
    assert psnr(own, presets.libraw()(shaded, CAPTURE)) < 25  # the maps matter

"""Presets against LibRaw."""

import struct

import numpy as np
import pytest
import rawpy
import tifffile
import torch

from isptoolkit import Capture, Fused, fuse, presets, read_raw
from isptoolkit.errors import InvalidArgument, InvalidCapture
from isptoolkit.kernels import usable
from isptoolkit.metrics import psnr
from isptoolkit.report.round_trip import measure

MATRIX = ((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76))
PLAIN = {
    "demosaic_algorithm": rawpy.DemosaicAlgorithm.LINEAR,
    "use_camera_wb": True,
    "no_auto_bright": True,
    "gamma": (2.4, 12.92),
    "adjust_maximum_thr": 0,
    "user_flip": 0,
    "output_bps": 16,
}
"""Settings of LibRaw without automatic adjustments."""


def rendered_by_libraw(path):
    """LibRaw's image `[1,C,H,W]`, and the capture's color matrix as LibRaw read it, if it renders color."""
    with rawpy.imread(str(path)) as raw:
        image, to_srgb = raw.postprocess(**PLAIN), torch.from_numpy(raw.color_matrix[:, :3].astype(float))
    matrix = torch.linalg.inv(to_srgb)[None] if to_srgb.any() else torch.eye(3).double()[None]
    return torch.from_numpy(image / 65535.0).permute(2, 0, 1)[None], matrix


def write(path, samples, *, neutral=None, exposure=None, photometric):
    """A DNG with black 0 and white 1023, written by tifffile."""

    def rationals(values):
        return [part for value in values for part in (round(value * 1_000_000), 1_000_000)]

    tags = [(50706, 1, 4, bytes((1, 4, 0, 0))), (50717, 4, 1, 1023)]
    if neutral is not None:
        matrix = (0.6, 0.1, -0.05, -0.3, 1.1, 0.25, 0.0, 0.2, 0.6)
        tags += [(50721, 10, 9, rationals(matrix)), (50728, 5, 3, rationals(neutral)), (50778, 3, 1, 21)]
    if exposure is not None:
        tags.append((50730, 10, 1, rationals((exposure,))))
    if photometric == "CFA":
        tags += [(33421, 3, 2, (2, 2)), (33422, 1, 4, bytes((0, 1, 1, 2)))]
    color = samples.ndim == 3
    tifffile.imwrite(
        path,
        samples,
        photometric=photometric if photometric == "CFA" or color else "minisblack",
        metadata=None,
        extratags=[(*tag, True) for tag in sorted(tags)],
        rowsperstrip=len(samples),
        **({"planarconfig": "contig"} if color else {}),
    )
    if photometric == "LINEAR_RAW" and not color:  # tifffile writes LinearRaw of three planes only
        content = bytearray(path.read_bytes())
        entry = content.index(struct.pack("<HHI", 262, 3, 1))
        content[entry + 8 : entry + 10] = struct.pack("<H", 34892)
        path.write_bytes(content)


def test_libraw_preset_matches_libraws_plain_rendering(data):
    path = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW"
    sensor, capture = read_raw(path)
    expected, _ = rendered_by_libraw(path)
    output = presets.libraw()(sensor, capture)
    assert psnr(output[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8]) > 70


def test_classic_survives_its_round_trip_on_a_real_file(data):
    path = data / "digicam_corpus" / "canon-powershot-g2" / "CRW_0304.CRW"
    sensor, capture = read_raw(path)
    sensor = sensor[..., 600:1000, 800:1400]
    pipeline = presets.classic().span("levels", "tone")
    span = float(capture.white - capture.black.min())
    assert measure(pipeline, sensor, capture).rows[0].on_domain[2] / span < 1e-5
    assert measure(pipeline, sensor.double(), capture).rows[0].on_domain[2] / span < 1e-12


NEUTRALS = {"usual": (0.5, 1.0, 0.6), "warm light": (1.0, 0.8, 0.32), "analog balance": (0.951318, 0.975381, 1.0)}


@pytest.mark.parametrize("exposure", [None, 0.5])
@pytest.mark.parametrize("neutral", NEUTRALS.values(), ids=NEUTRALS)
def test_libraw_preset_scales_gains_as_libraw_does_and_ignores_the_exposure(tmp_path, neutral, exposure):
    rng = np.random.default_rng(0)
    samples = np.clip(rng.normal(500, 20, (64, 80)) + np.linspace(-450, 700, 80), 0, 1023).astype(np.uint16)
    write(tmp_path / "a.dng", samples, neutral=neutral, exposure=exposure, photometric="CFA")
    expected, matrix = rendered_by_libraw(tmp_path / "a.dng")
    gains = [neutral[1] / value for value in neutral]
    capture = Capture.of("RGGB", white=1023, gains=gains, exposure=exposure).replace(srgb_to_camera=matrix)
    output = presets.libraw()(torch.from_numpy(samples.astype(float))[None, None], capture)
    assert psnr(output[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8]) > 80


@pytest.mark.parametrize("neutral", NEUTRALS.values(), ids=NEUTRALS)
def test_three_planes_are_rendered_as_by_libraw(tmp_path, neutral):
    samples = np.random.default_rng(0).integers(0, 1024, (64, 80, 3)).astype(np.uint16)
    write(tmp_path / "a.dng", samples, neutral=neutral, photometric="LINEAR_RAW")
    expected, matrix = rendered_by_libraw(tmp_path / "a.dng")
    gains = [neutral[1] / value for value in neutral]
    capture = Capture.of("RGB", white=1023, gains=gains).replace(srgb_to_camera=matrix)
    output = presets.libraw(layout="linear")(torch.from_numpy(samples.astype(float)).permute(2, 0, 1)[None], capture)
    assert psnr(output, expected) > 80


def test_a_sensor_without_filters_is_rendered_as_by_libraw(tmp_path):
    samples = np.random.default_rng(0).integers(0, 1024, (64, 80)).astype(np.uint16)
    write(tmp_path / "a.dng", samples, photometric="LINEAR_RAW")
    expected, _ = rendered_by_libraw(tmp_path / "a.dng")
    capture = Capture.of("MONO", white=1023)
    output = presets.libraw(layout="mono")(torch.from_numpy(samples.astype(float))[None, None], capture)
    assert expected.shape[1] == 1 and psnr(output, expected.expand(-1, 3, -1, -1)) > 80


LAYOUTS = {"mosaic": ("GRBG", 1), "linear": ("RGB", 3), "mono": ("MONO", 1)}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_classic_applies_the_exposure_that_the_capture_states(layout):
    cfa, planes = LAYOUTS[layout]
    capture = Capture.of(cfa, black=64, white=1023, gains=(0.7, 1.0, 2.0), srgb_to_camera=MATRIX)
    x = 64 + 200 * torch.rand(1, planes, 8, 10, generator=torch.Generator().manual_seed(0)).double()
    chain = presets.classic(layout=layout)
    linear = chain.span("levels", chain.names[chain.names.index("exposure") - 1])(x, capture)
    for stops in (-1.0, 0.0, 0.43):
        stated = capture.replace(exposure=torch.tensor([stops]).double())
        output = chain.span("levels", "exposure")(x, stated)
        torch.testing.assert_close(output, linear * 2**stops)
        torch.testing.assert_close(chain.span("levels", "exposure").inverse(output, stated), x)
    assert torch.equal(chain(x, capture), chain(x, capture.replace(exposure=torch.zeros(1).double())))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fused_the_exposure_costs_no_step(layout):
    cfa, planes = LAYOUTS[layout]
    capture = Capture.of(cfa, black=64, white=1023, gains=(0.7, 1.0, 2.0), srgb_to_camera=MATRIX, exposure=0.43)
    x = 64 + 900 * torch.rand(1, planes, 8, 10, generator=torch.Generator().manual_seed(0))
    chain = presets.classic(layout=layout).span("levels", "tone")
    fused = fuse(chain, demosaic=True)
    assert fused.names == (("levels", "gray", "exposure_to_tone") if layout == "mono" else ("levels_to_tone",))
    torch.testing.assert_close(fused(x, capture), chain(x, capture), rtol=0, atol=1e-5)
    y = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(fused.inverse(y, capture), chain.inverse(y, capture), rtol=1e-5, atol=1e-2)
    if not usable(x):
        pytest.skip("needs the native kernels: install with a C compiler")
    last = fused[fused.names[-1]]
    assert isinstance(last, Fused)
    silent = capture.replace(exposure=None)
    programs = [last._plan(x.expand(-1, last.takes.channels, -1, -1), each) for each in (capture, silent)]
    if layout != "mono":  # which has no linear stage before the exposure
        assert programs[0].before == programs[1].before and programs[0].after == programs[1].after


@pytest.mark.parametrize("preset", [presets.classic, presets.libraw])
def test_layouts_are_not_confused(preset):
    with pytest.raises(InvalidArgument, match="layout must be mosaic, linear or mono, got 'RGGB'"):
        preset(layout="RGGB")
    for layout, (cfa, planes) in LAYOUTS.items():
        for other in {*LAYOUTS} - {layout}:
            with pytest.raises(InvalidCapture, match=f"but the capture has the cfa '{cfa}': render a? ?"):
                preset(layout=other)(torch.ones(1, planes, 4, 4), Capture.of(cfa))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("preset", [presets.classic, presets.libraw])
@pytest.mark.parametrize("gains", [(2.1, 1.0, 1.6), (0.8, 1.0, 2.5), (1.3, 1.0, 0.9), (0.5, 0.7, 0.9)])
def test_a_blown_highlight_is_white(preset, gains, layout):
    cfa, planes = LAYOUTS[layout]
    capture = Capture.of(cfa, gains=gains, srgb_to_camera=MATRIX)
    output = preset(layout=layout)(torch.ones(1, planes, 6, 6), capture)
    assert torch.allclose(output, torch.ones(1, 3, 6, 6))

"""Presets against LibRaw."""

import rawpy
import torch

from isptoolkit import Capture, presets, read_raw
from isptoolkit.metrics import psnr
from isptoolkit.report.round_trip import measure


def test_libraw_preset_matches_libraws_plain_rendering(data):
    path = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW"
    sensor, capture = read_raw(path)
    with rawpy.imread(str(path)) as raw:
        image = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.LINEAR,
            use_camera_wb=True,
            no_auto_bright=True,
            gamma=(2.4, 12.92),
            adjust_maximum_thr=0,
            user_flip=0,
            output_bps=16,
        )
    output = presets.libraw()(sensor, capture)
    expected = torch.from_numpy(image / 65535.0).permute(2, 0, 1)[None]
    assert psnr(output[..., 8:-8, 8:-8], expected[..., 8:-8, 8:-8]) > 70


def test_classic_survives_its_round_trip_on_a_real_file(data):
    path = data / "digicam_corpus" / "canon-powershot-g2" / "CRW_0304.CRW"
    sensor, capture = read_raw(path)
    sensor = sensor[..., 600:1000, 800:1400]
    pipeline = presets.classic().span("levels", "tone")
    span = float(capture.white - capture.black.min())
    assert measure(pipeline, sensor, capture).rows[0].on_domain[2] / span < 1e-5
    assert measure(pipeline, sensor.double(), capture).rows[0].on_domain[2] / span < 1e-12


def test_a_blown_highlight_is_white_not_magenta():
    capture = Capture.of(
        "RGGB", gains=(2.1, 1.0, 1.6), srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76))
    )
    assert torch.allclose(presets.classic()(torch.ones(1, 1, 6, 6), capture), torch.ones(1, 3, 6, 6))

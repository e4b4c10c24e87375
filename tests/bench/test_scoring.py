"""Scores of a case, and errors attributed to stages."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from isptoolkit import presets
from isptoolkit.bench import PROTOCOLS, scoring
from isptoolkit.bench.data.case import Case
from isptoolkit.bench.data.micro import Micro
from isptoolkit.bench.methods.entrant import Predictor
from isptoolkit.bench.methods.entrants import entrant
from isptoolkit.bench.scoring import by_stage, cost, score, through_file
from isptoolkit.errors import InvalidTensor
from isptoolkit.stages import pack_sensor


def test_errors_by_stage_of_eight_bits():
    """The last stage's recovered input is off by half a code times its slope; without clipping nothing else is lost."""
    case = Micro().cases[0]
    rows = by_stage(entrant("classic").predictor(None), case)
    assert [row["stage"] for row in rows] == list(presets.classic().span("levels", "tone").names)
    span = float(case.capture.white[0] - case.capture.black[0, 0])
    assert 0 < rows[-1]["median"] < 1 / 255 * span  # the slope of the tone curve is at least 0.5
    assert rows[-1]["codes"] < 0.01
    assert rows[0]["99 %"] > rows[0]["median"] > 0
    # Rendering from RAW demosaics the frame again, which does not reproduce the image exactly.
    assert rows[0]["codes"] == pytest.approx(rows[1]["codes"], abs=1e-3)
    assert by_stage(entrant("identity").predictor(None), case) == []


def test_bounded_and_undefined_figures():
    """Equal samples have the challenge's 999 dB; an image without highlights has no highlight hue."""
    case = Micro().cases[0]
    dark = Case("dark", 64 + (case.sensor - 64) * 0.1, case.capture, 0.1 * case.input)
    truth = pack_sensor(dark.sensor, dark.capture)
    predictor = Predictor(lambda image, capture: truth, lambda sensor, capture: 0.9 * dark.input)
    figures, *_ = score(predictor, dark, PROTOCOLS["micro"])
    assert figures["raw PSNR"] == 999 and figures["raw SSIM"] == 1 and figures["raw DN"] < 1e-3
    assert "highlight hue" not in figures and 20 < figures["sRGB PSNR"] < 60


def test_only_psnr_is_bounded():
    """An error in digital numbers above 999 is reported in full."""
    case = Micro().cases[1]
    assert float(case.capture.white - case.capture.black[0, 0]) == 4095 - 128
    white = torch.full_like(pack_sensor(case.sensor, case.capture), 1.0)
    dark = Case("dark", torch.full_like(case.sensor, 128.0), case.capture, case.input)
    figures, *_ = score(Predictor(lambda image, capture: white), dark, PROTOCOLS["micro"])
    assert figures["raw DN"] == pytest.approx(3967) and figures["raw PSNR"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("name", ["RAW", "rendering"])
def test_non_finite_output_is_an_error(name, bad):
    """One sample is enough; after clipping, infinity would look like white."""
    case = Micro().cases[0]
    raw, rendering = pack_sensor(case.sensor, case.capture).clone(), case.input.clone()
    (raw if name == "RAW" else rendering)[0, 1, 2, 3] = bad
    predictor = Predictor(lambda image, capture: raw, lambda sensor, capture: rendering)
    with pytest.raises(InvalidTensor, match=f"case '{case.name}': 1 of [0-9]+ samples of the {name} are NaN"):
        score(predictor, case, PROTOCOLS["micro"])


def test_only_hue_of_highlights_may_be_undefined(monkeypatch):
    case = Micro().cases[0]
    predictor = entrant("classic").predictor(None)
    with pytest.raises(InvalidTensor, match=f"case '{case.name}': sRGB LPIPS of finite samples is NaN"):
        score(predictor, case, PROTOCOLS["micro"], lambda output, target: float("nan"))
    monkeypatch.setattr(scoring.metrics, "highlight_hue_error", lambda output, target: torch.tensor([torch.nan]))
    figures, *_ = score(predictor, case, PROTOCOLS["micro"], lambda output, target: 0.5)
    assert "highlight hue" not in figures and figures["sRGB LPIPS"] == 0.5


def test_cost_is_counted():
    """Multiply-adds of a color matrix per pixel, and no parameters."""
    figures = cost(entrant("classic").predictor(None), Micro().cases[0])
    assert figures == {"parameters": 0, "MAC per pixel": 9.0}
    assert cost(entrant("identity").predictor(None), Micro().cases[0]) == {"parameters": 0, "MAC per pixel": 0.0}


def test_jpeg_files_have_quality_90_and_422():
    """Equal to Pillow's file with these named settings."""
    torch.manual_seed(0)
    image, file = torch.rand(1, 3, 24, 40), io.BytesIO()
    codes = (255 * image[0]).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(codes).save(file, "JPEG", quality=90, subsampling="4:2:2")
    expected = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None] / 255
    assert torch.equal(through_file(image), expected)

"""Where an entrant loses something, stage by stage."""

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
    """The last stage's recovered input is off by half a code and its slope; without clipping nothing else is lost."""
    case = Micro().cases[0]
    rows = by_stage(entrant("classic").predictor(None), case)
    assert [row["stage"] for row in rows] == list(presets.classic().span("levels", "tone").names)
    span = float(case.capture.white[0] - case.capture.black[0, 0])
    assert 0 < rows[-1]["median"] < 1 / 255 * span  # the tone curve is nowhere flatter than 0.5
    assert rows[-1]["codes"] < 0.01
    assert rows[0]["99 %"] > rows[0]["median"] > 0
    # From RAW itself the frame is demosaiced again, which is not what the picture was.
    assert rows[0]["codes"] == pytest.approx(rows[1]["codes"], abs=1e-3)
    assert by_stage(entrant("identity").predictor(None), case) == []


def test_figures_are_numbers():
    """Equal samples have the challenge's 999 dB; a picture without highlights has no hue of them."""
    case = Micro().cases[0]
    dark = Case("dark", 64 + (case.sensor - 64) * 0.1, case.capture, 0.1 * case.given)
    truth = pack_sensor(dark.sensor, dark.capture)
    predictor = Predictor(lambda picture, capture: truth, lambda sensor, capture: 0.9 * dark.given)
    found, *_ = score(predictor, dark, PROTOCOLS["micro"])
    assert found["raw PSNR"] == 999 and found["raw SSIM"] == 1 and found["raw DN"] < 1e-3
    assert "highlight hue" not in found and 20 < found["sRGB PSNR"] < 60


def test_only_psnr_is_bounded():
    """A thousand digital numbers off are a thousand."""
    case = Micro().cases[1]
    assert float(case.capture.white - case.capture.black[0, 0]) == 4095 - 128
    white = torch.full_like(pack_sensor(case.sensor, case.capture), 1.0)
    dark = Case("dark", torch.full_like(case.sensor, 128.0), case.capture, case.given)
    found, *_ = score(Predictor(lambda picture, capture: white), dark, PROTOCOLS["micro"])
    assert found["raw DN"] == pytest.approx(3967) and found["raw PSNR"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("what", ["RAW", "rendered picture"])
def test_what_is_not_finite_is_an_error(what, bad):
    """One sample is enough; clipped, infinity would pass for white."""
    case = Micro().cases[0]
    raw, picture = pack_sensor(case.sensor, case.capture).clone(), case.given.clone()
    (raw if what == "RAW" else picture)[0, 1, 2, 3] = bad
    predictor = Predictor(lambda picture, capture: raw, lambda sensor, capture: picture)
    with pytest.raises(InvalidTensor, match=f"case '{case.name}': 1 of [0-9]+ samples of the {what} are NaN"):
        score(predictor, case, PROTOCOLS["micro"])


def test_only_hue_of_highlights_may_be_undefined(monkeypatch):
    case = Micro().cases[0]
    predictor = entrant("classic").predictor(None)
    with pytest.raises(InvalidTensor, match=f"case '{case.name}': sRGB LPIPS of finite samples is NaN"):
        score(predictor, case, PROTOCOLS["micro"], lambda made, wanted: float("nan"))
    monkeypatch.setattr(scoring.metrics, "highlight_hue_error", lambda made, wanted: torch.tensor([torch.nan]))
    found, *_ = score(predictor, case, PROTOCOLS["micro"], lambda made, wanted: 0.5)
    assert "highlight hue" not in found and found["sRGB LPIPS"] == 0.5


def test_cost_is_counted():
    """Multiply-adds of a matrix for each pixel of the picture, and no parameters."""
    found = cost(entrant("classic").predictor(None), Micro().cases[0])
    assert found == {"parameters": 0, "MAC per pixel": 9.0}
    assert cost(entrant("identity").predictor(None), Micro().cases[0]) == {"parameters": 0, "MAC per pixel": 0.0}


def test_a_file_is_of_quality_90_and_422():
    """As Pillow writes it under those names."""
    torch.manual_seed(0)
    picture, file = torch.rand(1, 3, 24, 40), io.BytesIO()
    codes = (255 * picture[0]).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(codes).save(file, "JPEG", quality=90, subsampling="4:2:2")
    expected = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None] / 255
    assert torch.equal(through_file(picture), expected)

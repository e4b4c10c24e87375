"""What each protocol compares, against numbers worked out by hand."""

import numpy as np
import pytest
import torch

from isptoolkit import Capture
from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.data.case import Case
from isptoolkit.bench.methods.entrant import Predictor
from isptoolkit.bench.scoring import as_compared, score
from isptoolkit.stages import pack_sensor

CAPTURE = Capture.of("RGGB", black=64, white=1064, gains=(2.0, 1.0, 1.5))
CLIPPED = ("micro", "pairs")
AS_IT_IS = ("aim22-s7", "aim22-p20")
MOSAICS = ("micro-noise", "sidd")
DEMOSAICED = ("fivek-nikon", "fivek-nikon-libraw", "fivek-canon", "fivek-canon-libraw")


def flat(*values):
    """Planes of RGGB, each of one value."""
    return torch.tensor(values).view(1, 4, 1, 1).expand(1, 4, 12, 12)


def test_every_protocol_is_here():
    assert {*CLIPPED, *AS_IT_IS, *MOSAICS, *DEMOSAICED} == set(PROTOCOLS)


@pytest.mark.parametrize("name", CLIPPED)
def test_planes_are_clipped(name):
    found = as_compared(flat(1.2, -0.1, 0.5, 0.25), CAPTURE, PROTOCOLS[name])
    assert torch.equal(found, flat(1.0, 0.0, 0.5, 0.25))


@pytest.mark.parametrize("name", AS_IT_IS)
def test_planes_of_the_challenge_are_not(name):
    found = as_compared(flat(1.2, -0.1, 0.5, 0.25), CAPTURE, PROTOCOLS[name])
    assert torch.equal(found, flat(1.2, -0.1, 0.5, 0.25))


@pytest.mark.parametrize("name", MOSAICS)
def test_mosaics_are_clipped_and_one_channel(name):
    found = as_compared(flat(1.2, -0.1, 0.5, 0.25), CAPTURE, PROTOCOLS[name])
    assert found.shape == (1, 1, 24, 24)
    assert found[0, 0, 4:6, 8:10].tolist() == [[1.0, 0.0], [0.5, 0.25]]


@pytest.mark.parametrize("name", DEMOSAICED)
def test_fivek_is_balanced_and_encoded(name):
    """1.2 is clipped to 1; gains 2, 1, 1.5 over 2 make 1, 0.2, 0.075; to the power 1/2.2: 1, 0.48116, 0.30808."""
    found = as_compared(flat(1.2, 0.4, 0.4, 0.1), CAPTURE, PROTOCOLS[name])
    assert found.shape == (1, 3, 24, 24)
    for channel, wanted in enumerate((1.0, 0.2 ** (1 / 2.2), 0.075 ** (1 / 2.2))):
        torch.testing.assert_close(found[0, channel], torch.full((24, 24), wanted), rtol=0, atol=1e-6)
    assert float(found[0, 1, 0, 0]) == pytest.approx(0.48116, abs=1e-5)
    assert float(found[0, 2, 0, 0]) == pytest.approx(0.30808, abs=1e-5)


@pytest.mark.parametrize("name", DEMOSAICED)
def test_fivek_is_demosaiced_bilinearly_before_it_is_encoded(name):
    """A red site of 1 among black ones: a half beside it, a quarter at its corners, then the power."""
    raw = torch.zeros(1, 4, 8, 8)
    raw[0, 0, 3, 4] = 1.0
    found = as_compared(raw, CAPTURE, PROTOCOLS[name])[0]
    half, quarter = 0.5 ** (1 / 2.2), 0.25 ** (1 / 2.2)
    wanted = torch.tensor([[quarter, half, quarter], [half, 1.0, half], [quarter, half, quarter]])
    torch.testing.assert_close(found[0, 5:8, 7:10], wanted, rtol=0, atol=1e-6)
    assert float(found.sum()) == pytest.approx(float(wanted.sum()), abs=1e-4)  # nothing anywhere else


def scored(name, truth, made):
    """Figures of an entrant that finds `made` in any picture, and renders gray."""
    sensor = torch.nn.functional.pixel_shuffle(64 + 1000 * truth, 2)
    gray = torch.full((1, 3, *sensor.shape[2:]), 0.5)
    predictor = Predictor(lambda picture, capture: made, lambda sensor, capture: gray)
    return score(predictor, Case("", sensor, CAPTURE, gray), PROTOCOLS[name])[0]


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_psnr_by_hand(name):
    """Red is 0.6 instead of 0.5. Planes and mosaics: 10 log10(4 / 0.01). FiveK: 0.72974 and 0.79279 of three colors."""
    found = scored(name, flat(0.5, 0.25, 0.25, 0.125), flat(0.6, 0.25, 0.25, 0.125))
    wanted = 28.777 if name in DEMOSAICED else 26.021
    assert found["raw PSNR"] == pytest.approx(wanted, abs=1e-3)
    # 0.1 of the range of 1000 in every fourth sample; where white is 1 there are no digital numbers.
    assert found.get("raw DN") == (None if name == "sidd" else pytest.approx(25, abs=1e-3))


@pytest.mark.parametrize(("name", "wanted"), [("micro", 999.0), ("sidd", 999.0), ("aim22-s7", 20.0)])
def test_what_is_past_white_counts_where_nothing_is_clipped(name, wanted):
    """RAW of 1.1 for 1: equal where both sides are clipped, else 0.1 off."""
    found = scored(name, flat(1.0, 1.0, 1.0, 1.0), flat(1.1, 1.1, 1.1, 1.1))
    assert found["raw PSNR"] == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "tolerance"), [("sidd", 1e-7), ("micro-noise", 1e-3), ("micro", 1e-3), ("fivek-nikon", 1e-3)]
)
def test_ssim_is_that_of_scikit_image(name, tolerance):
    """Its weights have 11 taps, as SIDD's scoring here; those of the challenge have 13, which is nearly the same."""
    similarity = pytest.importorskip("skimage.metrics", reason="needs scikit-image: pip install scikit-image")
    generator = torch.Generator().manual_seed(0)
    truth = torch.rand(1, 4, 12, 14, generator=generator)
    truth = torch.nn.functional.interpolate(truth, (24, 28), mode="bilinear")
    made = (truth + 0.05 * torch.randn(truth.shape, generator=generator)).clamp(0, 1)
    found = scored(name, truth, made)["raw SSIM"]
    sensor = torch.nn.functional.pixel_shuffle(64 + 1000 * truth, 2)
    sides = (as_compared(x, CAPTURE, PROTOCOLS[name])[0].double().numpy() for x in (made, pack_sensor(sensor, CAPTURE)))
    how = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    wanted = similarity.structural_similarity(*sides, channel_axis=0, **how)
    assert 0.3 < wanted < 0.99
    assert found == pytest.approx(float(np.mean(wanted)), abs=tolerance)

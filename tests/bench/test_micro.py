"""Computed scenes and simulated cameras: functions of their seeds, with the stated levels and noise."""

import pytest
import torch

from isptoolkit import errors
from isptoolkit.bench.data import micro
from isptoolkit.bench.data.micro import CAMERAS, NOISES, Micro, MicroNoise, Scenes, exposed, noisy_pair, pair
from isptoolkit.bench.data.scenes import scene


def test_scenes_are_functions_of_their_seed():
    assert torch.equal(scene(5, 48), scene(5, 48))
    assert not torch.equal(scene(5, 48), scene(6, 48))
    bright = torch.cat([scene(seed, 64) for seed in range(8)])
    assert 0.05 < float(bright.mean()) < 0.5
    assert float((bright > 1).float().mean()) > 1e-3  # highlights
    assert float(bright.min()) > 0


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda c: c.camera[0])
def test_a_gray_field_is_exposed_as_the_capture_states(camera):
    """Neutral light: samples in the ratio of the gains, noise of the stated variance, integers."""
    light = torch.full((1, 3, 256, 256), 0.4)
    sensor = exposed(light, camera, torch.Generator().manual_seed(0))
    assert torch.equal(sensor, sensor.round())
    black, white = float(camera.black[0, 0]), float(camera.white)
    shot, read = camera.noise[0].tolist()
    for site, channel in enumerate((0, 1, 1, 2)):
        samples = (sensor[0, 0, site // 2 :: 2, site % 2 :: 2] - black) / (white - black)
        level = 0.4 / float(camera.gains[0, channel])
        assert float(samples.mean()) == pytest.approx(level, abs=1e-3)
        variance = shot * level + read + 1 / 12 / (white - black) ** 2
        assert float(samples.var()) == pytest.approx(variance, rel=0.05)
    assert float(exposed(5 * light, camera, torch.Generator()).max()) == white


def test_pairs_are_aligned_and_from_both_cameras(monkeypatch):
    monkeypatch.setattr(micro, "_SCENES", 6)  # instead of 40: all are computed for the first batch
    cases = Micro().cases
    assert len(cases) == 24
    assert {case.capture.camera[0] for case in cases[:2]} == {"simulated A", "simulated B"}
    batch, repeated = (Scenes(pair).batch(3, 4, 64, seed=1) for _ in range(2))
    assert torch.equal(batch.sensor, repeated.sensor) and torch.equal(batch.target, repeated.target)
    # Green of RAW and of the image are correlated pixel by pixel.
    green = batch.sensor[:, 0, 0::2, 1::2].flatten(1)
    shown = batch.target[:, 1, 0::2, 1::2].flatten(1)
    for g, s in zip(green, shown, strict=True):
        assert float(torch.corrcoef(torch.stack((g, s)))[0, 1]) > 0.85
    with pytest.raises(errors.InvalidArgument, match="the patch must be even"):
        Scenes(pair).batch(0, 1, 65)


def test_targets_are_codes_of_a_file():
    codes = pair(3, 64).target * 255
    assert float((codes - codes.round()).abs().max()) < 1e-3


def test_noise_at_high_gains_has_the_stated_variance(monkeypatch):
    """Without clipping, the error over its stated standard deviation has variance 1."""
    monkeypatch.setattr(micro, "_SCENES", 2)
    assert len(MicroNoise().cases) == 24
    cases = MicroNoise().cases[:6]  # both cameras at every gain
    assert {case.capture.camera[0] for case in cases} == {"simulated A", "simulated B"}
    assert {tuple(round(value, 6) for value in case.capture.noise[0].tolist()) for case in cases} == set(NOISES)
    normalized = []
    for case in cases:
        black, white = float(case.capture.black[0, 0]), float(case.capture.white)
        shot, read = case.capture.noise[0].tolist()
        clean, noisy = ((x - black) / (white - black) for x in (case.sensor, case.input))
        inside = (clean > 0.1) & (clean < 0.7)
        normalized.append(((noisy - clean) / (shot * clean + read).sqrt())[inside])
    assert float(torch.cat(normalized).var()) == pytest.approx(1, rel=0.02)
    batch = Scenes(noisy_pair).batch(0, 2, 32)
    assert batch.target.shape == batch.sensor.shape == (2, 1, 32, 32)

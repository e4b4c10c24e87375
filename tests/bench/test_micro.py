"""Computed scenes and simulated cameras: functions of their seeds, of the levels that they state."""

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
    assert float((bright > 1).float().mean()) > 1e-3  # there are highlights
    assert float(bright.min()) > 0


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda c: c.camera[0])
def test_a_grey_field_is_exposed_as_the_capture_says(camera):
    """Neutral light gives samples in the ratio of the gains, noise of the stated variance, whole numbers."""
    light = torch.full((1, 3, 256, 256), 0.4)
    sensor = exposed(light, camera, torch.Generator().manual_seed(0))
    assert torch.equal(sensor, sensor.round())
    black, white = float(camera.black[0, 0]), float(camera.white)
    shot, read = camera.noise[0].tolist()
    for site, channel in enumerate((0, 1, 1, 2)):
        plane = (sensor[0, 0, site // 2 :: 2, site % 2 :: 2] - black) / (white - black)
        level = 0.4 / float(camera.gains[0, channel])
        assert float(plane.mean()) == pytest.approx(level, abs=1e-3)
        variance = shot * level + read + 1 / 12 / (white - black) ** 2
        assert float(plane.var()) == pytest.approx(variance, rel=0.05)
    assert float(exposed(5 * light, camera, torch.Generator()).max()) == white


def test_pairs_are_aligned_and_of_both_cameras(monkeypatch):
    monkeypatch.setattr(micro, "_SCENES", 6)  # of 40: all are made when one is asked for
    cases = Micro().cases
    assert len(cases) == 24
    assert {case.capture.camera[0] for case in cases[:2]} == {"simulated A", "simulated B"}
    batch, again = (Scenes(pair).batch(3, 4, 64, seed=1) for _ in range(2))
    assert torch.equal(batch.sensor, again.sensor) and torch.equal(batch.target, again.target)
    # Green of RAW and of the picture go up and down together, in place.
    green = batch.sensor[:, 0, 0::2, 1::2].flatten(1)
    shown = batch.target[:, 1, 0::2, 1::2].flatten(1)
    for g, s in zip(green, shown, strict=True):
        assert float(torch.corrcoef(torch.stack((g, s)))[0, 1]) > 0.85
    with pytest.raises(errors.InvalidArgument, match="a patch is even"):
        Scenes(pair).batch(0, 1, 65)


def test_pictures_are_codes_of_a_file():
    codes = pair(3, 64).target * 255
    assert float((codes - codes.round()).abs().max()) < 1e-3


def test_noise_of_high_gains_is_what_the_capture_states(monkeypatch):
    """Where nothing is clipped the error over its stated deviation has variance 1."""
    monkeypatch.setattr(micro, "_SCENES", 2)
    assert len(MicroNoise().cases) == 24
    cases = MicroNoise().cases[:6]  # both cameras at every gain
    assert {case.capture.camera[0] for case in cases} == {"simulated A", "simulated B"}
    assert {tuple(round(value, 6) for value in case.capture.noise[0].tolist()) for case in cases} == set(NOISES)
    apart = []
    for case in cases:
        black, white = float(case.capture.black[0, 0]), float(case.capture.white)
        shot, read = case.capture.noise[0].tolist()
        clean, noisy = ((x - black) / (white - black) for x in (case.sensor, case.given))
        inside = (clean > 0.1) & (clean < 0.7)
        apart.append(((noisy - clean) / (shot * clean + read).sqrt())[inside])
    assert float(torch.cat(apart).var()) == pytest.approx(1, rel=0.02)
    batch = Scenes(noisy_pair).batch(0, 2, 32)
    assert batch.target.shape == batch.sensor.shape == (2, 1, 32, 32)

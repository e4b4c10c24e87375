"""Classical cameras with one part learned: what they start from, and their losses by value."""

import pytest
import torch

from isptoolkit import Capture, errors, presets
from isptoolkit.data import Batch
from isptoolkit.recipes import hybrids
from isptoolkit.stages import DemosaicMalvar

CAPTURE = Capture.collate([Capture.of("RGGB", black=64, white=1023, gains=(1.9, 1.0, 1.6))] * 2)


def batch():
    generator = torch.Generator().manual_seed(0)
    sensor = 64 + 500 * torch.rand(2, 1, 16, 20, generator=generator, dtype=torch.float64)
    return Batch(sensor, CAPTURE, torch.rand(2, 3, 16, 20, generator=generator, dtype=torch.float64))


def objective(part, drawn):
    torch.manual_seed(0)
    made = hybrids.Objective(hybrids.Config(part, blocks=1, growth=4)).double()
    for value in made.parameters() if drawn else ():
        value.data.add_(0.05 * torch.randn_like(value))
    return made


def test_what_they_start_from():
    given, classic = batch(), presets.classic()
    with torch.no_grad():
        shown = objective("residual", False).stage(given.sensor, given.capture)
        torch.testing.assert_close(shown, classic.span("levels", "tone")(given.sensor, given.capture))
        encoded = objective("flow", False).stage(given.sensor, given.capture)
        camera = classic.span("levels", "demosaic")(given.sensor, given.capture)
        torch.testing.assert_close(encoded, camera.abs() ** (1 / 2.2) * camera.sign())
        malvar = classic.span("levels", "tone").swap("demosaic", DemosaicMalvar())
        begun = objective("demosaic", False).stage(given.sensor, given.capture)
        torch.testing.assert_close(begun, malvar(given.sensor, given.capture))


@pytest.mark.parametrize("part", ["residual", "flow"])
def test_the_loss_is_of_the_picture_and_of_what_goes_into_the_flow(part):
    given, made = batch(), objective(part, True)
    loss, figures = made(given)
    names = made.stage.names
    before, flow = made.stage.span(names[0], names[-2]), made.stage[names[-1]]
    seen = before(given.sensor, given.capture)
    rgb = (made.stage(given.sensor, given.capture) - given.target).abs().mean()
    raw = (flow.inverse(given.target, given.capture) - seen).abs().mean()
    for found, expected in ((figures["rgb"], rgb), (figures["raw"], raw), (loss, rgb + raw)):
        assert float(found.detach()) == pytest.approx(float(expected.detach()))
    assert abs(float(rgb.detach()) - float(raw.detach())) > 1e-3


def test_the_loss_of_a_learned_demosaic_is_of_the_picture():
    given, made = batch(), objective("demosaic", True)
    loss, figures = made(given)
    expected = (made.stage(given.sensor, given.capture) - given.target).abs().mean()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()))
    assert list(figures) == ["rgb"]


def test_another_part_is_refused():
    with pytest.raises(errors.InvalidArgument, match="the part is flow, residual or demosaic, got 'tone'"):
        hybrids.Config("tone")

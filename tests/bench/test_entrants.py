"""Entrants that recipes declare: what of the trained stage is evaluated, and what is trained."""

import pytest
import torch

from isptoolkit import Capture, errors, stages
from isptoolkit.bench.methods.entrant import predictor_of
from isptoolkit.bench.methods.entrants import CLASSICAL, ENTRANTS, entrant
from isptoolkit.data import Batch
from isptoolkit.learned import SelfEnsemble
from isptoolkit.recipes import RECIPES
from isptoolkit.stages import pack_sensor

CAPTURE = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5), noise=(1e-3, 1e-5))


def made(name):
    torch.manual_seed(0)
    objective = entrant(name).make().eval()
    return objective, entrant(name).predictor(objective)


def sensor(*size):
    return 64 + 900 * torch.rand(*size, generator=torch.Generator().manual_seed(1))


def test_they_are_the_classical_ones_and_those_of_the_recipes():
    assert list(ENTRANTS) == [*CLASSICAL, *(one.name for recipe in RECIPES for one in recipe.candidates)]


@pytest.mark.parametrize("name", ["u-net", "zero-noise", "rst", "ssdnet"])
def test_networks_recover_packed_raw(name):
    """Clipped, as in use."""
    objective, predictor = made(name)
    x = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        assert torch.equal(predictor.back(x, CAPTURE), objective.stage.net(x).clamp(0, 1))
    assert predictor.module is objective.stage and predictor.forward is None


def test_a_self_ensemble_is_evaluated():
    objective, predictor = made("ssdnet-x8")
    x = torch.rand(1, 3, 32, 48)
    with torch.no_grad():
        plain, ensemble = objective.stage(x, CAPTURE), SelfEnsemble(objective.stage)(x, CAPTURE)
        assert torch.equal(predictor.back(x, CAPTURE), ensemble) and not torch.allclose(plain, ensemble)


@pytest.mark.parametrize("name", ["upi-denoiser", "ssdnet-denoiser"])
def test_denoisers_take_packed_raw(name):
    objective, predictor = made(name)
    noisy = sensor(1, 1, 32, 48)
    with torch.no_grad():
        expected = objective.stage(pack_sensor(noisy, CAPTURE), CAPTURE)
        assert torch.equal(predictor.back(noisy, CAPTURE), expected)


@pytest.mark.parametrize("name", ["invisp", "invisp-without-jpeg"])
def test_flows_are_evaluated_without_their_jpeg(name):
    """The protocol has a JPEG of its own."""
    objective, predictor = made(name)
    assert objective.stage.names[-1] == "jpeg" and predictor.pipeline.names[-1] == "render"
    raw = sensor(1, 1, 32, 48)
    with torch.no_grad():
        image = predictor.forward(raw, CAPTURE)
        assert torch.equal(image, objective.stage.span("levels", "render")(raw, CAPTURE))
        back = predictor.back(image, CAPTURE)
    torch.testing.assert_close(back, pack_sensor(raw, CAPTURE), rtol=0, atol=1e-3)


def test_a_flow_trained_without_a_jpeg():
    """The mean absolute error of its rendering; RAW has no part in it."""
    objective, predictor = made("invisp-without-jpeg")
    batch = Batch(sensor(1, 1, 32, 32), CAPTURE, torch.rand(1, 3, 32, 32))
    with torch.no_grad():
        loss, figures = objective(batch)
        rendered = predictor.forward(batch.sensor, CAPTURE)
    assert float(loss) == pytest.approx(float((rendered - batch.target).abs().mean()), rel=1e-6) and figures == {}
    assert entrant("invisp").make().forward.__func__ is not objective.forward.__func__


@pytest.mark.parametrize("part", ["flow", "residual", "demosaic"])
def test_hybrids_are_evaluated_whole(part):
    objective, predictor = made(f"hybrid-{part}")
    assert predictor.pipeline is objective.stage and predictor.module is objective.stage


def test_a_stage_between_other_spaces_is_refused():
    with pytest.raises(errors.InvalidArgument, match="cannot score a stage from sensor to mosaic"):
        predictor_of(stages.Levels(), stages.Levels())


def test_learning_rates_and_costs_are_those_that_recipes_declare():
    for recipe in RECIPES:
        for one in recipe.candidates:
            for full in (False, True):
                built = entrant(one.name, full)
                assert (built.lr, built.cost, built.reported, built.task) == (one.lr, one.cost, one.reported, one.task)
                assert built.about == one.about(full) and built.configuration["entrant"] == one.name
    assert entrant("invisp").lr == 2e-3 and entrant("invisp").cost == 18.0 and entrant("u-net").lr == 1e-3

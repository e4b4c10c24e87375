"""Round-trip measurement: errors where they arise, in digital numbers."""

import numpy as np
import pytest
import torch
from torch import nn

from isptoolkit import CAMERA, LINEAR, MOSAIC, SENSOR, Learned, Pipeline, presets, stages
from isptoolkit.errors import OneWay
from isptoolkit.report.round_trip import error_map, measure, survivors, travel


@pytest.fixture
def sensor() -> torch.Tensor:
    torch.manual_seed(1)
    return 250 + 60 * torch.rand(1, 1, 16, 16, dtype=torch.float64)


def test_an_exact_chain_returns_to_rounding(sensor, capture):
    trip = measure(presets.classic().span("levels", "tone"), sensor, capture)
    assert trip.digital_numbers == 1023 - 65
    assert trip.rows[0].on_domain[2] < 1e-9
    assert trip.rows[0].space == "sensor"


def test_quantizing_costs_at_most_half_a_step_where_it_happens(sensor, capture):
    trip = measure(presets.classic(), sensor, capture)
    last = trip.rows[-1]
    assert last.stage == "quantize"
    assert 0.4 / 255 < last.on_domain[2] / trip.digital_numbers <= 0.5 / 255 * (1 + 1e-9)


def test_clipped_pixels_count_everywhere_but_not_on_domain(sensor, capture):
    sensor[0, 0, 4, 4] = 2000.0
    trip = measure(presets.classic().span("levels", "tone"), sensor, capture)
    assert trip.rows[0].on_domain[2] < 1e-9
    assert trip.rows[0].everywhere[2] > 500
    assert 0 < 1 - trip.rows[0].alive < 0.2


def test_survivors_are_the_pixels_that_no_later_stage_clips(sensor, capture):
    sensor[0, 0, 4, 4] = 2000.0
    chain = presets.classic().span("levels", "tone")
    masks = survivors(chain, travel(chain, sensor, capture), capture)
    assert tuple(masks) == chain.names[::-1]
    assert bool(masks["tone"].all()) and not bool(masks["levels"][0, 0, 4, 4])
    assert torch.equal(masks["levels"], masks["highlights"])
    alive = [int(masks[name].sum()) for name in chain.names]
    assert alive == sorted(alive)


def test_error_maps_are_in_digital_numbers():
    x, y = torch.zeros(1, 3, 1, 2), torch.tensor([0.1, 0.0, -0.3, 0.0, 0.2, 0.0]).view(1, 3, 1, 2)
    assert torch.allclose(error_map(y, x, CAMERA, 100.0).flatten(), torch.tensor([30.0, 0.0]))
    assert torch.allclose(error_map(y[:, 2:], x[:, 2:], SENSOR, 100.0).flatten(), torch.tensor([0.2, 0.0]))


def test_a_pipeline_without_inverse_names_the_stage(sensor, capture):
    net = Learned(nn.Conv2d(3, 3, 1), takes=CAMERA, gives=LINEAR)
    pipeline = Pipeline(levels=stages.Levels(), demosaic=stages.DemosaicMalvar(), net=net)
    with pytest.raises(OneWay, match=r"stage net \(Learned\) has no inverse"):
        measure(pipeline, sensor, capture)


def test_rows_are_the_same_for_some_stages_and_with_a_given_journey(sensor, capture):
    sensor[0, 0, 4, 4] = 2000.0
    chain = presets.classic()
    whole = measure(chain, sensor, capture)
    assert measure(chain, sensor, capture, journey=travel(chain, sensor, capture)) == whole
    assert measure(chain, sensor, capture, stages=["levels"]).rows == whole.rows[:1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_percentiles_are_those_of_numpy(sensor, capture, dtype):
    chain = presets.classic()
    sensor = sensor.to(dtype)
    journey = travel(chain, sensor, capture)
    error = (journey.recovered["matrix"] - journey.inputs["matrix"]).abs().amax(1).flatten() * (1023 - 65)
    row = measure(chain, sensor, capture, journey=journey).rows[chain.names.index("matrix")]
    expected = np.percentile(error.numpy(), [50, 99, 100], method="nearest")
    np.testing.assert_allclose(sorted(row.everywhere), expected, rtol=0.02)
    assert row.everywhere[2] == float(error.max())


def test_a_pipeline_with_parameters_is_measured(sensor, capture):
    gain = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
    chain = Pipeline(levels=stages.Levels(), gain=stages.Gain(gain, space=MOSAIC))
    assert measure(chain, sensor, capture).rows[0].on_domain[2] < 1e-9

"""The contact sheet: error maps and their titles are of the same pixels."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch.nn.functional import max_pool2d

from isptoolkit import presets, read_image
from isptoolkit.report.contact_sheet import _error_image, contact_sheet
from isptoolkit.report.round_trip import error_map, measure, survivors, travel


@pytest.mark.parametrize("size", [(40, 60), (400, 500)])
def test_the_title_of_an_error_map_is_of_the_pixels_that_it_shows(capture, size):
    sensor = 70 + 700 * torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(0))
    pipeline = presets.classic()
    journey = travel(pipeline, sensor, capture)
    masks, trip = survivors(pipeline, journey, capture), measure(pipeline, sensor, capture)
    row = trip.rows[3]
    error = error_map(journey.recovered["demosaic"], journey.inputs["demosaic"], pipeline["demosaic"].takes, 958.0)
    axis = Figure().add_subplot()
    _error_image(axis, error, masks["demosaic"], row.on_domain[2], (1e-3, 1e3))
    colors, gray = (np.asarray(image.get_array()) for image in axis.images)
    lost = max_pool2d((~masks["demosaic"]).double(), error.shape[2] // len(colors))[0, 0].numpy()
    assert ((gray[..., 3] > 0) == (lost > 0)).all() and 0 < lost.mean() < 1
    assert abs(colors.max() - row.on_domain[2]) < 1e-6 * row.on_domain[2] < row.everywhere[2]
    share = 100 * (1 - row.alive)
    assert axis.get_title(loc="left") == f"max {row.on_domain[2]:.2g} DN · {share:.2f}% clipped"


def test_sheets_are_of_the_first_sample_and_show_every_stage(tmp_path, capture):
    sensor = 70 + 700 * torch.rand(2, 1, 24, 36)
    pipeline = presets.classic().span("levels", "matrix")
    contact_sheet(pipeline, sensor, capture, tmp_path / "a.svg")
    contact_sheet(pipeline, sensor, capture, tmp_path / "a.png")
    text = (tmp_path / "a.svg").read_text()
    assert all(f"<!-- {name}" in text for name in pipeline.names)
    height, width = read_image(tmp_path / "a.png").shape[2:]
    assert width > 1000 and height > 5 * 150

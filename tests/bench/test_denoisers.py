"""The linear filter, and the entrants that learn nothing, against numbers worked out by hand."""

import pytest
import torch

from isptoolkit import Capture, errors
from isptoolkit.bench.methods.denoisers import wiener
from isptoolkit.bench.methods.entrants import entrant
from isptoolkit.bench.report.pictures import ERROR, draw

CAPTURE = Capture.of("RGGB", black=0, white=1, noise=(0.0, 0.01))


def test_wiener_by_hand():
    """One plane is 0 and 1 in turn around a 1: of its 9 cells, 5 are 1; mean 5/9, variance 20/81, noise 0.01."""
    cells = (torch.arange(7)[:, None] + torch.arange(7)[None, :]) % 2 == 0
    mosaic = torch.nn.functional.pixel_shuffle(cells.float().expand(1, 4, 7, 7), 2)
    found = wiener(mosaic, CAPTURE, size=3)
    mean, variance = 5 / 9, 20 / 81
    wanted = mean + (variance - 0.01) / variance * (1 - mean)
    assert found[0, :, 3, 3].tolist() == pytest.approx([wanted] * 4, abs=1e-6)
    loud = CAPTURE.replace(noise=torch.tensor([[0.0, 1.0]]))  # more than what is there: the mean is left
    assert wiener(mosaic, loud, size=3)[0, :, 3, 3].tolist() == pytest.approx([mean] * 4, abs=1e-6)
    shot = CAPTURE.replace(noise=torch.tensor([[0.018, 0.0]]))  # 0.018 times the mean is 0.01
    torch.testing.assert_close(wiener(mosaic, shot, size=3)[0, :, 3, 3], found[0, :, 3, 3])
    with pytest.raises(errors.MissingMetadata, match="does not state its noise"):
        wiener(mosaic, CAPTURE.replace(noise=None))


def test_the_wiener_entrant_takes_five_cells():
    mosaic = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(0))
    assert torch.equal(entrant("wiener").predictor(None).back(mosaic, CAPTURE), wiener(mosaic, CAPTURE, 5))
    assert not torch.equal(wiener(mosaic, CAPTURE, 5), wiener(mosaic, CAPTURE, 3))


def test_identity_takes_the_channel_of_each_site():
    """Red at row 0, column 0 of a cell, green at its two, blue at the last."""
    picture = torch.arange(12.0).view(1, 3, 2, 2)  # red 0 to 3, green 4 to 7, blue 8 to 11
    found = entrant("identity").predictor(None).back(picture, Capture.of("RGGB"))
    assert found.flatten().tolist() == [0.0, 5.0, 6.0, 11.0]


def test_error_maps_are_white_from_their_limit_on():
    """Black where nothing is off; pale from an error of 0.05 on, mean over the sites."""
    truth = torch.full((1, 4, 2, 2), 0.5)
    found = truth.clone()
    found[..., 0, 1] += ERROR
    found[:, :2, 1, 0] += ERROR  # half of the sites
    shown = draw(torch.zeros(1, 3, 4, 4), truth, found, None, CAPTURE)
    error = shown["error"][0]
    assert error.shape == (3, 4, 4) and set(shown) == {"input", "raw", "recovered", "error"}
    assert error[:, 0, 0].tolist() == pytest.approx([0.0, 0.0, 0.02])
    assert error[:, 0, 2].tolist() == pytest.approx([0.99, 0.99, 0.75], abs=1e-5)
    assert error[:, 2, 0].tolist() == pytest.approx([0.72, 0.22, 0.47], abs=1e-5)  # the middle color

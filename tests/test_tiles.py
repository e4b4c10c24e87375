"""Tiled stages against whole frames."""

import pytest
import torch

from isptoolkit import Capture, errors, stages
from isptoolkit.recipes import invisp
from isptoolkit.tiles import Tiled

CAPTURE = Capture.of("RGGB")


@pytest.mark.parametrize("size", [(1, 1), (40, 40), (90, 131), (64, 200)])
def test_a_tiled_flow_equals_the_whole_frame_in_both_directions(size):
    torch.manual_seed(0)
    stage = invisp.InvISP(blocks=2, growth=4, start="published")
    tiled, x = Tiled(stage, tile=40), torch.rand(2, 3, *size)
    with torch.no_grad():
        y = stage(x, CAPTURE)
        assert float((tiled(x, CAPTURE) - y).abs().max()) < 1e-5
        assert float((tiled.inverse(y, CAPTURE) - stage.inverse(y, CAPTURE)).abs().max()) < 1e-5


def test_the_reach_of_a_flow_is_tight():
    torch.manual_seed(1)
    stage = invisp.InvISP(blocks=2, growth=4, start="published").double()
    capture = CAPTURE.to(torch.float64)
    x = torch.rand(1, 3, 9, 101, dtype=torch.float64)
    other = x.clone()
    other[..., 50] += 0.5
    with torch.no_grad():
        for apply in (stage.forward, stage.inverse):
            changed = (apply(x, capture) != apply(other, capture)).any(1)[0].any(0).nonzero().flatten()
            assert int((changed - 50).abs().max()) == stage.contract.reach


def test_stages_that_cannot_be_tiled():
    with pytest.raises(errors.InvalidArgument, match="Jpeg may depend on the whole frame"):
        Tiled(stages.Jpeg())
    with pytest.raises(errors.InvalidArgument, match="between full-size images"):
        Tiled(stages.DemosaicMalvar())
    with pytest.raises(errors.InvalidArgument, match="got 4"):
        Tiled(stages.SRGBCurve(), tile=4)

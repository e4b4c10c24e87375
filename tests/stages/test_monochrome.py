"""Sensors without color filters."""

import pytest
import torch

from isptoolkit import Capture, Pipeline, fuse, presets
from isptoolkit.errors import InvalidArgument, InvalidCapture
from isptoolkit.stages import DemosaicMalvar, Gain, Levels, Monochrome, WhiteBalance


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_plane_stands_in_every_channel_and_comes_back(dtype):
    capture, x = Capture.of("MONO"), torch.randn(2, 1, 5, 7, dtype=dtype)
    y = Monochrome()(x, capture)
    assert y.shape == (2, 3, 5, 7) and all(torch.equal(y[:, c : c + 1], x) for c in range(3))
    torch.testing.assert_close(Monochrome().inverse(y, capture), x, rtol=2 * torch.finfo(dtype).eps, atol=0)
    color = torch.rand(2, 3, 5, 7, dtype=dtype)
    torch.testing.assert_close(Monochrome().inverse(color, capture), color.sum(1, keepdim=True) / 3)


@pytest.mark.parametrize("cfa", ["RGGB", "RGB"])
def test_a_mosaic_is_no_gray_picture(cfa):
    with pytest.raises(InvalidCapture, match=f"Monochrome takes samples of MONO, but the capture has the cfa '{cfa}'"):
        Monochrome()(torch.zeros(1, 1, 2, 2), Capture.of(cfa))


def test_stages_that_no_capture_suits_are_refused_at_construction():
    with pytest.raises(InvalidArgument, match="no capture suits all stages: they take samples of .*, and MONO"):
        Pipeline(levels=Levels(), balance=WhiteBalance(), gray=Monochrome())
    assert Pipeline(levels=Levels(), gain=Gain(2.0), gray=Monochrome()).layouts == ("MONO",)
    assert Pipeline(gain=Gain(2.0), demosaic=DemosaicMalvar()).layouts == ("RGGB", "BGGR", "GRBG", "GBRG")
    assert Monochrome().inv.layouts == ("MONO",)


@pytest.mark.parametrize(("layout", "cfa"), [("linear", "RGB"), ("mono", "MONO"), ("mosaic", "GBRG")])
def test_fused_presets_accept_the_same_captures(layout, cfa):
    pipeline = presets.classic(layout=layout)
    for chain in (fuse(pipeline), fuse(pipeline, demosaic=True)):
        assert chain.layouts == pipeline.layouts and cfa in chain.layouts
        assert all(stage.layouts == pipeline[name].layouts for name, stage in chain.items() if name in pipeline.names)

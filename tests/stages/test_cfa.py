"""Sampling and packing against NumPy slices."""

import numpy as np
import pytest
import torch

from isptoolkit import Capture
from isptoolkit.capture import BAYER
from isptoolkit.errors import InvalidCapture, InvalidSize
from isptoolkit.geometry import flip
from isptoolkit.stages import DemosaicBilinear, DemosaicMalvar, DemosaicMenon, Mosaic, Pack, WhiteBalance
from isptoolkit.stages.cfa import site_channels


def ramp(*shape):
    return torch.arange(float(np.prod(shape)), dtype=torch.float64).reshape(shape)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 1), (2, 1)])
def test_each_site_sees_its_channel(cfa, size):
    image = ramp(2, 3, *size)
    expected = np.empty((2, 1, *size))
    for site, letter in enumerate(cfa):
        window = np.s_[site // 2 :: 2, site % 2 :: 2]
        expected[:, 0][:, *window] = image.numpy()[:, "RGB".index(letter)][:, *window]
    sampled = Mosaic()(image, Capture.of(cfa))
    np.testing.assert_array_equal(sampled.numpy(), expected)
    assert torch.equal(DemosaicBilinear().inverse(image, Capture.of(cfa)), sampled)


def test_packed_channels_are_the_sites_row_major_for_every_phase():
    mosaic = ramp(2, 1, 4, 6)
    for cfa in BAYER:
        packed = Pack()(mosaic, Capture.of(cfa))
        for site in range(4):
            np.testing.assert_array_equal(packed[:, site].numpy(), mosaic.numpy()[:, 0, site // 2 :: 2, site % 2 :: 2])
        assert torch.equal(Pack().inverse(packed, Capture.of(cfa)), mosaic)


def test_flipping_packed_raw_is_not_flipping_the_mosaic():
    mosaic, capture = ramp(1, 1, 4, 6), Capture.of("RGGB")
    flipped, flipped_capture = flip(mosaic, capture, horizontal=True)
    assert flipped_capture.cfa == "GRBG"
    packed = Pack()(mosaic, capture).flip(-1)
    assert not torch.equal(packed, Pack()(flipped, flipped_capture))
    assert torch.equal(packed[:, [1, 0, 3, 2]], Pack()(flipped, flipped_capture))


@pytest.mark.parametrize("size", [(3, 4), (4, 5), (1, 1)])
def test_odd_sizes_are_refused_with_the_size(size):
    with pytest.raises(InvalidSize, match=f"{size[0]} x {size[1]}"):
        Pack()(torch.zeros(1, 1, *size), Capture.of("RGGB"))


def test_gradients():
    image = torch.rand(1, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: Mosaic()(x, Capture.of("GBRG")), (image,))


@pytest.mark.parametrize("cfa", ["RGB", "MONO"])
def test_samples_without_a_mosaic_have_no_phase(cfa):
    capture = Capture.of(cfa)
    layout = {"RGB": "linear", "MONO": "mono"}[cfa]
    for stage in (DemosaicBilinear(), DemosaicMalvar(), DemosaicMenon(), Mosaic(), WhiteBalance()):
        x = torch.zeros(1, stage.takes.channels, 4, 4)
        with pytest.raises(
            InvalidCapture, match=rf'{type(stage).__name__} takes .*presets.classic\(layout="{layout}"\)'
        ):
            stage(x, capture)
    with pytest.raises(InvalidCapture, match=rf'have no Bayer phase: .*presets.classic\(layout="{layout}"\)'):
        site_channels(cfa)

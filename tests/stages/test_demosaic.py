"""The linear demosaics against colour-demosaicing, and their invariants at every size and phase."""

import colour_demosaicing
import numpy as np
import pytest
import torch

from isptoolkit import Capture
from isptoolkit.capture import BAYER
from isptoolkit.errors import InvalidSize
from isptoolkit.stages import DemosaicBilinear, DemosaicMalvar, Mosaic

METHODS = {
    DemosaicBilinear: colour_demosaicing.demosaicing_CFA_Bayer_bilinear,
    DemosaicMalvar: colour_demosaicing.demosaicing_CFA_Bayer_Malvar2004,
}
SIZES = [(2, 2), (2, 3), (3, 2), (3, 3), (5, 7), (8, 8), (9, 4)]


def plane(*size, seed=0, dtype=torch.float64):
    return torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("method", METHODS)
def test_equal_to_colour_demosaicing_away_from_the_border(method, cfa):
    mosaic = plane(20, 23)
    output = method()(mosaic, Capture.of(cfa))[0].permute(1, 2, 0).numpy()
    expected = METHODS[method](mosaic[0, 0].numpy(), cfa)
    np.testing.assert_allclose(output[3:-3, 3:-3], expected[3:-3, 3:-3], rtol=0, atol=1e-14)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_measured_samples_are_kept_bit_for_bit(method, size, cfa):
    for dtype in (torch.float32, torch.float64):
        mosaic, capture = plane(*size, dtype=dtype), Capture.of(cfa)
        image = method()(mosaic, capture)
        assert torch.equal(Mosaic()(image, capture), mosaic)
        assert torch.equal(method().inverse(image, capture), mosaic)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", METHODS)
def test_a_flat_color_stays_flat_up_to_the_border(method, size, cfa):
    flat = torch.tensor([0.7, 0.4, 0.1], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, *size)
    image = method()(Mosaic()(flat, Capture.of(cfa)), Capture.of(cfa))
    torch.testing.assert_close(image, flat, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_a_gray_ramp_is_reproduced_inside(method):
    rows, columns = np.indices((9, 10))
    ramp = torch.from_numpy(0.03 * rows + 0.05 * columns)[None, None]
    image = method()(ramp, Capture.of("GRBG"))
    torch.testing.assert_close(image[..., 2:-2, 2:-2], ramp[..., 2:-2, 2:-2].expand(1, 3, 5, 6), rtol=0, atol=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_the_border_mirrors_without_repeating_the_edge(method):
    mosaic, capture = plane(6, 6), Capture.of("GBRG")
    padded = np.pad(mosaic[0, 0].numpy(), 4, mode="reflect")
    larger = method()(torch.from_numpy(padded)[None, None], capture)
    torch.testing.assert_close(method()(mosaic, capture), larger[..., 4:-4, 4:-4], rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_a_frame_without_all_four_sites_is_refused(method):
    for size in ((1, 1), (1, 4), (4, 1)):
        with pytest.raises(InvalidSize, match=f"{size[0]} x {size[1]}"):
            method()(torch.zeros(1, 1, *size), Capture.of("RGGB"))


@pytest.mark.parametrize("method", METHODS)
def test_gradients(method):
    mosaic = plane(4, 5).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: method()(x, Capture.of("BGGR")), (mosaic,))

"""Menon's directional demosaic against colour-demosaicing, and its invariants at every size and phase."""

import colour_demosaicing
import numpy as np
import pytest
import torch

from isptoolkit import Capture
from isptoolkit.capture import BAYER
from isptoolkit.errors import InvalidSize
from isptoolkit.stages import DemosaicMenon, Mosaic


def plane(*size):
    return torch.rand(1, 1, *size, generator=torch.Generator().manual_seed(4), dtype=torch.float64)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("refine", [False, True])
def test_equal_to_colour_demosaicing_away_from_the_border(cfa, refine):
    mosaic = plane(34, 37)
    output = DemosaicMenon(refine)(mosaic, Capture.of(cfa))[0].permute(1, 2, 0).numpy()
    expected = colour_demosaicing.demosaicing_CFA_Bayer_Menon2007(mosaic[0, 0].numpy(), cfa, refining_step=refine)
    np.testing.assert_allclose(output[9:-9, 9:-9], expected[9:-9, 9:-9], rtol=0, atol=1e-13)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("size", [(2, 2), (2, 3), (3, 3), (5, 7), (8, 6)])
def test_samples_are_kept_and_flat_colors_stay_flat(size, cfa):
    capture = Capture.of(cfa)
    for dtype in (torch.float32, torch.float64):
        mosaic = plane(*size).to(dtype)
        assert torch.equal(Mosaic()(DemosaicMenon()(mosaic, capture), capture), mosaic)
    flat = torch.tensor([0.7, 0.4, 0.1], dtype=torch.float64).view(1, 3, 1, 1).expand(1, 3, *size)
    torch.testing.assert_close(DemosaicMenon()(Mosaic()(flat, capture), capture), flat, rtol=0, atol=1e-15)


def test_stripes_are_interpolated_along_their_direction():
    stripes = torch.tensor([0.2, 0.2, 0.8, 0.8], dtype=torch.float64).repeat(6)[:, None].expand(24, 24)
    for gray in (stripes, stripes.T):
        image = DemosaicMenon()(gray[None, None].contiguous(), Capture.of("RGGB"))
        inner = np.s_[..., 6:-6, 6:-6]
        torch.testing.assert_close(image[inner], gray[None, None].expand(1, 3, 24, 24)[inner], rtol=0, atol=1e-12)


def test_a_frame_without_all_four_sites_is_refused():
    with pytest.raises(InvalidSize, match="1 x 4"):
        DemosaicMenon()(torch.zeros(1, 1, 1, 4), Capture.of("RGGB"))


def test_gradients():
    mosaic = plane(6, 6).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: DemosaicMenon()(x, Capture.of("GRBG")), (mosaic,))

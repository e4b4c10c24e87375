"""White-balance gains on the mosaic and on camera RGB."""

import pytest
import torch

from isptoolkit import CAMERA, LINEAR, MOSAIC, Capture
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages.white_balance import WhiteBalance

GAINS = {"R": 2.5, "G": 1.0, "B": 1.25}


@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_each_site_has_the_gain_of_its_color(cfa):
    capture = Capture.of(cfa, gains=tuple(GAINS.values()))
    y = WhiteBalance()(torch.ones(1, 1, 3, 5), capture)[0, 0]
    for row in range(3):
        for column in range(5):
            assert y[row, column] == GAINS[cfa[row % 2 * 2 + column % 2]]


@pytest.mark.parametrize(
    ("gains", "scaled"),
    [((0.8, 1.0, 2.5), (1.0, 1.25, 3.125)), ((2.0, 1.0, 1.5), (2.0, 1.0, 1.5)), ((1.5, 1.2, 3.0), (1.5, 1.2, 3.0))],
)
def test_a_floor_scales_all_gains_until_the_smallest_reaches_it(gains, scaled):
    captures = Capture.collate([Capture.of("RGGB", gains=gains), Capture.of("RGGB", gains=(4.0, 1.0, 0.5))])
    x = torch.ones(2, 3, 1, 1, dtype=torch.float64)
    y = WhiteBalance(space=CAMERA, floor=1.0)(x, captures).flatten(1)
    torch.testing.assert_close(y, torch.tensor([scaled, (8.0, 2.0, 1.0)], dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("space", [MOSAIC, CAMERA])
def test_both_trips(capture, space, dtype):
    x = torch.randn(2, space.channels, 4, 6, dtype=dtype)
    stage = WhiteBalance(space=space)
    bound = stage.contract.condition * torch.finfo(dtype).eps * x.abs().max()
    assert (stage.inverse(stage(x, capture), capture) - x).abs().max() <= bound
    assert (stage(stage.inverse(x, capture), capture) - x).abs().max() <= bound


def test_the_illuminant_becomes_gray(capture):
    illuminant = 0.3 / capture.gains.view(1, 3, 1, 1)
    y = WhiteBalance(space=CAMERA)(illuminant.expand(1, 3, 2, 2), capture)
    assert torch.allclose(y, torch.full_like(y, 0.3), atol=1e-15)


@pytest.mark.parametrize("space", [MOSAIC, CAMERA])
def test_a_batch_is_a_loop(space):
    captures = [Capture.of("GBRG", gains=(2.0, 1.0, 1.5)), Capture.of("GBRG", gains=(1.2, 1.0, 3.0))]
    x = torch.rand(2, space.channels, 4, 4)
    together = WhiteBalance(space=space)(x, Capture.collate(captures))
    for index, one in enumerate(captures):
        assert torch.equal(together[index : index + 1], WhiteBalance(space=space)(x[index : index + 1], one))


@pytest.mark.parametrize("space", [MOSAIC, CAMERA])
def test_own_gains_learn(capture, space):
    gains = torch.nn.Parameter(torch.tensor([2.0, 1.0, 1.5], dtype=torch.float64))
    stage = WhiteBalance(gains=gains, space=space)
    x = torch.rand(1, space.channels, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x, gains):
        return torch.func.functional_call(stage, {"gains": gains}, (x, capture))

    assert torch.autograd.gradcheck(run, (x, gains))


def test_bad_arguments():
    with pytest.raises(InvalidArgument, match="gains must be positive"):
        WhiteBalance(gains=[1.0, 0.0, 1.0])
    with pytest.raises(InvalidArgument, match="MOSAIC or CAMERA"):
        WhiteBalance(space=LINEAR)
    with pytest.raises(InvalidArgument, match="shape"):
        WhiteBalance(gains=[1.0, 1.0])
    with pytest.raises(InvalidArgument, match="floor must be positive, got 0.0"):
        WhiteBalance(floor=0.0)
    with pytest.raises(InvalidArgument, match="peak and floor exclude each other, got 1.0 and 2.0"):
        WhiteBalance(peak=1.0, floor=2.0)


@pytest.mark.parametrize("space", [MOSAIC, CAMERA])
def test_compiles(capture, space, compiler):
    stage = WhiteBalance(space=space)
    x = torch.rand(1, space.channels, 4, 6)
    compiled = torch.compile(lambda x: stage.inverse(stage(x, capture), capture), fullgraph=True, backend="eager")
    assert torch.allclose(compiled(x), x)


def test_a_peak_scales_all_gains_alike():
    capture = Capture.of("RGGB", gains=(2.0, 1.0, 1.6))
    x = torch.rand(1, 1, 4, 6)
    stage = WhiteBalance(peak=1.0)
    torch.testing.assert_close(stage(x, capture), WhiteBalance()(x, capture) / 2)
    torch.testing.assert_close(stage.inverse(stage(x, capture), capture), x)
    with pytest.raises(InvalidArgument, match=r"peak must be positive, got 0"):
        WhiteBalance(peak=0)

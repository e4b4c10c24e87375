"""Saturation and YCbCr."""

import colour
import numpy as np
import pytest
import torch

from isptoolkit import MOSAIC, SRGB
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages.color_adjust import LUMA_WEIGHTS, YCBCR, Saturation, YCbCr


def image(dtype=torch.float64):
    x = torch.rand(2, 3, 6, 7, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 1.4 - 0.2
    x[0, :, 0, :2] = torch.tensor([0.0, 1.0], dtype=dtype)
    return x


def channels_last(x):
    return x.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize(("standard", "name"), [("601", "ITU-R BT.601"), ("709", "ITU-R BT.709")])
def test_ycbcr_agrees_with_colour_science(capture, standard, name):
    weights = colour.WEIGHTS_YCBCR[name]
    floats = {"in_bits": 8, "in_legal": False, "in_int": False, "out_bits": 8, "out_legal": False, "out_int": False}
    expected = colour.RGB_to_YCbCr(channels_last(image()), K=weights, **floats)
    expected[..., 1:] += 0.5
    y = YCbCr(standard)(image(), capture)
    np.testing.assert_allclose(channels_last(y), expected, atol=1e-14)
    np.testing.assert_allclose(LUMA_WEIGHTS[standard], weights, atol=1e-15)
    assert torch.equal(YCbCr(tuple(weights))(image(), capture), y)


def test_ycbcr_agrees_with_the_jpeg_coefficients(capture):
    # ITU-T T.871 (JFIF), clause 7: codes of 8 bits, printed to four decimals.
    jfif = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    y = YCbCr()(torch.eye(3, dtype=torch.float64).view(1, 3, 1, 3), capture)[0, :, 0].numpy()
    np.testing.assert_allclose(y - np.array([[0.0], [0.5], [0.5]]), jfif, atol=6e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "stage", [YCbCr("601"), YCbCr("709"), YCbCr([0.25, 0.25]), Saturation(1.7, SRGB), Saturation([0.1, 9.0], SRGB)]
)
def test_both_trips(capture, stage, dtype):
    x = image(dtype)
    bound = stage.contract.condition * torch.finfo(dtype).eps * 1.2
    assert (stage.inverse(stage(x, capture), capture) - x).abs().max() <= bound
    assert (stage(stage.inverse(x, capture), capture) - x).abs().max() <= bound
    assert stage(x, capture).dtype == dtype


def test_range_of_the_color_differences(capture):
    corners = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T.view(1, 3, 2, 4)
    y = YCbCr("709")(corners, capture)
    assert y.amin((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert y.amax((0, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=1e-6)
    assert YCbCr().gives == YCBCR


def test_saturation_keeps_luminance_and_gray(capture):
    x = image()
    weights = torch.from_numpy(np.array(colour.WEIGHTS_YCBCR["ITU-R BT.709"]))
    weights = torch.stack([weights[0], 1 - weights.sum(), weights[1]]).view(1, 3, 1, 1)
    y = Saturation(1.5)(x, capture)
    assert torch.allclose((y * weights).sum(1), (x * weights).sum(1), atol=1e-14)
    gray = torch.rand(1, 1, 3, 3, dtype=torch.float64).expand(1, 3, 3, 3)
    assert torch.allclose(Saturation(0.3)(gray, capture), gray, atol=1e-15)
    assert torch.allclose(Saturation(1.0)(x, capture), x, atol=1e-15)


def test_saturation_scales_the_distance_from_gray(capture):
    x = torch.tensor([0.8, 0.2, 0.5], dtype=torch.float64).view(1, 3, 1, 1)
    y = Saturation(2.0)(x, capture).flatten()
    # Luminance 0.2126 * 0.8 + 0.7152 * 0.2 + 0.0722 * 0.5 = 0.34922.
    assert y.tolist() == pytest.approx([1.25078, 0.05078, 0.65078], abs=1e-12)


def test_gradients(capture):
    amount = torch.nn.Parameter(torch.tensor(1.3, dtype=torch.float64))
    stage = Saturation(amount)
    x = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x, amount):
        return torch.func.functional_call(stage, {"amount": amount}, (x, capture))

    assert torch.autograd.gradcheck(run, (x, amount))
    assert torch.autograd.gradcheck(lambda x: YCbCr()(x, capture), (x,))


@pytest.mark.parametrize("standard", ["2020", [0.5, 0.6], [0.3], [0.0, 0.1], [float("nan"), 0.1]])
def test_bad_standards_are_refused(standard):
    with pytest.raises(InvalidArgument, match="standard"):
        YCbCr(standard)


def test_bad_saturation_is_refused():
    with pytest.raises(InvalidArgument, match="amount must be positive"):
        Saturation(0.0)
    with pytest.raises(InvalidArgument, match="3 channels"):
        Saturation(1.0, space=MOSAIC)


@pytest.mark.parametrize("stage", [YCbCr(), Saturation(1.3, SRGB)], ids=["YCbCr", "Saturation"])
def test_compiles(capture, stage, compiler):
    x = torch.rand(1, 3, 4, 6)
    compiled = torch.compile(lambda x: stage.inverse(stage(x, capture), capture), fullgraph=True, backend="eager")
    assert torch.allclose(compiled(x), x, atol=1e-6)

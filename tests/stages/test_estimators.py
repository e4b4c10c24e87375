"""White-balance estimators on synthetic scenes and on photographs with a measured illuminant."""

import json

import numpy as np
import pytest
import torch

from isptoolkit import CAMERA, MOSAIC, Capture, read_image
from isptoolkit.errors import InvalidArgument, InvalidSize, InvalidTensor
from isptoolkit.stages.white_balance import WhiteBalance, gray_world, shades_of_gray, white_patch

ESTIMATORS = [gray_world, shades_of_gray, white_patch]
GAINS = torch.tensor([2.0, 1.0, 1.6], dtype=torch.float64)


def angle(gains, illuminant):
    """Degrees between the illuminant that the gains correct and the measured one (recovery angular error)."""
    estimated = 1 / gains
    return torch.rad2deg(
        torch.arccos((estimated @ illuminant / estimated.norm() / illuminant.norm()).clamp(-1, 1))
    ).item()


def photographs(folder):
    for path in sorted((folder / "c5-imx135").glob("*.png")):
        illuminant = json.loads(path.with_name(path.stem + "_metadata.json").read_text())["illuminant_color_raw"]
        yield read_image(path).double(), torch.tensor(illuminant).double()


@pytest.mark.parametrize("estimate", ESTIMATORS)
@pytest.mark.parametrize("cfa", ["RGGB", "BGGR", "GRBG", "GBRG"])
def test_a_gray_scene_returns_the_gains_of_its_light(estimate, cfa):
    gray = torch.rand(2, 1, 8, 10, dtype=torch.float64).clamp(0.05, 0.95) / 2
    # The four sites of a cell see the same gray.
    gray = gray[..., ::2, ::2].repeat_interleave(2, -1).repeat_interleave(2, -2)
    capture = Capture.of(cfa, gains=GAINS.tolist())
    mosaic = WhiteBalance(space=MOSAIC).inverse(gray, capture)
    camera = WhiteBalance(space=CAMERA).inverse(gray.expand(-1, 3, -1, -1), capture)
    for x in (mosaic, camera):
        estimated = estimate(x, Capture.of(cfa, black=64, white=1023))
        assert len(estimated) == 2
        assert estimated.white.tolist() == [1023, 1023]
        assert torch.allclose(estimated.gains, GAINS.expand(2, 3), atol=1e-12)


def test_the_capture_passed_in_is_not_changed(capture):
    before = capture.gains.clone()
    estimated = gray_world(torch.rand(1, 3, 4, 4) * 0.9, capture)
    assert torch.equal(capture.gains, before)
    assert estimated is not capture
    assert torch.equal(estimated.srgb_to_camera, capture.srgb_to_camera)


def test_p_mean_and_percentile_by_hand(capture):
    x = np.random.default_rng(5).uniform(0, 1, (1, 3, 9, 11))
    means = (x**6).mean((2, 3)) ** (1 / 6)
    ranks = np.percentile(x, 90, axis=(2, 3), method="inverted_cdf")
    tensor = torch.from_numpy(x)
    np.testing.assert_allclose(shades_of_gray(tensor, capture).gains.numpy(), means[:, 1:2] / means, rtol=1e-12)
    np.testing.assert_allclose(white_patch(tensor, capture, 90).gains.numpy(), ranks[:, 1:2] / ranks, rtol=1e-12)


@pytest.mark.parametrize("estimate", ESTIMATORS)
def test_clipped_pixels_do_not_count(estimate, capture):
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64) * 0.9
    expected = estimate(x[..., :6], capture).gains
    x[:, 1, :, 6:] = 1.0
    assert torch.allclose(estimate(x, capture).gains, expected, atol=1e-12)
    mosaic = torch.rand(1, 1, 8, 8, dtype=torch.float64) * 0.9
    expected = estimate(mosaic[..., :6], capture).gains
    mosaic[..., 6] = 1.5
    assert torch.allclose(estimate(mosaic, capture).gains, expected, atol=1e-12)


@pytest.mark.parametrize("estimate", ESTIMATORS)
def test_scenes_without_usable_values_are_refused(estimate, capture):
    x = torch.rand(1, 3, 4, 4) * 0.5 + 0.1
    x[:, 2] = 0
    with pytest.raises(InvalidArgument, match="no positive unclipped value"):
        estimate(x, capture)
    for value in (0.0, 1.0, float("nan")):
        with pytest.raises(InvalidArgument, match="no positive unclipped value"):
            estimate(torch.full((1, 1, 4, 4), value), capture)
    with pytest.raises(InvalidTensor):
        estimate(torch.rand(1, 4, 4, 4), capture)
    with pytest.raises(InvalidSize, match="2x2"):
        estimate(torch.rand(1, 1, 1, 4), capture)


def test_bad_arguments(capture):
    x = torch.rand(1, 3, 4, 4)
    with pytest.raises(InvalidArgument, match="p must be"):
        shades_of_gray(x, capture, p=0.5)
    with pytest.raises(InvalidArgument, match="percentile"):
        white_patch(x, capture, percentile=101)


def test_dark_images_do_not_underflow(capture):
    x = torch.rand(1, 3, 8, 8) * 0.9 + 0.05
    assert torch.allclose(shades_of_gray(x * 1e-30, capture, p=20).gains, shades_of_gray(x, capture, p=20).gains)


@pytest.mark.parametrize(
    ("estimate", "mean", "median"), [(gray_world, 4.2, 2.0), (shades_of_gray, 4.3, 3.5), (white_patch, 2.4, 1.6)]
)
def test_angular_error_on_photographs_with_a_measured_illuminant(data, estimate, mean, median):
    # Twelve linear images of a Sony IMX135; gains of 1 have a mean error of 17.7 degrees. Measured: gray world 4.10,
    # shades of gray 4.23, white patch 2.36 degrees.
    errors = [angle(estimate(x, Capture.of("RGGB")).gains[0], light) for x, light in photographs(data)]
    assert len(errors) == 12
    assert np.mean(errors) < mean
    assert np.median(errors) < median


def test_the_mosaic_of_a_photograph_has_nearly_the_same_illuminant(data):
    x, _ = next(photographs(data))
    capture = Capture.of("BGGR")
    mosaic = torch.empty_like(x[:, :1])
    for row, column, channel in ((0, 0, 2), (0, 1, 1), (1, 0, 1), (1, 1, 0)):
        mosaic[..., row::2, column::2] = x[:, channel : channel + 1, row::2, column::2]
    whole, sampled = (gray_world(image, capture).gains[0] for image in (x, mosaic))
    assert angle(sampled, 1 / whole) < 1.0

"""Known mistakes of published unprocessing code, each ruled out or measured here.

The tests of single stages cover flips, odd crops, borders and levels; the pitfalls here involve several stages.
"""

import matplotlib.cbook
import numpy as np
import pytest
import torch
from PIL import Image

from isptoolkit import CAMERA, MOSAIC, Capture, Pipeline, presets, rotate
from isptoolkit.capture import BAYER
from isptoolkit.stages import (
    ColorMatrix,
    DemosaicBilinear,
    DemosaicMalvar,
    DemosaicMenon,
    HighlightWhiteBalance,
    Levels,
    Mosaic,
    Pack,
    PowerCurve,
    Smoothstep,
    WhiteBalance,
)

# Brooks et al., CVPR 2019: XYZ to camera RGB for four cameras of the Darmstadt Noise Dataset, and their sRGB to XYZ.
XYZ_TO_CAMERA = np.array(
    [
        [[1.0234, -0.2969, -0.2266], [-0.5625, 1.6328, -0.0469], [-0.0703, 0.2188, 0.6406]],
        [[0.4913, -0.0541, -0.0202], [-0.6130, 1.3513, 0.2906], [-0.1564, 0.2151, 0.7183]],
        [[0.8380, -0.2630, -0.0639], [-0.2887, 1.0725, 0.2496], [-0.0627, 0.1427, 0.5438]],
        [[0.6596, -0.2079, -0.0562], [-0.4782, 1.3016, 0.1933], [-0.0970, 0.1581, 0.5181]],
    ]
)
SRGB_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
MIXED = XYZ_TO_CAMERA.mean(0) @ SRGB_TO_XYZ
CAPTURE = Capture.of("RGGB", gains=(2.0, 1.0, 1.7), srgb_to_camera=(MIXED / MIXED.sum(1, keepdims=True)).tolist())
# sRGB, linear light, camera RGB and RAW by the paper's formulas, computed independently, at an overall gain of 1.25.
GOLDEN = [
    ((0.25, 0.5, 0.75), (0.085135, 0.217638, 0.419327), (0.148692, 0.239309, 0.369082), (0.059477, 0.191447, 0.173686)),
    ((0.1,) * 3, (0.027669,) * 3, (0.027669,) * 3, (0.011067, 0.022135, 0.013021)),
    ((0.99,) * 3, (0.874975,) * 3, (0.874975,) * 3, (0.349990, 0.699980, 0.411753)),
    ((1.0, 0.9, 0.3), (1.0, 0.619157, 0.107764), (0.822961, 0.567913, 0.235814), (0.329185, 0.454330, 0.110971)),
    ((1.0,) * 3, (1.0,) * 3, (1.0,) * 3, (1.0,) * 3),
]


def unprocessing():
    return Pipeline(
        balance=HighlightWhiteBalance(brightness=1.25), matrix=ColorMatrix(), curve=PowerCurve(2.2), tone=Smoothstep()
    )


def pixel(values):
    return torch.tensor(values, dtype=torch.float64).view(1, 3, 1, 1)


def psnr(a, b):
    return float(-10 * torch.log10((a - b).square().mean()))


def test_the_mixed_matrix_and_its_inverse_match_the_published_ones():
    forward = [[0.646005, 0.271431, 0.082563], [0.082558, 0.755754, 0.161688], [0.014544, 0.225019, 0.760436]]
    inverse = [[1.621535, -0.565778, -0.055757], [-0.182023, 1.47612, -0.294097], [0.022848, -0.425974, 1.403126]]
    rows = torch.eye(3, dtype=torch.float64).view(3, 3, 1, 1)
    np.testing.assert_allclose(ColorMatrix().inverse(rows, CAPTURE)[..., 0, 0].T, forward, rtol=0, atol=1e-6)
    np.testing.assert_allclose(ColorMatrix()(rows, CAPTURE)[..., 0, 0].T, inverse, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("srgb", "linear", "camera", "raw"), GOLDEN)
def test_unprocessing_stage_by_stage(srgb, linear, camera, raw):
    chain = unprocessing()
    places = {"curve": linear, "matrix": camera, "balance": raw}
    for first, values in places.items():
        recovered = chain.span(first, "tone").inverse(pixel(srgb), CAPTURE).flatten()
        np.testing.assert_allclose(recovered, values, rtol=0, atol=1.2e-6)


def test_processing_undoes_unprocessing():
    """Published code omits brightness and smoothstep when it renders the RAW again: 22 dB on photographs."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        photo = np.asarray(Image.open(file).convert("RGB"))[::3, ::3]
    srgb = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255
    chain = unprocessing()
    raw = chain.inverse(srgb, CAPTURE)
    assert psnr(chain(raw, CAPTURE), srgb) > 90
    wide = srgb.double()
    assert psnr(chain(chain.inverse(wide, CAPTURE), CAPTURE), wide) > 200
    published = PowerCurve(2.2)(ColorMatrix()(WhiteBalance(space=CAMERA)(raw, CAPTURE), CAPTURE).clamp(0, 1), CAPTURE)
    assert psnr(published, srgb) < 30


def test_only_the_two_brightest_gray_codes_are_protected():
    stage, plain = HighlightWhiteBalance(brightness=1.25), 1.25 * CAPTURE.gains.view(1, 3, 1, 1)
    for code in range(256):
        camera = unprocessing().span("matrix", "tone").inverse(pixel((code / 255,) * 3), CAPTURE)
        protected = (stage.inverse(camera, CAPTURE) - camera / plain).abs().max() > 1e-12
        assert protected == (code >= 254)


@pytest.mark.parametrize("gains", [(2.0, 1.0, 1.7), (0.6, 1.0, 3.1)])
def test_balance_leaves_green_unchanged(gains):
    """Dividing gains by the largest one darkens green, and makes the target depend on the illuminant."""
    capture = Capture.of("GBRG", gains=gains)
    mosaic = torch.rand(1, 1, 6, 6, dtype=torch.float64)
    balanced = WhiteBalance(space=MOSAIC)(mosaic, capture)
    green = torch.tensor([[True, False], [False, True]]).repeat(3, 3)
    assert torch.equal(balanced[0, 0, green], mosaic[0, 0, green])
    camera = WhiteBalance(space=CAMERA)(pixel((0.2, 0.5, 0.3)), capture)
    assert camera[0, 1] == 0.5
    recovered = WhiteBalance(space=CAMERA).inverse(camera, capture)
    torch.testing.assert_close(recovered, pixel((0.2, 0.5, 0.3)), rtol=0, atol=1e-15)


@pytest.mark.parametrize(("black", "white"), [(0, 1023), (60, 1020), (63, 1020), (0, 4095), (128, 16383)])
def test_one_is_the_white_level_not_a_power_of_two(black, white):
    capture = Capture.of("RGGB", black=black, white=white)
    numbers = torch.tensor([[float(black), float(white)], [white + 1.0, (black + white) / 2]]).view(1, 1, 2, 2)
    expected = [0.0, 1.0, 1 + 1 / (white - black), 0.5]
    np.testing.assert_allclose(Levels()(numbers, capture).flatten(), expected, rtol=1e-6)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_sampling_a_rotated_image_needs_the_rotated_phase(cfa, turns):
    image = torch.rand(1, 3, 5, 6, dtype=torch.float64)
    capture = Capture.of(cfa)
    mosaic, rotated = rotate(Mosaic()(image, capture), capture, turns)
    assert torch.equal(Mosaic()(image.rot90(turns, (-2, -1)), rotated), mosaic)
    if rotated.cfa != cfa:
        assert not torch.equal(Mosaic()(image.rot90(turns, (-2, -1)), capture), mosaic)


@pytest.mark.parametrize(
    "stage", [DemosaicBilinear(), DemosaicMalvar(), DemosaicMenon()], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("size", [(6, 8), (7, 9), (4, 5)])
def test_demosaic_keeps_samples_and_flat_fields_up_to_the_border(stage, cfa, size):
    capture = Capture.of(cfa)
    mosaic = torch.rand(1, 1, *size, dtype=torch.float64)
    assert torch.equal(Mosaic()(stage(mosaic, capture), capture), mosaic)
    flat = pixel((0.3, 0.5, 0.7)).expand(1, 3, *size)
    torch.testing.assert_close(stage(Mosaic()(flat, capture), capture), flat, rtol=0, atol=1e-15)


def test_packed_channels_lie_on_shifted_grids():
    """The packed channels of a ramp differ, and their mean lies half a pixel from the first site."""
    ramp = torch.arange(8, dtype=torch.float64).view(1, 1, 1, 8).expand(1, 1, 8, 8)
    packed = Pack()(ramp, Capture.of("RGGB"))
    np.testing.assert_array_equal((packed - packed[:, :1]).amax((0, 2, 3)), [0, 1, 0, 1])
    assert (packed.mean(1, keepdim=True) - packed[:, :1]).unique().tolist() == [0.5]


@pytest.mark.parametrize("preset", [presets.classic, presets.libraw])
@pytest.mark.parametrize("size", [(2, 2), (3, 5), (17, 31)])
def test_any_size_works(preset, size):
    capture = Capture.of("GRBG", black=64, white=1023, gains=(2.0, 1.0, 1.5))
    sensor = 64 + 900 * torch.rand(1, 1, *size)
    srgb = preset()(sensor, capture)
    assert srgb.shape == (1, 3, *size)
    assert preset().inverse(srgb, capture).shape == sensor.shape

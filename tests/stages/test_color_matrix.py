"""The matrix between camera RGB and linear sRGB."""

import colour
import numpy as np
import pytest
import torch

from isptoolkit import Capture
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages.color_matrix import ColorMatrix, apply_matrix

# The mean of the four XYZ-to-camera matrices of Brooks et al. 2019, from sRGB, rows normalized; and its inverse.
UPI = ((0.646005, 0.271431, 0.082563), (0.082558, 0.755754, 0.161688), (0.014544, 0.225019, 0.760436))
UPI_INVERSE = ((1.621535, -0.565778, -0.055757), (-0.182023, 1.47612, -0.294097), (0.022848, -0.425974, 1.403126))


def derived(name):
    """A color space of colour-science with matrices derived from its primaries, not rounded as in the standards."""
    space = colour.RGB_COLOURSPACES[name].copy()
    space.use_derived_transformation_matrices(True)
    return space


SRGB, WIDE = derived("sRGB"), derived("ITU-R BT.2020")
OTHER = WIDE.matrix_XYZ_to_RGB @ SRGB.matrix_RGB_to_XYZ  # the white of both is D65: rows sum to 1


def test_published_matrices_both_ways():
    capture = Capture.of("RGGB", srgb_to_camera=UPI)
    basis = torch.eye(3, dtype=torch.float64).view(1, 3, 1, 3)
    np.testing.assert_allclose(ColorMatrix()(basis, capture)[0, :, 0].numpy(), UPI_INVERSE, atol=4e-6)
    np.testing.assert_allclose(ColorMatrix().inverse(basis, capture)[0, :, 0].numpy(), UPI, atol=1e-15)
    linear = torch.tensor([0.085135, 0.217638, 0.419327], dtype=torch.float64).view(1, 3, 1, 1)
    camera = [0.148692, 0.239309, 0.369082]
    assert ColorMatrix().inverse(linear, capture).flatten().tolist() == pytest.approx(camera, abs=2e-6)


def test_agrees_with_colour_science():
    capture = Capture.of("RGGB", srgb_to_camera=OTHER.tolist())
    image = np.random.default_rng(0).uniform(-0.2, 1.3, (4, 5, 3))
    expected = colour.RGB_to_RGB(image, WIDE, SRGB)
    y = ColorMatrix()(torch.from_numpy(image).permute(2, 0, 1)[None], capture)
    np.testing.assert_allclose(y[0].permute(1, 2, 0).numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_trips_and_white_stays_white(capture, dtype):
    x = torch.rand(2, 3, 8, 8, dtype=dtype)
    x[..., 0, 0] = 1
    stage = ColorMatrix()
    bound = stage.contract.condition * torch.finfo(dtype).eps
    assert (stage.inverse(stage(x, capture), capture) - x).abs().max() <= bound
    assert (stage(stage.inverse(x, capture), capture) - x).abs().max() <= bound
    assert (stage(x, capture)[..., 0, 0] - 1).abs().max() <= bound


def test_a_batch_is_a_loop():
    captures = [Capture.of("RGGB", srgb_to_camera=UPI), Capture.of("RGGB", srgb_to_camera=OTHER.tolist())]
    x = torch.rand(2, 3, 4, 4, dtype=torch.float64)
    together = ColorMatrix()(x, Capture.collate(captures))
    for index, one in enumerate(captures):
        assert torch.allclose(together[index : index + 1], ColorMatrix()(x[index : index + 1], one), atol=1e-15)


def test_own_matrix_learns(capture):
    matrix = torch.nn.Parameter(torch.tensor(UPI, dtype=torch.float64))
    stage = ColorMatrix(matrix)
    x = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x, matrix):
        return torch.func.functional_call(stage, {"srgb_to_camera": matrix}, (x, capture))

    assert torch.autograd.gradcheck(run, (x, matrix))
    assert not stage.contract.neutral


def test_neutral_is_claimed_only_if_rows_sum_to_one():
    assert ColorMatrix().contract.neutral
    assert ColorMatrix(UPI).contract.neutral
    assert not ColorMatrix([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).contract.neutral


def test_a_singular_matrix_is_refused():
    with pytest.raises(InvalidArgument, match="invertible"):
        ColorMatrix([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def test_apply_matrix_is_einsum():
    x, matrix = torch.rand(2, 4, 3, 5, dtype=torch.float64), torch.rand(2, 4, 4, dtype=torch.float64)
    assert torch.allclose(apply_matrix(x, matrix), torch.einsum("bij,bjhw->bihw", matrix, x))


def test_compiles(capture, compiler):
    x = torch.rand(1, 3, 4, 6)
    stage = ColorMatrix()
    compiled = torch.compile(lambda x: stage.inverse(stage(x, capture), capture), fullgraph=True, backend="eager")
    assert torch.allclose(compiled(x), x, atol=1e-6)

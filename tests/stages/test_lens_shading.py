"""Radial and mesh lens shading."""

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from isptoolkit import CAMERA, LINEAR, MOSAIC, PACKED
from isptoolkit.capture import QUANTITIES
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages.lens_shading import LensShadingMesh, LensShadingRadial

COEFFICIENTS = [0.4, -0.2, 0.3, -0.1, 0.05]


def by_scipy(mesh, height, width):
    """The gains of one plane at every pixel center, by scipy."""
    rows, cols = mesh.shape
    interpolate = RegularGridInterpolator((np.linspace(0, 1, rows), np.linspace(0, 1, cols)), mesh, method="linear")
    centers = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
    return interpolate(np.stack(centers, -1))


def random_mesh(*shape):
    return np.random.default_rng(3).uniform(1, 3, shape)


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 5), (1, 3), (20, 2)])
@pytest.mark.parametrize("nodes", [(2, 2), (3, 5), (13, 17)])
def test_mesh_is_bilinear_interpolation(capture, height, width, nodes):
    mesh = random_mesh(1, *nodes)
    y = LensShadingMesh(mesh.tolist())(torch.ones(1, 1, height, width, dtype=torch.float64), capture)
    np.testing.assert_allclose(y[0, 0].numpy(), by_scipy(mesh[0], height, width), atol=1e-13)


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 5), (1, 3)])
def test_four_planes_follow_the_sites(capture, height, width):
    mesh = random_mesh(4, 3, 4)
    y = LensShadingMesh(mesh.tolist())(torch.ones(1, 1, height, width, dtype=torch.float64), capture)[0, 0].numpy()
    planes = [by_scipy(plane, height, width) for plane in mesh]
    for row in range(height):
        for column in range(width):
            assert y[row, column] == pytest.approx(planes[row % 2 * 2 + column % 2][row, column], abs=1e-13)


def test_three_planes_are_channels(capture):
    mesh = random_mesh(3, 4, 4)
    y = LensShadingMesh(mesh.tolist(), space=CAMERA)(torch.ones(1, 3, 5, 6, dtype=torch.float64), capture)
    for channel in range(3):
        np.testing.assert_allclose(y[0, channel].numpy(), by_scipy(mesh[channel], 5, 6), atol=1e-13)


def test_a_mesh_of_one_node_is_a_gain(capture):
    x = torch.rand(1, 1, 4, 4)
    assert torch.equal(LensShadingMesh([[[2.0]]])(x, capture), 2 * x)


@pytest.mark.parametrize(("height", "width"), [(6, 8), (7, 5), (1, 4), (1, 1)])
@pytest.mark.parametrize("center", [(0.5, 0.5), (0.3, 0.6), (0.0, 1.0)])
def test_radial_by_hand(capture, height, width, center):
    # FixVignetteRadial as defined in the DNG specification, over the corner pixels (0, 0) and (W - 1, H - 1).
    cx, cy = center[0] * (width - 1), center[1] * (height - 1)
    farthest = np.hypot(max(cx, width - 1 - cx), max(cy, height - 1 - cy)) or 1.0
    rows, columns = np.mgrid[:height, :width]
    r = np.hypot(columns - cx, rows - cy) / farthest
    expected = 1 + sum(k * r ** (2 * n + 2) for n, k in enumerate(COEFFICIENTS))
    stage = LensShadingRadial(COEFFICIENTS, center)
    y = stage(torch.ones(1, 1, height, width, dtype=torch.float64), capture)
    np.testing.assert_allclose(y[0, 0].numpy(), expected, atol=1e-13)


def test_radial_reaches_the_sum_of_its_coefficients_in_the_corners(capture):
    y = LensShadingRadial(COEFFICIENTS, space=LINEAR)(torch.ones(1, 3, 9, 13, dtype=torch.float64), capture)
    corners = y[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert torch.allclose(corners, torch.full_like(corners, 1 + sum(COEFFICIENTS)), atol=1e-13)
    assert torch.equal(y[:, :, 4, 6], torch.ones(1, 3, dtype=torch.float64))


STAGES = {
    "radial": LensShadingRadial(COEFFICIENTS, (0.4, 0.5)),
    "mesh": LensShadingMesh(random_mesh(1, 3, 4).tolist()),
    "sites": LensShadingMesh(random_mesh(4, 3, 4).tolist()),
    "channels": LensShadingMesh(random_mesh(3, 3, 4).tolist(), space=CAMERA),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", STAGES)
def test_both_trips(capture, name, dtype):
    stage = STAGES[name]
    x = torch.randn(2, stage.takes.channels, 9, 7, dtype=dtype)
    bound = stage.contract.condition * torch.finfo(dtype).eps * x.abs().max()
    assert (stage.inverse(stage(x, capture), capture) - x).abs().max() <= bound
    assert (stage(stage.inverse(x, capture), capture) - x).abs().max() <= bound
    assert stage(x, capture).dtype == dtype


@pytest.mark.parametrize("name", STAGES)
def test_compiles(capture, name, compiler):
    stage = STAGES[name]
    x = torch.rand(1, stage.takes.channels, 4, 6)
    compiled = torch.compile(lambda x: stage.inverse(stage(x, capture), capture), fullgraph=True, backend="eager")
    assert torch.allclose(compiled(x), x)


def test_exports_with_dynamic_size(capture):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stage = STAGES["sites"]

        def forward(self, x, capture):
            return self.stage(x, capture)

    sizes = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    program = torch.export.export(
        Net(), (torch.rand(1, 1, 6, 8), capture), dynamic_shapes=(sizes, [None] * len(QUANTITIES))
    )
    x = torch.rand(1, 1, 10, 12)
    assert torch.allclose(program.module()(x, capture), STAGES["sites"](x, capture))


@pytest.mark.parametrize("planes", [1, 4])
def test_a_mesh_learns(capture, planes):
    mesh = torch.nn.Parameter(torch.from_numpy(random_mesh(planes, 2, 3)))
    stage = LensShadingMesh(mesh)
    x = torch.rand(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)

    def run(x, mesh):
        return torch.func.functional_call(stage, {"mesh": mesh}, (x, capture))

    assert torch.autograd.gradcheck(run, (x, mesh))


def test_radial_coefficients_learn_per_sample(capture):
    coefficients = torch.nn.Parameter(torch.tensor([[0.5, 0.1], [0.2, -0.1]], dtype=torch.float64))
    stage = LensShadingRadial(coefficients)
    x = torch.rand(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)

    def run(x, coefficients):
        return torch.func.functional_call(stage, {"coefficients": coefficients}, (x, capture))

    assert torch.autograd.gradcheck(run, (x, coefficients))
    alone = LensShadingRadial([0.2, -0.1])(x[1:], capture)
    assert torch.allclose(stage(x, capture)[1:], alone, atol=1e-15)


def test_a_mesh_per_sample(capture):
    mesh = random_mesh(2, 4, 3, 3)
    x = torch.rand(2, 1, 6, 6, dtype=torch.float64)
    together = LensShadingMesh(mesh.tolist())(x, capture)
    assert torch.allclose(together[1:], LensShadingMesh(mesh[1].tolist())(x[1:], capture), atol=1e-15)


@pytest.mark.parametrize("coefficients", [[0.5, 1e-311], [0.0, 0.0], [0.5, -0.2, 5e-324, -1e-250]])
def test_coefficients_that_are_all_but_zero_are_valid(capture, coefficients):
    y = LensShadingRadial(coefficients)(torch.ones(1, 1, 3, 3, dtype=torch.float64), capture)
    assert float(y[0, 0, 0, 0]) == pytest.approx(1 + sum(coefficients))


@pytest.mark.parametrize("coefficients", [[-1.0], [-4.0, 4.0], [0.5, -1.6], [], [float("nan")]])
def test_a_gain_that_is_not_positive_is_refused(coefficients):
    with pytest.raises(InvalidArgument, match="coefficients"):
        LensShadingRadial(coefficients)


def test_bad_meshes_and_centers_are_refused():
    with pytest.raises(InvalidArgument, match="positive"):
        LensShadingMesh([[[1.0, 0.0]]])
    with pytest.raises(InvalidArgument, match="1 plane"):
        LensShadingMesh(random_mesh(4, 2, 2).tolist(), space=CAMERA)
    with pytest.raises(InvalidArgument, match="1 plane"):
        LensShadingMesh(random_mesh(3, 2, 2).tolist(), space=MOSAIC)
    with pytest.raises(InvalidArgument, match="positive"):
        LensShadingMesh(torch.ones(1, 0, 2))
    with pytest.raises(InvalidArgument, match="center"):
        LensShadingRadial([0.1], center=(0.5, 1.5))
    assert LensShadingMesh(random_mesh(4, 2, 2).tolist(), space=PACKED).takes == PACKED

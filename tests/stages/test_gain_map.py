"""Gain maps against scipy's interpolation, pixel by pixel."""

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from isptoolkit import CAMERA, MOSAIC, Pipeline
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages import GainMap, LensShadingMesh

RNG = np.random.default_rng(5)


def expected_gains(mesh, height, width, channels, origin, spacing, area, pitch, planes):
    """The gains `[C,H,W]`, one pixel after the other: DNG specification, opcode GainMap."""
    gains = np.ones((channels, height, width))
    nodes = [np.array([origin[a] + spacing[a] * n for n in range(mesh.shape[a + 1])]) for a in (0, 1)]
    first, count = planes
    for plane in range(first, min(first + count, channels)):
        interpolate = RegularGridInterpolator(nodes, mesh[min(plane, len(mesh) - 1)])
        for row in range(area[0], min(area[2], height), pitch[0]):
            for column in range(area[1], min(area[3], width), pitch[1]):
                if row >= 0 and column >= 0:
                    place = (row + 0.5) / height, (column + 0.5) / width
                    place = [np.clip(p, n[0], n[-1]) for p, n in zip(place, nodes, strict=True)]
                    gains[plane, row, column] = interpolate(place)[0]
    return gains


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("planes", [(0, 1), (0, 3), (1, 2), (2, 9)])
@pytest.mark.parametrize(
    ("area", "pitch"), [((0, 0, 9, 12), (1, 1)), ((1, 2, 8, 30), (2, 3)), ((-3, -1, 9, 7), (2, 2))]
)
def test_gains_by_hand(capture, depth, planes, area, pitch):
    mesh, origin, spacing = RNG.uniform(0.5, 3, (depth, 3, 4)), (0.1, -0.2), (0.3, 0.25)
    stage = GainMap(mesh.tolist(), origin, spacing, area, pitch, planes, CAMERA)
    x = torch.rand(1, 3, 9, 12, dtype=torch.float64)
    expected = expected_gains(mesh, 9, 12, 3, origin, spacing, area, pitch, planes)
    assert (expected != 1).any()
    np.testing.assert_allclose(stage(x, capture)[0].numpy(), x[0].numpy() * expected, rtol=1e-13)
    np.testing.assert_allclose(stage.inverse(stage(x, capture), capture).numpy(), x.numpy(), rtol=1e-13)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 1), (2, 2), (5, 7)])
def test_a_map_that_spans_the_frame_is_a_mesh(capture, shape):
    mesh, x = RNG.uniform(1, 3, (1, *shape)).tolist(), torch.rand(1, 1, 6, 10, dtype=torch.float64)
    torch.testing.assert_close(GainMap(mesh)(x, capture), LensShadingMesh(mesh)(x, capture), rtol=1e-14, atol=0)


def test_four_maps_of_pitch_2_are_a_mesh_of_sites(capture):
    mesh, x = RNG.uniform(1, 3, (4, 3, 5)), torch.rand(1, 1, 7, 9, dtype=torch.float64)
    y = x
    for site, plane in enumerate(mesh):
        y = GainMap([plane.tolist()], area=(*divmod(site, 2), 7, 9), pitch=(2, 2))(y, capture)
    torch.testing.assert_close(y, LensShadingMesh(mesh.tolist())(x, capture), rtol=1e-14, atol=0)


def test_a_map_per_sample(capture):
    mesh, x = RNG.uniform(1, 3, (2, 1, 3, 3)), torch.rand(2, 1, 6, 6, dtype=torch.float64)
    together = GainMap(mesh.tolist(), area=(1, 1, 5, 6))(x, capture)
    assert torch.equal(together[1:], GainMap(mesh[1].tolist(), area=(1, 1, 5, 6))(x[1:], capture))


def test_a_map_learns(capture):
    mesh = torch.nn.Parameter(torch.from_numpy(RNG.uniform(1, 3, (1, 2, 3))))
    stage = GainMap(mesh, area=(0, 1, 3, 4), pitch=(2, 1))
    x = torch.rand(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)

    def run(x, mesh):
        return torch.func.functional_call(stage, {"mesh": mesh}, (x, capture))

    assert torch.autograd.gradcheck(run, (x, mesh))


def test_compiles(capture, compiler):
    stage = GainMap(RNG.uniform(1, 3, (1, 3, 3)).tolist(), area=(1, 0, 4, 6), pitch=(2, 1))
    x = torch.rand(1, 1, 4, 6)
    compiled = torch.compile(lambda x: stage(x, capture), fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), stage(x, capture))


def test_saving_keeps_every_argument(capture, tmp_path):
    stage = GainMap(RNG.uniform(1, 3, (2, 5, 6)).tolist(), (0.1, 0.2), (0.2, 0.1), (1, 2, 8, 9), (2, 3), (1, 2), CAMERA)
    Pipeline(map=stage).save(tmp_path / "a.toml")
    x = torch.rand(1, 3, 9, 12)
    assert torch.equal(Pipeline.load(tmp_path / "a.toml")(x, capture), stage(x, capture))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mesh": [[[1.0, 0.0]]]}, "positive gains"),
        ({"mesh": torch.ones(1, 0, 2)}, "positive gains"),
        ({"mesh": [[1.0]]}, "shape"),
        ({"spacing": (0.5, 0.0)}, "spacing must be positive"),
        ({"spacing": (float("nan"), 1.0)}, "spacing must be positive"),
        ({"area": (2, 0, 2, 4)}, "area must be"),
        ({"pitch": (1, 0)}, "pitch must be"),
        ({"planes": (-1, 1)}, "planes must be"),
        ({"planes": (0, 0)}, "planes must be"),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    with pytest.raises(InvalidArgument, match=message):
        GainMap(**{"mesh": [[[1.0]]], "space": MOSAIC} | changes)

"""Bad pixels against a search for the nearest good pixels of the same color."""

import time

import numpy as np
import pytest
import torch

from isptoolkit import CAMERA, SENSOR, Capture, Pipeline
from isptoolkit.errors import InvalidArgument, InvalidSize
from isptoolkit.stages import BadPixelConstant, BadPixelList

LAYOUTS = ["RGGB", "BGGR", "GRBG", "GBRG", "MONO"]
SIZE = 12, 15


def by_search(plane, bad, cfa, radius):
    """Each bad pixel from the good pixels of its color at the smallest distance, at most `radius` rows and columns."""
    letters = np.array(list(cfa * (4 if len(cfa) == 1 else 1))).reshape(2, 2)
    height, width = plane.shape
    colors = np.tile(letters, (height, width))[:height, :width]
    repaired = plane.copy()
    for row, column in np.argwhere(bad):
        rows, columns = np.mgrid[:height, :width]
        near = (abs(rows - row) <= radius) & (abs(columns - column) <= radius)
        usable = near & ~bad & (colors == colors[row, column])
        distance = np.where(usable, (rows - row) ** 2 + (columns - column) ** 2, np.inf)
        if usable.any():
            repaired[row, column] = plane[distance == distance.min()].mean()
    return repaired


def scattered(seed, share):
    """Bad pixels anywhere, in the corners, in a column, and in a cluster that is too large to repair."""
    bad = np.random.default_rng(seed).random(SIZE) < share
    bad[0, 0] = bad[-1, -1] = bad[0, -1] = True
    bad[:, 6] = True
    return bad


def samples(seed):
    return np.random.default_rng(seed).uniform(100, 900, SIZE)


def fastest(run):
    """Seconds of the fastest of five runs."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("cfa", LAYOUTS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_list_of_pixels(cfa, share):
    plane, bad = samples(1), scattered(2, share)
    stage = BadPixelList(np.argwhere(bad).tolist())
    y = stage(torch.from_numpy(plane)[None, None], Capture.of(cfa))[0, 0].numpy()
    np.testing.assert_allclose(y, by_search(plane, bad, "M" if cfa == "MONO" else cfa, 4), rtol=1e-14)
    assert (y[bad] != plane[bad]).mean() > 0.5


@pytest.mark.parametrize("cfa", LAYOUTS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_value_that_marks_pixels(cfa, share):
    plane, bad = samples(3), scattered(4, share)
    plane[bad] = 7
    x = torch.from_numpy(plane)[None, None]
    y = BadPixelConstant(7.0)(x, Capture.of(cfa))[0, 0].numpy()
    np.testing.assert_allclose(y, by_search(plane, bad, "M" if cfa == "MONO" else cfa, 2), rtol=1e-14)
    assert ((y == 7) < bad).any()
    assert np.array_equal(BadPixelConstant(7.0).in_domain(x, Capture.of(cfa))[0, 0].numpy(), ~bad)


def test_isolated_pixels_take_the_mean_of_four():
    """The neighbors by hand, for both kinds of sites: diagonal ones of green, and those two pixels away of red."""
    x = torch.arange(49.0).view(1, 1, 7, 7) ** 2
    y = BadPixelList([[2, 3], [4, 4]])(x, Capture.of("RGGB"))
    green = [x[0, 0, 2 + down, 3 + right] for down in (-1, 1) for right in (-1, 1)]
    red = [x[0, 0, 4 + down, 4 + right] for down, right in ((-2, 0), (2, 0), (0, -2), (0, 2))]
    assert y[0, 0, 2, 3] == sum(green) / 4
    assert y[0, 0, 4, 4] == sum(red) / 4


def test_only_good_pixels_are_in_the_domain():
    x = torch.rand(2, 1, 4, 6)
    stage = BadPixelList([[1, 2], [3, 5], [1, 2]])
    inside = stage.in_domain(x, Capture.of("RGGB"))
    assert inside.shape == x.shape
    assert (~inside).nonzero()[:, 2:].tolist() == 2 * [[1, 2], [3, 5]]
    assert torch.equal(stage.inverse(stage(x, Capture.of("RGGB")), Capture.of("RGGB"))[inside], x[inside])


def test_a_change_of_precision_moves_no_pixel():
    points = [[4095, 8191], [2049, 4097]]
    assert sorted(BadPixelList(points).half().points.tolist()) == sorted(points)


def test_values_mark_the_pixels_of_each_sample():
    x = torch.tensor([[3.0, 1, 5, 1], [1, 1, 1, 1], [5, 1, 5, 1], [1, 1, 1, 1]]).repeat(2, 1, 1, 1)
    x[1, 0, 0, 0] = 4.0
    y = BadPixelConstant([3.0, 4.0])(x, Capture.of("RGGB"))
    assert y[:, 0, 0, 0].tolist() == [5.0, 5.0]


@pytest.mark.parametrize("stage", [BadPixelList([[0, 0], [1, 2]]), BadPixelConstant(0.5)], ids=["list", "constant"])
def test_compiles(stage, compiler):
    x = torch.rand(1, 1, 6, 8)
    x[0, 0, 2, 2] = 0.5
    compiled = torch.compile(lambda x: stage(x, Capture.of("GRBG")), fullgraph=True, backend="eager")
    assert torch.equal(compiled(x), stage(x, Capture.of("GRBG")))


def test_few_bad_pixels_cost_no_more_than_finding_them():
    """Work on every pixel takes a hundred times as long."""
    x = 1 + torch.rand(1, 1, 1000, 1500)
    x[0, 0, ::100, ::100] = 0
    stage, capture = BadPixelConstant(0.0), Capture.of("RGGB")
    assert (stage(x, capture) > 0).all()
    assert fastest(lambda: stage(x, capture)) < 20 * fastest(lambda: ((x == 0).nonzero(), x.clone()))


def test_saving_keeps_the_pixels(tmp_path):
    pipeline = Pipeline(listed=BadPixelList(np.argwhere(scattered(5, 0.2)).tolist()), marked=BadPixelConstant(3.0))
    pipeline.save(tmp_path / "a.toml")
    x = torch.from_numpy(samples(6))[None, None].clone()
    x[0, 0, 3, 4] = 3
    assert torch.equal(Pipeline.load(tmp_path / "a.toml")(x, Capture.of("RGGB")), pipeline(x, Capture.of("RGGB")))


def test_a_pixel_outside_the_frame_is_refused():
    stage = BadPixelList([[3, 9], [0, 0]])
    assert stage(torch.rand(1, 1, 4, 10), Capture.of("RGGB")).shape == (1, 1, 4, 10)
    for size in ((3, 10), (4, 9)):
        with pytest.raises(InvalidSize, match="reach row 3 and column 9, outside a frame"):
            stage(torch.rand(1, 1, *size), Capture.of("RGGB"))


@pytest.mark.parametrize("points", [[], [1, 2], [[1, 2, 3]], [[-1, 2]], [[[1, 2]]]])
def test_bad_points_are_refused(points):
    with pytest.raises(InvalidArgument, match="points must be"):
        BadPixelList(points)


def test_one_channel_is_needed():
    for construct in (lambda: BadPixelList([[0, 0]], space=CAMERA), lambda: BadPixelConstant(0.0, space=CAMERA)):
        with pytest.raises(InvalidArgument, match="one channel"):
            construct()
    assert BadPixelConstant(0.0).takes == SENSOR

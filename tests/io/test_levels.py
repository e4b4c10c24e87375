"""Levels of DNG files against the formulas of the specification, evaluated sample by sample."""

import numpy as np
import pytest
import torch
from tagged_dng import ASCII, DOUBLE, LONG, RATIONAL, SHORT, SRATIONAL, camera_tags, samples, tag, write

from isptoolkit import errors, read_raw, write_dng
from isptoolkit.io import describe_raw
from isptoolkit.io.levels import BlackLevel, leveled, white_of
from isptoolkit.stages import Levels

REPEATS = [(1, 1), (1, 2), (2, 1), (2, 2), (2, 4), (3, 2), (4, 4), (1, 5), (6, 1)]
AREAS = [None, (2, 4, 42, 60), (1, 0, 41, 55), (3, 5, 40, 58), (0, 1, 44, 61)]
WHITE = 1000
TABLE = np.round(np.linspace(0, 30, 1200) ** 2).astype(np.uint16)


def stated(shape, repeat, area, rows=None, columns=None, white=WHITE, seed=1):
    """Black levels `[R,C]` with fractions, and the tags that state them with the deltas."""
    grid = np.random.default_rng(seed).integers(50 * 4, 80 * 4, repeat) / 4
    tags = [tag(50713, SHORT, *repeat), tag(50714, RATIONAL, *grid.flatten()), tag(50717, LONG, white)]
    tags += [] if area is None else [tag(50829, LONG, *area)]
    tags += [] if rows is None else [tag(50716, SRATIONAL, *rows)]
    tags += [] if columns is None else [tag(50715, SRATIONAL, *columns)]
    return grid, tags


def formula(codes, grid, rows, columns, white):
    """DNG 1.6, chapter 5, with white at 1 for every sample: one sample at a time."""
    height, width = codes.shape
    return np.array(
        [
            [
                (float(codes[r, c]) - black) / (white - black)
                for c in range(width)
                for black in [grid[r % grid.shape[0], c % grid.shape[1]] + rows[r] + columns[c]]
            ]
            for r in range(height)
        ]
    )


def mosaic_of(path, **arguments):
    """The mosaic with black at 0 and white at 1, and the capture."""
    sensor, capture = read_raw(path, **arguments)
    return Levels()(sensor.double(), capture)[0].numpy(), capture


def inside(pixels, area):
    return pixels if area is None else pixels[area[0] : area[2], area[1] : area[3]]


@pytest.mark.parametrize("deltas", ["none", "rows", "columns", "both"])
@pytest.mark.parametrize("repeat", REPEATS, ids=str)
def test_repeating_levels_and_deltas(tmp_path, repeat, deltas):
    check(tmp_path, repeat, None, deltas)


@pytest.mark.parametrize("area", AREAS[1:], ids=str)
@pytest.mark.parametrize("repeat", [(2, 2), (3, 2), (4, 4)], ids=str)
@pytest.mark.parametrize("deltas", ["none", "both"])
def test_levels_start_at_the_active_area(tmp_path, repeat, area, deltas):
    check(tmp_path, repeat, area, deltas)


def check(tmp_path, repeat, area, deltas):
    pixels = samples(44, 62)
    codes = inside(pixels, area)
    height, width = codes.shape
    rng = np.random.default_rng(2)
    rows = np.round(rng.normal(0, 3, height), 2) if deltas in ("rows", "both") else None
    columns = np.round(rng.normal(0, 3, width), 2) if deltas in ("columns", "both") else None
    grid, tags = stated(pixels.shape, repeat, area, rows, columns)
    zeros = np.zeros(height), np.zeros(width)
    expected = formula(codes, grid, zeros[0] if rows is None else rows, zeros[1] if columns is None else columns, WHITE)
    path = write(tmp_path / "a.dng", pixels, *tags)
    mosaic, capture = mosaic_of(path)
    np.testing.assert_allclose(mosaic[0], expected, rtol=0, atol=2e-6)
    if max(repeat) <= 2 and deltas == "none":
        assert np.array_equal(read_raw(path)[0][0, 0].numpy(), codes)
        assert sorted(set(capture.black[0].tolist())) == sorted(set(grid.flatten().tolist()))
    assert capture.white.item() == WHITE


@pytest.mark.parametrize("deltas", ["none", "both"])
def test_a_linearization_table_comes_first(tmp_path, deltas):
    pixels = samples(44, 62, high=1300)  # beyond the end of the table too
    rng = np.random.default_rng(2)
    rows, columns = (np.round(rng.normal(0, 2, n), 2) if deltas == "both" else None for n in pixels.shape)
    grid, tags = stated(pixels.shape, (2, 2), None, rows, columns, white=900)
    path = write(tmp_path / "a.dng", pixels, *tags, tag(50712, SHORT, *TABLE.tolist()))
    linear = TABLE[np.minimum(pixels, len(TABLE) - 1)]
    zeros = np.zeros(44), np.zeros(62)
    expected = formula(linear, grid, zeros[0] if rows is None else rows, zeros[1] if columns is None else columns, 900)
    np.testing.assert_allclose(mosaic_of(path)[0][0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("black", [64.5, 63.98, (63.98, 64.02, 63.9, 64.3)])
def test_fractions_of_a_digital_number_are_kept(tmp_path, black):
    values = [black] * 4 if isinstance(black, float) else list(black)
    path = write(tmp_path / "a.dng", samples(32, 48), tag(50713, SHORT, 2, 2), tag(50714, RATIONAL, *values))
    assert read_raw(path)[1].black[0].tolist() == values


@pytest.mark.parametrize("whites", [(1000, 1000, 1000), (1000, 900, 800)])
@pytest.mark.parametrize("repeat", [(1, 1), (2, 2), (3, 2)], ids=str)
def test_levels_of_each_plane_of_linear_files(tmp_path, repeat, whites):
    pixels = samples(40, 50, 3, high=800)
    grid = np.random.default_rng(3).integers(200, 320, (*repeat, 3)) / 4
    tags = [tag(50713, SHORT, *repeat), tag(50714, RATIONAL, *grid.flatten()), tag(50717, LONG, *whites)]
    sensor, capture = read_raw(write(tmp_path / "a.dng", pixels, *tags))
    assert (capture.cfa, tuple(sensor.shape)) == ("RGB", (1, 3, 40, 50))
    red, green, again, blue = capture.black[0].tolist()
    assert green == again
    for plane, black in enumerate((red, green, blue)):
        expected = formula(pixels[..., plane], grid[..., plane], np.zeros(40), np.zeros(50), whites[plane])
        linear = (sensor[0, plane].double().numpy() - black) / (capture.white.item() - black)
        np.testing.assert_allclose(linear, expected, rtol=0, atol=2e-6)
    if repeat == (1, 1) and len(set(whites)) == 1:
        assert [red, green, blue] == grid.flatten().tolist()
        assert np.array_equal(sensor[0].permute(1, 2, 0).numpy(), pixels)


@pytest.mark.parametrize("pixels", [samples(32, 48), samples(32, 48, 3)], ids=["mosaic", "linear"])
def test_levels_that_are_not_stated_have_the_defaults_of_the_specification(tmp_path, pixels):
    capture = read_raw(write(tmp_path / "a.dng", pixels))[1]
    assert (capture.black[0].tolist(), capture.white.item()) == ([0] * 4, 65535)


@pytest.mark.parametrize("white", [None, 4, 16000])
@pytest.mark.parametrize("brightest", [0.3, 1.0, 900.0])
def test_floating_point_files_have_their_own_white(tmp_path, white, brightest):
    """The samples are those of the file, whatever the brightest one."""
    pixels = (np.random.default_rng(0).random((32, 48)) * brightest).astype(np.float32)
    tags = [tag(50714, RATIONAL, 0.0625)] + ([] if white is None else [tag(50717, LONG, white)])
    sensor, capture = read_raw(write(tmp_path / "a.dng", pixels, *tags))
    assert np.array_equal(sensor[0, 0].numpy(), pixels)
    assert (capture.white.item(), capture.black[0].tolist()) == (white or 1, [0.0625] * 4)


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        ([tag(50713, SHORT, 2, 2), tag(50714, RATIONAL, 60, 61, 62)], "black"),
        ([tag(50714, RATIONAL, 60, 61, 62, 63)], "black"),
        ([tag(50714, SHORT, 64, 32)], "black"),
        ([tag(50713, SHORT, 1, 2), tag(50714, LONG, 64, 32, 60, 30)], "black"),
        ([tag(50716, SRATIONAL, 1, 2, 3)], "black"),
        ([tag(50715, SRATIONAL, 1, 2, 3)], "black"),
        ([(50714, RATIONAL, 1, (1, 0), True)], "black"),
        ([tag(50717, LONG, 0)], "white"),
        ([tag(50717, LONG, 1000, 900)], "white"),
        ([tag(50717, ASCII, "bright")], "white"),
        ([tag(50714, DOUBLE, 1e308)], "black"),
        ([tag(50714, DOUBLE, -1.7e308)], "black"),
        ([tag(50713, SHORT, 2, 2), tag(50714, DOUBLE, 60, 61, 62, 1e308)], "black"),
        ([tag(50716, DOUBLE, *[1.7e308] * 32)], "black"),
        ([tag(50717, DOUBLE, 1e308)], "white"),
    ],
)
def test_malformed_levels_are_missing(tmp_path, broken, name):
    path = write(tmp_path / "a.dng", samples(32, 48), *broken)
    with pytest.raises(errors.MissingMetadata, match=f"pass {name}="):
        read_raw(path)
    facts = describe_raw(path)
    assert facts["missing"] == [name]
    assert any(name in problem.lower() for problem in facts["problems"])
    assert read_raw(path, **{name: 99 if name == "black" else 5000})[1].cfa == "RGGB"


@pytest.mark.filterwarnings("error")
def test_huge_levels_are_malformed_without_an_overflow(tmp_path):
    huge = [tag(50713, SHORT, 3, 3), tag(50714, DOUBLE, *[1.7e308] * 9), tag(50717, DOUBLE, 1.7e308)]
    facts = describe_raw(write(tmp_path / "a.dng", samples(32, 48), *huge))
    assert facts["missing"] == ["black", "white"]


@pytest.mark.parametrize("pixels", [samples(32, 48), samples(32, 48, 3)], ids=["mosaic", "linear"])
@pytest.mark.parametrize(("kind", "count"), [(kind, n) for kind in (SHORT, LONG, RATIONAL) for n in (1, 2, 3, 4, 6, 8)])
def test_one_level_counts_however_often_it_is_stated(tmp_path, pixels, kind, count):
    """LibRaw reads all of these. Two whole numbers are no fraction."""
    tags = [tag(50714, kind, *[64] * count), tag(50717, LONG, *[1023] * count)]
    capture = read_raw(write(tmp_path / "a.dng", pixels, *tags))[1]
    assert (capture.black[0].tolist(), capture.white.item()) == ([64] * 4, 1023)


def test_an_impossible_active_area_is_named(tmp_path):
    path = write(tmp_path / "a.dng", samples(32, 96), tag(50829, LONG, 0, 0, 32), tag(50714, RATIONAL, 64))
    assert read_raw(path)[1].black[0].tolist() == [64] * 4
    assert "ActiveArea does not lie in the frame" in describe_raw(path)["problems"]


def test_arguments_replace_every_form_of_levels(tmp_path):
    """A stated black level replaces grid and deltas together, so the samples are unchanged."""
    rows = np.linspace(-3, 3, 44)
    _, tags = stated((44, 62), (4, 4), None, rows=rows)
    pixels = samples(44, 62)
    path = write(tmp_path / "a.dng", pixels, *tags)
    sensor, capture = read_raw(path, black=(1, 2, 3, 4), white=2000)
    assert np.array_equal(sensor[0, 0].numpy(), pixels)
    assert (capture.black[0].tolist(), capture.white.item()) == ([1, 2, 3, 4], 2000)
    grid, _ = stated((44, 62), (4, 4), None)
    expected = formula(pixels, grid, rows, np.zeros(62), 2000)
    np.testing.assert_allclose(mosaic_of(path, white=2000)[0][0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("black", [(1, 2), "dark", float("nan"), (), 1e308])
def test_malformed_black_levels_are_refused(tmp_path, black):
    with pytest.raises(errors.InvalidArgument, match="black must be one number, or four"):
        read_raw(write(tmp_path / "a.dng", samples(32, 48)), black=black)


def test_black_levels_of_the_planes_of_a_linear_file(tmp_path):
    path = write(tmp_path / "a.dng", samples(32, 48, 3))
    sensor, capture = read_raw(path, black=(60, 61, 61, 62), white=1000)
    assert capture.black[0].tolist() == [60, 61, 61, 62]
    assert np.array_equal(sensor[0].permute(1, 2, 0).numpy(), samples(32, 48, 3))
    assert read_raw(path, black=64)[1].black[0].tolist() == [64] * 4
    with pytest.raises(errors.InvalidArgument, match="R, G, G, B"):
        read_raw(path, black=(60, 61, 62, 63))


def test_white_below_some_black_level_is_refused(tmp_path):
    _, tags = stated((44, 62), (4, 4), None, white=70)
    path = write(tmp_path / "a.dng", samples(44, 62), *tags)
    with pytest.raises(errors.MissingMetadata, match="white="):
        read_raw(path)
    with pytest.raises(errors.InvalidCapture, match="white must be above black"):
        read_raw(path, white=70)
    with pytest.raises(errors.InvalidCapture, match="white must be above black"):
        read_raw(path, black=75)
    assert read_raw(path, black=60)[1].white.item() == 70


def test_deltas_that_repeat_every_two_rows_leave_the_samples_alone():
    black = BlackLevel(np.full((1, 1, 1), 60.0), rows=np.tile([0.5, -0.5], 8), columns=np.tile([1.0, 2.0], 8))
    codes = samples(16, 16)
    same, four, white = leveled(codes, black, np.array([1000.0]))
    assert same is codes and (four, white) == ([61.5, 62.5, 60.5, 61.5], 1000)


def test_a_frame_that_starts_outside_the_active_area_repeats_the_nearest_deltas():
    black = BlackLevel(np.zeros((1, 1, 1)), rows=np.array([1.0, 2.0, 4.0]), columns=np.array([10.0, 20.0]))
    assert black.moved(-1, 0).of_rows(slice(0, 4), 2)[..., 0].tolist() == [[11, 21], [11, 21], [12, 22], [14, 24]]
    assert black.moved(1, 1).of_rows(slice(0, 2), 2)[..., 0].tolist() == [[22, 22], [24, 24]]


@pytest.mark.parametrize(("tags", "white"), [({258: 12}, 4095), ({258: (8, 8, 8)}, 255), ({50712: (0, 5, 4000)}, 4000)])
def test_default_white(tags, white):
    assert (white_of(tags, 3, floating=False) == white).all()


@pytest.mark.parametrize(
    "tags", [{258: ()}, {258: "many"}, {258: 4000}, {258: 0}, {50712: ()}, {50712: b""}, {50712: 0}]
)
def test_malformed_defaults_of_white_are_no_white(tags):
    assert white_of(tags, 1, floating=False) is None


@pytest.mark.parametrize(
    ("tags", "exposure"),
    [
        ([], None),
        ([tag(50730, SRATIONAL, 0.43)], 0.43),
        ([tag(50730, SRATIONAL, -1.5)], -1.5),
        ([tag(50730, SRATIONAL, 0.5), tag(51109, SRATIONAL, 0.25)], 0.75),
        ([(50730, SRATIONAL, 1, (1, 0), True)], None),
        ([tag(50730, SRATIONAL, 64)], 64),
        ([tag(50730, SRATIONAL, 1000)], None),
        ([tag(50730, SRATIONAL, -1000)], None),
    ],
)
def test_exposure(tmp_path, tags, exposure):
    path = write(tmp_path / "a.dng", samples(32, 48), *tags)
    stated = read_raw(path)[1].exposure
    assert (None if stated is None else stated.item()) == exposure == describe_raw(path)["exposure"]


@pytest.mark.parametrize("stops", [1000, -1000])
def test_an_impossible_exposure_is_named(tmp_path, stops):
    path = write(tmp_path / "a.dng", samples(32, 48), tag(50730, SRATIONAL, stops))
    assert describe_raw(path)["problems"] == ["BaselineExposure is more than 64 stops"]


@pytest.mark.parametrize(("white", "is_named"), [(65535, False), (65536, True), (2**32 - 1, True)])
def test_a_white_above_every_sample_is_named(tmp_path, white, is_named):
    problems = describe_raw(write(tmp_path / "a.dng", samples(32, 48), tag(50717, LONG, white)))["problems"]
    assert any("above every sample" in problem for problem in problems) == is_named


def test_an_exposure_offset_is_not_written_twice(tmp_path):
    """A file written with another as its source has the exposure of both tags together."""
    tags = [tag(50730, SRATIONAL, 0.5), tag(51109, SRATIONAL, 0.25)]
    path = write(tmp_path / "a.dng", samples(32, 48), *tags)
    sensor, capture = read_raw(path)
    write_dng(tmp_path / "b.dng", sensor, capture, source=path)
    assert read_raw(tmp_path / "b.dng")[1].exposure.item() == 0.75
    write_dng(tmp_path / "c.dng", sensor, capture.replace(exposure=None), source=path)
    assert read_raw(tmp_path / "c.dng")[1].exposure.item() == 0.75


def test_a_float_capture_keeps_its_precision(tmp_path):
    """Leveled samples are float32: compare with float64 at 16 bits."""
    pixels = samples(44, 62, high=65000)
    rows = np.linspace(-30, 30, 44).round(3)
    grid, tags = stated(pixels.shape, (4, 4), None, rows=rows, white=65535)
    mosaic, _ = mosaic_of(write(tmp_path / "a.dng", pixels, *tags))
    np.testing.assert_allclose(mosaic[0], formula(pixels, grid, rows, np.zeros(62), 65535), rtol=0, atol=1e-6)
    assert torch.float32 == read_raw(tmp_path / "a.dng")[0].dtype


def test_camera_tags_are_those_of_a_color_camera(tmp_path):
    capture = read_raw(write(tmp_path / "a.dng", samples(32, 48), camera=camera_tags(neutral=(0.5, 1, 0.8))))[1]
    assert capture.gains[0].tolist() == [2, 1, 1.25]

"""Corrections of DNG files: the specification's formulas, evaluated here pixel by pixel, and darktable."""

import shutil
import subprocess

import numpy as np
import pytest
import tifffile
import torch
from opcode_files import bad_constant, bad_list, gain_map, opcode, opcode_list, vignette, write

from isptoolkit import CAMERA, MOSAIC, SENSOR, Capture, Pipeline, presets, read_raw, stages
from isptoolkit.errors import InvalidArgument, UnreadableFile
from isptoolkit.io import Corrections, corrected, describe_corrections, read_corrections, read_gain_map

H, W = 24, 34
RNG = np.random.default_rng(8)
SAMPLES = RNG.integers(64, 600, (H, W)).astype(np.uint16)
SITES = ((0, 0), (0, 1), (1, 0), (1, 1))
WHOLE = (0, 0, H, W)


def file(tmp_path, *opcodes, number=2, samples=SAMPLES, extra=()):
    return write(tmp_path / "a.dng", samples, {number: opcode_list(*opcodes)}, extra)


def random_gains(*shape):
    return RNG.uniform(1, 2, shape).astype(np.float32)


def interpolated(gains, row, column, spacing, origin=(0.0, 0.0), size=(H, W)):
    """The gain at a pixel: DNG specification, opcode GainMap, on `[rows,columns]`."""
    gains, places = gains.astype(np.float64), []
    for at, n, nodes, step, start in zip((row, column), size, gains.shape, spacing, origin, strict=True):
        index = min(max(((at + 0.5) / n - start) / step, 0), nodes - 1)
        low = min(int(index), max(nodes - 2, 0))
        places.append((low, min(low + 1, nodes - 1), index - low))
    (top, bottom, down), (left, right, across) = places
    upper = gains[top, left] * (1 - across) + gains[top, right] * across
    return upper * (1 - down) + (gains[bottom, left] * (1 - across) + gains[bottom, right] * across) * down


def field(gain_at, size=(H, W)):
    return np.array([[gain_at(row, column) for column in range(size[1])] for row in range(size[0])])


def run(group, x, cfa="RGGB"):
    for stage in group:
        x = stage(x, Capture.of(cfa))
    return x[0].numpy()


def light(planes=1, top=1.2):
    return top * torch.rand(1, planes, H, W, dtype=torch.float64)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
@pytest.mark.parametrize("spare", [0, 1], ids=["whole", "last site"])
def test_four_maps_of_the_sites(order, spare, tmp_path):
    """Each area ends at the frame's edge, or behind its last site."""
    gains = random_gains(4, 5, 7, 1)
    areas = [(top, left, H - spare * (1 - top), W - spare * (1 - left)) for top, left in SITES]
    corrections = read_corrections(file(tmp_path, *(gain_map(gains[site], areas[site], (2, 2)) for site in order)))
    assert [type(stage) for stage in corrections.mosaic] == [stages.LensShadingMesh, stages.Clip]
    assert (corrections.sensor, corrections.camera, corrections.unapplied) == ((), (), ())
    x, spacing = light(), (1 / 4, 1 / 6)
    expected = field(lambda row, column: interpolated(gains[row % 2 * 2 + column % 2, ..., 0], row, column, spacing))
    np.testing.assert_allclose(run(corrections.mosaic, x)[0], np.minimum(x[0, 0].numpy() * expected, 1), rtol=1e-12)
    assert torch.equal(read_gain_map(tmp_path / "a.dng").mesh, torch.from_numpy(gains[..., 0]).double())


def test_one_map_for_all_sites(tmp_path):
    gains = random_gains(3, 4, 1)
    corrections = read_corrections(file(tmp_path, gain_map(gains, (0, 0, 0, 0))))
    assert torch.equal(corrections.mosaic[0].mesh, torch.from_numpy(gains[..., 0]).double()[None])
    assert torch.equal(read_gain_map(tmp_path / "a.dng").mesh, corrections.mosaic[0].mesh)


@pytest.mark.parametrize("shape", [(1, 4), (5, 1), (1, 1)])
def test_one_row_of_nodes_has_no_spacing(shape, tmp_path):
    gains = random_gains(*shape, 1)
    spacing = [1 / (n - 1) if n > 1 else 0.0 for n in shape]
    origin = [0.0 if n > 1 else 9.0 for n in shape]
    corrections = read_corrections(file(tmp_path, gain_map(gains, WHOLE, spacing=spacing, origin=origin)))
    assert torch.equal(corrections.mosaic[0].mesh, torch.from_numpy(gains[..., 0]).double()[None])


@pytest.mark.parametrize(
    ("area", "pitch", "spacing", "origin"),
    [
        ((2, 3, 20, 30), (1, 1), None, (0.0, 0.0)),
        ((1, 0, H, W), (2, 3), (0.2, 0.3), (0.1, -0.4)),
        ((-5, -2, H + 9, 31), (2, 2), (0.01, 7.0), (0.5, 0.5)),
        ((0, 0, H - 3, W), (2, 2), None, (0.0, 0.0)),
        ((0, 0, H, W), (1, 1), (0.3, 0.25), (0.0, 0.0)),
        ((1, 0, H, W), (1, 1), None, (0.0, 0.0)),
        ((0, 0, H, W - 1), (1, 1), None, (0.0, 0.0)),
    ],
)
def test_maps_of_a_part(area, pitch, spacing, origin, tmp_path):
    gains = random_gains(4, 6, 1)
    corrections = read_corrections(file(tmp_path, gain_map(gains, area, pitch, spacing=spacing, origin=origin)))
    assert type(corrections.mosaic[0]) is stages.GainMap

    def gain_at(row, column):
        inside = area[0] <= row < area[2] and area[1] <= column < area[3]
        on = (row - area[0]) % pitch[0] == 0 and (column - area[1]) % pitch[1] == 0
        step = spacing or (1 / 3, 1 / 5)
        return interpolated(gains[..., 0], row, column, step, origin) if inside and on else 1

    x, expected = light(), field(gain_at)
    assert (expected != 1).any()
    np.testing.assert_allclose(run(corrections.mosaic, x)[0], np.minimum(x[0, 0].numpy() * expected, 1), rtol=1e-12)
    with pytest.raises(UnreadableFile, match="not one lens-shading mesh"):
        read_gain_map(tmp_path / "a.dng")


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("planes", [(0, 3), (0, 1), (1, 1), (1, 9)])
def test_maps_of_the_demosaiced_image(depth, planes, tmp_path):
    gains = random_gains(4, 3, depth)
    corrections = read_corrections(file(tmp_path, gain_map(gains, WHOLE, planes=planes), number=3))
    mesh = planes == (0, 3) and depth != 2
    assert type(corrections.camera[0]) is (stages.LensShadingMesh if mesh else stages.GainMap)
    assert corrections.mosaic == ()
    x = light(3)
    expected = np.ones((3, H, W))
    for plane in range(planes[0], min(sum(planes), 3)):
        chosen = gains[..., min(plane, depth - 1)]
        expected[plane] = field(lambda row, column, c=chosen: interpolated(c, row, column, (1 / 3, 1 / 2)))
    np.testing.assert_allclose(run(corrections.camera, x), np.minimum(x[0].numpy() * expected, 1), rtol=1e-12)


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("center", [(0.5, 0.5), (0.3, 0.8), (1.0, 0.0)])
def test_vignette(number, center, tmp_path):
    k = [0.3, -0.1, 0.05, 0.2, -0.02]
    corrections = read_corrections(file(tmp_path, vignette(k, center), number=number))
    group = corrections.mosaic if number == 2 else corrections.camera
    x = light(1 if number == 2 else 3)
    cx, cy = center[0] * (W - 1), center[1] * (H - 1)
    far = np.hypot(max(cx, W - 1 - cx), max(cy, H - 1 - cy))
    radius = field(lambda row, column: np.hypot(column - cx, row - cy) / far)
    gains = 1 + sum(coefficient * radius ** (2 * n + 2) for n, coefficient in enumerate(k))
    np.testing.assert_allclose(run(group, x), np.minimum(x[0].numpy() * gains, 1), rtol=1e-12)
    assert describe_corrections(tmp_path / "a.dng") == [
        f"vignette correction, gain 1.43 in the farthest corner (FixVignetteRadial in OpcodeList{number})"
    ]


def test_vignette_of_pixels_that_are_not_square_is_named(tmp_path):
    path = file(tmp_path, vignette([0.1] * 5), extra=[(50718, 5, 2, (1, 1, 2, 1), True)])
    assert read_corrections(path).unapplied == (
        "FixVignetteRadial in OpcodeList2, optional: pixels are not square (DefaultScale)",
    )


def test_gains_are_limited_one_after_the_other(tmp_path):
    """2 x 0.8 is clipped to 1 before it is halved."""
    double, half = (np.full((1, 1, 1), gain, np.float32) for gain in (2, 0.5))
    corrections = read_corrections(file(tmp_path, gain_map(double, WHOLE), gain_map(half, WHOLE)))
    values = run(corrections.mosaic, torch.full((1, 1, H, W), 0.8))
    assert (values == 0.5).all()


ACTIVE = (2, 4, H, W - 2)


def test_a_list_of_bad_pixels_counts_from_the_corner_of_the_stored_samples(tmp_path):
    points, rectangles = [(5, 8), (10, 11), (0, 0), (H - 1, 5)], [(0, 20, H, 21), (12, 0, 14, 5)]
    path = file(tmp_path, bad_list(points, rectangles), number=1, extra=[(50829, 3, 4, ACTIVE, True)])
    corrections = read_corrections(path)
    height, width = ACTIVE[2] - ACTIVE[0], ACTIVE[3] - ACTIVE[1]
    bad = np.zeros((H, W), bool)
    for row, column in points:
        bad[row, column] = True
    for top, left, bottom, right in rectangles:
        bad[top:bottom, left:right] = True
    expected = np.argwhere(bad[ACTIVE[0] : ACTIVE[2], ACTIVE[1] : ACTIVE[3]])
    (stage,) = corrections.sensor
    assert stage.points.tolist() == expected.tolist()
    assert stage.takes == SENSOR
    assert corrections.applied == (f"replacement of {len(expected)} bad pixels (FixBadPixelsList in OpcodeList1)",)
    x, capture = read_raw(path)
    assert tuple(x.shape[2:]) == (height, width)
    assert capture.cfa == "RGGB"
    y = stage(x, capture)
    changed = (y != x)[0, 0].numpy()
    assert not (changed & ~bad[ACTIVE[0] : ACTIVE[2], ACTIVE[1] : ACTIVE[3]]).any()
    # The pixel (5, 8) of the file: green, with its four diagonal neighbors.
    row, column = 5 - ACTIVE[0], 8 - ACTIVE[1]
    expected_mean = np.mean([SAMPLES[5 + down, 8 + right] for down in (-1, 1) for right in (-1, 1)])
    assert float(y[0, 0, row, column]) == pytest.approx(expected_mean)


ODD = (3, 5, H + 3, W + 4)


def test_an_active_area_that_starts_at_an_odd_pixel(tmp_path):
    """Opcodes count from the corner of the area, like the samples that are read."""
    stored = RNG.permutation((H + 6) * (W + 8)).reshape(H + 6, W + 8).astype(np.uint16)
    height, width = ODD[2] - ODD[0], ODD[3] - ODD[1]
    gains, k, center = random_gains(4, 5, 7, 1), [0.3, -0.1, 0.05, 0.2, -0.02], (0.3, 0.8)
    maps = [gain_map(gains[site], (*SITES[site], height, width), (2, 2)) for site in range(4)]
    lists = {
        1: opcode_list(bad_list([(4, 6), (10, 9), (3, 20)])),
        2: opcode_list(*maps, bad_list([(4, 4)])),
        3: opcode_list(vignette(k, center)),
    }
    path = write(tmp_path / "a.dng", stored, lists, [(50829, 3, 4, ODD, True)])
    corrections = read_corrections(path)
    x, _ = read_raw(path)
    assert np.array_equal(x[0, 0], stored[ODD[0] : ODD[2], ODD[1] : ODD[3]])
    inside = [[r - ODD[0], c - ODD[1]] for r, c in ((4, 6), (10, 9), (3, 20))]
    assert corrections.sensor[0].points.tolist() == sorted(inside)
    assert corrections.mosaic[-1].points.tolist() == [[4, 4]]

    values = torch.full((1, 1, height, width), 0.1, dtype=torch.float64)
    expected = field(
        lambda row, column: interpolated(
            gains[row % 2 * 2 + column % 2, ..., 0], row, column, (1 / 4, 1 / 6), size=(height, width)
        ),
        (height, width),
    )
    np.testing.assert_allclose(run(corrections.mosaic[:-1], values)[0], 0.1 * expected, rtol=1e-12)

    cx, cy = center[0] * (width - 1), center[1] * (height - 1)
    far = np.hypot(max(cx, width - 1 - cx), max(cy, height - 1 - cy))
    radius = field(lambda row, column: np.hypot(column - cx, row - cy) / far, (height, width))
    expected = 1 + sum(coefficient * radius ** (2 * n + 2) for n, coefficient in enumerate(k))
    values = torch.full((1, 3, height, width), 0.1, dtype=torch.float64)
    np.testing.assert_allclose(run(corrections.camera, values)[0], 0.1 * expected, rtol=1e-12)


def test_a_list_after_the_levels_counts_from_the_active_area(tmp_path):
    corrections = read_corrections(file(tmp_path, bad_list([(1, 2)]), number=2, extra=[(50829, 3, 4, ACTIVE, True)]))
    assert corrections.mosaic[0].points.tolist() == [[1, 2]]
    assert corrections.mosaic[0].takes == MOSAIC


@pytest.mark.parametrize(
    ("entry", "number", "reason"),
    [
        (bad_list([(-1, 0), (H, 0)], [(3, 3, 3, 9)]), 1, None),
        (bad_list([], [(0, 0, 2**31 - 1, 2**31 - 1)]), 1, None),
        (bad_list([(1, 1)]), 3, "several planes"),
        (bad_constant(0), 2, "stored samples of a mosaic only"),
        (gain_map(random_gains(2, 2, 1), WHOLE), 1, "before black is subtracted"),
        (gain_map(random_gains(2, 2, 1), WHOLE, planes=(1, 2)), 2, "starts at plane 1 of an image that has 1"),
    ],
    ids=lambda value: "opcode" if isinstance(value, bytes) else None,
)
def test_what_cannot_be_applied_is_named(entry, number, reason, tmp_path):
    corrections = read_corrections(file(tmp_path, entry, number=number))
    if reason is None:
        assert corrections.unapplied == ()
    else:
        assert corrections.sensor == corrections.mosaic == corrections.camera == ()
        (phrase,) = corrections.unapplied
        assert phrase.startswith(("FixBadPixels", "GainMap"))
        assert reason in phrase
        assert describe_corrections(tmp_path / "a.dng") == [f"not applied: {phrase}"]


def test_a_rectangle_of_every_pixel_of_a_large_frame_is_named(tmp_path, monkeypatch):
    path = file(tmp_path, bad_list([], [(0, 0, 2**31 - 1, 2**31 - 1)]), number=1)
    monkeypatch.setattr("isptoolkit.io.opcode_stages._MOST_BAD_PIXELS", H * W - 1)
    assert "more than 815 pixels" in read_corrections(path).unapplied[0]


def test_a_value_marks_bad_pixels(tmp_path):
    samples = SAMPLES.copy()
    samples[6, 7] = samples[9, 9] = 0
    path = file(tmp_path, bad_constant(0), number=1, samples=samples)
    corrections = read_corrections(path)
    x, capture = read_raw(path)
    y = corrections.sensor[0](x, capture)[0, 0].numpy()
    assert y[6, 7] == np.mean([samples[6 + down, 7 + right] for down in (-1, 1) for right in (-1, 1)])
    assert y[9, 9] == np.mean([samples[9 + d, 9 + r] for d, r in ((-2, 0), (2, 0), (0, -2), (0, 2))])
    assert (y != samples).sum() == 2


@pytest.mark.parametrize(
    "extra",
    [
        (50712, 3, 4, (0, 1, 2, 9), True),
        (50715, 10, 2, (1, 1, 2, 1), True),
        (50716, 10, 2, (1, 1, 2, 1), True),
        (50713, 3, 2, (1, 4), True),
    ],
    ids=["table", "columns", "rows", "repeat"],
)
def test_a_value_is_not_looked_for_in_samples_that_were_changed(extra, tmp_path):
    (phrase,) = read_corrections(file(tmp_path, bad_constant(0), number=1, extra=[extra])).unapplied
    assert "changed the samples" in phrase


def test_levels_of_the_cell_change_no_samples(tmp_path):
    assert read_corrections(file(tmp_path, bad_constant(0), number=1, extra=[(50713, 3, 2, (2, 2), True)])).sensor


def test_warps_and_the_unknown_are_named(tmp_path):
    newer = opcode(9, b"", version=(2, 0, 0, 0))
    path = file(tmp_path, opcode(1, b"abc", flags=0), newer, opcode(99, b""), vignette([0.1] * 5), number=3)
    corrections = read_corrections(path)
    assert corrections.unapplied == (
        "WarpRectilinear in OpcodeList3, required by the file: this kind of correction is not supported",
        "GainMap in OpcodeList3, optional: it needs DNG 2.0.0.0",
        "opcode 99 in OpcodeList3, optional: this kind of correction is not supported",
    )
    assert [type(stage) for stage in corrections.camera] == [stages.LensShadingRadial, stages.Clip]


def test_a_polynomial_that_the_decoder_applies_is_not_missing(monkeypatch):
    tags = {256: W, 257: H, 259: 34892, 262: 34892, 277: 3, 51009: opcode_list(opcode(8, b"", flags=0))}
    monkeypatch.setattr("isptoolkit.io.tiff.main_tags", lambda path: tags)
    assert describe_corrections("a.dng") == ["lossy compression undone while decoding (MapPolynomial in OpcodeList2)"]
    tags[259] = 7
    assert "MapPolynomial in OpcodeList2, required by the file" in read_corrections("a.dng").unapplied[0]


def test_three_planes_are_corrected_in_camera_rgb_and_one_plane_alone(tmp_path):
    entries = {
        2: opcode_list(gain_map(random_gains(2, 2, 3), WHOLE, planes=(0, 3))),
        3: opcode_list(vignette([0.1] * 5)),
    }
    linear = read_corrections(write(tmp_path / "a.dng", np.stack([SAMPLES] * 3, -1), entries))
    assert [stage.takes for stage in linear.mosaic + linear.camera] == [CAMERA] * 4
    gray = read_corrections(write(tmp_path / "b.dng", SAMPLES[..., None], entries))
    assert [stage.takes for stage in gray.mosaic + gray.camera] == [MOSAIC] * 4
    pipeline = Pipeline(balance=stages.WhiteBalance(space=CAMERA), matrix=stages.ColorMatrix())
    names = corrected(pipeline, linear).names
    assert names == ("shading", "white", "vignette", "white_2", "balance", "matrix")


def test_bad_pixels_of_several_planes_are_named(tmp_path):
    path = write(tmp_path / "a.dng", np.stack([SAMPLES] * 3, -1), {1: opcode_list(bad_list([(1, 1)]), bad_constant(0))})
    corrections = read_corrections(path)
    assert corrections.sensor == ()
    assert len(corrections.unapplied) == 2


def test_corrections_are_inserted_where_the_specification_applies_them(tmp_path):
    lists = {
        1: opcode_list(bad_list([(4, 4)]), bad_constant(0)),
        2: opcode_list(gain_map(random_gains(3, 3, 1), WHOLE)),
        3: opcode_list(gain_map(random_gains(3, 3, 1), WHOLE, planes=(0, 3)), vignette([0.1] * 5)),
    }
    path = write(tmp_path / "a.dng", SAMPLES, lists)
    corrections = read_corrections(path)
    pipeline = presets.classic()
    result = corrected(pipeline, corrections)
    names = result.names[: result.names.index("matrix")]
    assert names == (
        *("bad_pixels", "bad_pixels_2", "levels", "shading", "white", "balance", "highlights", "demosaic"),
        *("shading_2", "white_2", "vignette", "white_3"),
    )
    x, capture = read_raw(path)
    y = x
    for group, span in (
        (corrections.sensor, ("levels", "levels")),
        (corrections.mosaic, ("balance", "demosaic")),
        (corrections.camera, ("matrix", "quantize")),
    ):
        for stage in group:
            y = stage(y, capture)
        y = pipeline.span(*span)(y, capture)
    assert torch.equal(result(x, capture), y)
    assert corrected(pipeline, Corrections()).names == pipeline.names


def test_a_pipeline_without_the_space_is_refused():
    corrections = Corrections(camera=(stages.LensShadingRadial([0.1], space=CAMERA),))
    with pytest.raises(InvalidArgument, match="corrects camera, but no stage of the pipeline takes it"):
        corrected(presets.classic().span("levels", "balance"), corrections)


def test_files_without_opcodes(tmp_path):
    for path in (write(tmp_path / "a.dng", SAMPLES, {}), write(tmp_path / "b.dng", SAMPLES, {3: opcode_list()})):
        assert read_corrections(path) == Corrections()
        assert describe_corrections(path) == []
        assert read_gain_map(path) is None


def test_the_frame_and_the_corrections_of_a_preview_are_left_out(tmp_path):
    """The first directory is a linear preview with its own active area, scale, and vignette."""
    strengths = (0.3, 0.0, 0.0, 0.0, 0.0)
    shading = gain_map(random_gains(3, 4, 1), (2, 3, 20, 30), pitch=(2, 2))
    lists = {"main": opcode_list(shading, vignette(strengths)), "preview": opcode_list(vignette(strengths))}
    preview = [(50829, 4, 4, (2, 2, 12, 18), True), (50718, 5, 2, (1, 1, 2, 1), True)]
    for corrected_too in (True, False):
        main = write(tmp_path / "main.dng", SAMPLES, {2: lists["main"]} if corrected_too else {})
        with tifffile.TiffFile(main) as file:
            tags = [
                (tag.code, int(tag.dtype), tag.count, tag.value, True) for tag in file.pages[0].tags if tag.code > 33000
            ]
        own = [*(tag for tag in tags if tag[0] not in (33421, 33422, 51009)), *preview]
        own += [(51009, 7, len(lists["preview"]), lists["preview"], True)]
        with tifffile.TiffWriter(tmp_path / "a.dng") as file:
            small = np.stack([SAMPLES[:14, :20]] * 3, -1)
            options = {"metadata": None, "rowsperstrip": H}
            first = {"photometric": 34892, "planarconfig": "contig", "subfiletype": 1, "subifds": 1}
            file.write(small, extratags=sorted(own), **first, **options)
            file.write(SAMPLES, photometric=32803, subfiletype=0, extratags=tags, **options)
        assert np.array_equal(read_raw(tmp_path / "a.dng")[0][0, 0].numpy(), SAMPLES)
        corrections, alone = read_corrections(tmp_path / "a.dng"), read_corrections(main)
        assert (corrections.applied, corrections.unapplied) == (alone.applied, alone.unapplied)
        assert len(corrections.mosaic) == 4 * corrected_too
        x = light()
        assert np.array_equal(run(corrections.mosaic, x), run(alone.mosaic, x))


def pfm(path):
    with path.open("rb") as stream:
        assert stream.readline() == b"PF\n"
        width, height = map(int, stream.readline().split())
        stream.readline()
        return np.frombuffer(stream.read(), "<f4").reshape(height, width, 3)[::-1].astype(np.float64)


def test_darktable_applies_the_same_gains(tmp_path):
    """darktable interpolates at the corners of pixels, not at their centers, hence not to the last digit."""
    tool = shutil.which("darktable-cli")
    if tool is None:
        pytest.skip("needs darktable-cli: install the package darktable")
    height, width = 400, 600
    y, x = np.mgrid[0:7, 0:9]
    gains = (1 + 0.6 * ((y / 6 - 0.5) ** 2 + (x / 8 - 0.4) ** 2))[..., None]
    maps = opcode_list(*(gain_map(gains, (*site, height, width), (2, 2)) for site in SITES))
    flat = np.full((height, width), 264, np.uint16)
    images = []
    for name, lists in (("without", {}), ("with", {2: maps})):
        source, target = write(tmp_path / f"{name}.dng", flat, lists), tmp_path / f"{name}.pfm"
        settings = ["--core", "--configdir", tmp_path / "darktable", "--conf", "plugins/darkroom/workflow=none"]
        options = ["--icc-type", "LIN_REC709", "--apply-custom-presets", "false", *settings]
        subprocess.run([tool, source, target, *options], check=True, capture_output=True)
        images.append(pfm(target))
    stage = read_corrections(tmp_path / "with.dng").mosaic[0]
    ours = stage(torch.ones(1, 1, height, width, dtype=torch.float64), Capture.of("RGGB"))[0, 0].numpy()[..., None]
    error = abs(images[1] / images[0] - ours)[10:-10, 10:-10]
    assert error.max() < 2e-3
    assert error.mean() < 6e-4

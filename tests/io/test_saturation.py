"""The ceiling of the histogram: camera frames that are clipped on purpose, and frames without blown areas."""

import numpy as np
import pytest
import rawpy
from tagged_dng import LONG, samples, tag, write

from isptoolkit import errors, read_raw
from isptoolkit.io import describe_raw
from isptoolkit.io.saturation import ceiling_of

UNBLOWN = [f"digicam_corpus/canon-powershot-{n}.CRW" for n in ("s40/CRW_0101", "s40/CRW_0104", "s40/CRW_0117")]
UNBLOWN += [f"digicam_corpus/canon-powershot-{n}.CRW" for n in ("s40/CRW_0118", "g2/CRW_0304", "g2/CRW_0305")]
UNBLOWN += [f"digicam_corpus/kodak-dc120/P0039{n}.KDC" for n in ("08", "09", "10", "11", "12", "13")]
UNBLOWN += ["tinydng/colorchart.dng", "a2tools/quicktake-100/Mistigri.qtk"]
BLOWN = ["digicam_corpus/canon-powershot-s40/CRW_0112.CRW", "a2tools/quicktake-100/Image__1.qtk"]


def frame(data, name):
    with rawpy.imread(str(data / name)) as raw:
        return raw.raw_image_visible.copy(), min(raw.black_level_per_channel), raw.white_level


@pytest.mark.parametrize("name", UNBLOWN)
@pytest.mark.parametrize("reach", [1.0, 0.95, 0.8])
def test_frames_without_blown_areas_have_no_ceiling(data, name, reach):
    """Whatever share of the range the brightest samples reach, hot pixels aside."""
    codes, black, _ = frame(data, name)
    assert ceiling_of(codes, black, black + (np.quantile(codes, 0.9999) - black) / reach) is None


@pytest.mark.parametrize("name", BLOWN)
def test_frames_that_are_blown_at_white(data, name):
    codes, black, white = frame(data, name)
    assert ceiling_of(codes, black, white) == white


@pytest.mark.parametrize("name", [*UNBLOWN, *BLOWN])
@pytest.mark.parametrize("share", [0.02, 0.2])
def test_camera_frames_that_stop_below_white(data, name, share):
    codes, black, _ = frame(data, name)
    level = float(np.quantile(codes, 1 - share))
    assert ceiling_of(np.minimum(codes, level), black, black + (level - black) / 0.93) == level


@pytest.mark.parametrize("spread", [0.001, 0.003])
def test_a_pile_that_noise_spreads(spread):
    """The ceiling lies in the pile: within a percent of the level that the noise surrounds."""
    rng = np.random.default_rng(0)
    scene = 64 + np.abs(rng.normal(0, 1200, (400, 600)))
    scene[100:200, 100:300] = 5000
    limit = 3845 + rng.normal(0, spread * 4031, scene.shape)
    ceiling = ceiling_of(np.minimum(scene, limit).round(), 64, 4095)
    assert ceiling == pytest.approx(3845, abs=0.01 * 4031)


def test_hot_pixels_above_the_ceiling_do_not_count():
    codes = np.minimum(np.tile(np.arange(0.0, 4000.0, 5), (800, 1)), 3800)
    for row, column in np.ndindex(2, 2):
        codes[row::200, column::200] = 4095
    assert ceiling_of(codes, 0, 4095) == 3800


@pytest.mark.parametrize("level", [0, 900, 1023])
def test_a_frame_of_one_value_states_nothing(level):
    assert ceiling_of(np.full((32, 48), level), 64, 1023) is None


def test_a_bright_patch_of_one_color_is_not_blown():
    """Noise of a few digital numbers, as averaged or denoised frames have it."""
    rng = np.random.default_rng(0)
    codes = rng.normal(300, 60, (200, 300))
    codes[50:100, 50:100][::2, 1::2] = rng.normal(900, 1.5, (25, 25))
    assert ceiling_of(codes.round(), 64, 1023) is None


def test_a_flat_patch_of_one_color_is_not_blown():
    """Drawn pictures have no noise, and nothing between the patch and the rest."""
    codes = np.random.default_rng(0).normal(300, 60, (200, 300)).round()
    codes[50:100, 50:100][::2, 1::2] = 900
    assert ceiling_of(codes, 64, 1023) is None


def test_the_lowest_ceiling_of_the_colors_counts():
    """Cameras that scale red and blue digitally stop at another level in green."""
    codes = np.random.default_rng(0).normal(9000, 5000, (200, 300)).clip(0, None).round()
    for row, column, level in ((0, 0, 16000), (0, 1, 15778), (1, 0, 15778), (1, 1, 16000)):
        site = codes[row::2, column::2]
        np.minimum(site, level, out=site)
    assert ceiling_of(codes, 0, 16383) == 15778


def blown(path, level=930, white=1023):
    codes = np.minimum(samples(64, 96, low=100, high=1100), level).astype(np.uint16)
    return write(path, codes, tag(50717, LONG, white)), codes


def test_white_auto_is_the_ceiling(tmp_path):
    path, codes = blown(tmp_path / "a.dng")
    sensor, capture = read_raw(path, white="auto")
    assert capture.white.item() == 930
    assert np.array_equal(sensor[0, 0].numpy(), codes)
    assert read_raw(path)[1].white.item() == 1023


def test_white_auto_is_the_stated_white_without_a_ceiling_below(tmp_path):
    for level in (1023, 1100):
        path, _ = blown(tmp_path / "a.dng", level=level)
        assert read_raw(path, white="auto")[1].white.item() == 1023
    path = write(tmp_path / "b.dng", samples(64, 96, high=800), tag(50717, LONG, 1023))
    assert read_raw(path, white="auto")[1].white.item() == 1023


def test_linear_files_have_a_ceiling_too(tmp_path):
    codes = np.minimum(samples(64, 96, 3, low=100, high=1100), 930).astype(np.uint16)
    path = write(tmp_path / "a.dng", codes, tag(50717, LONG, 1023, 1023, 1023))
    assert read_raw(path, white="auto")[1].white.item() == 930


@pytest.mark.parametrize("white", ["automatic", "1023", -1.0, float("nan"), (1, 2)])
def test_malformed_white_is_refused(tmp_path, white):
    with pytest.raises(errors.InvalidArgument, match="white must be a positive number or 'auto'"):
        read_raw(blown(tmp_path / "a.dng")[0], white=white)


def test_describe_warns_of_a_ceiling_below_white(tmp_path):
    facts = describe_raw(blown(tmp_path / "a.dng")[0])
    assert (facts["white"], facts["ceiling"]) == (1023, 930)
    assert "blown areas stop at 930, below the white level 1023: read with white auto" in facts["problems"]
    facts = describe_raw(blown(tmp_path / "a.dng", level=1023)[0])
    assert (facts["ceiling"], facts["problems"]) == (1023, [])
    assert describe_raw(write(tmp_path / "b.dng", samples(32, 32, high=500)))["ceiling"] is None

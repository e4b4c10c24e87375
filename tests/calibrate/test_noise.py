"""Noise calibration on simulated sensors with known noise, and on a real dark frame."""

import itertools
import json

import numpy as np
import pytest
import torch
from scipy import stats

from isptoolkit import Capture, errors, read_image, read_mosaic, stages, write_dng
from isptoolkit.calibrate.noise import _line, noise_of_pairs, noise_of_picture
from isptoolkit.stages.noise import poisson_gaussian_noise

SENSORS = [(1e-3, 4e-6), (5e-3, 1e-4), (2e-4, 1e-6)]


def capture(noise):
    return Capture.of("GRBG", black=(256, 250, 260, 255), white=16383, noise=noise)


def frame(signal, noise, seed):
    """A simulated exposure: photon noise, read noise, integer digital numbers."""
    described = capture(noise)
    noisy = poisson_gaussian_noise(signal, described.noise, torch.Generator().manual_seed(seed))
    return stages.Levels().inverse(noisy, described).round()


@pytest.mark.parametrize("noise", SENSORS, ids=str)
def test_noise_of_pairs_of_flat_frames(noise):
    """Uneven light and a fixed pattern cancel."""
    generator = torch.Generator().manual_seed(9)
    pattern = 1 + 0.02 * torch.randn(1, 1, 256, 384, generator=generator, dtype=torch.float64)
    light = torch.linspace(0.8, 1.0, 384, dtype=torch.float64)
    pairs = []
    for index, level in enumerate((0.0, 0.01, 0.05, 0.2, 0.5)):
        signal = level * light * pattern
        pairs.append((frame(signal, noise, 2 * index), frame(signal, noise, 2 * index + 1)))
    result = noise_of_pairs(pairs, capture(noise))
    assert result.shot == pytest.approx(noise[0], rel=0.02)
    read = noise[1] + 1 / 12 / 16127**2  # rounding to digital numbers adds noise
    assert result.read == pytest.approx(read, rel=0.05)
    assert abs(result.shot - noise[0]) < 4 * result.shot_error
    assert result.shot_error < 0.02 * result.shot


@pytest.mark.parametrize("noise", SENSORS[:2], ids=str)
def test_an_image_with_flat_parts(noise):
    steps = torch.linspace(0.005, 0.8, 24, dtype=torch.float64).view(1, 1, 4, 6)
    signal = steps.repeat_interleave(128, 2).repeat_interleave(128, 3)
    texture = torch.rand(1, 1, 512, 768, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    signal[..., ::256, :] *= 1 + 0.5 * texture[..., ::256, :]
    result = noise_of_picture(frame(signal, noise, 0), capture(noise))
    assert result.shot == pytest.approx(noise[0], rel=0.1)
    assert result.read == pytest.approx(noise[1], rel=0.35)


def test_a_photograph_of_known_noise(data):
    """Texture biases the result upward, within bounds."""
    image = read_image(data / "kodak24" / sorted(p.name for p in (data / "kodak24").glob("*.png"))[22]).double()
    noise = (2e-3, 2e-5)
    signal = stages.Mosaic()(stages.PowerCurve(gamma=2.2).inverse(image, capture(noise)), capture(noise))
    result = noise_of_picture(frame(signal, noise, 3), capture(noise))
    assert 0.8 * noise[0] < result.shot < 1.6 * noise[0]


def test_a_real_dark_frame(data):
    """With a bright pair of known noise, the line meets black at the variance of the frame without its hot pixels."""
    path = data / "infinite-isp" / "BlackImage_1920x1080_12bits_BGGR.raw"
    eye = torch.eye(3).tolist()
    dark, described = read_mosaic(
        path, width=1920, height=1080, cfa="BGGR", black=0, white=4095, gains=(1, 1, 1), matrix=eye
    )
    halves = dark[..., :540, :], dark[..., 540:, :]
    generator = torch.Generator().manual_seed(1)
    bright = [2000 + 30 * torch.randn(1, 1, 540, 1920, generator=generator) for _ in range(2)]
    result = noise_of_pairs([halves, (bright[0], bright[1])], described)
    # Without hot pixels. The tolerance is wide because samples are clipped at 0 and mostly 0 or 4, hence not Gaussian.
    samples = np.sort(dark.flatten().numpy())[: int(0.9995 * dark.numel())]
    assert (result.read * 4095**2) ** 0.5 == pytest.approx(samples.std(), rel=0.2)


def test_frames_that_cannot_be_measured():
    flat = torch.full((1, 1, 64, 64), 1000.0)
    with pytest.raises(errors.InvalidArgument, match="at least one pair"):
        noise_of_pairs([], capture(None))
    with pytest.raises(errors.InvalidArgument, match="must have equal sizes"):
        noise_of_pairs([(flat, flat[..., :32])], capture(None))
    with pytest.raises(errors.InvalidArgument, match="at least two brightnesses"):
        even = Capture.of("RGGB", black=256, white=16383)
        noise_of_pairs([(flat + torch.randn(flat.shape), flat + torch.randn(flat.shape))], even)
    for height, width in ((8, 8), (14, 64), (64, 14)):
        with pytest.raises(errors.InvalidArgument, match=rf"at least 16 x 16 pixels, got \[{height}, {width}\]"):
            noise_of_picture(flat[..., :height, :width], capture(None))
    with pytest.raises(errors.InvalidArgument, match="needs at least 160 blocks"):
        noise_of_picture(flat, capture(None))


def test_the_command(run, tmp_path):
    for name, seed in (("a", 0), ("b", 1), ("c", 2), ("d", 3)):
        signal = torch.full((1, 1, 128, 128), 0.0 if name < "c" else 0.4, dtype=torch.float64)
        write_dng(tmp_path / f"{name}.dng", frame(signal, SENSORS[0], seed), capture(SENSORS[0]))
    code, output, _ = run("calibrate", "noise", *(tmp_path / f"{name}.dng" for name in "abcd"), "--json")
    assert code == 0
    assert json.loads(output)["shot"] == pytest.approx(1e-3, rel=0.05)
    code, _, error = run("calibrate", "noise", *(tmp_path / f"{name}.dng" for name in "abc"))
    assert (code, "one file, or pairs, got 3" in error) == (2, True)


def fitted_line(means, variances, freedom):
    """Iterated weighted least squares with numpy.polyfit, starting from the medians of twenty bins."""
    bins = np.array_split(np.argsort(means), 20)
    shot, read = np.polyfit([np.median(means[b]) for b in bins], [np.median(variances[b]) for b in bins], 1)
    for _ in range(20):
        expected = np.maximum(shot * means + read, 1e-12 + 1e-3 * np.median(variances))
        deviation = expected * np.sqrt(2 / freedom)
        fits = np.abs(variances - expected) < 6 * deviation
        (shot, read), covariance = np.polyfit(means[fits], variances[fits], 1, w=1 / deviation[fits], cov="unscaled")
    return shot, read, *np.sqrt(np.diag(covariance)), int(fits.sum())


def site_blocks(frame, described):
    """List the blocks of 8x8 pixels of one site, black 0 and white 1."""
    values, blocks = frame[0, 0].double().numpy(), []
    for row in range(values.shape[0] // 16):
        for column in range(values.shape[1] // 16):
            for site in range(4):
                black = float(described.black[0, site])
                part = values[16 * row + site // 2 : 16 * row + 16 : 2, 16 * column + site % 2 : 16 * column + 16 : 2]
                blocks.append((part - black) / (float(described.white[0]) - black))
    return blocks


def compare(result, expected):
    shot, read, shot_error, read_error, points = expected
    assert result.points == points
    assert (result.shot, result.read) == pytest.approx((shot, read), rel=1e-7)
    assert (result.shot_error, result.read_error) == pytest.approx((shot_error, read_error), rel=1e-7)


def test_noise_of_pairs_against_a_direct_computation():
    """Two brightnesses, hot pixels, odd sizes: blocks beyond six standard deviations are excluded."""
    described, noise = capture(None), (1e-3, 4e-6)
    generator = torch.Generator().manual_seed(5)
    pairs = []
    for index, level in enumerate((0.0, 0.3)):
        signal = level * torch.linspace(0.5, 1.0, 75, dtype=torch.float64).expand(1, 1, 50, 75)
        both = [frame(signal, noise, 20 + 2 * index + n) for n in range(2)]
        both[0][torch.rand(both[0].shape, generator=generator) < 5e-3] += 4000
        pairs.append(tuple(both))
    means, variances = [], []
    for first, second in pairs:
        for a, b in zip(site_blocks(first, described), site_blocks(second, described), strict=True):
            means.append((a.mean() + b.mean()) / 2)
            variances.append(np.sum(((a - b) - (a - b).mean()) ** 2) / 63 / 2)
    expected = fitted_line(np.array(means), np.array(variances), 63)
    assert 0 < expected[-1] < len(means)  # hot pixels are excluded
    compare(noise_of_pairs(pairs, described), expected)


def test_noise_of_an_image_against_a_direct_computation():
    """The quietest tenth of forty brightnesses; blocks that reach white are excluded."""
    described = Capture.of("RGGB", black=(256, 250, 260, 255), white=4095, noise=(2e-3, 1e-5))
    light = torch.linspace(0.02, 1.1, 20, dtype=torch.float64).view(1, 1, 4, 5)
    signal = light.repeat_interleave(64, 2).repeat_interleave(64, 3)
    signal = signal * torch.linspace(1, 1.1, 320, dtype=torch.float64)
    signal[..., 1::3, :] *= 1.04
    noisy = poisson_gaussian_noise(signal, described.noise, torch.Generator().manual_seed(2)).clamp(0, 1)
    sensor = stages.Levels().inverse(noisy, described).round()
    down, across = np.mgrid[:8, :8]
    plane = np.stack([np.ones(64), down.ravel(), across.ravel()], 1)
    means, variances = [], []
    for block in site_blocks(sensor, described):
        residual = block.ravel() - plane @ np.linalg.lstsq(plane, block.ravel(), rcond=None)[0]
        if block.max() < 1:
            means.append(block.mean())
            variances.append(residual @ residual / 61)
    means, variances = np.array(means), np.array(variances)
    assert 160 < len(means) < 4 * 16 * 20 - 20  # some reach white
    # The mean of the quietest tenth of chi-square with 61 degrees of freedom, by quadrature.
    grid = np.linspace(0, stats.chi2.ppf(0.1, 61), 200_001)
    density = stats.chi2.pdf(grid, 61)
    quiet = np.trapezoid(grid * density, grid) / np.trapezoid(density, grid) / 61
    edges, centers, lowest = np.quantile(means, np.linspace(0, 1, 41)), [], []
    for low, high in itertools.pairwise(edges):
        inside = np.flatnonzero((means >= low) & (means <= high))
        quietest = inside[np.argsort(variances[inside])][: max(1, len(inside) // 10)]
        centers.append(means[quietest].mean())
        lowest.append(variances[quietest].mean() / quiet)
    result = noise_of_picture(sensor, described)
    compare(result, fitted_line(np.array(centers), np.array(lowest), 30))
    assert result.points <= 40


@pytest.mark.parametrize("seed", [30, 48])
def test_the_starting_line(seed):
    """Nearly half of the blocks contain hot pixels: the result depends on the twenty medians of the first fit."""
    rng = np.random.default_rng(seed)
    means = np.concatenate([rng.uniform(0, 0.01, 24), rng.uniform(0.2, 0.4, 24)])
    variances = (1e-3 * means + 4e-6) * rng.chisquare(63, 48) / 63
    hot = rng.random(48) < 0.45
    variances[hot] *= rng.uniform(2, 6)
    compare(_line(means, variances, 63), fitted_line(means, variances, 63))

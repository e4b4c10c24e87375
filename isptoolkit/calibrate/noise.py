"""Measure a sensor's shot and read noise from pairs of equal exposures, or from the flat parts of one image."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..capture import RGB, Capture
from ..errors import InvalidArgument
from ..stages import Levels, Pack

_BLOCK = 8
_BINS, _QUIETEST, _FREEDOM_OF_BINS = 40, 0.1, 30


@dataclass(frozen=True)
class NoiseProfile:
    """Noise variance as a linear function of the signal, on the MOSAIC scale: `variance = shot * signal + read`.

    Args:
        shot: variance per unit signal; its reciprocal is the number of photons at white.
        read: variance at black.
        shot_error: standard error of `shot`.
        read_error: standard error of `read`.
        points: number of pairs of mean and variance that the line was fitted to.

    >>> NoiseProfile(1e-3, 4e-6, 1e-5, 1e-7, 128).as_tuple()
    (0.001, 4e-06)
    """

    shot: float
    read: float
    shot_error: float
    read_error: float
    points: int

    def as_tuple(self) -> tuple[float, float]:
        """Shot and read noise variance, the `noise` argument of `Capture.of`."""
        return self.shot, self.read


def noise_of_pairs(pairs: Sequence[tuple[Tensor, Tensor]], capture: Capture) -> NoiseProfile:
    """Measure noise on pairs of frames of the same scene, such as flat fields and a pair of dark frames.

    The variance of the difference of two frames is twice the noise variance, whatever the scene and the fixed pattern.
    It is measured in blocks of 8x8 pixels of one site, and a weighted line is fitted to variance over mean.

    Args:
        pairs: pairs of mosaics `[1,1,H,W]` in digital numbers, of at least two brightnesses; black may be one.
        capture: levels and CFA of all frames.

    Returns:
        Shot and read noise on the MOSAIC scale, with standard errors.

    Raises:
        InvalidArgument: for no pairs, frames of different sizes, a single brightness, or three planes.

    Source: Janesick, "Photon transfer", SPIE Press 2007, chapter 5; EMVA standard 1288, release 4.0, section 6.

    >>> import torch
    >>> from isptoolkit.stages.noise import poisson_gaussian_noise
    >>> capture, generator = Capture.of("RGGB", noise=(1e-3, 1e-6)), torch.Generator().manual_seed(0)
    >>> def flat(level):
    ...     signal = torch.full((1, 1, 128, 128), level)
    ...     return tuple(poisson_gaussian_noise(signal, capture.noise, generator) for _ in range(2))
    >>> profile = noise_of_pairs([flat(0.0), flat(0.5)], capture)
    >>> abs(profile.shot / 1e-3 - 1) < 0.1
    True
    """
    if not pairs:
        raise InvalidArgument("noise_of_pairs needs at least one pair of frames, got none")
    means, variances = [], []
    for first, second in pairs:
        if first.shape != second.shape:
            raise InvalidArgument(
                f"the frames of a pair must have equal sizes, got {list(first.shape)} and {list(second.shape)}"
            )
        a, b = (_blocks(frame, capture) for frame in (first, second))
        means.append((a + b).mean(-1) / 2)
        variances.append((a - b).var(-1, ddof=1) / 2)
    return _line(np.concatenate(means), np.concatenate(variances), _BLOCK**2 - 1)


def noise_of_picture(mosaic: Tensor, capture: Capture) -> NoiseProfile:
    """Measure noise on one image, in the flattest blocks of each brightness.

    A plane is fitted to each block of 8x8 pixels of one site; the residual is noise plus texture. In each of 40
    brightness bins, the variances of the quietest tenth of the blocks are averaged and divided by the expected ratio of
    that tenth to the mean of pure noise, which follows from the chi-square distribution. Texture everywhere biases the
    result upward.

    Args:
        mosaic: `[1,1,H,W]` in digital numbers.
        capture: levels and CFA of the mosaic.

    Returns:
        Shot and read noise on the MOSAIC scale, with standard errors.

    Raises:
        InvalidArgument: for an image that is too small, has a single brightness, or three planes.

    Source: Foi et al., IEEE TIP 17(10), 2008, for the model; Liu et al., "Automatic estimation and removal of noise
    from a single image", IEEE PAMI 30(2), 2008, for the lower envelope.

    >>> import torch
    >>> from isptoolkit.stages.noise import poisson_gaussian_noise
    >>> capture, generator = Capture.of("RGGB", noise=(1e-3, 1e-6)), torch.Generator().manual_seed(0)
    >>> signal = torch.linspace(0.02, 0.8, 384).expand(1, 1, 384, 384)
    >>> profile = noise_of_picture(poisson_gaussian_noise(signal, capture.noise, generator), capture)
    >>> abs(profile.shot / 1e-3 - 1) < 0.2
    True
    """
    from scipy import stats

    blocks = _blocks(mosaic, capture)
    down, across = (axis.ravel() - (_BLOCK - 1) / 2 for axis in np.mgrid[:_BLOCK, :_BLOCK])
    basis = np.linalg.qr(np.stack([np.ones_like(down), down, across], 1))[0]
    residual = blocks - (blocks @ basis) @ basis.T
    freedom = _BLOCK**2 - 3
    means, variances = blocks.mean(-1), (residual**2).sum(-1) / freedom
    whole = (blocks.max(-1) < 1) & (variances > 0)
    means, variances = means[whole], variances[whole]
    if len(means) < 4 * _BINS:
        raise InvalidArgument(
            f"noise_of_picture needs at least {4 * _BINS} blocks of 8 x 8 pixels per site below white, got "
            f"{len(means)}: use a larger or darker image"
        )
    # The mean of the lowest tenth of a chi-square variable, over its mean.
    limit = stats.chi2.ppf(_QUIETEST, freedom)
    quiet = float(stats.chi2.cdf(limit, freedom + 2) / _QUIETEST)
    edges = np.quantile(means, np.linspace(0, 1, _BINS + 1))
    centers, lowest = [], []
    for low, high in itertools.pairwise(edges):
        inside = np.flatnonzero((means >= low) & (means <= high))
        quietest = inside[np.argsort(variances[inside])[: max(1, int(_QUIETEST * len(inside)))]]
        centers.append(means[quietest].mean())
        lowest.append(variances[quietest].mean() / quiet)
    # The scatter that remains is texture, not chance: weigh each bin like a variance of few samples.
    return _line(np.array(centers), np.array(lowest), _FREEDOM_OF_BINS)


def _blocks(frame: Tensor, capture: Capture) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """`[count, 64]` samples of blocks of 8x8 pixels of one site, black 0 and white 1."""
    if capture.cfa == RGB:
        raise InvalidArgument(f"noise needs samples of a sensor, but those of cfa {RGB!r} were interpolated")
    height, width = (n // (2 * _BLOCK) * 2 * _BLOCK for n in frame.shape[2:])
    if not height or not width:
        raise InvalidArgument(f"noise needs frames of at least 16 x 16 pixels, got {list(frame.shape[2:])}")
    packed = Pack()(Levels()(frame[..., :height, :width].double(), capture), capture)[0]
    cells = packed.unfold(1, _BLOCK, _BLOCK).unfold(2, _BLOCK, _BLOCK)
    blocks: np.ndarray[tuple[int, int], np.dtype[np.float64]] = cells.reshape(-1, _BLOCK**2).numpy()
    return blocks


def _line(
    means: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    variances: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    freedom: int,
) -> NoiseProfile:
    """Fit a line by iterated weighted least squares; a variance v has the variance `2 v^2 / freedom`.

    Blocks more than six standard deviations off the line, such as those with hot pixels, are excluded. The first line
    is fitted to the medians of bins.
    """
    if not means.std() > 3 * np.sqrt(np.median(variances) / _BLOCK**2):
        raise InvalidArgument("noise needs frames of at least two brightnesses: add darker or brighter frames")
    order = np.array_split(np.argsort(means), min(20, len(means)))
    shot, read = np.polyfit([np.median(means[p]) for p in order], [np.median(variances[p]) for p in order], 1)
    columns = np.stack([means, np.ones_like(means)], 1)
    floor = 1e-12 + 1e-3 * np.median(variances)
    for _ in range(20):
        expected = np.maximum(shot * means + read, floor)
        spread = expected * np.sqrt(2 / freedom)
        inliers = np.abs(variances - expected) < 6 * spread
        if inliers.sum() < 2 or not np.ptp(means[inliers]):
            raise InvalidArgument(
                "the noise variance is not a linear function of the signal: check the black and white levels, and that "
                "the frames of each pair are equal exposures"
            )
        weights = inliers / spread**2
        covariance = np.linalg.inv(columns.T @ (weights[:, None] * columns))
        shot, read = covariance @ (columns.T @ (weights * variances))
    errors = np.sqrt(np.diag(covariance))
    line = max(float(shot), 0.0), max(float(read), 0.0)
    return NoiseProfile(*line, float(errors[0]), float(errors[1]), int(inliers.sum()))

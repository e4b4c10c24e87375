"""Shot and read noise of a sensor, measured: from pairs of equal exposures, or from the flat parts of one picture."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..capture import Capture
from ..errors import InvalidArgument
from ..stages import Levels, Pack

_BLOCK = 8
_BINS, _QUIETEST, _FREEDOM_OF_BINS = 40, 0.1, 30


@dataclass(frozen=True)
class NoiseProfile:
    """A line of variance over signal, on the scale of MOSAIC: `variance = shot signal + read`.

    Args:
        shot: variance per unit signal; its reciprocal is the number of photons at white.
        read: variance at black.
        shot_error: standard error of `shot`.
        read_error: standard error of `read`.
        points: how many means and variances the line was drawn through.
    """

    shot: float
    read: float
    shot_error: float
    read_error: float
    points: int

    def as_tuple(self) -> tuple[float, float]:
        """What `Capture.of` takes as noise."""
        return self.shot, self.read


def noise_of_pairs(pairs: Sequence[tuple[Tensor, Tensor]], capture: Capture) -> NoiseProfile:
    """From pairs of frames that show the same thing, such as flat fields and a pair of dark frames.

    The variance of the difference of two frames is twice that of the noise, whatever the picture and the fixed pattern;
    it is taken over blocks of 8x8 pixels of one site, beside their mean, and a weighted line drawn through all.

    Args:
        pairs: of `[1,1,H,W]` in digital numbers; of at least two brightnesses, of which darkness may be one.
        capture: levels and phase of all.

    Raises:
        InvalidArgument: for no pairs, frames of different size, or of a single brightness.

    Source: Janesick, "Photon transfer", SPIE Press 2007, chapter 5; EMVA standard 1288, release 4.0, section 6.
    """
    if not pairs:
        raise InvalidArgument("noise is measured on at least one pair of frames")
    means, variances = [], []
    for first, second in pairs:
        if first.shape != second.shape:
            raise InvalidArgument(f"the frames of a pair differ in size: {list(first.shape)}, {list(second.shape)}")
        a, b = (_blocks(frame, capture) for frame in (first, second))
        means.append((a + b).mean(-1) / 2)
        off = a - b
        variances.append(off.var(-1, ddof=1) / 2)
    return _line(np.concatenate(means), np.concatenate(variances), _BLOCK**2 - 1)


def noise_of_picture(mosaic: Tensor, capture: Capture) -> NoiseProfile:
    """From one picture: its flattest blocks of each brightness.

    In blocks of 8x8 pixels of one site the part that a plane does not explain is noise, and texture. Of each of 40
    brightnesses the quietest tenth is taken; how much quieter than the mean the quietest tenth of mere noise is, is
    known from the chi-square distribution, and divided out. Texture everywhere still makes the result too high.

    Args:
        mosaic: `[1,1,H,W]` in digital numbers.
        capture: of it.

    Raises:
        InvalidArgument: when the picture is too small, or holds a single brightness.

    Source: Foi et al., IEEE TIP 17(10), 2008, for the model; Liu et al., "Automatic estimation and removal of noise
    from a single image", IEEE PAMI 30(2), 2008, for the lower envelope.
    """
    from scipy import stats

    blocks = _blocks(mosaic, capture)
    down, across = (axis.ravel() - (_BLOCK - 1) / 2 for axis in np.mgrid[:_BLOCK, :_BLOCK])
    basis = np.linalg.qr(np.stack([np.ones_like(down), down, across], 1))[0]
    rest = blocks - (blocks @ basis) @ basis.T
    freedom = _BLOCK**2 - 3
    means, variances = blocks.mean(-1), (rest**2).sum(-1) / freedom
    whole = (blocks.max(-1) < 1) & (variances > 0)
    means, variances = means[whole], variances[whole]
    if len(means) < 4 * _BINS:
        raise InvalidArgument(f"noise of one picture needs {4 * _BINS} blocks below white, got {len(means)}")
    # The mean of the quietest tenth of a chi-square variable, over its mean.
    limit = stats.chi2.ppf(_QUIETEST, freedom)
    quiet = float(stats.chi2.cdf(limit, freedom + 2) / _QUIETEST)
    edges = np.quantile(means, np.linspace(0, 1, _BINS + 1))
    centers, lowest = [], []
    for low, high in itertools.pairwise(edges):
        inside = np.flatnonzero((means >= low) & (means <= high))
        kept = inside[np.argsort(variances[inside])[: max(1, int(_QUIETEST * len(inside)))]]
        centers.append(means[kept].mean())
        lowest.append(variances[kept].mean() / quiet)
    # Texture, not chance, scatters what is left: as if each bin were one variance of few samples.
    return _line(np.array(centers), np.array(lowest), _FREEDOM_OF_BINS)


def _blocks(frame: Tensor, capture: Capture) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    """`[count, 64]` blocks of one site, black 0 and white 1."""
    height, width = (n // (2 * _BLOCK) * 2 * _BLOCK for n in frame.shape[2:])
    if not height or not width:
        raise InvalidArgument(f"noise is measured on frames of at least 16 x 16 pixels, got {list(frame.shape[2:])}")
    planes = Pack()(Levels()(frame[..., :height, :width].double(), capture), capture)[0]
    cells = planes.unfold(1, _BLOCK, _BLOCK).unfold(2, _BLOCK, _BLOCK)
    made: np.ndarray[tuple[int, int], np.dtype[np.float64]] = cells.reshape(-1, _BLOCK**2).numpy()
    return made


def _line(
    means: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    variances: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    freedom: int,
) -> NoiseProfile:
    """Weighted least squares; the variance of a variance is `2 v^2 / freedom`, v that of the line so far.

    Blocks six deviations off the line, such as those with hot pixels, do not count; it begins at the medians of bins.
    """
    if not means.std() > 3 * np.sqrt(np.median(variances) / _BLOCK**2):
        raise InvalidArgument("noise needs at least two brightnesses: add darker or brighter frames")
    order = np.array_split(np.argsort(means), min(20, len(means)))
    shot, read = np.polyfit([np.median(means[p]) for p in order], [np.median(variances[p]) for p in order], 1)
    columns = np.stack([means, np.ones_like(means)], 1)
    floor = 1e-12 + 1e-3 * np.median(variances)
    for _ in range(20):
        expected = np.maximum(shot * means + read, floor)
        spread = expected * np.sqrt(2 / freedom)
        kept = np.abs(variances - expected) < 6 * spread
        if kept.sum() < 2 or not np.ptp(means[kept]):
            raise InvalidArgument("the variances do not follow a line over the means: check levels and frames")
        weights = kept / spread**2
        covariance = np.linalg.inv(columns.T @ (weights[:, None] * columns))
        shot, read = covariance @ (columns.T @ (weights * variances))
    errors = np.sqrt(np.diag(covariance))
    lines = max(float(shot), 0.0), max(float(read), 0.0)
    return NoiseProfile(*lines, float(errors[0]), float(errors[1]), int(kept.sum()))

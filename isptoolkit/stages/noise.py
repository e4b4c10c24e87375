"""Sensor noise on the mosaic: shot and read noise, as a Gaussian or with Poisson photons, and row noise."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument, MissingMetadata
from ..spaces import MOSAIC
from ..stage import Quantity, Stage


def shot_read_noise(x: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
    """Add Gaussian noise of variance `shot x + read`: `y = x + sqrt(max(shot x + read, 0)) n`; differentiable.

    Args:
        x: `[B,1,H,W]` MOSAIC.
        noise: `[B,2]` or `[1,2]`, shot and read variance, as in `Capture.noise`.
        generator: draws n; its state advances.

    Source: Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
    TIP 17(10), 2008; tag NoiseProfile of the DNG 1.6 specification.

    >>> x, noise = torch.full((1, 1, 64, 64), 0.5), torch.tensor([[0.01, 0.001]])
    >>> round(float(shot_read_noise(x, noise, torch.Generator().manual_seed(0)).std()), 2)
    0.08
    """
    shot, read = noise.to(x.dtype).reshape(-1, 2, 1, 1, 1).unbind(1)
    return x + (shot * x + read).clamp(min=0).sqrt() * _normal(x.shape, x, generator)


def poisson_gaussian_noise(x: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
    """Add Poisson shot noise and Gaussian read noise: `y = shot Poisson(max(x, 0) / shot) + sqrt(read) n`; no gradient.

    Mean and variance equal those of `shot_read_noise`, but the distribution is skewed at low photon counts. A shot
    variance of 0 adds read noise only.

    Args:
        x: `[B,1,H,W]` MOSAIC.
        noise: `[B,2]` or `[1,2]`, shot and read variance, as in `Capture.noise`.
        generator: draws both; its state advances.

    Source: Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
    TIP 17(10), 2008.
    """
    shot, read = noise.to(x.dtype).reshape(-1, 2, 1, 1, 1).unbind(1)
    shot = shot.expand(len(x), 1, 1, 1)
    photons = (x.detach().clamp(min=0) / torch.where(shot > 0, shot, 1)).cpu()
    signal = torch.poisson(photons, generator=generator).to(x.device) * shot
    return torch.where(shot > 0, signal, x.detach()) + read.clamp(min=0).sqrt() * _normal(x.shape, x, generator)


def row_noise(x: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """Add one Gaussian offset per row, `y[i, j] = x[i, j] + deviation n[i]`, as readout electronics do.

    Args:
        x: `[B,1,H,W]` MOSAIC.
        deviation: `[B]` or `[1]`, on the scale of x.
        generator: draws n; its state advances.

    Source: Wei et al., "A physics-based noise formation model for extreme low-light raw denoising", CVPR 2020.
    """
    rows = _normal((x.shape[0], 1, x.shape[2], 1), x, generator)
    return x + deviation.to(x.dtype).reshape(-1, 1, 1, 1) * rows


class ShotReadNoise(Stage):
    """Add Gaussian noise of variance `shot x + read`: `y = x + sqrt(max(shot x + read, 0)) n`; one-way.

    A function of input and seed: equal calls return equal noise.

    Args:
        noise: `[2]` or `[B,2]`, shot and read variance, not negative; None reads the capture.
        seed: an integer, shared by all samples (which then have the same n) or `[B]`.

    Raises:
        InvalidArgument: for a negative variance.
        MissingMetadata: in `forward`, if neither the stage nor the capture states the noise.

    Source: Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
    TIP 17(10), 2008; tag NoiseProfile of the DNG 1.6 specification.

    >>> stage = ShotReadNoise(noise=(1e-3, 1e-6), seed=1)
    >>> x, capture = torch.full((1, 1, 4, 4), 0.5), Capture.of("RGGB")
    >>> torch.equal(stage(x, capture), stage(x, capture))
    True
    """

    takes = gives = MOSAIC
    noise: Tensor | None
    seed: Tensor

    def __init__(self, noise: Quantity | None = None, seed: Quantity = 0) -> None:
        super().__init__()
        self.hold("noise", noise, (2,))
        self.hold("seed", seed, ())
        _check_variances(type(self).__name__, self.noise)
        self.contract = Contract(None, None, reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return _each(x, self.seed, _noise_of(self, self.noise, capture), shot_read_noise)


class PoissonGaussianNoise(Stage):
    """Add Poisson shot noise and Gaussian read noise: `y = shot Poisson(max(x, 0) / shot) + sqrt(read) n`; one-way.

    A function of input and seed: equal calls return equal noise. It has no gradient.

    Args:
        noise: `[2]` or `[B,2]`, shot and read variance, not negative; None reads the capture.
        seed: an integer, shared by all samples or `[B]`.

    Raises:
        InvalidArgument: for a negative variance.
        MissingMetadata: in `forward`, if neither the stage nor the capture states the noise.

    Source: Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
    TIP 17(10), 2008.

    >>> stage = PoissonGaussianNoise(noise=(0.5, 0.0))
    >>> stage(torch.full((1, 1, 2, 2), 3.0), Capture.of("RGGB")).remainder(0.5).max()
    tensor(0.)
    """

    takes = gives = MOSAIC
    noise: Tensor | None
    seed: Tensor

    def __init__(self, noise: Quantity | None = None, seed: Quantity = 0) -> None:
        super().__init__()
        self.hold("noise", noise, (2,))
        self.hold("seed", seed, ())
        _check_variances(type(self).__name__, self.noise)
        self.contract = Contract(None, None, reach=None, differentiable=False)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return _each(x, self.seed, _noise_of(self, self.noise, capture), poisson_gaussian_noise)


class RowNoise(Stage):
    """Add one Gaussian offset per row, `y[i, j] = x[i, j] + deviation n[i]`; one-way.

    A function of input and seed: equal calls return equal noise.

    Args:
        deviation: scalar or `[B]`, not negative, on the scale of MOSAIC.
        seed: an integer, shared by all samples (which then have the same n) or `[B]`.

    Raises:
        InvalidArgument: for a negative deviation.

    Source: Wei et al., "A physics-based noise formation model for extreme low-light raw denoising", CVPR 2020.

    >>> y = RowNoise(deviation=0.1)(torch.zeros(1, 1, 2, 3), Capture.of("RGGB"))
    >>> bool((y == y[..., :1]).all())
    True
    """

    takes = gives = MOSAIC
    deviation: Tensor
    seed: Tensor

    def __init__(self, deviation: Quantity, seed: Quantity = 0) -> None:
        super().__init__()
        self.hold("deviation", deviation, ())
        self.hold("seed", seed, ())
        _check_variances(type(self).__name__, self.deviation)
        self.contract = Contract(None, None, reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return _each(x, self.seed, self.deviation.reshape(-1, 1), row_noise)


def _each(x: Tensor, seed: Tensor, amount: Tensor, add: Callable[[Tensor, Tensor, torch.Generator], Tensor]) -> Tensor:
    """Add noise to each sample with its own generator."""
    seeds, amounts = seed.reshape(-1).expand(len(x)), amount.expand(len(x), -1)
    parts = zip(torch.split(x, 1), torch.split(amounts, 1), seeds.tolist(), strict=True)
    return torch.cat([add(sample, amount, torch.Generator().manual_seed(int(seed))) for sample, amount, seed in parts])


def _noise_of(stage: Stage, own: Tensor | None, capture: Capture) -> Tensor:
    noise = capture.noise if own is None else own
    if noise is None:
        raise MissingMetadata(f"{type(stage).__name__}: the capture does not state its noise; pass noise=(shot, read)")
    return noise.reshape(-1, 2)


def _check_variances(name: str, value: Tensor | None) -> None:
    if value is not None and not (value >= 0).all():
        raise InvalidArgument(f"{name}: noise must not be negative, got {value.tolist()}")


def _normal(shape: tuple[int, ...] | torch.Size, like: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64 if like.dtype == torch.float64 else None)
    return drawn.to(like.device, like.dtype)

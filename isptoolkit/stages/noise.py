"""Sensor noise on the mosaic: shot and read noise, photon by photon or as a Gaussian, and noise of whole rows."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..capture import Capture
from ..contract import Contract
from ..errors import InvalidArgument, MissingMetadata
from ..spaces import MOSAIC
from ..stage import Quantity, Stage


def shot_read_noise(x: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian noise of the variance `shot x + read`: `y = x + sqrt(max(shot x + read, 0)) n`; differentiable.

    Args:
        x: `[B,1,H,W]` MOSAIC.
        noise: `[B,2]` or `[1,2]`, shot and read variance, as `Capture.noise` has them.
        generator: of n; its state moves on.

    Source: Foi et al., "Practical Poissonian-Gaussian noise modeling and fitting for single-image raw-data", IEEE
    TIP 17(10), 2008; tag NoiseProfile of the DNG 1.6 specification.

    >>> x, noise = torch.full((1, 1, 64, 64), 0.5), torch.tensor([[0.01, 0.001]])
    >>> round(float(shot_read_noise(x, noise, torch.Generator().manual_seed(0)).std()), 2)
    0.08
    """
    shot, read = noise.to(x.dtype).reshape(-1, 2, 1, 1, 1).unbind(1)
    return x + (shot * x + read).clamp(min=0).sqrt() * _normal(x.shape, x, generator)


def poisson_gaussian_noise(x: Tensor, noise: Tensor, generator: torch.Generator) -> Tensor:
    """Photons counted, then Gaussian read noise: `y = shot Poisson(max(x, 0) / shot) + sqrt(read) n`; no gradient.

    Of the same mean and variance as `shot_read_noise`, but skewed where few photons arrive. Shot 0 counts nothing.

    Args:
        x: `[B,1,H,W]` MOSAIC.
        noise: `[B,2]` or `[1,2]`.
        generator: of both; its state moves on.

    Source: as `shot_read_noise`.
    """
    shot, read = noise.to(x.dtype).reshape(-1, 2, 1, 1, 1).unbind(1)
    shot = shot.expand(len(x), 1, 1, 1)
    photons = (x.detach().clamp(min=0) / torch.where(shot > 0, shot, 1)).cpu()
    counted = torch.poisson(photons, generator=generator).to(x.device) * shot
    return torch.where(shot > 0, counted, x.detach()) + read.clamp(min=0).sqrt() * _normal(x.shape, x, generator)


def row_noise(x: Tensor, deviation: Tensor, generator: torch.Generator) -> Tensor:
    """One Gaussian offset for every row, `y[i, j] = x[i, j] + deviation n[i]`, as read-out electronics add it.

    Args:
        x: `[B,1,H,W]` MOSAIC.
        deviation: `[B]` or `[1]`, on the scale of x.
        generator: of n; its state moves on.

    Source: Wei et al., "A physics-based noise formation model for extreme low-light raw denoising", CVPR 2020.
    """
    rows = _normal((x.shape[0], 1, x.shape[2], 1), x, generator)
    return x + deviation.to(x.dtype).reshape(-1, 1, 1, 1) * rows


class ShotReadNoise(Stage):
    """`shot_read_noise` as a stage; one-way. A function of input and seed: the same call gives the same noise.

    Args:
        noise: `[2]` or `[B,2]`, shot and read variance, not negative; None reads the capture.
        seed: whole number, one for all samples (which then have the same n) or `[B]`.

    Raises:
        InvalidArgument: for a negative variance.
        MissingMetadata: in `forward`, when neither the stage nor the capture states the noise.

    Source: as `shot_read_noise`.

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
    """`poisson_gaussian_noise` as a stage; one-way, without gradient. Arguments and errors as `ShotReadNoise`.

    Source: as `shot_read_noise`.

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
    """`row_noise` as a stage; one-way.

    Args:
        deviation: scalar or `[B]`, not negative, on the scale of MOSAIC.
        seed: as `ShotReadNoise` has it.

    Raises:
        InvalidArgument: for a negative deviation.

    Source: as `row_noise`.

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
    """Every sample with a generator of its own."""
    seeds, amounts = seed.reshape(-1).expand(len(x)), amount.expand(len(x), -1)
    parts = zip(torch.split(x, 1), torch.split(amounts, 1), seeds.tolist(), strict=True)
    return torch.cat([add(sample, own, torch.Generator().manual_seed(int(start))) for sample, own, start in parts])


def _noise_of(stage: Stage, own: Tensor | None, capture: Capture) -> Tensor:
    noise = capture.noise if own is None else own
    if noise is None:
        raise MissingMetadata(f"{type(stage).__name__}: the capture does not state its noise, give noise=(shot, read)")
    return noise.reshape(-1, 2)


def _check_variances(name: str, value: Tensor | None) -> None:
    if value is not None and not (value >= 0).all():
        raise InvalidArgument(f"{name}: noise must not be negative, got {value.tolist()}")


def _normal(shape: tuple[int, ...] | torch.Size, like: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(shape, generator=generator, dtype=torch.float64 if like.dtype == torch.float64 else None)
    return drawn.to(like.device, like.dtype)

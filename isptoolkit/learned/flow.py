"""Normalizing flows: networks that are inverted layer by layer."""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InvalidSize
from .flow_step import FlowStep


class InvertibleConv(FlowStep):
    """A 1x1 convolution by `W = P L U`, whose triangular factors make its inverse and determinant cheap.

    The diagonal of `L` is 1, that of `U` is `sign exp(log_scale)`; `P` and the signs are fixed. W is initialized as a
    random rotation. `[B,C,H,W]` to `[B,C,H,W]`.

    Args:
        channels: C.

    Source: Kingma and Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", NeurIPS 2018, section 3.2.

    >>> step, x = InvertibleConv(3), torch.rand(1, 3, 2, 2)
    >>> bool((step.inverse(step(x)) - x).abs().max() < 1e-5)
    True
    """

    permutation: Tensor
    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        rotation = torch.linalg.qr(torch.randn(channels, channels))[0]
        permutation, lower, upper = torch.linalg.lu(rotation)
        self.register_buffer("permutation", permutation)
        self.register_buffer("sign", upper.diagonal().sign())
        self.lower = nn.Parameter(lower.contiguous())
        self.upper = nn.Parameter(upper.contiguous())
        self.log_scale = nn.Parameter(upper.diagonal().abs().log())

    def forward(self, x: Tensor) -> Tensor:
        lower, upper = self._factors()
        return F.conv2d(x, (self.permutation @ lower @ upper)[:, :, None, None])

    def inverse(self, y: Tensor) -> Tensor:
        lower, upper = self._factors()
        middle = torch.linalg.solve_triangular(lower, self.permutation.T, upper=False, unitriangular=True)
        return F.conv2d(y, torch.linalg.solve_triangular(upper, middle, upper=True)[:, :, None, None])

    def log_determinant(self, x: Tensor) -> Tensor:
        return (x.shape[2] * x.shape[3] * self.log_scale.sum()).expand(x.shape[0])

    @torch.no_grad()
    def set_identity(self) -> None:
        """Initialize to the identity."""
        identity = torch.eye(len(self.sign))
        for value in (self.permutation, self.lower, self.upper):
            value.copy_(identity)
        self.sign.fill_(1)
        self.log_scale.zero_()

    def _factors(self) -> tuple[Tensor, Tensor]:
        identity = torch.eye(len(self.sign), dtype=self.lower.dtype, device=self.lower.device)
        return self.lower.tril(-1) + identity, self.upper.triu(1) + torch.diag(self.sign * self.log_scale.exp())


class ActNorm(FlowStep):
    """Scale and shift each channel: `y = x exp(log_scale) + shift`, `[B,C,H,W]` to `[B,C,H,W]`.

    `initialize` normalizes the outputs for a batch to mean 0 and deviation 1.

    Args:
        channels: C.

    Source: Kingma and Dhariwal, "Glow: generative flow with invertible 1x1 convolutions", NeurIPS 2018, section 3.1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Set scale and shift such that the outputs for a batch `[B,C,H,W]` have mean 0 and deviation 1."""
        deviation = x.std((0, 2, 3)).clamp_min(1e-6)
        self.log_scale.copy_(-deviation.log())
        self.shift.copy_(-x.mean((0, 2, 3)) / deviation)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.log_scale.exp()[:, None, None] + self.shift[:, None, None]

    def inverse(self, y: Tensor) -> Tensor:
        return (y - self.shift[:, None, None]) * (-self.log_scale).exp()[:, None, None]

    def log_determinant(self, x: Tensor) -> Tensor:
        return (x.shape[2] * x.shape[3] * self.log_scale.sum()).expand(x.shape[0])


class Haar(FlowStep):
    """The orthonormal Haar transform of 2x2 cells: `[B,C,H,W]` to `[B,4C,H/2,W/2]`.

    The output has, for each channel, the mean and three differences.

    Raises:
        InvalidSize: for an odd height or width.

    Source: by definition.
    """

    mix: Tensor

    def __init__(self) -> None:
        super().__init__()
        signs = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
        self.register_buffer("mix", signs / 2, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2] % 2 or x.shape[3] % 2:
            raise InvalidSize(f"Haar needs an even height and width, got {x.shape[2]} x {x.shape[3]}")
        cells = F.pixel_unshuffle(x, 2).unflatten(1, (-1, 4))  # type: ignore[no-untyped-call]
        bands: Tensor = torch.einsum("ks,bcshw->bckhw", self.mix.to(x.dtype), cells).flatten(1, 2)
        return bands

    def inverse(self, y: Tensor) -> Tensor:
        bands = y.unflatten(1, (-1, 4))  # type: ignore[no-untyped-call]
        return F.pixel_shuffle(torch.einsum("ks,bckhw->bcshw", self.mix.to(y.dtype), bands).flatten(1, 2), 2)

    def log_determinant(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.shape[0])


class Flow(FlowStep):
    """A series of invertible steps, inverted step by step.

    Args:
        steps: in the order of `forward`.
        recompute: store no activations in training; the backward pass recomputes them by inverting step by step. Memory
            does not grow with depth, and gradients equal those of ordinary autograd up to rounding.

    >>> from isptoolkit.learned import AffineCoupling
    >>> flow = Flow([InvertibleConv(3), AffineCoupling(3, 1, growth=4)])
    >>> x = torch.rand(1, 3, 4, 4)
    >>> bool((flow.inverse(flow(x)) - x).abs().max() < 1e-5)
    True
    """

    def __init__(self, steps: Iterable[FlowStep], *, recompute: bool = False) -> None:
        super().__init__()
        self.steps: Any = nn.ModuleList(steps)
        self.recompute = recompute

    def forward(self, x: Tensor) -> Tensor:
        if self._recomputes(x):
            y: Tensor = _Recomputed.apply(self, False, x, *self.parameters())  # type: ignore[no-untyped-call]
            return y
        for step in self.steps:
            x = step(x)
        return x

    def inverse(self, y: Tensor) -> Tensor:
        if self._recomputes(y):
            x: Tensor = _Recomputed.apply(self, True, y, *self.parameters())  # type: ignore[no-untyped-call]
            return x
        for step in reversed(self.steps):
            y = step.inverse(y)
        return y

    def log_determinant(self, x: Tensor) -> Tensor:
        total = x.new_zeros(x.shape[0])
        for step in self.steps:
            total = total + step.log_determinant(x)
            x = step(x)
        return total

    def _recomputes(self, x: Tensor) -> bool:
        needs_grad = x.requires_grad or any(value.requires_grad for value in self.parameters())
        return self.recompute and torch.is_grad_enabled() and needs_grad

    @torch.no_grad()
    def amplification(self, x: Tensor, probes: int = 4, seed: int = 0, *, bound: float = 1e-4) -> float:
        """The largest factor by which the inverse amplifies a small error of `forward(x)`, over random directions.

        Warns if this factor times the rounding error of all steps exceeds `bound`, a limit for the round trip.

        Args:
            x: `[B,C,H,W]`, the point of evaluation.
            probes: number of random directions.
            seed: of the directions.
            bound: acceptable error of the round trip.
        """
        y = self.forward(x)
        generator = torch.Generator().manual_seed(seed)
        magnitude = float(y.abs().mean()) * 1e-3
        worst = 0.0
        base = self.inverse(y)
        for _ in range(probes):
            error = magnitude * torch.randn(y.shape, generator=generator).to(y.device, y.dtype)
            worst = max(worst, float((self.inverse(y + error) - base).abs().max() / error.abs().max()))
        expected = worst * torch.finfo(y.dtype).eps * len(self.steps) * float(y.abs().max())
        if expected > bound:
            warnings.warn(
                f"the inverse amplifies errors by a factor of {worst:.3g}: in {y.dtype} expect a round-trip error of "
                f"about {expected:.1e}",
                stacklevel=2,
            )
        return worst


class _Recomputed(torch.autograd.Function):
    """A flow that saves only its output for the backward pass."""

    @staticmethod
    def forward(ctx: Any, flow: Flow, inverse: bool, x: Tensor, *parameters: Tensor) -> Tensor:
        with torch.no_grad():
            for step in reversed(flow.steps) if inverse else flow.steps:
                x = step.inverse(x) if inverse else step(x)
        ctx.flow, ctx.inverse = flow, inverse
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, grad_y: Tensor) -> Any:
        (y,), flow, inverse = ctx.saved_tensors, ctx.flow, ctx.inverse
        gradients: dict[Tensor, Tensor] = {}
        for step in flow.steps if inverse else reversed(flow.steps):
            parameters = [value for value in step.parameters() if value.requires_grad]
            with torch.no_grad():
                x = step(y) if inverse else step.inverse(y)
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                recomputed = step.inverse(leaf) if inverse else step(leaf)
            grad_y, *grads = torch.autograd.grad(recomputed, [leaf, *parameters], grad_y, allow_unused=True)
            for value, gradient in zip(parameters, grads, strict=True):
                if gradient is not None:
                    gradients[value] = gradients[value] + gradient if value in gradients else gradient
            y = x
        return None, None, grad_y, *(gradients.get(value) for value in flow.parameters())

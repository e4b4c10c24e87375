"""What a normalizing flow is made of."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class FlowStep(nn.Module, ABC):
    """An invertible step of a flow."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """`[B,C,H,W]` to the same number of values."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """The opposite."""

    @abstractmethod
    def log_determinant(self, x: Tensor) -> Tensor:
        """`[B]`: the logarithm of the absolute determinant of the Jacobian at `x`."""

"""The interface of the steps of a normalizing flow."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class FlowStep(nn.Module, ABC):
    """An invertible step of a flow."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map `[B,C,H,W]` to a tensor with the same number of values."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """The inverse of `forward`."""

    @abstractmethod
    def log_determinant(self, x: Tensor) -> Tensor:
        """The logarithm of the absolute Jacobian determinant at `x`, `[B]`."""

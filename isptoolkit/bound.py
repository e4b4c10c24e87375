"""A stage bound to one capture: a plain module of one tensor argument."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor, nn

from .capture import Capture

if TYPE_CHECKING:
    from .stage import Stage


class Bound(nn.Module):
    """A stage together with the capture of its images: a plain module of one tensor argument.

    Takes `[B,C,H,W]`, or a single image `[C,H,W]`, and returns as many dimensions. `.to(device)` moves the capture as
    well; its precision stays, and it is not part of the `state_dict`.

    Args:
        stage: usually a pipeline.
        capture: of one sample, or of as many as every batch has.

    >>> from isptoolkit.stages import Gain
    >>> import torch
    >>> nn.Sequential(Gain(2.0).bind(Capture.of("RGGB")), nn.ReLU())(torch.ones(1, 1, 1, 1))
    tensor([[[[2.]]]])
    """

    def __init__(self, stage: "Stage", capture: Capture) -> None:
        super().__init__()
        self.stage, self.capture = stage, capture

    def forward(self, x: Tensor) -> Tensor:
        """Render an image: from the stage's `takes` to its `gives`."""
        return self.stage(x[None], self.capture)[0] if x.ndim == 3 else self.stage(x, self.capture)

    if TYPE_CHECKING:

        def __call__(self, x: Tensor) -> Tensor: ...

    def inverse(self, y: Tensor) -> Tensor:
        """Undo `forward`; raises `OneWay` if the stage has no inverse."""
        return self.stage.inverse(y[None], self.capture)[0] if y.ndim == 3 else self.stage.inverse(y, self.capture)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Bound":
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        # Half precision would round digital numbers, so that only the device is taken over.
        self.capture = self.capture.to(fn(self.capture.white).device)
        return self

    def extra_repr(self) -> str:
        return f"(capture): {len(self.capture)} x {self.capture.cfa}"

"""What training minimizes: a stage and its loss, with a critic where the loss is adversarial."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F

from ..data import Batch
from ..learned import RawNetwork
from ..stage import Stage
from ..stages import pack_sensor


class Objective(nn.Module):
    """A stage under training and its loss. Subclasses implement `forward` and, if they have a critic, `critic_loss`.

    Args:
        stage: the stage under training; its weights are what `train` writes in the end.
        critic: a network that judges the stage's output. It has its own optimizer and learning rate, and takes
            `Training.critic_steps` steps before each step of the stage; its weights stay in the checkpoint.

    Attributes:
        stage: the stage under training.
        critic: the network that judges the stage's output; None for a loss that is not adversarial.
    """

    stage: Stage
    critic: nn.Module | None

    def __init__(self, stage: Stage, critic: nn.Module | None = None) -> None:
        super().__init__()
        self.stage, self.critic = stage, critic

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and further figures for the log by name."""
        raise NotImplementedError(f"{type(self).__name__} does not implement forward")

    def critic_loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's loss of a batch, and further figures for the log by name."""
        raise NotImplementedError(f"{type(self).__name__} has a critic but does not implement critic_loss")

    def preview(self, batch: Batch) -> dict[str, Tensor]:
        """Images `[B,3,H,W]`, 0 to 1, by name, that show how far training has come; empty for none."""
        return {}


class PackedObjective(Objective):
    """The error between the packed RAW that a network recovers from sRGB and the packed sensor image.

    Args:
        stage: from SRGB to PACKED.
        error: of output and target `[B,4,H/2,W/2]`; the mean absolute error by default.
        critic: a network that judges the stage's output, with its own optimizer and learning rate; None for none.
    """

    stage: RawNetwork

    def __init__(
        self,
        stage: RawNetwork,
        error: Callable[[Tensor, Tensor], Tensor] = F.l1_loss,
        critic: nn.Module | None = None,
    ) -> None:
        super().__init__(stage, critic)
        self.error = error

    def pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The network's output and its target, both `[B,4,H/2,W/2]`, black 0 and white 1."""
        output: Tensor = self.stage.net(batch.target)
        return output, pack_sensor(batch.sensor, batch.capture)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The error, and the mean absolute error as `raw`."""
        output, target = self.pair(batch)
        return self.error(output, target), {"raw": (output - target).detach().abs().mean()}

    def preview(self, batch: Batch) -> dict[str, Tensor]:
        """The sRGB image, and green of the recovered and the true RAW, gamma-encoded."""
        output, target = self.pair(batch)
        return {"sRGB": batch.target, "recovered RAW": shown_green(output), "RAW": shown_green(target)}


def shown_green(packed: Tensor) -> Tensor:
    """Green of packed RAW as a gray image for a preview: gamma-encoded, twice as high and wide.

    Args:
        packed: `[B,4,H/2,W/2]`, RGGB, black 0 and white 1.

    Returns:
        `[B,3,H,W]`, 0 to 1.

    >>> import torch
    >>> shown_green(torch.ones(1, 4, 2, 3)).shape
    torch.Size([1, 3, 4, 6])
    """
    green = packed[:, 1:2].clamp(0, 1) ** (1 / 2.2)
    return F.interpolate(green, scale_factor=2).expand(-1, 3, -1, -1)

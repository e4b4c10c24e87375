"""Soft supervision: a target perturbed by the current error, and the head that predicts the error's deviation."""

import torch
from torch import Tensor, nn

from ..errors import InvalidArgument

SUPERVISIONS = ("hard", "branch", "testing", "training", "training-detached")
"""The supervision modes of SSDNet; all but `hard` are modes of `softened_error`."""


class VarianceHead(nn.Sequential):
    """Predict the deviation of packed RAW from an sRGB image; for training only.

    `[B,3,H,W]` to `[B,4,H/2,W/2]`: a 3x3 convolution, GELU, `layers`, and a 3x3 convolution to a mosaic, which is
    packed.

    Args:
        channels: of the features.
        layers: from features to features, such as several `ContextFusion`.

    Source: Zou and Zhang, "Learned reverse ISP with soft supervision" (SSDNet), AIM 2022 challenge on reversed ISP,
    section 3.1.

    >>> VarianceHead(8, nn.Identity())(torch.rand(1, 3, 6, 8)).shape
    torch.Size([1, 4, 3, 4])
    """

    def __init__(self, channels: int, layers: nn.Module) -> None:
        ends = (nn.Conv2d(*pair, 3, padding=1, bias=False) for pair in ((3, channels), (channels, 1)))
        first, last = ends
        super().__init__(first, nn.GELU(), layers, last, nn.PixelUnshuffle(2))


def clamped_error(output: Tensor, target: Tensor) -> Tensor:
    """SSDNet's mean absolute error: `mean(clamp(|output - target|, 1/1024, 1))`.

    Errors below one step of a 10-bit sensor, and above 1, have no gradient.

    Args:
        output: any shape.
        target: the same shape.

    Source: the authors' code, commit 231080a of yuezhang98/Learned-Reverse-ISP-with-Soft-Supervision.

    >>> float(clamped_error(torch.zeros(3), torch.zeros(3))) == 1 / 1024
    True
    """
    return (output - target).abs().clamp(1 / 1024, 1).mean()


def softened_error(
    output: Tensor,
    deviation: Tensor,
    target: Tensor,
    supervision: str = "training",
    weight: float = 0.001,
    *,
    published: bool = False,
    noise: Tensor | None = None,
) -> Tensor:
    """SSDNet's loss: mean absolute error to a target perturbed by the error, plus that of the predicted deviation.

    The loss is `L + weight L_e`. With `e = |output - target|` and z standard normal, by `supervision`:

    - `training`: `L = |output - (target + z e)|`, differentiated through e, as in the published code;
    - `training-detached`: `L = |output - (target + z e)|` with e detached, as the paper can be read;
    - `branch` and `testing`: `L = e`.

    `L_e = |deviation - e|`, with e detached. With `d = output - target` and e not detached, `|d - z |d|| = |d| |1 -+
    z|`: in expectation a scaled absolute error, whose gradient is noisy but never has the wrong sign; with e detached,
    the sign is wrong for 16 % of the samples.

    The published code (`published`) differs from the paper's equations in three ways. It uses `clamped_error` for both
    means. With `training` and `training-detached`, the deviation is fitted to the target itself,
    `L_e = |deviation - target|`. Otherwise e is not detached in L_e, which pulls the mean toward the deviation too.

    Args:
        output: `[B,C,H,W]`.
        deviation: `[B,C,H,W]`, the predicted deviation.
        target: `[B,C,H,W]`.
        supervision: `branch`, `testing`, `training` or `training-detached`.
        weight: of the deviation's error; in the paper 0.001 for `training`, 1 for `testing`.
        published: compute the loss as the published code does.
        noise: z, `[B,C,H,W]`; None draws it. (The published code perturbs the mean, not the target: its z is negated.)

    Raises:
        InvalidArgument: for another supervision.

    Source: Zou and Zhang, "Learned reverse ISP with soft supervision" (SSDNet), AIM 2022 challenge on reversed ISP,
    equations 1 to 4; with `published`, the authors' code, commit 231080a of
    yuezhang98/Learned-Reverse-ISP-with-Soft-Supervision.

    >>> x = torch.rand(1, 4, 3, 3)
    >>> float(softened_error(x, torch.zeros_like(x), x))
    0.0
    """
    if supervision not in SUPERVISIONS[1:]:
        names = ", ".join(SUPERVISIONS[1:])
        raise InvalidArgument(f"softened_error: supervision must be one of {names}, got {supervision!r}")
    measure = clamped_error if published else _mean_error
    error, perturbs = (output - target).abs(), supervision.startswith("training")
    deviation_target = (target if perturbs else error) if published else error.detach()
    deviation_loss = weight * measure(deviation, deviation_target)
    if not perturbs:
        return measure(output, target) + deviation_loss
    noise = torch.randn_like(output) if noise is None else noise
    scale = error.detach() if supervision == "training-detached" else error
    return measure(output, target + noise * scale) + deviation_loss


def _mean_error(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).abs().mean()

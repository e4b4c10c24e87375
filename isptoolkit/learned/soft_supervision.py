"""Supervision by a target that is moved within its own error, and the head that says how large that error is."""

import torch
from torch import Tensor, nn

from ..errors import InvalidArgument

SUPERVISIONS = ("hard", "branch", "testing", "training", "training-detached")


class VarianceHead(nn.Sequential):
    """The deviation of each plane of RAW, from the picture that the planes are made of; only for training.

    `[B,3,H,W]` to `[B,4,H/2,W/2]`: a 3x3 convolution, GELU, layers on the features, a 3x3 convolution to a mosaic, and
    its cells as planes.

    Args:
        channels: of the features.
        layers: on the features, such as a few of `ContextFusion`.

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
    """SSDNet's mean absolute error: `mean(clamp(|output - target|, 1/1024, 1))`, each element clamped before the mean.

    Errors below a step of a 10-bit sensor, and above 1, have no gradient.

    Args:
        output: any shape.
        target: the same shape.

    Source: the authors' program, commit 231080a of yuezhang98/Learned-Reverse-ISP-with-Soft-Supervision.

    >>> float(clamped_error(torch.zeros(3), torch.zeros(3))) == 1 / 1024
    True
    """
    return (output - target).abs().clamp(1 / 1024, 1).mean()


def softened_error(
    made: Tensor,
    deviation: Tensor,
    wanted: Tensor,
    supervision: str = "training",
    weight: float = 0.001,
    *,
    published: bool = False,
    noise: Tensor | None = None,
) -> Tensor:
    """Mean absolute error to a target that is moved by its own error, and that of the deviation: `L + weight L_e`.

    With `e = |made - wanted|`, z normal: `L = |made - (wanted + z e)|` under `training`, e being part of what is
    learned from, as the published program has it; under `training-detached` e is held, as the paper is read; else
    `L = e`. `L_e = |deviation - e|`, e held. With d = made - wanted and e not held, `|d - z |d|| = |d| |1 -+ z|`: in
    expectation a scaled absolute error, whose gradient carries noise and never the wrong sign; with e held the sign is
    wrong for 16 % of the samples.

    The program (`published`) differs from the paper's equations in three ways. It takes `clamped_error` for both means.
    Under `training` and `training-detached` the deviation learns the target picture itself, `L_e = |deviation -
    wanted|`. Otherwise e is not held in L_e, so the mean is drawn towards the deviation as well.

    Args:
        made: `[B,C,H,W]`.
        deviation: the same shape.
        wanted: the same shape.
        supervision: see above; `branch` and `testing` are the same here.
        weight: of the deviation's error; the paper has 0.001 under `training`, 1 under `testing`.
        published: as the program computes it, see above.
        noise: z, the same shape; None draws it. (The program moves the mean, not the target: its z is the negative.)

    Raises:
        InvalidArgument: for another supervision.

    Source: as `VarianceHead`, equations 1 to 4; under `published` as `clamped_error`.

    >>> x = torch.rand(1, 4, 3, 3)
    >>> float(softened_error(x, torch.zeros_like(x), x))
    0.0
    """
    if supervision not in SUPERVISIONS[1:]:
        raise InvalidArgument(f"softened_error: supervision is {', '.join(SUPERVISIONS[1:])}, got {supervision!r}")
    measured = clamped_error if published else _mean_error
    error, moves = (made - wanted).abs(), supervision.startswith("training")
    learned = (wanted if moves else error) if published else error.detach()
    beside = weight * measured(deviation, learned)
    if not moves:
        return measured(made, wanted) + beside
    noise = torch.randn_like(made) if noise is None else noise
    moved = error.detach() if supervision == "training-detached" else error
    return measured(made, wanted + noise * moved) + beside


def _mean_error(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).abs().mean()

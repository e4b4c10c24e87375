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

    Source: Zou and Zhang (CS2U), SSDNet, AIM 2022 challenge on reversed ISP, section 3.1.

    >>> VarianceHead(8, nn.Identity())(torch.rand(1, 3, 6, 8)).shape
    torch.Size([1, 4, 3, 4])
    """

    def __init__(self, channels: int, layers: nn.Module) -> None:
        ends = (nn.Conv2d(*pair, 3, padding=1, bias=False) for pair in ((3, channels), (channels, 1)))
        first, last = ends
        super().__init__(first, nn.GELU(), layers, last, nn.PixelUnshuffle(2))


def softened_error(
    made: Tensor, deviation: Tensor, wanted: Tensor, supervision: str = "training", weight: float = 0.001
) -> Tensor:
    """Mean absolute error to a target that is moved by its own error, and that of the deviation: `L + weight L_e`.

    With `e = |made - wanted|`, z normal: `L = |made - (wanted + z e)|` under `training`, e being part of what is
    learned from, as the published program has it; under `training-detached` e is held, as the paper is read; else
    `L = e`. `L_e = |deviation - e|`, e held. With d = made - wanted and e not held, `|d - z |d|| = |d| |1 -+ z|`: in
    expectation a scaled absolute error, whose gradient carries noise and never the wrong sign; with e held the sign is
    wrong for 16 % of the samples.

    Args:
        made: `[B,C,H,W]`.
        deviation: the same shape.
        wanted: the same shape.
        supervision: see above; `branch` and `testing` are the same here.
        weight: of the deviation's error; the paper has 0.001 under `training`, 1 under `testing`.

    Raises:
        InvalidArgument: for another supervision.

    Source: as `VarianceHead`, equations 1 to 4.

    >>> x = torch.rand(1, 4, 3, 3)
    >>> float(softened_error(x, torch.zeros_like(x), x))
    0.0
    """
    if supervision not in SUPERVISIONS[1:]:
        raise InvalidArgument(f"softened_error: supervision is {', '.join(SUPERVISIONS[1:])}, got {supervision!r}")
    error = (made - wanted).abs()
    beside = weight * (deviation - error.detach()).abs().mean()
    if not supervision.startswith("training"):
        return error.mean() + beside
    moved = error.detach() if supervision == "training-detached" else error
    return (made - (wanted + torch.randn_like(made) * moved)).abs().mean() + beside

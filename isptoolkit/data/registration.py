"""Where a camera's own picture lies in the frame of its sensor."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InvalidArgument


@dataclass(frozen=True)
class Placement:
    """The box of the frame that a picture shows.

    Args:
        top: of the box, in pixels of the frame.
        left: the same.
        height: the same.
        width: the same.
        correlation: of the detail, 1 at best.
    """

    top: float
    left: float
    height: float
    width: float
    correlation: float


def register(picture: Tensor, frame: Tensor) -> Placement:
    """Find the box of a frame that a smaller picture of the same exposure shows.

    The scale of both axes is the same and lies between 90 % and 100 % of the largest that fits. The frame is shrunk to
    one width after the other and correlated with the picture at every shift, both without their low frequencies; the
    best width, and the best shift, are the tops of parabolas.

    Args:
        picture: `[1,3,h,w]`, any scale of values.
        frame: `[1,3,H,W]`, larger.

    Raises:
        InvalidArgument: for a picture that does not fit, or less than 32 pixels wide or high.
    """
    small = min(1.0, 640 / max(picture.shape[2:]))  # a larger picture adds nothing but time
    shown, seen = (x.float().mean(1, keepdim=True) for x in (picture, frame))
    shown = _shrunk(shown, [round(n * small) for n in picture.shape[2:]])
    height, width = seen.shape[2:]
    largest = min(n / m for n, m in zip((height, width), shown.shape[2:], strict=True))
    if largest < 1 or min(shown.shape[2:]) < 32:
        raise InvalidArgument(f"a picture of {list(picture.shape[2:])} pixels is not registered in {height} x {width}")
    detail = _detail(shown)

    @functools.cache
    def at(columns: int) -> tuple[float, float, float]:
        return _best_shift(detail, _detail(_shrunk(seen, [round(height * columns / width), columns])))

    narrowest, widest = math.ceil(width / largest), math.floor(width / largest / 0.9)
    best = max(range(narrowest, widest + 1, 4), key=lambda columns: at(columns)[0])
    best = max(range(max(best - 3, narrowest), min(best + 4, widest + 1)), key=lambda columns: at(columns)[0])
    around = [at(columns)[0] for columns in range(max(best - 1, narrowest), best + 2)]
    scale = width / (best + (_vertex(torch.tensor(around), 1) if len(around) == 3 else 0.0))
    correlation, row, column = at(best)
    # The middle stays where it was found, whatever the fraction of the width.
    rows, columns = shown.shape[2:]
    middle = [(start + size / 2) * width / best for start, size in ((row, rows), (column, columns))]
    return Placement(
        middle[0] - rows * scale / 2, middle[1] - columns * scale / 2, rows * scale, columns * scale, correlation
    )


def place(picture: Tensor, placement: Placement, top: int, left: int, height: int, width: int) -> Tensor:
    """The picture resampled (bicubic) onto the pixels of a part of the frame in its box: `[1,3,H,W]` float."""
    rows = (torch.arange(height) + 0.5 + top - placement.top) / placement.height
    columns = (torch.arange(width) + 0.5 + left - placement.left) / placement.width
    grid = torch.stack(torch.meshgrid(2 * columns - 1, 2 * rows - 1, indexing="xy"), -1)[None]
    return F.grid_sample(picture.float(), grid.float(), mode="bicubic", padding_mode="border", align_corners=False)


def _shrunk(x: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)


def _detail(x: Tensor) -> Tensor:
    return x - F.avg_pool2d(F.pad(x, (4, 4, 4, 4), mode="replicate"), 9, 1)


def _best_shift(shown: Tensor, seen: Tensor) -> tuple[float, float, float]:
    """The best normalized correlation of the smaller with the larger, and its row and column, to fractions."""
    size = seen.shape[2:]
    sums = torch.fft.irfft2(torch.fft.rfft2(seen) * torch.fft.rfft2(shown, s=size).conj(), s=size)
    rows, columns = (n - m + 1 for n, m in zip(size, shown.shape[2:], strict=True))
    energy = F.avg_pool2d(seen.square(), shown.shape[2:], 1, divisor_override=1)
    score = (sums[..., :rows, :columns] / (energy * shown.square().sum()).sqrt().clamp_min(1e-12))[0, 0]
    row, column = divmod(int(score.argmax()), columns)
    return float(score[row, column]), row + _vertex(score[:, column], row), column + _vertex(score[row], column)


def _vertex(line: Tensor, place: int) -> float:
    """Where a parabola through the best and its neighbors has its top, from the best."""
    if not 0 < place < len(line) - 1:
        return 0.0
    before, here, after = line[place - 1 : place + 2].tolist()
    bend = before - 2 * here + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0

"""Register a camera's embedded preview in the frame of its sensor."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..errors import InvalidArgument


@dataclass(frozen=True)
class Placement:
    """The box of the frame that a preview shows.

    Args:
        top: upper edge of the box, in pixels of the frame.
        left: left edge of the box, in pixels of the frame.
        height: height of the box, in pixels of the frame.
        width: width of the box, in pixels of the frame.
        correlation: normalized correlation of the high frequencies, at most 1.
    """

    top: float
    left: float
    height: float
    width: float
    correlation: float


def register(preview: Tensor, frame: Tensor) -> Placement:
    """Locate the box of a frame that a smaller preview of the same exposure shows.

    Both axes have the same scale, 90 % to 100 % of the largest that fits. The frame is downscaled to a series of widths
    and correlated with the preview at every shift, both without their low frequencies; parabolas through the best width
    and shift yield fractions of a pixel.

    Args:
        preview: `[1,3,h,w]`, values on any scale.
        frame: `[1,3,H,W]`, larger.

    Raises:
        InvalidArgument: for a preview that does not fit the frame, or is less than 32 pixels wide or high.

    >>> frame = F.interpolate(torch.rand(1, 3, 25, 40, generator=torch.Generator().manual_seed(0)), scale_factor=8)
    >>> box = register(F.interpolate(frame, (100, 160), mode="area"), frame)
    >>> abs(box.left) < 1 and abs(box.width - 320) < 2
    True
    """
    reduction = min(1.0, 640 / max(preview.shape[2:]))  # a larger preview only takes longer
    template, image = (x.float().mean(1, keepdim=True) for x in (preview, frame))
    template = _resized(template, [round(n * reduction) for n in preview.shape[2:]])
    height, width = image.shape[2:]
    largest = min(n / m for n, m in zip((height, width), template.shape[2:], strict=True))
    if largest < 1 or min(template.shape[2:]) < 32:
        raise InvalidArgument(
            f"a preview of {list(preview.shape[2:])} pixels cannot be registered in a frame of [{height}, {width}]: it "
            "must be at least 32 x 32 and fit the frame"
        )
    detail = _detail(template)

    @functools.cache
    def at(columns: int) -> tuple[float, float, float]:
        return _best_shift(detail, _detail(_resized(image, [round(height * columns / width), columns])))

    narrowest, widest = math.ceil(width / largest), math.floor(width / largest / 0.9)
    best = max(range(narrowest, widest + 1, 4), key=lambda columns: at(columns)[0])
    best = max(range(max(best - 3, narrowest), min(best + 4, widest + 1)), key=lambda columns: at(columns)[0])
    around = [at(columns)[0] for columns in range(max(best - 1, narrowest), best + 2)]
    scale = width / (best + (_vertex(torch.tensor(around), 1) if len(around) == 3 else 0.0))
    correlation, row, column = at(best)
    # The center does not depend on the fraction of the width.
    rows, columns = template.shape[2:]
    center = [(start + size / 2) * width / best for start, size in ((row, rows), (column, columns))]
    return Placement(
        center[0] - rows * scale / 2, center[1] - columns * scale / 2, rows * scale, columns * scale, correlation
    )


def place(preview: Tensor, placement: Placement, top: int, left: int, height: int, width: int) -> Tensor:
    """Resample a preview (bicubic) onto the pixels of a crop of the frame.

    Args:
        preview: `[1,3,h,w]`.
        placement: the box of the frame that the preview shows.
        top: first row of the crop.
        left: first column of the crop.
        height: number of rows H.
        width: number of columns W.

    Returns:
        `[1,3,H,W]` float32.

    >>> preview = torch.arange(12.0).view(1, 1, 3, 4).expand(1, 3, 3, 4)
    >>> torch.allclose(place(preview, Placement(0, 0, 3, 4, 1.0), 0, 0, 3, 4), preview, atol=1e-4)
    True
    """
    rows = (torch.arange(height) + 0.5 + top - placement.top) / placement.height
    columns = (torch.arange(width) + 0.5 + left - placement.left) / placement.width
    grid = torch.stack(torch.meshgrid(2 * columns - 1, 2 * rows - 1, indexing="xy"), -1)[None]
    return F.grid_sample(preview.float(), grid.float(), mode="bicubic", padding_mode="border", align_corners=False)


def _resized(x: Tensor, size: list[int]) -> Tensor:
    return F.interpolate(x, size, mode="bilinear", antialias=True, align_corners=False)


def _detail(x: Tensor) -> Tensor:
    return x - F.avg_pool2d(F.pad(x, (4, 4, 4, 4), mode="replicate"), 9, 1)


def _best_shift(template: Tensor, image: Tensor) -> tuple[float, float, float]:
    """The best normalized correlation of a template with an image, and its subpixel row and column."""
    size = image.shape[2:]
    sums = torch.fft.irfft2(torch.fft.rfft2(image) * torch.fft.rfft2(template, s=size).conj(), s=size)
    rows, columns = (n - m + 1 for n, m in zip(size, template.shape[2:], strict=True))
    energy = F.avg_pool2d(image.square(), template.shape[2:], 1, divisor_override=1)
    score = (sums[..., :rows, :columns] / (energy * template.square().sum()).sqrt().clamp_min(1e-12))[0, 0]
    row, column = divmod(int(score.argmax()), columns)
    return float(score[row, column]), row + _vertex(score[:, column], row), column + _vertex(score[row], column)


def _vertex(line: Tensor, peak: int) -> float:
    """Offset of the vertex of the parabola through a peak and its neighbors, from the peak."""
    if not 0 < peak < len(line) - 1:
        return 0.0
    before, here, after = line[peak - 1 : peak + 2].tolist()
    curvature = before - 2 * here + after
    return 0.5 * (before - after) / curvature if curvature < 0 else 0.0

"""Crops, flips and rotations of samples and their capture: the CFA phase and black levels follow the pixels."""

import torch
from torch import Tensor

from .capture import BAYER, MONO, RGB, Capture
from .errors import InvalidArgument, InvalidCapture, InvalidSize


def crop(mosaic: Tensor, capture: Capture, top: int, left: int, height: int, width: int) -> tuple[Tensor, Capture]:
    """Crop a mosaic to `height` x `width` pixels from `(top, left)`.

    Args:
        mosaic: `[B,1,H,W]`, SENSOR or MOSAIC, or three planes, `[B,3,H,W]`.
        capture: of the same samples.

    Raises:
        InvalidSize: for a rectangle that is empty or leaves the mosaic.

    >>> import torch
    >>> crop(torch.zeros(1, 1, 4, 4), Capture.of("RGGB"), 0, 1, 2, 2)[1].cfa
    'GRBG'
    """
    rows, columns = mosaic.shape[-2:]
    if min(top, left) < 0 or min(height, width) < 1 or top + height > rows or left + width > columns:
        raise InvalidSize(
            f"cannot crop {height} x {width} at row {top}, column {left} from a mosaic of {rows} x {columns} pixels"
        )
    part = mosaic[..., top : top + height, left : left + width]
    return part, _rephased(capture, _sites((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)))


def flip(
    mosaic: Tensor, capture: Capture, *, horizontal: bool = False, vertical: bool = False
) -> tuple[Tensor, Capture]:
    """Mirror a mosaic left to right (`horizontal`), top to bottom (`vertical`), or both.

    >>> import torch
    >>> flip(torch.zeros(1, 1, 4, 4), Capture.of("RGGB"), horizontal=True)[1].cfa
    'GRBG'
    """
    rows, columns = mosaic.shape[-2:]
    axes = [axis for axis, mirrored in ((-2, vertical), (-1, horizontal)) if mirrored]
    row = [rows - 1 - i if vertical else i for i in range(2)]
    column = [columns - 1 - i if horizontal else i for i in range(2)]
    sites = _sites(*((r, c) for r in row for c in column))
    return mosaic.flip(axes), _rephased(capture, sites)


def rotate(mosaic: Tensor, capture: Capture, quarter_turns: int) -> tuple[Tensor, Capture]:
    """Rotate a mosaic counterclockwise by quarter turns, like `torch.rot90`.

    >>> import torch
    >>> rotate(torch.zeros(1, 1, 4, 4), Capture.of("GRBG"), 1)[1].cfa
    'RGGB'
    """
    for _ in range(quarter_turns % 4):
        columns = mosaic.shape[-1]
        # Row i, column j of the rotated mosaic was row j, column W - 1 - i.
        capture = _rephased(capture, _sites(*((j, columns - 1 - i) for i in range(2) for j in range(2))))
        mosaic = mosaic.rot90(1, (-2, -1))
    return mosaic, capture


def align(mosaic: Tensor, capture: Capture, cfa: str = "RGGB") -> tuple[Tensor, Capture]:
    """Crop at most the first row and the first column of a mosaic, so that its phase becomes `cfa`.

    Raises:
        InvalidArgument: for an unknown phase.
        InvalidCapture: for samples without a mosaic.

    >>> import torch
    >>> align(torch.zeros(1, 1, 4, 4), Capture.of("BGGR"))[0].shape
    torch.Size([1, 1, 3, 3])
    """
    if cfa not in BAYER:
        raise InvalidArgument(f"cfa must be one of {', '.join(BAYER)}, got {cfa!r}")
    if capture.cfa not in BAYER:
        raise InvalidCapture(f"samples with the cfa {capture.cfa!r} have no phase to align: leave out align()")
    rows, columns = mosaic.shape[-2:]
    for top, left in ((0, 0), (0, 1), (1, 0), (1, 1)):
        letters = _rephased(capture, _sites((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1))).cfa
        if letters == cfa:
            return crop(mosaic, capture, top, left, rows - top, columns - left)
    raise InvalidArgument(f"no crop turns {capture.cfa} into {cfa}")


def upright(image: Tensor, orientation: int) -> Tensor:
    """Undo an EXIF orientation: mirror first, then quarter turns.

    Args:
        image: `[...,H,W]`, not a mosaic.
        orientation: 1 to 8.

    Source: Exif 2.32, tag 274.

    >>> upright(torch.tensor([[1, 2], [3, 4]]), 6)
    tensor([[3, 1],
            [4, 2]])
    """
    mirrored, turns = {1: (0, 0), 2: (1, 0), 3: (0, 2), 4: (1, 2), 5: (1, 1), 6: (0, 3), 7: (1, 3), 8: (0, 1)}[
        orientation
    ]
    return torch.rot90(image.flip(-1) if mirrored else image, turns, (-2, -1))


def _sites(*positions: tuple[int, int]) -> list[int]:
    return [row % 2 * 2 + column % 2 for row, column in positions]


def _rephased(capture: Capture, sites: list[int]) -> Capture:
    """A capture whose four sites are `sites` of the old one; three planes have no sites."""
    if capture.cfa == RGB:
        return capture
    if capture.cfa == MONO:
        return capture.replace(black=capture.black[:, sites])
    return capture.replace(cfa="".join(capture.cfa[site] for site in sites), black=capture.black[:, sites])

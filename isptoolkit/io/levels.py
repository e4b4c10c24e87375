"""Black and white levels in every form that a RAW file may state, reduced to those of one capture."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from .tag_values import Rationals, numbers

Array = np.ndarray[Any, np.dtype[Any]]

BITS, LINEARIZATION, REPEAT, BLACK, DELTA_H, DELTA_V, WHITE = 258, 50712, 50713, 50714, 50715, 50716, 50717
"""BitsPerSample (TIFF 6.0); LinearizationTable to WhiteLevel (DNG 1.6 specification, chapter 4)."""
_ROWS = 256
"""Rows that are leveled at once, to bound the memory of their black levels."""
_LARGEST = 2.0**32
"""No level is larger: the tags hold 32-bit integers and their fractions (DNG 1.6 specification, chapter 4)."""


@dataclass(frozen=True)
class BlackLevel:
    """The black level of each sample of P planes: `black(r, c) = grid[r % R, c % C] + rows[r] + columns[c]`.

    Args:
        grid: `[R,C,P]` digital numbers that repeat over the frame.
        rows: `[H]` what is added in each row.
        columns: `[W]` what is added in each column.

    Source: DNG 1.6 specification, chapter 5, "Mapping Raw Values to Linear Reference Values".

    >>> BlackLevel(np.array([[[60.0], [64.0]]]), rows=np.arange(3.0)).of_rows(slice(1, 3), 3)[..., 0].tolist()
    [[61.0, 65.0, 61.0], [62.0, 66.0, 62.0]]
    """

    grid: Array
    rows: Array | None = None
    columns: Array | None = None

    @classmethod
    def of(cls, black: Any, planes: int = 1) -> "BlackLevel":
        """Black levels as a capture has them: one number, four row-major over the 2x2 sites, or R, G, G, B of planes.

        Args:
            black: one number or four.
            planes: number of samples per pixel.

        Raises:
            InvalidArgument: for other values, or different levels of the one green plane.

        >>> BlackLevel.of((60, 61, 61, 62), planes=3).grid.tolist()
        [[[60.0, 61.0, 62.0]]]
        """
        values = _level_numbers(black, np.size(black))
        if values is None or values.size not in (1, 4):
            raise InvalidArgument(f"black must be one number, or four row-major over the 2x2 sites, got {black!r}")
        red, green, again, blue = np.resize(values, 4)
        if planes == 1:
            return cls(np.array([[[red], [green]], [[again], [blue]]]))
        if green != again:
            raise InvalidArgument(f"black of three planes is R, G, G, B with two equal levels of green, got {black!r}")
        return cls(np.array([[[red, green, blue]]]))

    @classmethod
    def from_tags(cls, tags: Mapping[int, Any], planes: int, size: tuple[int, int]) -> "BlackLevel | None":
        """The levels that a DNG states, from the top left of its active area on; None if a tag is malformed.

        A level that is repeated too often or not often enough is no defect.

        Args:
            tags: values by tag code, of the directory of the RAW image.
            planes: number of samples per pixel.
            size: rows and columns of the active area.

        >>> BlackLevel.from_tags({BLACK: Rationals((255, 4))}, 1, (8, 8)).grid.tolist()
        [[[63.75]]]
        """
        repeat = numbers(tags.get(REPEAT, (1, 1)), 2)
        if repeat is None or not (repeat >= 1).all():
            return None
        grid = _grid(tags, int(repeat[0]), int(repeat[1]), planes)
        lengths = {DELTA_V: size[0], DELTA_H: size[1]}
        deltas = [
            _level_numbers(tags[code], length) if code in tags else np.zeros(1) for code, length in lengths.items()
        ]
        if grid is None or deltas[0] is None or deltas[1] is None:
            return None
        rows, columns = (delta if delta is not None and delta.any() else None for delta in deltas)
        return cls(grid, rows, columns)

    def moved(self, top: int, left: int) -> "BlackLevel":
        """The levels of a frame that starts `top` rows below and `left` columns right of this one's origin."""
        return replace(
            self,
            grid=np.roll(self.grid, (-top, -left), (0, 1)),
            rows=None if self.rows is None else _moved(self.rows, top),
            columns=None if self.columns is None else _moved(self.columns, left),
        )

    @property
    def highest(self) -> float:
        """The largest black level of any sample."""
        return float(self.grid.max()) + sum(float(d.max()) for d in (self.rows, self.columns) if d is not None)

    @property
    def mean(self) -> Array:
        """`[P]` mean black level of each plane."""
        mean: Array = self.grid.mean((0, 1))
        return mean + sum(float(delta.mean()) for delta in (self.rows, self.columns) if delta is not None)

    def four(self) -> list[float]:
        """The levels as a capture has them, means where they do not repeat every two rows and columns."""
        sites, planes = self.sites(), self.grid.shape[2]
        if sites is not None and planes == 1:
            four: list[float] = sites[..., 0].flatten().tolist()
            return four
        levels = self.mean if sites is None or (sites != sites[:1, :1]).any() else sites[0, 0]
        return [float(levels[min(plane, planes - 1)]) for plane in (0, 1, 1, 2)]

    def sites(self) -> Array | None:
        """`[2,2,P]` levels if they repeat every two rows and columns; else None."""
        rows, columns = (np.zeros(2) if delta is None else _pair(delta) for delta in (self.rows, self.columns))
        height, width = self.grid.shape[:2]
        two = self.grid[np.arange(2) % height][:, np.arange(2) % width]
        both = np.ix_(np.arange(2 * height) % height, np.arange(2 * width) % width)
        if rows is None or columns is None or not np.array_equal(self.grid[both], np.tile(two, (height, width, 1))):
            return None
        sites: Array = two + rows[:, None, None] + columns[None, :, None]
        return sites

    def of_rows(self, rows: slice, width: int) -> Array:
        """`[rows,width,P]` levels of the samples in these rows."""
        height, period = self.grid.shape[:2]
        index = np.arange(rows.start, rows.stop)
        levels: Array = self.grid[index % height][:, np.arange(width) % period]
        if self.rows is not None:
            levels = levels + self.rows[index, None, None]
        return levels if self.columns is None else levels + self.columns[None, :width, None]


def white_of(tags: Mapping[int, Any], planes: int, *, floating: bool) -> Array | None:
    """The white level `[P]` of each plane of a DNG; None if the tag is malformed.

    Without WhiteLevel, it is the default of the specification, `2**BitsPerSample - 1`, or 1 for floating-point samples;
    a LinearizationTable ends at white.

    Args:
        tags: values by tag code, of the directory of the RAW image.
        planes: number of samples per pixel.
        floating: whether the samples are floating-point numbers.

    >>> white_of({BITS: 12}, 1, floating=False).tolist()
    [4095.0]
    """
    if WHITE in tags:
        white = _level_numbers(tags[WHITE], planes) if np.size(tags[WHITE]) == planes else None
        if white is None and (same := _same(_level_numbers(tags[WHITE], np.size(tags[WHITE])))) is not None:
            white = np.full(planes, same)
        return white if white is not None and (white > 0).all() else None
    if floating:
        return np.ones(planes)
    if LINEARIZATION in tags:
        table = _level_numbers(tags[LINEARIZATION], np.size(tags[LINEARIZATION]))
        return np.full(planes, table[-1]) if table is not None and len(table) and table[-1] > 0 else None
    bits = numbers(tags.get(BITS, 16), np.size(tags.get(BITS, 16)))
    return np.full(planes, 2 ** bits[0] - 1) if bits is not None and len(bits) and 1 <= bits[0] <= 32 else None


def leveled(samples: Array, black: BlackLevel, white: Array) -> tuple[Array, list[float], float]:
    """Give samples levels that one capture can hold: four black levels and one white level.

    Samples whose black levels repeat every two rows and columns and whose planes have one white level are returned
    unchanged. Others become `b + (x - black(r, c)) (w - b) / (white - black(r, c))`, with `b` the mean black level of
    their plane and `w` the largest white level, so that black still becomes 0 and white 1 everywhere.

    Args:
        samples: `[H,W]` or `[H,W,3]`.
        black: levels from the first sample on.
        white: `[P]` white level of each plane, or `[1]`; above every black level.

    Returns:
        The samples; the black levels of the 2x2 sites, row-major, or of R, G, G, B for three planes; the white level.

    >>> ramp = BlackLevel(np.zeros((1, 1, 1)), rows=np.arange(4.0))
    >>> samples, black, white = leveled(np.array([[0.0], [1.0], [2.0], [100.0]]), ramp, np.array([100.0]))
    >>> samples.tolist(), black, white
    ([[1.5], [1.5], [1.5], [100.0]], [1.5, 1.5, 1.5, 1.5], 100.0)
    """
    planes = samples.reshape(*samples.shape[:2], -1)
    sites, top = black.sites(), float(white.max())
    is_same = sites is not None and (planes.shape[2] == 1 or (sites == sites[:1, :1]).all())
    if is_same and (white == top).all():
        return samples, black.four(), top
    mean = black.mean
    result = np.empty(planes.shape, np.float32)
    for start in range(0, len(planes), _ROWS):
        rows = slice(start, min(start + _ROWS, len(planes)))
        levels = black.of_rows(rows, planes.shape[1])
        result[rows] = mean + (planes[rows].astype(np.float64) - levels) * ((top - mean) / (white - levels))
    return result.reshape(samples.shape), BlackLevel(mean.reshape(1, 1, -1)).four(), top


def _grid(tags: Mapping[int, Any], height: int, width: int, planes: int) -> Array | None:
    """`[R,C,P]` values of BlackLevel; `[1,1,P]` if it is not stated, or one level whose count is wrong."""
    if BLACK not in tags:
        return np.zeros((1, 1, planes))
    value, size = tags[BLACK], np.size(tags[BLACK])
    counts = [size // 2 if isinstance(value, Rationals) else size]
    if isinstance(value, np.ndarray):  # long arrays do not tell fractions from whole numbers
        counts.append(size // 2)
    if height * width * planes in counts and (stated := _level_numbers(value, height * width * planes)) is not None:
        return stated.reshape(height, width, planes)
    for count in counts:
        if (same := _same(_level_numbers(value, count))) is not None:
            return np.full((1, 1, planes), same)
    return None


def _level_numbers(value: Any, count: int) -> Array | None:
    """The numbers of a tag that can be levels; None for another count, or numbers beyond those of the tags' types."""
    levels = numbers(value, count)
    return levels if levels is not None and (abs(levels) <= _LARGEST).all() else None


def _same(values: Array | None) -> float | None:
    """The number that all values are; None if they differ."""
    return float(values[0]) if values is not None and len(values) and (values == values[0]).all() else None


def _moved(delta: Array, by: int) -> Array:
    """Deltas from position `by` on; samples outside the active area take the nearest ones."""
    return np.pad(delta, (max(0, -by), max(0, by)), mode="edge")[max(0, by) :]


def _pair(delta: Array) -> Array | None:
    """The first two deltas if they repeat over the whole length; else None."""
    pair = np.resize(delta[:2], 2)
    return pair if np.array_equal(np.resize(pair, len(delta)), delta) else None

"""Digital numbers to a linear mosaic: black and white levels, and the linearization table."""

import torch
from torch import Tensor, nn

from ..capture import BAYER, MONO, RGB, Capture
from ..contract import Contract
from ..errors import InvalidArgument, InvalidCapture
from ..kernels.steps import Kind, Step, channels, lookup, sites
from ..spaces import CAMERA, LINEAR_RAW, MOSAIC, SENSOR, Space
from ..stage import Quantity, Stage
from .cfa import pack, site_plane
from .eager import is_eager

_CHECKED = 32
"""About how many rows and columns of a frame `Levels` checks."""
_FAR = 8.0
"""White levels that a median may reach: three stops of headroom for merged exposures and overexposed frames."""


def interpolate_table(x: Tensor, table: Tensor) -> Tensor:
    """Evaluate the piecewise-linear function through `(i, table[i])`, extrapolated with its end slopes; NaN stays NaN.

    Args:
        x: `[B,...]` positions in the table, not necessarily integers.
        table: `[B,N]` or `[1,N]` values, N at least 2.

    >>> interpolate_table(torch.tensor([[0.5, 2.0, 3.0]]), torch.tensor([[0.0, 1.0, 4.0]]))
    tensor([[0.5000, 4.0000, 7.0000]])
    """
    start = _segment_of(x, table)
    low, slope = _segment(start, table)
    return low + (x - start) * slope


def invert_table(y: Tensor, table: Tensor) -> Tensor:
    """Invert `interpolate_table` for a nondecreasing table: the positions at which the function equals `y`.

    Where the table is flat, the end of the flat run is returned. NaN stays NaN.

    >>> invert_table(torch.tensor([[0.5, 4.0, 7.0]]), torch.tensor([[0.0, 1.0, 4.0]]))
    tensor([[0.5000, 2.0000, 3.0000]])
    """
    start = (_count(table, y, right=True) - 1).clamp(0, table.shape[1] - 2)
    low, slope = _segment(start, table)
    rises = slope > 0
    x = start + torch.where(rises, (y - low) / torch.where(rises, slope, 1), 0)
    return torch.where(y.isnan(), y, x)  # also on flat runs


def _segment_of(x: Tensor, table: Tensor) -> Tensor:
    """Index of the first entry of the segment of `x`; 0 for NaN, which has no index."""
    return x.detach().nan_to_num(0).floor().clamp(0, table.shape[1] - 2).long()


def _segment(start: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
    table = table.expand(start.shape[0], -1)
    low = table.gather(1, start.flatten(1)).view(start.shape)
    return low, table.gather(1, (start + 1).flatten(1)).view(start.shape) - low


def _count(table: Tensor, y: Tensor, *, right: bool) -> Tensor:
    """The number of entries below `y`; with `right`, at or below it."""
    flat = y.detach().flatten(1).contiguous()
    return torch.searchsorted(table.detach().expand(y.shape[0], -1).contiguous(), flat, right=right).view(y.shape)


def _readable(*tensors: Tensor) -> bool:
    """Whether values can be read without a wait for a GPU and without an effect on a traced program."""
    return is_eager() and all(type(x) in (Tensor, nn.Parameter) and x.device.type == "cpu" for x in tensors)


class Levels(Stage):
    """Subtract the black level of each site, or of each plane, and scale white to 1, without clipping.

    `y = (x - black_site) / (white - black_site)`, `x = y (white - black_site) + black_site`: black becomes 0 and white
    1 at every site. Exact if white is above black.

    Args:
        black: `[4]` or `[B,4]` digital numbers of the 2x2 sites, row-major, or of the planes R, G, G and B; None reads
            the capture.
        white: digital number at saturation, scalar or `[B]`; None reads the capture.
        space: SENSOR becomes MOSAIC, and LINEAR_RAW, three planes of a capture whose cfa is `"RGB"`, becomes CAMERA.

    Raises:
        InvalidArgument: for a wrong shape, another space, or white not above black when both are given.
        InvalidCapture: in `forward`, if the white level of the capture cannot be that of the samples, because their
            median is more than three stops above it, or as far below 0. Noise below black and highlights above white
            are normal. Values on a GPU and of traced programs are not checked.

    Source: DNG 1.6 specification, "Mapping Raw Values to Linear Reference Values": black subtraction and rescaling,
    with two differences. The standard divides all sites by white minus the highest black level, so that white is not 1
    at every site if the black levels differ; here each site has its own divisor. Clipping is left to `Clip`.

    >>> capture = Capture.of("RGGB", black=(64, 60, 60, 56), white=1088)
    >>> Levels()(torch.tensor([[[[576.0, 60.0], [1088.0, 56.0]]]]), capture)
    tensor([[[[0.5000, 0.0000],
              [1.0000, 0.0000]]]])
    """

    black: Tensor | None
    white: Tensor | None

    def __init__(self, black: Quantity | None = None, white: Quantity | None = None, space: Space = SENSOR) -> None:
        super().__init__()
        if space not in (SENSOR, LINEAR_RAW):
            raise InvalidArgument(f"Levels: space must be SENSOR or LINEAR_RAW, got {space!r}")
        self.takes = self.space = space
        self.gives, self.layouts = (MOSAIC, (*BAYER, MONO)) if space == SENSOR else (CAMERA, (RGB,))
        self.contract = Contract(0.0, 0.0, condition=8.0, period=2 if space == SENSOR else 1)
        self.hold("black", black, (4,))
        self.hold("white", white, ())
        if self.black is not None and self.white is not None:
            high, low = self.white.detach().reshape(-1, 1), self.black.detach().reshape(-1, 4)
            if not (high > low).all():
                raise InvalidArgument(f"Levels: white must be above black, got white {white!r}, black {black!r}")

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        self.check_values(x, capture)
        black, span = self._levels(x, capture)
        return (x - black) / span

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        black, span = self._levels(y, capture)
        return y * span + black

    def forward_steps(self, capture: Capture) -> list[Step]:
        black, span = self._sites(capture)
        if self.space == LINEAR_RAW:
            return [channels(1 / span, -black / span)]
        return [sites(black, 1 / span, torch.zeros_like(span))]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        black, span = self._sites(capture)
        if self.space == LINEAR_RAW:
            return [channels(span, black)]
        return [sites(torch.zeros_like(span), span, black)]

    def check_values(self, x: Tensor, capture: Capture) -> None:
        if self.white is not None or not _readable(x, capture.white):
            return
        white = capture.white.double()[:, None]
        far = _FAR * torch.maximum(white.abs(), capture.black.double().abs().amax(1, keepdim=True))
        # An odd step visits every site of the 2x2 cell.
        rows, columns = (size // _CHECKED | 1 for size in x.shape[-2:])
        samples = x.detach()[..., ::rows, ::columns].flatten(1).double()
        outside = ((samples > far).double().mean(1) > 0.5) | ((samples < -far).double().mean(1) > 0.5)
        if outside.any():
            index = int(outside.long().argmax())
            median, level = float(samples[index].median()), float(white[min(index, len(white) - 1)])
            raise InvalidCapture(
                f"Levels: the median of the samples, {median:g}, is far outside 0 to {level:g}, the white level of the "
                f'capture: pass the levels of the sensor, such as Capture.of("{capture.cfa}", black=64, white=1023)'
            )

    def _sites(self, capture: Capture, like: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Black and white minus black: `[B,4]` of the sites, or `[B,3]` of the planes."""
        black = self.quantity("black", capture, like).reshape(-1, 4)
        if self.space == LINEAR_RAW:
            black = black[:, [0, 1, 3]]
        return black, self.quantity("white", capture, like).reshape(-1, 1) - black

    def _levels(self, x: Tensor, capture: Capture) -> tuple[Tensor, Tensor]:
        black, span = self._sites(capture, like=x)
        if self.space == LINEAR_RAW:
            return black[..., None, None], span[..., None, None]
        height, width = x.shape[-2:]
        return site_plane(black, height, width), site_plane(span, height, width)


class Linearize(Stage):
    """Undo a companding curve stored in the file, the DNG LinearizationTable, interpolating between its entries.

    `y = table[i] + (x - i) (table[i + 1] - table[i])` with `i = floor(x)`; outside the table the first and last
    segments are extrapolated. (The standard maps codes beyond the table to its last entry; a stage does not clamp.) The
    inverse is ambiguous where the table is flat: several codes share one value there, and the last of them is returned;
    `in_domain` is false on flat runs, including their ends.

    Args:
        table: `[N]` or `[B,N]` linear value of each stored code, N at least 2, nondecreasing, not constant.

    Raises:
        InvalidArgument: for fewer than 2 entries, a decreasing table, or a constant one.

    Source: DNG 1.6 specification, tag LinearizationTable (50712) and "Mapping Raw Values to Linear Reference Values".

    >>> stage = Linearize([0, 1, 4, 9])
    >>> y = stage(torch.tensor([[[[0.0, 1.5, 3.0]]]]), Capture.of("RGGB"))
    >>> y, stage.inverse(y, Capture.of("RGGB"))
    (tensor([[[[0.0000, 2.5000, 9.0000]]]]), tensor([[[[0.0000, 1.5000, 3.0000]]]]))
    """

    takes = gives = SENSOR
    table: Tensor

    def __init__(self, table: Quantity) -> None:
        super().__init__()
        self.hold("table", table, (None,))
        entries = self.table.detach().double()
        steps = entries.diff(dim=-1)
        if entries.shape[-1] < 2 or (steps < 0).any() or not (steps > 0).any(-1).all():
            raise InvalidArgument(
                f"Linearize: table must have 2 or more nondecreasing entries, not all equal, got {table!r}"
            )
        # Amplification of a rounding error, from relative to the largest value to relative to the largest code.
        steepness = entries.abs().max() / (steps[steps > 0].min() * (entries.shape[-1] - 1))
        self.contract = Contract(round_trip=0.0, re_render=0.0, condition=8.0 * max(1.0, steepness.item()))

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return interpolate_table(x, self._table(x))

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return invert_table(y, self._table(y))

    def forward_steps(self, capture: Capture) -> list[Step]:
        return [self._step(Kind.TABLE)]

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return [self._step(Kind.TABLE_INVERSE)]

    def _step(self, kind: Kind) -> Step:
        table = self.table.double().reshape(-1, self.table.shape[-1])
        return lookup(kind, table[:, :-1], table.diff())

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where the table rises and, within rounding, no other code has the same value."""
        table = self._table(x)
        y = interpolate_table(x, table)
        _, slope = _segment(_segment_of(x, table), table)
        near = 4 * torch.finfo(x.dtype).eps * table.abs().amax(-1).view(-1, 1, 1, 1)
        matches = _count(table, y + near, right=True) - _count(table, y - near, right=False)
        return (slope > 0) & (matches < 2)

    def _table(self, x: Tensor) -> Tensor:
        return self.table.to(x.dtype).reshape(-1, self.table.shape[-1])


def pack_sensor(sensor: Tensor, capture: Capture) -> Tensor:
    """Normalize and pack a sensor image: `Pack(Levels(x))`, digital numbers to packed RAW.

    Args:
        sensor: `[B,1,H,W]` digital numbers.
        capture: that of the samples.

    Returns:
        `[B,4,H/2,W/2]` packed RAW, black 0 and white 1.

    Raises:
        InvalidSize: for an odd height or width.

    >>> pack_sensor(torch.full((1, 1, 2, 2), 1023.0), Capture.of("RGGB", black=64, white=1023)).flatten().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    return pack(Levels()(sensor, capture))

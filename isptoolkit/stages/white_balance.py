"""White balance: per-channel gains, and three estimators of the gains from pixels."""

import torch
from torch import Tensor

from ..capture import BAYER, LAYOUTS, Capture
from ..contract import Contract
from ..errors import InvalidArgument, InvalidSize, InvalidTensor
from ..kernels.steps import Step, channels, sites
from ..spaces import CAMERA, MOSAIC, Space
from ..stage import Quantity, Stage
from .cfa import site_channels, site_plane


class WhiteBalance(Stage):
    """Multiply R, G and B by the gains that make the illuminant neutral.

    `y_c = gain_c x_c`, `x_c = y_c / gain_c`; exact. On MOSAIC every site has the gain of its CFA color.

    Args:
        gains: `[3]` or `[B,3]`, positive multipliers of R, G, B; None reads the capture.
        space: MOSAIC or CAMERA.
        peak: scale all gains so that the largest is this (1 keeps every value at or below white); None keeps the gains.
        floor: scale all gains so that the smallest is at least this; None keeps the gains. With 1, every channel of a
            blown highlight reaches white, so that clipping at 1 leaves it neutral.

    Raises:
        InvalidArgument: for gains, a peak or a floor that is not positive, both peak and floor, or another space.

    Source: the coefficient law of von Kries (1902), in camera primaries; tag AsShotNeutral of the DNG 1.6
    specification, whose values are the reciprocals of the gains. A floor of 1 is the scale of LibRaw, which divides the
    multipliers by the smallest.

    >>> capture = Capture.of("GRBG", gains=(2.0, 1.0, 1.5))
    >>> WhiteBalance()(torch.full((1, 1, 2, 2), 0.5), capture)
    tensor([[[[0.5000, 1.0000],
              [0.7500, 0.5000]]]])
    """

    gains: Tensor | None

    def __init__(
        self,
        gains: Quantity | None = None,
        space: Space = MOSAIC,
        peak: float | None = None,
        floor: float | None = None,
    ) -> None:
        super().__init__()
        if space not in (MOSAIC, CAMERA):
            raise InvalidArgument(f"WhiteBalance: space must be MOSAIC or CAMERA, got {space!r}")
        for name, scale in (("peak", peak), ("floor", floor)):
            if scale is not None and not 0 < scale < float("inf"):
                raise InvalidArgument(f"WhiteBalance: {name} must be positive, got {scale!r}")
        if peak is not None and floor is not None:
            raise InvalidArgument(f"WhiteBalance: peak and floor exclude each other, got {peak!r} and {floor!r}")
        self.peak, self.floor = peak, floor
        self.takes = self.gives = self.space = space
        self.layouts = BAYER if space == MOSAIC else LAYOUTS
        self.hold("gains", gains, (3,))
        if self.gains is not None and not (self.gains > 0).all():
            raise InvalidArgument(f"WhiteBalance: gains must be positive, got {gains!r}")
        self.contract = Contract(round_trip=0.0, re_render=0.0, condition=4.0, period=2 if space == MOSAIC else 1)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x * self._gain(x, capture)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y / self._gain(y, capture)

    def forward_steps(self, capture: Capture) -> list[Step]:
        return self._steps(self._gains(capture))

    def inverse_steps(self, capture: Capture) -> list[Step]:
        return self._steps(1 / self._gains(capture))

    def _steps(self, gains: Tensor) -> list[Step]:
        zero = torch.zeros_like(gains)
        return [channels(gains, zero) if self.space == CAMERA else sites(zero, gains, zero)]

    def _gains(self, capture: Capture, like: Tensor | None = None) -> Tensor:
        """`[B,3]` of the channels, or `[B,4]` of the sites of a mosaic."""
        gains = self.quantity("gains", capture, like).reshape(-1, 3)
        if self.peak is not None:
            gains = gains * (self.peak / gains.amax(1, keepdim=True))
        if self.floor is not None:
            gains = gains * (self.floor / gains.amin(1, keepdim=True)).clamp(min=1)
        if self.space == CAMERA:
            return gains
        return torch.stack([gains[:, channel] for channel in site_channels(capture.cfa)], 1)

    def _gain(self, x: Tensor, capture: Capture) -> Tensor:
        gains = self._gains(capture, like=x)
        return gains[:, :, None, None] if self.space == CAMERA else site_plane(gains, x.shape[-2], x.shape[-1])


def gray_world(x: Tensor, capture: Capture, clip: float = 1.0) -> Capture:
    """Estimate the gains that make the average color gray: `gain_c = mean(G) / mean(c)`; returns a new capture.

    Args:
        x: `[B,1,H,W]` MOSAIC (partial 2x2 cells at the bottom and right border are ignored) or `[B,3,H,W]` CAMERA,
            before white balance.
        capture: provides the CFA of a mosaic; all its other values except the gains are kept.
        clip: pixels (in a mosaic: 2x2 cells) with a value at or above it are ignored.

    Raises:
        InvalidArgument: if a channel of a sample has no positive average of unclipped values.
        InvalidTensor: for another channel count.
        InvalidSize: for a mosaic smaller than 2x2.

    Source: Buchsbaum, "A spatial processor model for object colour perception", J. Franklin Institute 310(1), 1980.

    >>> x = torch.tensor([0.2, 0.4, 0.1]).view(1, 3, 1, 1)
    >>> gray_world(x, Capture.of("RGGB")).gains
    tensor([[2., 1., 4.]], dtype=torch.float64)
    """
    return shades_of_gray(x, capture, p=1.0, clip=clip)


def shades_of_gray(x: Tensor, capture: Capture, p: float = 6.0, clip: float = 1.0) -> Capture:
    """Estimate the gains that make the Minkowski p-mean gray: `gain_c = M(G) / M(c)`, `M(c) = mean(c^p)^(1/p)`.

    Returns a new capture. `p = 1` is gray world; larger p give more weight to bright values, up to white patch.
    Negative values are used unchanged for `p = 1` (so that noise around black averages out) and count as zero for any
    other p.

    Args:
        x: `[B,1,H,W]` MOSAIC (partial 2x2 cells at the bottom and right border are ignored) or `[B,3,H,W]` CAMERA,
            before white balance.
        capture: provides the CFA of a mosaic; all its other values except the gains are kept.
        p: the norm, a finite number of at least 1; 6 did best in the paper.
        clip: pixels (in a mosaic: 2x2 cells) with a value at or above it are ignored.

    Raises:
        InvalidArgument: for p below 1, or if a channel of a sample has no positive unclipped value.
        InvalidTensor: for another channel count.
        InvalidSize: for a mosaic smaller than 2x2.

    Source: Finlayson and Trezzi, "Shades of gray and colour constancy", Color Imaging Conference 2004.

    >>> x = torch.tensor([[0.0, 0.2], [0.0, 0.4], [0.0, 0.1]]).view(1, 3, 1, 2)
    >>> shades_of_gray(x, Capture.of("RGGB")).gains
    tensor([[2., 1., 4.]], dtype=torch.float64)
    """
    if not 1 <= p < float("inf"):
        raise InvalidArgument(f"shades_of_gray: p must be a finite number of at least 1, got {p!r}")
    colors, usable = _usable_colors(x, capture, clip)
    scale = torch.where(usable, colors, 0).amax(-1, keepdim=True).clamp(min=torch.finfo(torch.float64).tiny)
    # Scaled, so that high powers of dark values do not underflow.
    powers = colors / scale if p == 1 else (colors / scale).clamp(min=0) ** p
    mean = torch.where(usable, powers, 0).sum(-1) / usable.sum(-1).clamp(min=1)
    return _balanced(capture, torch.where(mean > 0, mean, 0) ** (1 / p) * scale[..., 0])


def white_patch(x: Tensor, capture: Capture, percentile: float = 99.0, clip: float = 1.0) -> Capture:
    """Estimate the gains that make the brightest values of the channels equal: `gain_c = P(G) / P(c)`.

    Returns a new capture. P is a percentile (nearest rank) over the unclipped pixels; 100 is the maximum, as originally
    proposed, which a single hot pixel corrupts.

    Args:
        x: `[B,1,H,W]` MOSAIC (partial 2x2 cells at the bottom and right border are ignored) or `[B,3,H,W]` CAMERA,
            before white balance.
        capture: provides the CFA of a mosaic; all its other values except the gains are kept.
        percentile: above 0, at most 100.
        clip: pixels (in a mosaic: 2x2 cells) with a value at or above it are ignored.

    Raises:
        InvalidArgument: for a percentile out of range, or if a channel of a sample has no positive percentile.
        InvalidTensor: for another channel count.
        InvalidSize: for a mosaic smaller than 2x2.

    Source: Land, "The retinex theory of color vision", Scientific American 237(6), 1977.

    >>> x = torch.tensor([[0.1, 0.2], [0.4, 0.3], [0.1, 0.1]]).view(1, 3, 1, 2)
    >>> white_patch(x, Capture.of("RGGB"), percentile=100).gains
    tensor([[2., 1., 4.]], dtype=torch.float64)
    """
    if not 0 < percentile <= 100:
        raise InvalidArgument(f"white_patch: percentile must be above 0 and at most 100, got {percentile!r}")
    colors, usable = _usable_colors(x, capture, clip)
    ranked = torch.where(usable, colors, torch.inf).sort(-1).values
    count = usable.sum(-1, keepdim=True).expand(-1, 3, -1)
    rank = (count * percentile / 100).ceil().long() - 1
    brightest = ranked.gather(-1, rank.clamp(min=0))
    return _balanced(capture, torch.where(count > 0, brightest, 0)[..., 0])


def _usable_colors(x: Tensor, capture: Capture, clip: float) -> tuple[Tensor, Tensor]:
    """Colors `[B,3,N]` in float64, and `[B,1,N]` bool: none of the values of a color is clipped."""
    if not isinstance(x, Tensor) or x.ndim != 4 or x.shape[1] not in (1, 3):
        got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
        raise InvalidTensor(f"white balance is estimated from [B,1,H,W] MOSAIC or [B,3,H,W] CAMERA, got {got}")
    (MOSAIC if x.shape[1] == 1 else CAMERA).check(x)
    capture.check(x)
    values = x.detach().double()
    if x.shape[1] == 3:
        colors = values.flatten(2)
        return colors, (colors < clip).all(1, keepdim=True)
    height, width = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
    if not height or not width:
        raise InvalidSize(f"white balance is estimated from a mosaic of at least 2x2 pixels, got {tuple(x.shape[-2:])}")
    sites = torch.nn.functional.pixel_unshuffle(values[..., :height, :width], 2).flatten(2)
    channels = site_channels(capture.cfa)
    colors = torch.stack(
        [sites[:, [site for site in range(4) if channels[site] == channel]].mean(1) for channel in range(3)], 1
    )
    return colors, (sites < clip).all(1, keepdim=True)


def _balanced(capture: Capture, illuminant: Tensor) -> Capture:
    """The capture with the gains that turn `illuminant` `[B,3]` gray; the gain of green is 1."""
    if not ((illuminant > 0) & illuminant.isfinite()).all():
        raise InvalidArgument(
            "white balance cannot be estimated: a channel has no positive unclipped value "
            f"(R, G, B of each sample: {illuminant.tolist()})"
        )
    gains = (illuminant[:, 1:2] / illuminant).to(capture.gains.dtype)
    if len(capture) != len(gains):
        capture = Capture.collate([capture] * len(gains))
    return capture.replace(gains=gains)

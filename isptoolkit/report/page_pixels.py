"""Images, error maps and sampled values of a report page, packed into text that its script unpacks."""

import base64
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..capture import BAYER
from ..spaces import Space
from .visible import Pixels, pooling

DETAIL = 96
"""Side, in pixels, of the part that is shown at full resolution."""
_ERROR_SIDE = 320
CODES_PER_DECADE, LEAST_ERROR = 20, -7
"""An error map's byte is 0 for no error, else `1 + 20 (log10(error) + 7)`, up to 255."""


@dataclass(frozen=True)
class View:
    """A part of the frame with a grid of sampled pixels, in pixels of the frame.

    Attributes:
        name: its label on the page.
        top: first row of the part.
        left: its first column.
        height: its rows.
        width: its columns.
        step: spacing of the sampled pixels in both directions; odd, so that samples of a mosaic see all colors.
    """

    name: str
    top: int
    left: int
    height: int
    width: int
    step: int

    @property
    def rows(self) -> Tensor:
        """The sampled rows."""
        return torch.arange(self.top + min(self.step // 2, self.height - 1), self.top + self.height, self.step)

    @property
    def columns(self) -> Tensor:
        """The sampled columns."""
        return torch.arange(self.left + min(self.step // 2, self.width - 1), self.left + self.width, self.step)

    def part(self, x: Tensor, scale: int) -> Tensor:
        """The part of `x` `[1,C,h,w]`, each of whose pixels spans `scale` pixels of the frame in both directions."""
        bottom, right = math.ceil((self.top + self.height) / scale), math.ceil((self.left + self.width) / scale)
        return x[..., self.top // scale : bottom, self.left // scale : right]

    def samples(self, x: Tensor, scale: int) -> Pixels:
        """The values `[C,rows,columns]` of `x` `[1,C,h,w]` at the sampled pixels: float64 if `x` is, else float32."""
        rows, columns = (
            (index // scale).clamp_max(size - 1).to(x.device)
            for index, size in zip((self.rows, self.columns), x.shape[2:], strict=True)
        )
        values = x[0].detach()[:, rows][:, :, columns]
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        samples: Pixels = np.ascontiguousarray(values.to(dtype).cpu().numpy())
        return samples


def steps(view: View, start: int) -> Iterator[View]:
    """The view with ever fewer samples: its step and larger odd ones, down to a single sample.

    >>> view = View("", 0, 0, 9, 9, 1)
    >>> [[sparser.step for sparser in steps(view, start)] for start in (2, 3, 5)]
    [[3, 5, 7, 9], [3, 5, 7, 9], [5, 7, 9]]
    """
    step = start | 1
    while True:
        yield View(view.name, view.top, view.left, view.height, view.width, step)
        if step >= max(view.height, view.width):
            return
        step += 2 * math.ceil(step / 8)


def packed_values(values: Pixels, reference: Pixels | None) -> dict[str, Any]:
    """Floating-point values without loss: bytes of equal significance together, deflated, as base64.

    Where most values are close to those of `reference`, only the bits that differ are stored.

    Args:
        values: float32 or float64.
        reference: values that the page already holds, of the same shape and type.

    Returns:
        `data` and whether it is `relative` to the reference.
    """
    data = values.astype(values.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, values.itemsize)
    relative = reference is not None and reference.shape == values.shape and reference.dtype == values.dtype
    if reference is not None and relative:
        other = reference.astype(reference.dtype.newbyteorder("<")).view(np.uint8).reshape(data.shape)
        # The two most significant bytes hold sign, exponent and the first bits of the mantissa.
        relative = bool((data[:, -2:] == other[:, -2:]).all(1).mean() > 0.5)
        data = data ^ other if relative else data
    return {"data": _text(zlib.compress(data.T.tobytes(), 4)), "relative": relative}


def packed_mask(mask: Pixels) -> str:
    """A mask, nonzero where true, as bits in row-major order, deflated, as base64."""
    return _text(zlib.compress(np.packbits(mask.reshape(-1) != 0).tobytes(), 6))


def packed_errors(error: Tensor, alive: Tensor) -> dict[str, Any]:
    """Error maps with and without the clipped pixels, a byte for each pixel, deflated, as base64.

    Args:
        error: `[1,1,h,w]` in digital numbers.
        alive: `[1,1,h,w]` bool, false for clipped pixels.

    Returns:
        `height`, `width`, and `data`: a plane of the largest errors of unclipped pixels, one of the bits in which the
        largest errors of all pixels differ from those, and one of the share of clipped pixels, up to 255.
    """
    step = pooling(error, _ERROR_SIDE)
    error, lost = error.double(), (~alive).double()
    kept, everywhere = (F.max_pool2d(layer, step) if step > 1 else layer for layer in (error * alive, error))
    share = F.avg_pool2d(lost, step) if step > 1 else lost
    codes = _codes(kept)
    shares = (15 * share[0, 0]).ceil().mul(17).to(torch.uint8).cpu().numpy()
    planes = np.stack([codes, codes ^ _codes(everywhere), shares])
    return {
        "height": planes.shape[1],
        "width": planes.shape[2],
        "data": _text(zlib.compress(planes.tobytes(), 6)),
    }


def _codes(error: Tensor) -> Pixels:
    error = error[0, 0].nan_to_num(torch.inf, torch.inf)
    codes = (CODES_PER_DECADE * (error.log10() - LEAST_ERROR)).round().clamp(0, 254) + 1
    coded: Pixels = torch.where(error > 0, codes, 0).to(torch.uint8).cpu().numpy()
    return coded


def encoded_image(image: Pixels, *, lossless: bool) -> str:
    """An `[h,w,3]` image in [0, 1] as a data URL: PNG, or JPEG with full chroma resolution."""
    from PIL import Image

    file = io.BytesIO()
    pixels = Image.fromarray((image * 255).round().astype(np.uint8))
    if lossless:
        pixels.save(file, "PNG")
    else:
        pixels.save(file, "JPEG", quality=88, subsampling=0)
    return f"data:image/{'png' if lossless else 'jpeg'};base64,{_text(file.getvalue())}"


def channel_names(space: Space, cfa: str) -> list[str]:
    """Labels of the channels of a space; "" for a mosaic, whose filter depends on the pixel, Y without filters.

    >>> from isptoolkit import CAMERA, PACKED
    >>> channel_names(CAMERA, "GRBG"), channel_names(PACKED, "GRBG")
    (['R', 'G', 'B'], ['G', 'R', 'B', 'G'])
    """
    if space.channels == 1 and space.name in ("sensor", "mosaic"):
        return [""] if cfa in BAYER else ["Y"]
    if space.name in ("linear-raw", "camera", "linear", "srgb") and space.channels == 3:
        return list("RGB")
    if space.name == "packed" and space.channels == 4 and cfa in BAYER:
        return list(cfa)
    return [str(number) for number in range(1, space.channels + 1)]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")

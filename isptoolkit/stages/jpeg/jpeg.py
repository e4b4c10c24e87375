"""JPEG compression and decompression as a stage."""

from pathlib import Path

import torch
from torch import Tensor

from ...capture import Capture
from ...contract import Contract
from ...errors import InvalidArgument, UnreadableFile
from ...spaces import SRGB
from ...stage import Quantity, Stage
from .blocks import jpeg_blocks, real_blocks
from .planes import SUBSAMPLINGS, join, real_join, real_split, split
from .projection import Levels, check_levels, project, quantized
from .rounding import ROUNDINGS, SERIES, rounding_of, series_slopes

# ITU-T T.81, tables K.1 and K.2: rows of vertical frequency.
LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
CHROMINANCE = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)


class Jpeg(Stage):
    """Through a JPEG file and back; with `rounding="hard"` the very pixels that libjpeg gives.

    sRGB becomes 8-bit codes, luma and sampled chroma, 8x8 blocks, `DCT / table` rounded, and all that back. The inverse
    is the identity: the picture as decoded is the best guess at what was compressed. No round trip is promised, since
    JPEG is not idempotent.

    Under `hard` every value is that of libjpeg-turbo's default method (`JDCT_ISLOW`, triangular chroma) bit for bit,
    and the gradient that of the same chain in real numbers with `slope` for the rounding of coefficients. The other
    roundings go through the chain in real numbers, coefficients rounded by a surrogate. Its mean error in steps, and
    the share of the line where its slope is negative, are, with 9 terms,

    - `straight-through`: 0 and none (slope 1 everywhere, of another function);
    - `fourier`, the published series: 0.034 and 47 %;
    - `lanczos`: 0.026 and 44 %, never below -0.6;
    - `fejer`: 0.046 and none;
    - `cubic`: 0.031 and none, but slope 0 at every level;
    - `noise`: 0.33 and none, a uniform step instead of rounding.

    Args:
        quality: 1 to 100, one number or one per sample, by libjpeg's rule for its tables; the gradient is that of the
            rule in real numbers.
        subsampling: of chroma: 4:4:4, 4:2:2 or 4:2:0.
        rounding: as above.
        tables: `[2,8,8]` or `[B,2,8,8]` of luma and chroma instead of the quality's, entries 1 to 255, rows of vertical
            frequency.
        slope: whose slope stands for that of hard rounding in the gradient: straight-through, fourier, lanczos, fejer.
        terms: of the Fourier series.

    Raises:
        InvalidArgument: for values outside these, also in `forward` where a tensor holds them.

    Source: ITU-T T.81 and T.871 (JFIF); the Independent JPEG Group's library for the scaling of tables and the
    integers.

    >>> x = torch.full((1, 3, 8, 8), 100 / 255)
    >>> torch.equal(Jpeg(quality=90)(x, Capture.of("RGGB")), x)
    True
    """

    quality: Tensor
    tables: Tensor | None
    _base: Tensor

    def __init__(
        self,
        quality: Quantity = 90.0,
        subsampling: str = "4:2:0",
        rounding: str = "hard",
        tables: Quantity | None = None,
        slope: str = "straight-through",
        terms: int = 9,
    ) -> None:
        super().__init__()
        if subsampling not in SUBSAMPLINGS:
            raise InvalidArgument(f"Jpeg: subsampling is one of {', '.join(SUBSAMPLINGS)}, got {subsampling!r}")
        if rounding not in ("hard", *ROUNDINGS):
            raise InvalidArgument(f"Jpeg: rounding is hard, {', '.join(ROUNDINGS)}, got {rounding!r}")
        self.hold("quality", quality, ())
        self.hold("tables", tables, (2, 8, 8))
        if slope not in ("straight-through", *SERIES) or not isinstance(terms, int) or terms < 1:
            names = ", ".join(SERIES)
            raise InvalidArgument(f"Jpeg: slope is straight-through, {names}, with terms, got {slope!r}, {terms}")
        self.subsampling, self.rounding, self.slope, self.terms = subsampling, rounding, slope, terms
        self.takes = self.gives = SRGB
        self.register_buffer("_base", torch.tensor([LUMINANCE, CHROMINANCE], dtype=torch.float64), persistent=False)
        _check_quality(self.quality)
        if self.tables is not None:
            _check_tables(self.tables)
        self.contract = Contract(None, None, differentiable=rounding not in ("hard", "straight-through"), reach=None)

    @classmethod
    def like(cls, path: str | Path, rounding: str = "hard") -> "Jpeg":
        """With the tables and the subsampling of a JPEG file.

        Raises:
            UnreadableFile: for another file, or a JPEG of other components or sampling.
        """
        from PIL import Image, JpegImagePlugin

        try:
            with Image.open(path, formats=("JPEG",)) as file:
                tables, layers = vars(file)["quantization"], JpegImagePlugin.get_sampling(file)
        except (OSError, SyntaxError, ValueError) as error:
            raise UnreadableFile(f"{path} is no JPEG that can be read: {error}") from None
        names = dict(enumerate(SUBSAMPLINGS))
        if layers not in names or len(tables) not in (1, 2):
            raise UnreadableFile(f"{path}: chroma of this file is sampled otherwise than {', '.join(SUBSAMPLINGS)}")
        luma, chroma = tables[0], tables.get(1, tables[0])
        return cls(
            subsampling=names[layers], rounding=rounding, tables=torch.tensor([luma, chroma]).view(2, 8, 8).double()
        )

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        factors, size = SUBSAMPLINGS[self.subsampling], (x.shape[2], x.shape[3])
        luma, chroma = self.quantizers().to(x.device).unbind(1)
        if self.rounding == "hard":
            y, blue, red = split(x, factors)
            slopes = series_slopes(self.slope, self.terms)
            parts = [jpeg_blocks(plane, table, slopes) for plane, table in ((y, luma), (blue, chroma), (red, chroma))]
            return join(parts, size, factors)
        rounding = rounding_of(self.rounding, self.terms)
        planes = zip(real_split(x * 255, factors), (luma, chroma, chroma), strict=True)
        return real_join([real_blocks(plane, table, rounding) for plane, table in planes], size, factors) / 255

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def levels(self, x: Tensor) -> Levels:
        """What a file of `x` holds: the whole numbers that libjpeg writes for each coefficient.

        Args:
            x: `[B,3,H,W]`, 0 to 1, rounded to 8-bit codes.

        >>> [tuple(part.shape) for part in Jpeg().levels(torch.rand(1, 3, 20, 30))]
        [(1, 3, 4, 8, 8), (1, 2, 2, 8, 8), (1, 2, 2, 8, 8)]
        """
        return quantized(x, self.quantizers().to(x.device), SUBSAMPLINGS[self.subsampling])

    @torch.no_grad()
    def project(self, x: Tensor, levels: Levels) -> Tensor:
        """The nearest picture that a file with these levels can have been made of; without gradient.

        It has 8-bit codes, and encoding it gives the same levels. Nearest is meant in mean squares before rounding to
        codes; where the codes would leave a cell of the file, others close by are searched for. Where steps are shorter
        than the rounding of codes (quality above 92), the search may end without in some units of the file; what it
        found is given then, and `levels` of it tells.

        Args:
            x: `[B,3,H,W]`, 0 to 1.
            levels: of a picture of that size, as `levels` or `isptoolkit.io.read_jpeg_coefficients` give them.

        Raises:
            InvalidArgument: for levels of another size.

        >>> stage, x = Jpeg(quality=80), torch.rand(1, 3, 16, 16)
        >>> near = stage.project(torch.full_like(x, 0.5), stage.levels(x))
        >>> all(torch.equal(a, b) for a, b in zip(stage.levels(near), stage.levels(x)))
        True
        """
        factors = SUBSAMPLINGS[self.subsampling]
        check_levels(levels, x, factors)
        return project(x, levels, self.quantizers().to(x.device), factors)

    def quantizers(self) -> Tensor:
        """The tables of luma and chroma, `[B,2,8,8]` float64, whole numbers; the gradient is that of the real rule."""
        if self.tables is not None:
            return self.tables.reshape(-1, 2, 8, 8)
        quality = self.quality.reshape(-1, 1, 1, 1).double()
        whole = quality.detach().round()
        _check_quality(whole)
        scale = torch.where(whole < 50, torch.floor(5000 / whole), 200 - 2 * whole)
        tables = torch.floor((self._base * scale + 50) / 100).clamp(1, 255)
        if not quality.requires_grad:
            return tables
        real = (self._base * torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100).clamp(1, 255)
        return tables + (real - real.detach())


def _check_quality(quality: Tensor) -> None:
    low, high = float(quality.detach().min()), float(quality.detach().max())
    if not (low >= 1 and high <= 100):
        raise InvalidArgument(
            f"Jpeg: quality lies between 1 and 100, got {low:g}{f' to {high:g}' if high != low else ''}"
        )


def _check_tables(tables: Tensor) -> None:
    low, high = float(tables.detach().min()), float(tables.detach().max())
    if not (low >= 1 and high <= 255):
        raise InvalidArgument(f"Jpeg: entries of a table lie between 1 and 255, got {low:g} to {high:g}")

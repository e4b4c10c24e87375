"""JPEG compression and decompression as a stage."""

from pathlib import Path

import torch
from torch import Tensor

from ...capture import Capture
from ...contract import Contract
from ...errors import InvalidArgument, UnreadableFile
from ...spaces import SRGB
from ...stage import Quantity, Stage
from .blocks import real_blocks
from .image import jpeg_image
from .planes import SUBSAMPLINGS, real_join, real_split
from .projection import Coefficients, check_coefficients, jpeg_coefficients, project
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
    """Compress to JPEG and decompress; with `rounding="hard"`, bit for bit the pixels of libjpeg.

    sRGB is converted to 8-bit codes, luma and subsampled chroma, and 8x8 blocks, whose DCT coefficients are quantized;
    then all steps are reversed. The inverse is the identity: the decoded image is the best estimate of the original. No
    round trip is promised, because JPEG is not idempotent.

    With `hard`, every value equals that of libjpeg-turbo's default method (`JDCT_ISLOW`, triangular chroma) bit for
    bit, and the gradient is that of the chain in real numbers, with `slope` as the derivative of rounding. The other
    roundings run the chain in real numbers and round coefficients by a surrogate. Its mean error in steps, and the
    share of the real line where its derivative is negative, with 9 terms:

    - `straight-through`: 0 and none (the derivative, 1, is that of the identity);
    - `fourier`, the published series: 0.034 and 47 %;
    - `lanczos`: 0.026 and 44 %, never below -0.6;
    - `fejer`: 0.046 and none;
    - `cubic`: 0.031 and none, but 0 at every integer;
    - `noise`: 0.33 and none, uniform noise of one step instead of rounding.

    Args:
        quality: 1 to 100, scalar or `[B]`, by libjpeg's rule for its tables; the gradient is that of the rule in real
            numbers.
        subsampling: of chroma: 4:4:4, 4:2:2 or 4:2:0.
        rounding: `hard` or one of the surrogates above.
        tables: `[2,8,8]` or `[B,2,8,8]` for luma and chroma, replacing the quality; entries 1 to 255, rows of vertical
            frequency.
        slope: the surrogate whose derivative replaces that of hard rounding: straight-through, fourier, lanczos, fejer.
        terms: number of terms of the series.

    Raises:
        InvalidArgument: for values outside these, in `forward` too if they are tensors.

    Source: ITU-T T.81 and T.871 (JFIF); the Independent JPEG Group's library for the scaling of tables and the integer
    arithmetic.

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
            raise InvalidArgument(f"Jpeg: subsampling must be one of {', '.join(SUBSAMPLINGS)}, got {subsampling!r}")
        if rounding not in ("hard", *ROUNDINGS):
            raise InvalidArgument(f"Jpeg: rounding must be one of hard, {', '.join(ROUNDINGS)}, got {rounding!r}")
        self.hold("quality", quality, ())
        self.hold("tables", tables, (2, 8, 8))
        if slope not in ("straight-through", *SERIES) or not isinstance(terms, int) or terms < 1:
            names = ", ".join(SERIES)
            raise InvalidArgument(
                f"Jpeg: slope must be one of straight-through, {names}, and terms an integer of at least 1, "
                f"got {slope!r} and {terms!r}"
            )
        self.subsampling, self.rounding, self.slope, self.terms = subsampling, rounding, slope, terms
        self.takes = self.gives = SRGB
        self.register_buffer("_base", torch.tensor([LUMINANCE, CHROMINANCE], dtype=torch.float64), persistent=False)
        _check_quality(self.quality)
        if self.tables is not None:
            _check_tables(self.tables)
        self.contract = Contract(None, None, differentiable=rounding not in ("hard", "straight-through"), reach=None)

    @classmethod
    def like(cls, path: str | Path, rounding: str = "hard") -> "Jpeg":
        """A stage with the tables and the subsampling of a JPEG file.

        Args:
            path: of a file with three components.
            rounding: of coefficients: `hard` or a surrogate.

        Raises:
            UnreadableFile: for another file, or a JPEG with other components or subsampling.
        """
        from PIL import Image, JpegImagePlugin

        try:
            with Image.open(path, formats=("JPEG",)) as file:
                tables, layers = vars(file)["quantization"], JpegImagePlugin.get_sampling(file)
        except (OSError, SyntaxError, ValueError) as error:
            raise UnreadableFile(f"{path} is not a readable JPEG: {error}") from None
        names = dict(enumerate(SUBSAMPLINGS))
        if layers not in names or len(tables) not in (1, 2):
            raise UnreadableFile(f"{path}: chroma subsampling is not one of {', '.join(SUBSAMPLINGS)}")
        luma, chroma = tables[0], tables.get(1, tables[0])
        return cls(
            subsampling=names[layers], rounding=rounding, tables=torch.tensor([luma, chroma]).view(2, 8, 8).double()
        )

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        factors, tables = SUBSAMPLINGS[self.subsampling], self.quantizers().to(x.device)
        if self.rounding == "hard":
            return jpeg_image(x, tables, factors, series_slopes(self.slope, self.terms))
        luma, chroma = tables.unbind(1)
        rounding, size = rounding_of(self.rounding, self.terms), (x.shape[2], x.shape[3])
        planes = zip(real_split(x * 255, factors), (luma, chroma, chroma), strict=True)
        return real_join([real_blocks(plane, table, rounding) for plane, table in planes], size, factors) / 255

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y

    def coefficients(self, x: Tensor) -> Coefficients:
        """The quantized coefficients that libjpeg writes for an image.

        Args:
            x: `[B,3,H,W]`, 0 to 1, rounded to 8-bit codes.

        Returns:
            Luma, Cb and Cr, `[B,rows,columns,8,8]` int64 each.

        >>> [tuple(part.shape) for part in Jpeg().coefficients(torch.rand(1, 3, 20, 30))]
        [(1, 3, 4, 8, 8), (1, 2, 2, 8, 8), (1, 2, 2, 8, 8)]
        """
        return jpeg_coefficients(x, self.quantizers().to(x.device), SUBSAMPLINGS[self.subsampling])

    @torch.no_grad()
    def project(self, x: Tensor, coefficients: Coefficients) -> Tensor:
        """The image nearest to `x` that compresses to these coefficients; without gradient.

        The output has 8-bit codes. It is nearest in the mean square before rounding to codes; where rounding would
        change a coefficient, nearby codes are searched. If steps are shorter than the rounding of codes (quality above
        92), the search may fail in some units of the file: compare `coefficients` of the output.

        Args:
            x: `[B,3,H,W]`, 0 to 1.
            coefficients: of an image of that size, from `coefficients` or `isptoolkit.io.read_jpeg_coefficients`.

        Raises:
            InvalidArgument: for coefficients of another size.

        >>> stage, x = Jpeg(quality=80), torch.rand(1, 3, 16, 16)
        >>> nearest = stage.project(torch.full_like(x, 0.5), stage.coefficients(x))
        >>> all(torch.equal(a, b) for a, b in zip(stage.coefficients(nearest), stage.coefficients(x)))
        True
        """
        factors = SUBSAMPLINGS[self.subsampling]
        check_coefficients(coefficients, x, factors)
        return project(x, coefficients, self.quantizers().to(x.device), factors)

    def quantizers(self) -> Tensor:
        """The tables of luma and chroma, `[B,2,8,8]` integers in float64; the gradient ignores rounding."""
        if self.tables is not None:
            return self.tables.reshape(-1, 2, 8, 8)
        quality = self.quality.reshape(-1, 1, 1, 1).double()
        rounded = quality.detach().round()
        _check_quality(rounded)
        scale = torch.where(rounded < 50, torch.floor(5000 / rounded), 200 - 2 * rounded)
        tables = torch.floor((self._base * scale + 50) / 100).clamp(1, 255)
        if not quality.requires_grad:
            return tables
        real = (self._base * torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100).clamp(1, 255)
        return tables + (real - real.detach())


def _check_quality(quality: Tensor) -> None:
    low, high = float(quality.detach().min()), float(quality.detach().max())
    if not (low >= 1 and high <= 100):
        raise InvalidArgument(
            f"Jpeg: quality must be between 1 and 100, got {low:g}{f' to {high:g}' if high != low else ''}"
        )


def _check_tables(tables: Tensor) -> None:
    low, high = float(tables.detach().min()), float(tables.detach().max())
    if not (low >= 1 and high <= 255):
        raise InvalidArgument(f"Jpeg: table entries must be between 1 and 255, got {low:g} to {high:g}")

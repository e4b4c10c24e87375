"""Options that describe a headerless dump, or replace what a file states about itself.

Their texts are parsed here, without torch, so that mistakes are refused at once.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InvalidArgument
from .names import among, complete

if TYPE_CHECKING:
    from torch import Tensor

    from ..capture import Capture

AUTO = "auto"
"""The value of --white that asks for the level at which the samples saturate."""
_CFAS = ("RGGB", "BGGR", "GRBG", "GBRG", "RGB", "MONO")
Cfa = Annotated[
    str | None,
    typer.Option(
        metavar="LETTERS",
        help="color filter array, instead of the file's: RGGB, BGGR, GRBG, GBRG, RGB (three planes), or MONO",
        autocompletion=among(*_CFAS),
    ),
]


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Options that describe a headerless dump, or replace what a file states about itself."""

    gains: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="white-balance multipliers, instead of the file's as-shot ones")
    ] = None
    matrix: Annotated[
        str | None,
        typer.Option(metavar="9 NUMBERS", help="XYZ (D65) to camera, row by row with commas, instead of the file's"),
    ] = None
    cfa: Cfa = None
    black: Annotated[
        str | None,
        typer.Option(
            metavar="DN", help="black level, or four with commas (2x2 sites, row by row), instead of the file's"
        ),
    ] = None
    white: Annotated[
        str | None,
        typer.Option(metavar="DN", help="white level, or auto (where the samples saturate), instead of the file's"),
    ] = None
    size: Annotated[str | None, typer.Option(metavar="WIDTHxHEIGHT", help="size of a headerless dump")] = None
    dtype: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="samples of a headerless dump, by default uint16, or packed as in mipi10; `isptoolkit info --list "
            "dtypes` lists them",
            autocompletion=complete("dtypes"),
        ),
    ] = None
    stride: Annotated[
        int | None, typer.Option(metavar="BYTES", help="bytes of each row of a headerless dump, if rows are padded")
    ] = None
    offset: Annotated[
        int | None, typer.Option(metavar="BYTES", help="bytes before the first sample of a headerless dump")
    ] = None

    def check_metadata(self) -> None:
        """Refuse malformed texts."""
        self.stated()
        self.geometry()

    def stated(self) -> dict[str, Any]:
        """Values for the arguments of `read_raw`; None where an option was left out."""
        nine = _numbers("--matrix", self.matrix, 9)
        black = _numbers("--black", self.black, 1, 4)
        white = None if self.white in (None, AUTO) else _numbers("--white", self.white, 1, takes="a number or auto")
        return {
            "cfa": None if self.cfa is None else self.cfa.upper(),
            "black": black[0] if black is not None and len(black) == 1 else black,
            "white": self.white if white is None else white[0],
            "gains": _numbers("--gains", self.gains, 3),
            "matrix": None if nine is None else [nine[0:3], nine[3:6], nine[6:9]],
        }

    def geometry(self) -> dict[str, Any]:
        """Values for the arguments of `read_mosaic` that describe a headerless dump."""
        width, height = (None, None) if self.size is None else _size(self.size)
        return {"width": width, "height": height, "dtype": self.dtype, "stride": self.stride, "offset": self.offset}

    def read(self, raw: Path) -> "tuple[Tensor, Capture]":
        """The samples of a RAW file, headerless dump, .npy, PNG, or PGM file, and their capture."""
        from .inputs import read_input

        return read_input(raw, self)[:2]


def _numbers(option: str, text: str | None, *counts: int, takes: str = "") -> Any:
    """The numbers of a comma-separated option; None where it was left out."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in counts:
        takes = takes or f"{' or '.join(map(str, counts))} numbers separated by commas"
        raise InvalidArgument(f"{option} takes {takes}, got {text!r}")
    return numbers


def _size(text: str) -> tuple[int, int]:
    """Width and height of `640x480`."""
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    if match is None:
        raise InvalidArgument(f"--size takes WIDTHxHEIGHT, got {text!r}")
    return int(match[1]), int(match[2])

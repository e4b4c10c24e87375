"""The options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

Raw = Annotated[Path, typer.Argument(help="a RAW file, or a headerless dump with --size")]
Preset = Annotated[str, typer.Option(metavar="NAME", help="classic or libraw")]
File = Annotated[
    Path | None, typer.Option("--pipeline", metavar="FILE", help="a pipeline saved as TOML, instead of a preset")
]
Recipe = Annotated[
    str | None, typer.Option(metavar="NAME", help="such as invisp or ssdnet, with --weights, instead of a preset")
]
Weights = Annotated[
    Path | None, typer.Option(metavar="FILE", help="of the recipe: what train wrote, or a published .pth")
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STAGE.VALUE=X",
        help="change a value of a stage, as in tone.amount=0.8; X as in TOML; repeatable",
    ),
]
Gains = Annotated[
    str | None, typer.Option(metavar="R,G,B", help="white-balance multipliers, instead of the file's as-shot ones")
]
Matrix = Annotated[
    str | None,
    typer.Option(metavar="9 NUMBERS", help="XYZ (D65) to camera, row by row with commas, instead of the file's"),
]
Size = Annotated[
    str | None,
    typer.Option(metavar="WIDTHxHEIGHT", help="of a headerless dump, which needs --black and --white as well"),
]
Cfa = Annotated[str, typer.Option(metavar="LETTERS", help="of a headerless dump: RGGB, BGGR, GRBG or GBRG")]
Dtype = Annotated[str, typer.Option(metavar="TYPE", help="of a headerless dump: uint8, uint16, >u2, float32 or >f4")]
Black = Annotated[float | None, typer.Option(metavar="DN", help="black level, instead of the file's")]
White = Annotated[float | None, typer.Option(metavar="DN", help="white level, instead of the file's")]
Fuse = Annotated[
    bool, typer.Option("--fuse/--no-fuse", help="run point-wise stages by native kernels, or each by torch")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]

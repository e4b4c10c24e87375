"""`isptoolkit demo`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import print_round_trip, working
from .paths import check_output_folder


def demo(
    out: Annotated[Path, typer.Option("-o", "--output", help="folder for the images")] = Path("isptoolkit-demo"),
) -> None:
    """Turn a photograph into RAW and back; needs no file."""
    check_output_folder(out)
    from ..report.demo import CAPTURE, run

    with working("photograph -> RAW -> photograph"):
        result = run(out)
    print_round_trip(result.trip)
    print(f"capture: {CAPTURE.cfa}, black {CAPTURE.black[0].tolist()}, white {CAPTURE.white.item():g}")
    print(
        f"photograph -> RAW mosaic -> photograph: {result.photograph_psnr:.2f} dB (the demosaic's guess at two thirds)"
    )
    print("wrote " + ", ".join(str(file) for file in result.files))

"""`isptoolkit demo`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import print_round_trip, working
from .paths import check_output_folder


def demo(
    out: Annotated[Path, typer.Option("-o", "--output", help="output folder")] = Path("isptoolkit-demo"),
) -> None:
    """Turn a photograph into RAW and back; needs no file."""
    check_output_folder(out)
    from ..report.demo import CAPTURE, run

    with working("photograph -> RAW -> photograph"):
        result = run(out)
    print(
        f"A photograph became the RAW data of a 14-bit sensor ({CAPTURE.cfa}) and was rendered again: "
        f"PSNR {result.photograph_psnr:.2f} dB.\n"
        "A sensor measures one color per pixel. Demosaicing estimates the other two from the\n"
        "neighbors, and these estimates are where the rendered image differs from the photograph.\n"
    )
    print_round_trip(result.trip)
    print(f"Files in {out}:")
    for path, content in result.files.items():
        print(f"  {path.name:15} {content}")

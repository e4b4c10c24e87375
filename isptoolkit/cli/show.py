"""`isptoolkit show`."""

from pathlib import Path
from typing import Annotated

import typer

from ..atomic import check_target
from .console import working
from .options import Rendering, flat


@flat
def show(
    options: Rendering,
    out: Annotated[Path, typer.Option("-o", "--output", help="HTML for a page, PNG or SVG for a contact sheet")],
) -> None:
    """Show every stage, forward and inverse.

    As a page to open in a browser (.html) or as a contact sheet (.png, .svg).
    """
    check_target(out)
    options.check()
    from ..report.write import SUFFIXES, write_report

    check_target(out, SUFFIXES)
    chain, x, capture, _ = options.prepare()
    with working("drawing"), options.kernels():
        write_report(chain, x, capture, out, source=options.raw.name)

"""`isptoolkit show`."""

from pathlib import Path
from typing import Annotated

import typer

from ..atomic import check_target
from .console import working
from .options import Rendering, flat


@flat
def show(options: Rendering, out: Annotated[Path, typer.Option("-o", "--output", help="PNG or SVG")]) -> None:
    """Draw a contact sheet of every stage, forward and inverse."""
    check_target(out)
    options.check()
    from ..report.contact_sheet import SUFFIXES, contact_sheet

    check_target(out, SUFFIXES)
    chain = options.build()
    x, capture = options.load()
    with working("drawing"), options.kernels():
        contact_sheet(chain, x, capture, out)

"""Reports of a round trip as files: a page, or a contact sheet."""

from pathlib import Path

from torch import Tensor

from ..atomic import check_target
from ..capture import Capture
from ..pipeline import Pipeline
from .contact_sheet import SUFFIXES as SHEETS
from .contact_sheet import contact_sheet
from .page import SUFFIXES as PAGES
from .page import write_page

SUFFIXES = (*PAGES, *SHEETS)


def write_report(pipeline: Pipeline, x: Tensor, capture: Capture, path: str | Path, *, source: str = "") -> None:
    """Write the first sample's round trip as a page (.html) or as a contact sheet (.png, .svg).

    Args:
        pipeline: for a contact sheet, every stage has an inverse.
        x: `[B,C,H,W]` in the space that the pipeline takes.
        capture: of the same samples.
        path: ends in .html, .png or .svg.
        source: what a page calls the data, such as the name of the RAW file.

    Raises:
        InvalidArgument: for another suffix, or a path that cannot be written to.
        OneWay: when a contact sheet needs the inverse of a stage that has none.
    """
    path = Path(path)
    check_target(path, SUFFIXES)
    if path.suffix.lower() in PAGES:
        write_page(pipeline, x, capture, path, source=source)
    else:
        contact_sheet(pipeline, x, capture, path)

"""`isptoolkit render`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ..atomic import check_target
from ..errors import InvalidArgument
from .console import progress
from .names import among
from .options import Rendering, flat


@flat
def render(
    options: Rendering,
    out: Annotated[Path, typer.Option("-o", "--output", help="PNG, TIFF or JPEG")],
    bits: Annotated[int, typer.Option(help="8 or 16", autocompletion=among("8", "16"))] = 8,
    frame: Annotated[
        str,
        typer.Option(
            help="default, the camera's own picture, or active, all pixels that see the scene",
            autocompletion=among("default", "active"),
        ),
    ] = "default",
    rotate: Annotated[bool, typer.Option(help="rotate the pixels upright, or only state the orientation")] = True,
) -> None:
    """Render a RAW file to an sRGB image."""
    check_target(out)
    options.check()
    if os.path.exists(out) and os.path.samefile(out, options.raw):
        raise InvalidArgument(f"cannot write {out}: it is the file that is rendered")
    if bits not in (8, 16):
        raise InvalidArgument(f"--bits is 8 or 16, got {bits}")
    if frame not in ("default", "active"):
        raise InvalidArgument(f"--frame is default or active, got {frame!r}")
    from ..io.image import image_format, write_image

    image_format(out, bits)
    import torch

    from ..fusion import fuse
    from ..geometry import upright
    from ..spaces import SRGB
    from ..stages import Jpeg
    from .inputs import cropped, is_stated
    from .watched import watched

    chain, x, capture, crop = options.prepare(bits=bits)
    if options.recipe and isinstance(chain[chain.names[-1]], Jpeg):  # the output file brings its own compression
        chain = chain.span(chain.names[0], chain.names[-2])
    if chain.gives != SRGB:
        raise InvalidArgument(f"render needs a pipeline that outputs srgb, this one outputs {chain.gives.name}")
    chain = fuse(chain, demosaic=True) if options.fused else chain
    with progress() as bar, torch.no_grad(), options.kernels():
        task = bar.add_task("rendering", total=len(chain))

        def on_start(name: str) -> None:
            bar.update(task, description=name)

        image = watched(chain, on_start, lambda: bar.advance(task)).forward(x, capture)
    if frame == "default":
        image = cropped(image, x, crop)
    orientation = capture.orientation[0]
    write_image(
        out,
        upright(image, orientation) if rotate else image,
        bits=bits,
        source=None if is_stated(options.raw, options) else options.raw,
        orientation=1 if rotate else orientation,
    )

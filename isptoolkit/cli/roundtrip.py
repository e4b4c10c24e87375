"""`isptoolkit roundtrip`."""

import json
from typing import Annotated

import typer

from .console import print_round_trip, working
from .options import Json, Rendering, flat


@flat
def roundtrip(
    options: Rendering,
    double: Annotated[bool, typer.Option("--double", help="float64 instead of float32")] = False,
    as_json: Json = False,
) -> None:
    """Render, invert, and print the error of each stage."""
    options.check()
    import torch

    from ..fusion import fuse_each
    from ..report.round_trip import measure

    chain, x, capture, _ = options.prepare()
    chain = chain.double() if double else chain
    chain = fuse_each(chain) if options.fused else chain
    with working("rendering and inverting"), torch.no_grad(), options.kernels():
        trip = measure(chain, x.double() if double else x, capture)
    if as_json:
        print(json.dumps(trip.as_dict(), indent=2))
    else:
        print_round_trip(trip)

"""`isptoolkit calibrate`: one sub-command per quantity."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidArgument
from .console import working
from .options import Json, Metadata, flat
from .paths import check_file

calibrate = typer.Typer(rich_markup_mode=None, help="Measure a camera's properties.")


@calibrate.callback()
def start() -> None:
    """Measure a camera's properties."""


@calibrate.command()
@flat
def noise(
    frames: Annotated[list[Path], typer.Argument(help="one RAW file, or pairs of equal exposures, one after another")],
    options: Metadata,
    as_json: Json = False,
) -> None:
    """Measure shot and read noise, from pairs of frames such as flat fields and dark frames, or from one image.

    Prints a NoiseProfile: variance = shot x + read, where x is 0 at black and 1 at white.
    """
    for frame in frames:
        check_file(frame)
    options.check_metadata()
    if len(frames) > 1 and len(frames) % 2:
        raise InvalidArgument(f"calibrate noise takes one file, or pairs, got {len(frames)}")
    from ..calibrate.noise import noise_of_pairs, noise_of_picture

    mosaics, captures = zip(*(options.read(frame) for frame in frames), strict=True)
    with working("measuring noise"):
        if len(mosaics) > 1:
            profile = noise_of_pairs(list(zip(mosaics[::2], mosaics[1::2], strict=True)), captures[0])
        else:
            profile = noise_of_picture(mosaics[0], captures[0])
    if as_json:
        print(json.dumps(asdict(profile)))
        return
    shot, read = profile.shot, profile.read
    print(f"shot {shot:.4g} +- {profile.shot_error:.2g}, read {read:.4g} +- {profile.read_error:.2g}")
    print(f"fitted through {profile.points} points; pass it to unprocess as --noise {shot:.6g},{read:.6g}")

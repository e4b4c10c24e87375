"""Pipelines, mosaics, and captures from the options of the command line.

Imports torch and the stages, so commands import this module after they have checked their paths.
"""

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .. import presets
from ..capture import Capture
from ..errors import InvalidArgument, MissingMetadata
from ..io import read_mosaic, read_raw
from ..pipeline import Pipeline
from ..serialization.file import with_values
from ..serialization.public import public_classes
from .console import working

if TYPE_CHECKING:
    from .options import Metadata


def chain_of(
    preset: str,
    file: Path | None,
    settings: list[str] | None,
    bits: int,
    recipe: str | None = None,
    weights: Path | None = None,
) -> Pipeline:
    makers = {"classic": presets.classic, "libraw": presets.libraw}
    if (recipe is None) != (weights is None):
        raise InvalidArgument("--recipe and --weights go together")
    if recipe is not None and weights is not None:
        from isptoolkit.recipes import recipe as recipe_of

        chain: Pipeline = recipe_of(recipe).load_camera(weights)
    elif file is not None:
        chain = Pipeline.load(file)
    elif preset in makers:
        chain = makers[preset](bits=bits)
    else:
        raise InvalidArgument(f"no preset {preset!r}: choose one of {', '.join(makers)}, or pass --pipeline FILE")
    values = dict(setting(text) for text in settings or ())
    changed = with_values(chain, values, public_classes()) if values else chain
    return changed if isinstance(changed, Pipeline) else Pipeline(stage=changed)


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(-[A-Za-z0-9_]+)*")
"""A string that needs no quotes."""


def setting(text: str) -> tuple[str, Any]:
    """The name and the value of `stage.value=VALUE`; a VALUE that is a bare word is a string."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if name and equals and _WORD.fullmatch(value) and value not in ("true", "false", "inf", "nan"):
        return name, value
    try:
        if not equals or not name:
            raise ValueError
        return name, tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        raise InvalidArgument(f"--set takes stage.value=VALUE with VALUE as in TOML, got {text[:80]!r}") from None


def _numbers(option: str, text: str | None, count: int) -> list[float] | None:
    """The numbers of a comma-separated option; None where it was left out."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise InvalidArgument(f"{option} takes {count} numbers separated by commas, got {text!r}")
    return numbers


def read_input(raw: Path, options: "Metadata") -> tuple[Tensor, Capture]:
    """The mosaic of a RAW file or headerless dump and its capture, with the values that options replace."""
    gains, nine = _numbers("--gains", options.gains, 3), _numbers("--matrix", options.matrix, 9)
    matrix = None if nine is None else [nine[0:3], nine[3:6], nine[6:9]]
    black, white = options.black, options.white
    try:
        with working(f"reading {raw.name}"):
            if options.size is None:
                return read_raw(raw, gains=gains, matrix=matrix, black=black, white=white)
            width, height = _size(options.size)
            if black is None or white is None:
                raise InvalidArgument("a headerless dump needs --black and --white")
            return read_mosaic(
                raw,
                width=width,
                height=height,
                cfa=(options.cfa or "RGGB").upper(),
                dtype=options.dtype or "uint16",
                black=black,
                white=white,
                gains=gains,
                matrix=matrix,
            )
    except MissingMetadata as error:
        message = re.sub(r"\b(gains|matrix|white|black)=", r"--\1", str(error))
        raise MissingMetadata(message) from None


def _size(text: str) -> tuple[int, int]:
    """Width and height of `640x480`."""
    match = re.fullmatch(r"([0-9]{1,9})x([0-9]{1,9})", text)
    if match is None:
        raise InvalidArgument(f"--size takes WIDTHxHEIGHT, got {text!r}")
    return int(match[1]), int(match[2])

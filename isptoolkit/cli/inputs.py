"""Pipelines, mosaics, and captures from the options of the command line.

Imports torch and the stages, so commands import this module after they have checked their paths.
"""

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from torch import Tensor

from .. import presets
from ..capture import LAYOUT_OF, MONO, Capture, Layout
from ..display import enumerated
from ..errors import InvalidArgument, IspError
from ..io import corrected, read_corrections, read_mosaic
from ..io.mosaic_dump import is_array_file
from ..io.raw import read_framed
from ..io.raw_facts import Box
from ..pipeline import Pipeline
from ..serialization.file import with_values
from ..serialization.public import public_classes
from .console import complain, working

if TYPE_CHECKING:
    from .metadata import Metadata
    from .options import Rendering


def chain_of(
    preset: str,
    file: Path | None,
    settings: list[str] | None,
    bits: int,
    recipe: str | None = None,
    weights: Path | None = None,
    layout: Layout = "mosaic",
) -> Pipeline:
    """The pipeline of a recipe, a file, or a preset, in this order, with the values that `settings` change."""
    makers = {"classic": presets.classic, "libraw": presets.libraw}
    if (recipe is None) != (weights is None):
        raise InvalidArgument("--recipe and --weights go together")
    if recipe is not None and weights is not None:
        from isptoolkit.recipes import recipe as recipe_of

        chain: Pipeline = recipe_of(recipe).load_camera(weights)
    elif file is not None:
        chain = Pipeline.load(file)
    elif preset in makers:
        chain = makers[preset](bits=bits, layout=layout)
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


class Prepared(NamedTuple):
    """What a command renders.

    Args:
        chain: the pipeline for these samples.
        x: the samples.
        capture: of the samples.
        crop: top, left, height and width of the camera's own picture in the samples, if the file states it.
    """

    chain: Pipeline
    x: Tensor
    capture: Capture
    crop: Box | None


def prepared(options: "Rendering", bits: int) -> Prepared:
    """The pipeline for the samples of a RAW file, these samples, and what the file states about them."""
    is_preset = options.pipeline is None and options.recipe is None
    # Mistakes in the options are reported before the file is read, which takes longer.
    chain = _built(options, bits, *(get_args(Layout) if is_preset else ()))
    x, capture, crop = read_input(options.raw, options)
    if is_preset:
        chain = _built(options, bits, LAYOUT_OF[capture.cfa])
    if options.corrections and not is_stated(options.raw, options):
        with _by_options(options.stated()):
            chain = _corrected(chain, options)
    return Prepared(chain, x, capture, crop)


def _built(options: "Rendering", bits: int, *layouts: Layout) -> Pipeline:
    """The pipeline, for the first of these layouts that suits the values of --set."""
    arguments = (options.preset or "classic", options.pipeline, options.settings, bits, options.recipe, options.weights)
    errors = []
    for layout in layouts or ("mosaic",):
        try:
            return chain_of(*arguments, layout)
        except IspError as error:
            errors.append(error)
    raise errors[0]


def _corrected(chain: Pipeline, options: "Rendering") -> Pipeline:
    """The pipeline with the corrections that the file states; says which of them it does not apply.

    Recipes are trained on uncorrected samples, so theirs get no corrections.
    """
    corrections = read_corrections(options.raw)
    for phrase in corrections.unapplied:
        complain(f"{options.raw}: not applied: {phrase}")
    if options.recipe is None:
        return corrected(chain, corrections)
    for phrase in corrections.applied:
        complain(f"{options.raw}: not applied with --recipe: {phrase}")
    return chain


def read_input(raw: Path, options: "Metadata") -> tuple[Tensor, Capture, Box | None]:
    """The samples of a RAW file, headerless dump, .npy, PNG, or PGM file, their capture, and the camera's crop."""
    stated, geometry = options.stated(), options.geometry()
    with _by_options(stated), working(f"reading {raw.name}"):
        if is_stated(raw, options):
            return *read_mosaic(raw, **stated, **geometry), None
        for name, value in geometry.items():
            if value is not None:
                raise InvalidArgument(f"--{name} {value} describes a headerless dump, which also needs --size")
        return read_framed(raw, **stated)


def is_stated(raw: Path, options: "Metadata") -> bool:
    """Whether the options state all metadata of a file: of a headerless dump, or a .npy, PNG, or PGM file."""
    return options.size is not None or is_array_file(raw)


def cropped(image: Tensor, x: Tensor, crop: Box | None) -> Tensor:
    """The part of a rendering that the camera's own picture shows; all of it without a crop.

    Args:
        image: `[B,3,H,W]`.
        x: the samples that it was rendered from.
        crop: of the samples.

    Raises:
        InvalidArgument: for a rendering of another size than its samples.
    """
    if crop is None:
        return image
    if image.shape[2:] != x.shape[2:]:
        raise InvalidArgument(
            f"the pipeline gives {image.shape[3]} x {image.shape[2]} pixels for {x.shape[3]} x {x.shape[2]} samples, "
            "which the crop of the file does not fit: pass --frame active"
        )
    top, left, height, width = crop
    return image[..., top : top + height, left : left + width]


@contextmanager
def _by_options(stated: dict[str, Any]) -> Iterator[None]:
    """Errors of the library that name its arguments name the options instead.

    Where the library points to `--size`, all options are named that a headerless dump needs and does not have yet.
    """
    try:
        yield
    except IspError as error:
        text = str(error)
        if _HEADERLESS in text:
            needed = [name for name, value in stated.items() if value is None]
            colorless = ("gains", "matrix") if stated["cfa"] == MONO else ()
            options = ["--size", *(f"--{name}" for name in needed if name not in colorless)]
            text = text.replace(_HEADERLESS, f"(pass {enumerated(options)})")
        text = text.replace(" on the command line)", ")")
        text = re.sub(r"\bwidth=(, | and )height=", "--size", text)
        text = re.sub(rf"{_ARGUMENT} \(--\1\)", r"--\1", text)
        text = re.sub(rf"{_ARGUMENT}(?=[\w>])", r"--\1 ", text)
        raise type(error)(re.sub(_ARGUMENT, r"--\1", text)) from None


_HEADERLESS = "(--size on the command line)"
"""The advice of the library for headerless dumps."""
_ARGUMENT = r"\b(cfa|black|white|gains|matrix|dtype|stride|offset)="
"""An argument in a message of the library."""

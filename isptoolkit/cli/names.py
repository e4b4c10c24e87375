"""The names that the command line accepts, read from the tables of the library; nothing here lists them by hand.

Each table is imported when its names are asked for: by `isptoolkit info --list`, or by shell completion.
"""

import os
from collections.abc import Callable, Iterable

from ..errors import InvalidArgument


def names_of(kind: str) -> dict[str, str]:
    """The names of one kind, each with a line about it where the library has one.

    Args:
        kind: a key of `KINDS`.

    Raises:
        InvalidArgument: for another kind; names them all.

    >>> sorted(names_of("presets"))
    ['classic', 'libraw']
    """
    if kind not in KINDS:
        raise InvalidArgument(f"cannot list {kind!r}: choose one of {', '.join(KINDS)}")
    return KINDS[kind]()


def complete(kind: str) -> Callable[[str], list[str]]:
    """A completion of names of a kind, for an option of typer.

    >>> complete("presets")("cl")
    ['classic']
    """
    return _starting(lambda: names_of(kind))


def complete_last(kind: str) -> Callable[[str], list[str]]:
    """A completion of the last of several names with commas between, for an option of typer.

    >>> complete_last("presets")("libraw,cl")
    ['libraw,classic']
    """

    def completion(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        return [before + comma + name for name in complete(kind)(last)]

    return completion


def among(*values: str) -> Callable[[str], list[str]]:
    """A completion of fixed values, for an option of typer.

    >>> among("threads", "ray")("r")
    ['ray']
    """
    return _starting(lambda: values)


def _starting(values: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    def completion(incomplete: str) -> list[str]:
        offers = [value for value in values() if value.startswith(incomplete)]
        return [_BashWord(value) for value in offers] if _bash_outside_quotes() else offers

    return completion


class _BashWord(str):
    """A completion that typer compares unquoted and prints with its spaces quoted, since bash inserts it as it is."""

    def __format__(self, spec: str) -> str:
        return self.replace(" ", "\\ ")


def _bash_outside_quotes() -> bool:
    """Whether bash asks for completions of an unquoted word; other shells quote what they insert."""
    words = os.environ.get("COMP_WORDS", "")
    in_bash = os.environ.get("_ISPTOOLKIT_COMPLETE") == "complete_bash"
    return in_bash and not any(words.count(mark) % 2 for mark in "\"'")


def _recipes() -> dict[str, str]:
    from isptoolkit.recipes import RECIPES

    return {recipe.name: recipe.card.what for recipe in RECIPES}


def _presets() -> dict[str, str]:
    from .. import presets

    return {preset.__name__: _summary(preset.__doc__) for preset in (presets.classic, presets.libraw)}


def _layouts() -> dict[str, str]:
    from ..data import LAYOUTS

    return {name: f"{layout.about}: {layout.where}" for name, layout in LAYOUTS.items()}


def _targets() -> dict[str, str]:
    from ..data.decoded import TARGETS

    return dict.fromkeys(TARGETS, "")


def _protocols() -> dict[str, str]:
    from ..bench.data.protocol import PROTOCOLS

    return {name: protocol.data for name, protocol in PROTOCOLS.items()}


def _entrants() -> dict[str, str]:
    from ..bench.methods.entrants import ENTRANTS, entrant

    return {name: entrant(name).about for name in ENTRANTS}


def _cameras() -> dict[str, str]:
    from ..priors import CAMERAS

    return dict.fromkeys(CAMERAS, "")


def _dtypes() -> dict[str, str]:
    from ..io.dump_rows import DTYPES

    return DTYPES


def _summary(doc: str | None) -> str:
    """The first line of a docstring, without its full stop."""
    return (doc or "").strip().partition("\n")[0].rstrip(".")


KINDS = {
    "recipes": _recipes,
    "presets": _presets,
    "layouts": _layouts,
    "targets": _targets,
    "protocols": _protocols,
    "entrants": _entrants,
    "cameras": _cameras,
    "dtypes": _dtypes,
}
"""What `isptoolkit info --list` can list."""

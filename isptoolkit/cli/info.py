"""`isptoolkit info`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InvalidArgument
from .console import print_names
from .facts import print_facts
from .metadata import Cfa
from .names import KINDS, among, names_of
from .options import Json
from .paths import check_file


def info(
    raw: Annotated[Path | None, typer.Argument(help="a RAW file")] = None,
    kernels: Annotated[bool, typer.Option("--kernels", help="print which native kernels run here, and why")] = False,
    kind: Annotated[
        str | None,
        typer.Option(
            "--list", metavar="KIND", help=f"list names: KIND is {', '.join(KINDS)}", autocompletion=among(*KINDS)
        ),
    ] = None,
    cfa: Cfa = None,
    as_json: Json = False,
) -> None:
    """Print a RAW file's metadata, and what it lacks.

    With --kernels, print which native kernels run here, and why; with --list, the names that other commands accept.
    """
    if raw is None and not kernels and kind is None:
        raise InvalidArgument("info needs a RAW file, --kernels, or --list KIND")
    if cfa is not None and raw is None:
        raise InvalidArgument("--cfa describes a RAW file, which is missing")
    check_file(raw)
    if kind is not None:
        if raw is not None or kernels:
            raise InvalidArgument("--list cannot be combined with a RAW file or --kernels")
        names = names_of(kind)
        if as_json:
            print(json.dumps(names, indent=2))
        else:
            print_names(names)
        return
    facts: dict[str, Any] = {}
    if kernels:
        from ..kernels import describe_kernels

        facts |= describe_kernels()
    if raw is not None:
        from ..io import describe_raw

        facts |= describe_raw(raw, cfa=None if cfa is None else cfa.upper())
    if as_json:
        print(json.dumps(facts, indent=2, default=str))
    else:
        print_facts(facts)

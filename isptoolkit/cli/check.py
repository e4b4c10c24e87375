"""`isptoolkit check`."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidArgument
from .console import working
from .paths import check_file


def check(
    stage: Annotated[str, typer.Argument(metavar="FILE.py:CLASS", help="your stage")],
    examples: Annotated[int, typer.Option(min=1, help="number of examples to search")] = 50,
    seed: Annotated[int, typer.Option(help="seed of the search")] = 0,
) -> None:
    """Test whether a stage keeps its contract.

    If it does not, exit with status 1 and print the broken law, the numbers, and a minimal example.
    """
    file, _, name = stage.rpartition(":")
    if file and name:
        check_file(Path(file))
    from ..testing.checking import falsify, load_stage

    try:
        loaded = load_stage(stage)
    except SystemExit:
        raise InvalidArgument(f'{stage}: running the file exits; guard that with if __name__ == "__main__"') from None
    with working(f"searching {examples} examples"):
        broken = falsify(lambda: loaded, examples=examples, seed=seed)
    if broken is not None:
        print(broken)
        raise typer.Exit(1)
    print(f"{stage}: lawful in {examples} examples ({loaded.contract})")

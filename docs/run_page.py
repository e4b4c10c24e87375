"""Run the code of pages: Python blocks, and the commands of console blocks.

    python docs/run_page.py

runs the tutorials and copies the images that they write to `docs/images/tutorials`. `tests/test_docs.py` runs every
page.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
IMAGES = HERE / "images" / "tutorials"
_FENCE = re.compile(r"^```(python|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_STATUS = re.compile(r"\s+# exit status (\d+)$")


@dataclass(frozen=True)
class Command:
    """A line after `$` in a console block, and what the page shows below it.

    Args:
        words: the command and its arguments.
        status: the expected exit status: 0, or the N of a comment `# exit status N`.
        output: the lines that must appear in the output, in order; `...` stands for any text, and any number of spaces
            for one.
    """

    words: list[str]
    status: int
    output: list[str]


def has_code(page: Path) -> bool:
    """Whether a page has blocks to run."""
    return _FENCE.search(page.read_text("utf-8")) is not None


def run(page: Path) -> None:
    """Run the blocks of a page in order, in one namespace, in the current folder.

    Raises:
        AssertionError: for a command with another exit status or output than the page states.
    """
    text = page.read_text("utf-8")
    namespace = {"__name__": "__main__"}
    for block in _FENCE.finditer(text):
        if block[1] == "python":
            # Blank lines in front, so that a traceback names the line of the page.
            source = "\n" * text.count("\n", 0, block.start(2)) + block[2]
            exec(compile(source, page, "exec"), namespace)
        else:
            for command in commands(block[2]):
                _check(command)


def commands(block: str) -> Iterator[Command]:
    """The commands of a console block.

    >>> next(commands("$ isptoolkit info x.dng  # exit status 2\\nisptoolkit: x.dng ...\\n"))
    Command(words=['isptoolkit', 'info', 'x.dng'], status=2, output=['isptoolkit: x.dng ...'])
    """
    for part in re.split(r"^\$ ", block.replace("\\\n", ""), flags=re.MULTILINE)[1:]:
        line, *output = part.rstrip().split("\n")
        status = _STATUS.search(line)
        yield Command(shlex.split(line, comments=True), int(status[1]) if status else 0, output)


def _check(command: Command) -> None:
    status, printed = _call(command.words)
    shown = shlex.join(command.words)
    if status != command.status:
        raise AssertionError(f"{shown}: exit status {status}, the page says {command.status}:\n{printed}")
    start, lines = 0, [" ".join(line.split()) for line in printed.splitlines()]
    for line in (line for line in command.output if line.strip() not in ("", "...")):
        pattern = ".*".join(re.escape(" ".join(part.split())) for part in line.split("..."))
        rest = (i for i, text in enumerate(lines[start:], start) if re.fullmatch(pattern, text))
        found = next(rest, None)
        if found is None:
            raise AssertionError(f"{shown}: the page shows {line!r}, which is not in the output:\n{printed}")
        start = found + 1


def _call(words: list[str]) -> tuple[int, str]:
    """Exit status and output of `isptoolkit`, run in this process."""
    from isptoolkit.cli import main

    if words[0] != "isptoolkit":
        raise AssertionError(f"pages run isptoolkit only, not {words[0]!r}")
    printed, arguments, status = io.StringIO(), sys.argv, 0
    sys.argv = words
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            main()
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = arguments
    return status, printed.getvalue()


def images_of(page: Path) -> list[str]:
    """Names of the images of a page that its own code writes."""
    return re.findall(r"\]\((?:\.\./)?images/tutorials/([\w.-]+)\)", page.read_text("utf-8"))


def update(pages: list[Path]) -> None:
    """Run pages in fresh folders and copy their images."""
    import matplotlib

    matplotlib.use("Agg")
    for page in pages:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            run(page)
            for name in images_of(page):
                shutil.copyfile(name, IMAGES / name)
                print(IMAGES / name)
            os.chdir(HERE)


if __name__ == "__main__":
    update([Path(name).resolve() for name in sys.argv[1:]] or sorted((HERE / "tutorials").glob("*.md")))

"""Every `isptoolkit ...` command of README, CONTRIBUTING and documentation is one that the command line understands."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
import typer
from isptoolkit.recipes import recipe

from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.methods.entrants import entrants_of
from isptoolkit.cli.app import app
from isptoolkit.cli.inputs import chain_of, setting
from isptoolkit.cli.train import _configured
from isptoolkit.errors import InvalidArgument

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]*)`")
MENTION = re.compile(r"\bisptoolkit(?:\.cli)?\s+\S")
BETWEEN = {"&&", "||", "|", ";", "&"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def blocks(text):
    """Fenced blocks that are not Python, and what is indented by four."""
    yield from (body for language, body in FENCE.findall(text) if language != "python")
    rest = FENCE.sub("", text)
    yield "\n".join(line[4:].lstrip() for line in rest.splitlines() if line.startswith("    "))


def split(line):
    """Words of each command of a line, without prompt, variables, and comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    for between, group in itertools.groupby(lexer, BETWEEN.__contains__):
        if not between:
            yield [*itertools.dropwhile(lambda word: word == "$" or ASSIGNMENT.match(word), group)]


def commands_of(text):
    """Each command on one line."""
    text = re.sub(r"\\\n\s*", "", text)
    lines = [line for block in blocks(text) for line in block.splitlines()]
    lines += [" ".join(written.split()) for written in INLINE.findall(FENCE.sub("", text))]
    found = []
    for words in (words for line in lines if MENTION.search(line) for words in split(line)):
        if words[1:3] == ["-m", "isptoolkit.cli"]:
            words = ["isptoolkit", *words[3:]]
        if len(words) > 1 and words[0] == "isptoolkit":
            found.append(shlex.join(words))
    return found


COMMANDS = sorted({command for page in PAGES for command in commands_of(page.read_text())})


def parsed(written):
    """Name and values of a command; None for values that the text leaves out, as in `isptoolkit render`."""
    words = [word for word in shlex.split(written)[1:] if word != "..."]
    whole = len(words) > 1 and "..." not in written
    command, name = typer.main.get_command(app), "isptoolkit"
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    try:
        return name, command.make_context(name, words).params
    except Exception as error:
        if not whole and type(error).__name__ == "MissingParameter":
            return name, None
        raise


def check(written):
    """Raises for what the command line would refuse before it opens a file."""
    name, values = parsed(written)
    if values is None:
        return
    settings = values.get("settings")
    if name == "train":
        _configured(dict(setting(text) for text in settings or ()), recipe(values["recipe"]).config())
    elif name == "bench":
        allowed = entrants_of(values["protocol"]) if values["protocol"] in PROTOCOLS else []
        wanted = values["entrants"].split(",") if values["entrants"] else allowed
        if not allowed or not set(wanted) <= set(allowed):
            raise InvalidArgument(f"{written}: the entrants are {allowed}")
    elif values.get("recipe"):
        assert recipe(values["recipe"]).camera is not None
    elif name in ("render", "roundtrip", "show") and not values["pipeline"]:
        chain_of(values["preset"], None, settings, 8)


@pytest.mark.parametrize("written", COMMANDS, ids=lambda written: " ".join(written.split()[1:7]))
def test_commands_are_understood(written):
    check(written)


def test_commands_are_found():
    names = [command.split()[1] for command in COMMANDS]
    assert len(COMMANDS) > 30
    assert {"render", "roundtrip", "show", "info", "check", "train", "bench", "unprocess", "calibrate", "demo"} <= {
        *names
    }


@pytest.mark.parametrize("between", ["&&", "||", "|", ";", "; "])
def test_each_command_of_a_line_is_found(between):
    line = (
        f"    $ A=1 isptoolkit info {between}B=2 isptoolkit render 'a;b.CRW' -o c.png{between} isptoolkit trian | tail"
    )
    assert commands_of(line) == ["isptoolkit info", "isptoolkit render 'a;b.CRW' -o c.png", "isptoolkit trian"]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/training.md"])
def test_each_page_is_covered(page):
    found = commands_of((ROOT / page).read_text())
    assert found and {*found} <= {*COMMANDS} and ROOT / page in PAGES


@pytest.mark.parametrize("recipe", ["upi", "rst_isp_net", "ssdnet", "aim_unet", "zero_noise"])
def test_schedules_are_there(recipe):
    page = (ROOT / "docs" / "training.md").read_text().split("## Published schedules")[1].split("\n## ")[0]
    assert any(command.startswith(f"isptoolkit train {recipe} ") for command in commands_of(page))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("    isptoolkit trian invisp --data photos -o run", "no command trian"),
        ("    isptoolkit train invisp --data photos -o run --layers 3", "No such option: --layers"),
        ("    isptoolkit train invisp --data photos", "Missing option"),
        ("    isptoolkit train invisp2 --data photos -o run", "no recipe 'invisp2'"),
        ("    isptoolkit train ssdnet --data photos -o run \\\n        --set widht=3", "--set widht"),
        ("    isptoolkit train ssdnet --data photos -o run --set schedule=linear", "schedule is"),
        ("run `isptoolkit bench\nmacro -o results` first", "the entrants are"),
        ("    isptoolkit bench micro -o results --entrants classic,nobody", "the entrants are"),
        ("    isptoolkit render a.CRW -o b.png --set tone.ammount=2", "ammount"),
        ("```\nisptoolkit info --kernel\n```", "No such option: --kernel"),
        ("    cd photos && isptoolkit and", "no command and"),
        ("    cat list | isptoolkit pipe", "no command pipe"),
        ("    cd photos; isptoolkit semicolon", "no command semicolon"),
        ("```console\n$ isptoolkit prompt\n```", "no command prompt"),
        ("    OMP_NUM_THREADS=2 ISPTOOLKIT_DATA=photos isptoolkit variable", "no command variable"),
        ("    $ cd photos && A=1 isptoolkit all", "no command all"),
        ("    isptoolkit comment  # as before", "no command comment"),
        ("run `A=1 isptoolkit\ninline` first", "no command inline"),
        ("run `python -m isptoolkit.cli module` first", "no command module"),
    ],
    ids=lambda text: " ".join(text.split()[-2:]),
)
def test_wrong_ones_are_refused(text, why):
    (written,) = commands_of(text)
    with pytest.raises(Exception, match=r".") as caught:
        check(written)
    assert why in str(caught.value) or why in getattr(caught.value, "format_message", str)()

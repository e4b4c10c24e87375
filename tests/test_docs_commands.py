"""The command line understands every `isptoolkit ...` command in README, CONTRIBUTING, and the documentation."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.methods.entrants import entrants_of
from isptoolkit.bench.report.cards import cards_page
from isptoolkit.cli.app import app
from isptoolkit.cli.inputs import chain_of, setting
from isptoolkit.cli.train import _configured
from isptoolkit.errors import InvalidArgument
from isptoolkit.recipes import recipe

ROOT = Path(__file__).resolve().parent.parent
CARDS = ROOT / "docs" / "cards.md"
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page != CARDS),
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]*)`")
MENTION = re.compile(r"\bisptoolkit(?:\.cli)?\s+\S")
BETWEEN = {"&&", "||", "|", ";", "&"}
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


def blocks(text):
    """Fenced blocks that are not Python, and text that is indented by four."""
    yield from (body for language, body in FENCE.findall(text) if language != "python")
    rest = FENCE.sub("", text)
    yield "\n".join(line[4:].lstrip() for line in rest.splitlines() if line.startswith("    "))


def split(line):
    """The words of each command on a line, without prompt, variables, and comment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    for between, group in itertools.groupby(lexer, BETWEEN.__contains__):
        if not between:
            yield [*itertools.dropwhile(lambda word: word == "$" or ASSIGNMENT.match(word), group)]


def commands_of(text):
    """The commands of a page, each joined to one line."""
    text = re.sub(r"\\\n\s*", "", text)
    lines = [line for block in blocks(text) for line in block.splitlines()]
    lines += [" ".join(code.split()) for code in INLINE.findall(FENCE.sub("", text))]
    commands = []
    for words in (words for line in lines if MENTION.search(line) for words in split(line)):
        if words[1:3] == ["-m", "isptoolkit.cli"]:
            words = ["isptoolkit", *words[3:]]
        if len(words) > 1 and words[0] == "isptoolkit":
            commands.append(shlex.join(words))
    return commands


TEXTS = (*(page.read_text() for page in PAGES), cards_page({}))
COMMANDS = sorted({command for text in TEXTS for command in commands_of(text)})


def parsed(text):
    """Name and values of a command; None for the values where the text leaves them out, as in `isptoolkit render`."""
    words = [word for word in shlex.split(text)[1:] if word != "..."]
    complete = len(words) > 1 and "..." not in text
    command, name = typer.main.get_command(app), "isptoolkit"
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name = words.pop(0)
        assert name in command.commands, f"there is no command {name}"
        command = command.commands[name]
    try:
        return name, command.make_context(name, words).params
    except Exception as error:
        if not complete and type(error).__name__ == "MissingParameter":
            return name, None
        raise


def check(text):
    """Raise for a command that the command line would refuse before it opens a file."""
    name, values = parsed(text)
    if values is None:
        return
    settings = values.get("settings")
    if name == "train":
        _configured(dict(setting(text) for text in settings or ()), recipe(values["recipe"]).config())
    elif name == "bench":
        allowed = entrants_of(values["protocol"]) if values["protocol"] in PROTOCOLS else []
        entrants = values["entrants"].split(",") if values["entrants"] else allowed
        if not allowed or not set(entrants) <= set(allowed):
            raise InvalidArgument(f"{text}: the entrants are {allowed}")
    elif values.get("recipe"):
        assert recipe(values["recipe"]).camera is not None
    elif name in ("render", "roundtrip", "show") and not values["pipeline"]:
        chain_of(values["preset"] or "classic", None, settings, 8)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command.split()[1:7]))
def test_commands_are_understood(command):
    check(command)


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
    commands = commands_of((ROOT / page).read_text())
    assert commands and {*commands} <= {*COMMANDS} and ROOT / page in PAGES


@pytest.mark.parametrize("recipe", ["upi", "rst_isp_net", "ssdnet", "aim_unet", "zero_noise"])
def test_published_schedules_have_a_command(recipe):
    page = (ROOT / "docs" / "training.md").read_text().split("## Published schedules")[1].split("\n## ")[0]
    assert any(command.startswith(f"isptoolkit train {recipe} ") for command in commands_of(page))


@pytest.mark.parametrize(
    ("text", "message"),
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
def test_wrong_commands_are_refused(text, message):
    (command,) = commands_of(text)
    with pytest.raises(Exception, match=r".") as caught:
        check(command)
    assert message in str(caught.value) or message in getattr(caught.value, "format_message", str)()

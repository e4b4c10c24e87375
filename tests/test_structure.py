"""What keeps the package readable: who imports whom, small files, doctests, a light import."""

import ast
import doctest
import graphlib
import inspect
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from isptoolkit import Stage, stages

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "isptoolkit"
SOURCES = sorted(PACKAGE.rglob("*.py")) + sorted((ROOT / "recipes").rglob("*.py"))
# A file may import, at its top, only from earlier layers and its own; what is not listed is between pipeline and
# command line. A name stands for a file or a folder of them. Functions may import upwards: that costs nothing until
# they are called.
LAYERS = (
    {"errors", "atomic", "signatures"},
    {"spaces", "contract"},
    {"capture"},
    {"stage", "geometry", "kernels"},
    {"stages", "learned"},
    {"parallel", "pipeline"},
    set(),
    {"cli", "recipes"},
)
HEAVY = ("rawpy", "hypothesis", "matplotlib", "colour", "typer", "rich", "PIL", "tifffile", "imagecodecs", "scipy")
HEAVY += ("torch._dynamo",)


def part(path):
    """The part of the package that a file belongs to: `stages` for `isptoolkit/stages/tone.py`."""
    names = path.relative_to(ROOT).with_suffix("").parts
    return "recipes" if names[0] == "recipes" else names[1]


def layer(name):
    return next((i for i, names in enumerate(LAYERS) if name in names), LAYERS.index(set()))


def imported(path):
    """The parts of the package that a file imports at its top."""
    depth = len(path.relative_to(ROOT).parts) - 1
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            where = (node.module or "").split(".") if node.module else []
            if node.level == depth:
                yield from where[:1] or [alias.name for alias in node.names]
            elif node.level == 0 and where[0] == "isptoolkit":
                yield from where[1:2]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("isptoolkit."))


@pytest.mark.parametrize("path", [p for p in SOURCES if p != PACKAGE / "__init__.py"], ids=lambda p: p.stem)
def test_imports_point_one_way(path):
    own = part(path)
    above = [name for name in imported(path) if name != own and layer(name) > layer(own)]
    assert above == [], f"{own} imports from above"
    assert own in ("cli", "recipes") or "recipes" not in imported(path)


def test_imports_make_no_circle():
    edges = {}
    for path in SOURCES:
        if path != PACKAGE / "__init__.py":
            edges.setdefault(part(path), set()).update(name for name in imported(path) if name != part(path))
    assert len(list(graphlib.TopologicalSorter(edges).static_order())) >= len(edges)


def test_only_the_readers_of_raw_files_import_rawpy():
    assert [p.name for p in SOURCES if "import rawpy" in p.read_text()] == ["libraw.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_files_are_short_and_named_for_what_they_hold(path):
    assert len(path.read_text().splitlines()) <= 350
    assert not {"utils", "util", "helpers", "helper", "manager", "common", "misc"} & set(path.stem.split("_"))


def test_every_public_stage_has_a_doctest():
    public = [value for value in vars(stages).values() if inspect.isclass(value) and issubclass(value, Stage)]
    parser = doctest.DocTestParser()
    assert len(public) > 20
    assert [stage.__name__ for stage in public if not parser.get_examples(stage.__doc__ or "")] == []


def test_importing_loads_nothing_heavy():
    source = "import sys, isptoolkit; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True).stdout.split()
    assert "isptoolkit" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_every_package_is_installed():
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {".".join(init.parent.relative_to(ROOT).parts) for init in PACKAGE.rglob("__init__.py")}
    assert set(told) == found | {"isptoolkit.recipes"}


def test_recipes_are_part_of_the_package():
    import isptoolkit.recipes

    assert isptoolkit.recipes.__doc__

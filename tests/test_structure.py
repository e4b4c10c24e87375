"""What keeps the package readable: who imports what, short files, doctests, a light import."""

import ast
import doctest
import graphlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from isptoolkit import Stage, stages

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "isptoolkit"
FACADE = PACKAGE / "__init__.py"
SOURCES = sorted(PACKAGE.rglob("*.py")) + sorted((ROOT / "recipes").rglob("*.py"))
# A file may import only from earlier layers and its own, inside functions too; a name is a module or sub-package of
# isptoolkit. `unprocess` comes before the recipes, which train on what it makes.
LAYERS = (
    {"errors", "atomic"},
    {"spaces", "contract"},
    {"display"},
    {"capture"},
    {"bound"},
    {"kernels", "geometry", "stage"},
    {"parallel", "pipeline", "tiles", "wrappers"},
    {"stages", "learned"},
    {"fusion", "metrics", "plans", "presets", "priors"},
    {"serialization", "report", "testing", "io", "calibrate"},
    {"data", "train"},
    {"unprocess"},
    {"recipes"},
    {"bench"},
    {"cli"},
)
# Methods that users look for on an object and that need a layer above: the module, the room, and what it is for.
UPWARD = {
    ("pipeline", "report"): "Pipeline.draw and Pipeline.explain_inverse",
    ("pipeline", "serialization"): "Pipeline.save and Pipeline.load",
}
# What imports by name or runs code: the function that may, and why.
DYNAMIC = {
    ("testing.checking", "load_stage"): "runs the file that a user names on the command line",
    ("kernels.build", "_fingerprint"): "shares one function of the package with the build, which runs without torch",
    ("", "__getattr__"): "imports public names at their first use",
}
LOADERS = re.compile(r"importlib\.(?!metadata|resources|machinery).*|(.*\.)?(import_module|exec_module)|runpy\..*")
BUILTIN_LOADERS = {"__import__", "eval", "exec"}
HEAVY = ("rawpy", "hypothesis", "matplotlib", "colour", "kornia", "accelerate", "typer", "rich", "PIL", "tifffile")
HEAVY += ("imagecodecs", "scipy", "torch._dynamo")


def module_of(path):
    """The module of a file, without `isptoolkit.`: `stages.tone`, and `stages` for the sub-package's own file."""
    names = path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def named(path):
    return str(path.relative_to(ROOT))


MODULES = {module_of(path): path for path in SOURCES}


def room(module):
    return module.partition(".")[0]


def layer(name):
    return next(i for i, names in enumerate(LAYERS) if name in names)


def type_checking(node):
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def statements(tree):
    """Every node that runs, at the top of a module or inside functions, with the name of the function around it."""
    todo = [(tree, "")]
    while todo:
        parent, function = todo.pop()
        children = parent.orelse if type_checking(parent) else ast.iter_child_nodes(parent)
        for node in children:
            yield node, function
            defines = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            todo.append((node, getattr(node, "name", "lambda") if defines else function))


def public_names():
    """The module of each name that `isptoolkit` exports, as its imports for type checkers say."""
    imports = (node for node in ast.walk(ast.parse(FACADE.read_text())) if isinstance(node, ast.ImportFrom))
    return {alias.name: node.module or alias.name for node in imports if node.level for alias in node.names}


PUBLIC = public_names()


def imported(path, source=None):
    """The modules of the package that a file imports, each with whether that is inside a function."""
    own = module_of(path)
    package = own.split(".") if path.name == "__init__.py" else own.split(".")[:-1]
    for node, function in statements(ast.parse(path.read_text() if source is None else source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "isptoolkit":
                    yield alias.name.partition(".")[2], bool(function)
        elif isinstance(node, ast.ImportFrom):
            module = node.module.split(".") if node.module else []
            if node.level:
                module = [*package[: len(package) - node.level + 1], *module]
            elif module[0] == "isptoolkit":
                module = module[1:]
            else:
                continue
            for alias in node.names:
                name = ".".join([*module, alias.name])
                if name not in MODULES:
                    name = ".".join(module) or PUBLIC.get(alias.name, alias.name)
                yield name, bool(function)


def dynamic(path, source=None):
    """The functions of a file that import by name or run code."""
    for node, function in statements(ast.parse(path.read_text() if source is None else source)):
        if isinstance(node, ast.Call):
            callee = ast.unparse(node.func)
            if LOADERS.fullmatch(callee) or callee in BUILTIN_LOADERS:
                yield function
        elif isinstance(node, ast.ImportFrom) and node.module == "importlib":
            yield from [function] * bool({alias.name for alias in node.names} - {"metadata", "resources", "machinery"})


IMPORTS = {path: list(imported(path)) for path in SOURCES}
ROOMS_OF = {
    name: {room(module) for path in SOURCES if room(module_of(path)) == name for module, _ in IMPORTS[path]}
    for name in set().union(*LAYERS)
}


@pytest.mark.parametrize("path", [path for path in SOURCES if path != FACADE], ids=named)
def test_imports_point_one_way(path):
    own = module_of(path)
    rooms = {room(module) for module, _ in IMPORTS[path]} - {room(own)}
    above = sorted(name for name in rooms if layer(name) > layer(room(own)) and (own, name) not in UPWARD)
    assert above == [], f"{own} imports from above"
    sideways = sorted(name for name in rooms if layer(name) == layer(room(own)) and room(own) in ROOMS_OF[name])
    assert sideways == [], f"{own} imports from a room that imports it"


@pytest.mark.parametrize("path", [path for path in SOURCES if path != FACADE], ids=named)
def test_library_code_gets_recipes_from_their_list_alone(path):
    own, modules = room(module_of(path)), {module for module, _ in IMPORTS[path]}
    if own not in ("cli", "recipes"):
        assert "cli" not in {room(module) for module in modules}
    if own != "recipes":
        recipes = {module for module in modules if room(module) == "recipes"}
        assert recipes <= ({"recipes"} if own in ("bench", "cli") else set())


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_is_imported_by_string(path):
    functions = {(module_of(path), function) for function in dynamic(path)}
    assert functions <= DYNAMIC.keys()


def test_imports_make_no_circle():
    edges = {
        module_of(path): {module for module, _ in IMPORTS[path] if (module_of(path), room(module)) not in UPWARD}
        for path in SOURCES
        if path != FACADE
    }
    assert len(list(graphlib.TopologicalSorter(edges).static_order())) >= len(edges)


def test_every_exception_is_in_use():
    edges = {(module_of(path), room(module), deferred) for path in SOURCES for module, deferred in IMPORTS[path]}
    assert {(*key, True) for key in UPWARD} <= edges
    assert not {(*key, False) for key in UPWARD} & edges
    assert DYNAMIC.keys() <= {(module_of(path), function) for path in SOURCES for function in dynamic(path)}


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("from . import tone", {("stages.tone", False)}),
        ("from .tone import Filmic", {("stages.tone", False)}),
        ("from ..io.raw import read_raw", {("io.raw", False)}),
        ("from .. import presets", {("presets", False)}),
        ("from isptoolkit import Pipeline, learned", {("pipeline", False), ("learned", False)}),
        ("import isptoolkit.recipes.upi", {("recipes.upi", False)}),
        ("def f():\n    from ..report import draw", {("report", True)}),
        ("class A:\n    def f(self):\n        if self:\n            import isptoolkit.cli.app", {("cli.app", True)}),
        ("try:\n    from ..bench import run\nexcept ImportError: pass", {("bench.run", False)}),
        ("if TYPE_CHECKING:\n    from ..cli import app\nelse:\n    from ..train import loop", {("train.loop", False)}),
        ("import torch, os\nfrom numpy import array", set()),
    ],
)
def test_imports_are_seen(source, modules):
    assert set(imported(PACKAGE / "stages" / "levels.py", source)) == modules


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\ndef f(): importlib.import_module('isptoolkit.recipes.upi')",
        "from importlib import import_module",
        "def f(): return __import__('isptoolkit.recipes')",
        "import importlib.util as util\ndef f(module): spec.loader.exec_module(module)",
        "def f(): exec('import isptoolkit.cli')",
        "def f(): return runpy.run_path('a.py')",
    ],
)
def test_dynamic_imports_are_seen(source):
    assert list(dynamic(PACKAGE / "stages" / "levels.py", source))
    assert not list(dynamic(FACADE, "from importlib import metadata\nmodel.eval()\nmetadata.version('torch')"))


def test_every_module_has_a_layer():
    assert {room(module) for module in MODULES} - {""} == set().union(*LAYERS)
    assert sum(map(len, LAYERS)) == len(set().union(*LAYERS))


def test_only_the_readers_of_raw_files_import_rawpy():
    assert [p.name for p in SOURCES if "import rawpy" in p.read_text()] == ["libraw.py"]


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_files_are_short_and_named_for_what_they_hold(path):
    assert len(path.read_text().splitlines()) <= 350
    assert not {"utils", "util", "helpers", "helper", "manager", "common", "misc"} & set(path.stem.split("_"))


def test_every_public_stage_has_a_doctest():
    public = [value for value in vars(stages).values() if inspect.isclass(value) and issubclass(value, Stage)]
    parser = doctest.DocTestParser()
    assert len(public) > 20
    assert [stage.__name__ for stage in public if not parser.get_examples(stage.__doc__ or "")] == []


def loaded(statement):
    """The packages that a statement imports in a new process."""
    source = f"import sys\n{statement}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    output = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True).stdout
    return set(output.split())


def test_importing_loads_nothing():
    packages = loaded("import isptoolkit; isptoolkit.errors; dir(isptoolkit)")
    assert "isptoolkit" in packages
    assert packages & {"torch", "numpy", *HEAVY} == set()


def test_the_public_names_load_nothing_heavy():
    packages = loaded("from isptoolkit import *; presets.classic(); stages.Levels()")
    assert {"isptoolkit", "torch"} <= packages
    assert packages & set(HEAVY) == set()


def test_every_package_is_installed():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    packages = {".".join(init.parent.relative_to(ROOT).parts) for init in PACKAGE.rglob("__init__.py")}
    assert set(listed) == packages | {"isptoolkit.recipes"}


def test_recipes_are_part_of_the_package():
    import isptoolkit.recipes

    assert isptoolkit.recipes.__doc__

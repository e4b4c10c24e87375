"""`import isptoolkit`: what it offers, and that it is imported when it is used."""

import ast
import pickle
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import isptoolkit

PACKAGE = Path(__file__).resolve().parent.parent / "isptoolkit"
INTERNAL = {"atomic", "bound", "cli", "display", "plans"}
"""Modules that users have no use for."""
BY_NAME = {"capture", "contract", "fusion", "geometry", "parallel", "pipeline", "spaces", "stage", "tiles", "wrappers"}
"""Modules whose public names `isptoolkit` itself exports."""


def declared():
    """Names and modules that type checkers and editors see."""
    imports = [
        node for node in ast.walk(ast.parse((PACKAGE / "__init__.py").read_text())) if isinstance(node, ast.ImportFrom)
    ]
    names = {alias.name: node.module for node in imports if node.level for alias in node.names if node.module}
    modules = {alias.name for node in imports if node.level for alias in node.names if not node.module}
    return names, modules


def fresh(source):
    """What a program prints in a new process."""
    return subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True).stdout.split()


def test_type_checkers_see_what_is_there():
    names, modules = declared()
    assert {*isptoolkit.__all__} == {*names, "errors", "presets", "stages"}
    assert {name for name in dir(isptoolkit) if not name.startswith("__")} == {*names, *modules}
    for name, module in names.items():
        assert getattr(isptoolkit, name) is vars(sys.modules[f"isptoolkit.{module}"])[name]


def test_every_module_is_public_or_internal():
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    _, modules = declared()
    assert files | folders | {"recipes"} == modules | INTERNAL | BY_NAME


def test_tab_completion_shows_no_internals():
    shown = fresh("import isptoolkit; isptoolkit.Pipeline; isptoolkit.fuse; print(*dir(isptoolkit))")
    assert shown == sorted(shown)
    assert {"Pipeline", "Tiled", "fuse", "learned", "recipes", "testing", "__version__"} <= {*shown}
    assert not (INTERNAL | BY_NAME) & {*shown}
    assert [name for name in shown if name.startswith("_") and not name.startswith("__")] == []


@pytest.mark.parametrize("name", sorted({*isptoolkit._CORE, *isptoolkit._ROOMS}))
def test_tab_completion_of_a_public_module_shows_no_internals(name):
    module = getattr(isptoolkit, name)
    tree = ast.parse(Path(module.__file__).read_text())
    defined, exported = set(), set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            defined |= {x.id for x in ast.walk(node) if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            exported |= {alias.name for alias in node.names if alias.asname == alias.name}
    defined = {each for each in defined if not each.startswith("_")}
    parts = {path.stem for path in Path(module.__file__).parent.iterdir()} if hasattr(module, "__path__") else set()
    shown = {each for each in dir(module) if not each.startswith("_")}
    if hasattr(module, "__all__"):
        assert defined | exported <= shown == {*module.__all__}
        assert shown <= defined | exported | parts
    else:
        assert defined | exported <= shown <= defined | exported | parts
    assert all(hasattr(module, each) for each in shown)


def test_sub_packages_are_attributes():
    _, modules = declared()
    source = "import isptoolkit\nfor name in {}: print(getattr(isptoolkit, name).__name__)"
    assert fresh(source.format(sorted(modules | BY_NAME))) == [
        f"isptoolkit.{name}" for name in sorted(modules | BY_NAME)
    ]


def test_a_star_import_brings_the_public_names():
    printed = fresh("from isptoolkit import *\nprint(*sorted(name for name in dir() if not name.startswith('_')))")
    assert printed == sorted(isptoolkit.__all__)


def test_classes_are_pickled_by_their_own_module():
    x = pickle.loads(pickle.dumps(isptoolkit.stages.WhiteBalance(gains=(2.0, 1.0, 1.5))))
    assert type(x) is isptoolkit.stages.WhiteBalance
    assert pickle.loads(pickle.dumps(isptoolkit.Stage)) is isptoolkit.Stage


def test_the_version_is_that_of_the_installed_package(monkeypatch):
    assert fresh("import isptoolkit; print(isptoolkit.__version__)") == [_installed()]
    monkeypatch.delitem(vars(isptoolkit), "__version__", raising=False)
    monkeypatch.setattr(metadata, "version", _not_found)
    assert isptoolkit.__version__ == "0+unknown"
    monkeypatch.delitem(vars(isptoolkit), "__version__")


def test_other_names_are_refused():
    with pytest.raises(AttributeError, match="module 'isptoolkit' has no attribute 'Pipelines'"):
        isptoolkit.Pipelines  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Pipelines'"):
        from isptoolkit import Pipelines  # noqa: F401


def _installed():
    try:
        return metadata.version("isptoolkit")
    except metadata.PackageNotFoundError:
        return "0+unknown"


def _not_found(name):
    raise metadata.PackageNotFoundError(name)

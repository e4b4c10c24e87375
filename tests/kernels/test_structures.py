"""Structures, enums and constants that Python repeats: a C program prints those of the headers."""

import ctypes
import importlib
import json
import pkgutil
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from isptoolkit import fusion, kernels, stages
from isptoolkit.kernels import native, steps

SOURCES = Path(kernels.__file__).parent / "csrc"
INNER = {"isp_place"}
"""Structures that no Python fills in."""
METHODS = {
    "ISP_NO_DEMOSAIC": 0,
    "ISP_BILINEAR": fusion._METHODS[stages.DemosaicBilinear],
    "ISP_MALVAR": fusion._METHODS[stages.DemosaicMalvar],
}
CONSTANTS = {
    "ISP_STEP_WORDS": steps.WORDS,
    "ISP_MAX_PLANES": steps.MAX_PLANES,
    "ISP_MAX_STEPS": steps.MAX_STEPS,
    "ISP_KEPT_ROWS": native.KEPT_ROWS,
    "ISP_ROW_MARGINS": native.ROW_MARGINS,
}
LETTERS = {ctypes.c_int32: "int32", ctypes.c_int64: "int64", ctypes.c_float: "float", ctypes.c_double: "double"}


def header(name):
    """Its text without comments."""
    return re.sub(r"/\*.*?\*/", "", (SOURCES / name).read_text(), flags=re.DOTALL)


def structures():
    """Names and fields of the structures in cpu.h, in order."""
    found = {}
    for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", header("cpu.h"), re.DOTALL):
        fields = []
        for declaration in filter(str.strip, body.split(";")):
            first, *others = declaration.split(",")
            for declared in (first.split()[-1], *others):
                fields.append(re.sub(r"\[.*\]|\*|\s", "", declared))
        found[name] = fields
    return found


def members(enum):
    """The names of an enum in steps.h that stand there as they are."""
    body = re.search(rf"enum {enum} \{{(.*?)\}};", header("steps.h"), re.DOTALL)[1]
    body = re.sub(r"#.*|ISP_CURVES\(.*?\)", "", body)
    return re.findall(r"\bISP_[A-Z0-9_]+\b", body)


def constants():
    found = [re.findall(r"#define (ISP_[A-Z_]+) \d+\b", header(name)) for name in ("cpu.h", "steps.h")]
    return [name for names in found for name in names]


def mirrors():
    """Every structure of Python, by the name of the C one that its docstring states."""
    modules = [
        importlib.import_module(f"isptoolkit.kernels.{found.name}")
        for found in pkgutil.iter_modules(kernels.__path__)
        if found.name not in ("build", "_cpu")
    ]
    classes = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, ctypes.Structure) and value is not ctypes.Structure
    }
    named = {re.match(r"`(\w+)` in csrc/cpu.h", cls.__doc__)[1]: cls for cls in classes}
    assert len(named) == len(classes)
    return named


def program():
    """C that prints sizes, offsets, types and values as JSON."""
    lines = ["#include <stddef.h>", "#include <stdio.h>", '#include "cpu_functions.h"', '#include "steps.h"']
    kinds = 'int32_t: "int32", int64_t: "int64", float: "float", double: "double", default: ""'
    lines += ["int main(void) {", 'printf("{\\"structures\\": {\\"\\": {}");']
    for name, fields in structures().items():
        lines.append(f'printf(", \\"{name}\\": {{\\"\\": [0, %d, \\"\\"]", (int)sizeof({name}));')
        for field in fields:
            of = f"(({name} *)0)->{field}"
            lines.append(
                f'printf(", \\"{field}\\": [%d, %d, \\"%s\\"]", (int)offsetof({name}, {field}), (int)sizeof({of}), '
                f"_Generic({of}, {kinds}));"
            )
        lines.append('printf("}");')
    lines.append('printf("}, \\"values\\": {\\"\\": 0");')
    for name in [*members("isp_kind"), *members("isp_type"), *members("isp_demosaic_method"), *constants()]:
        lines.append(f'printf(", \\"{name}\\": %d", {name});')
    lines.append('#define P(name) printf(", \\"ISP_KIND_" #name "\\": %d", ISP_KIND_##name);')
    lines.append("ISP_CURVES(P)")
    lines.append('printf("}, \\"functions\\": {\\"\\": \\"\\"");')
    lines.append('#define F(name, taken) printf(", \\"" #name "\\": \\"" #taken "\\"");')
    lines += ["ISP_FUNCTIONS(F)", 'printf("}}");', "return 0;", "}"]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler: install gcc")
    folder = tmp_path_factory.mktemp("structures")
    (folder / "print.c").write_text(program())
    command = [
        compiler,
        "-std=gnu11",
        "-w",
        f"-I{SOURCES}",
        "-o",
        str(folder / "print"),
        str(folder / "print.c"),
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(subprocess.run([str(folder / "print")], check=True, capture_output=True, text=True).stdout)


def test_every_structure_is_repeated():
    assert mirrors().keys() == structures().keys() - INNER
    assert len(mirrors()) == 12


@pytest.mark.parametrize("name", sorted(structures().keys() - INNER))
def test_structures_agree(printed, name):
    """Their size, and of every field: name, order, offset, size and type."""
    cls, found = mirrors()[name], printed["structures"][name]
    assert ctypes.sizeof(cls) == found.pop("")[1]
    wanted = {}
    for field, kind in cls._fields_:
        place = getattr(cls, field)
        wanted[field] = [place.offset, place.size, LETTERS.get(kind, "")]
    assert list(found.items()) == list(wanted.items())


def test_kinds_agree(printed):
    curves = [name for name in printed["values"] if name.startswith("ISP_KIND_")]
    names = [*members("isp_kind")[:-1], *curves]
    spelled = [name.removeprefix("ISP_KIND_").removeprefix("ISP_").removesuffix("_curve").upper() for name in names]
    assert dict(zip(spelled, (printed["values"][name] for name in names), strict=True)) == {
        kind.name: int(kind) for kind in steps.Kind
    }
    assert printed["values"]["ISP_KINDS"] == len(steps.Kind) == len(names)


def test_types_agree(printed):
    found = {name: printed["values"][name] for name in members("isp_type")}
    assert found == {f"ISP_{str(dtype).removeprefix('torch.').upper()}": code for dtype, code in native.TYPES.items()}


def test_methods_and_constants_agree(printed):
    assert {name: printed["values"][name] for name in members("isp_demosaic_method")} == METHODS
    assert len(fusion._METHODS) == len(METHODS) - 1
    assert {name: printed["values"][name] for name in constants()} == CONSTANTS


def test_every_function_is_called(printed):
    """And takes a structure that Python has."""
    functions = {name: taken for name, taken in printed["functions"].items() if name}
    called = set()
    for path in sorted(Path(kernels.__file__).parent.glob("*.py")):
        if path.name != "cuda.py":
            called.update(re.findall(r'(?:call|_sampled)\(\s*"(isp_\w+)"', path.read_text()))
    assert called == functions.keys()
    assert set(functions.values()) <= mirrors().keys()
    library = native.library()
    if library is not None:
        assert all(hasattr(library, name) for name in functions)

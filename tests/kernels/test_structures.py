"""Structures, enums and constants in Python equal those of the C headers, which a C program prints."""

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
from isptoolkit.kernels import cuda, jpeg, native, steps

SOURCES = Path(kernels.__file__).parent / "csrc"
METHODS = {
    "ISP_NO_DEMOSAIC": steps.DemosaicMethod.NONE,
    "ISP_BILINEAR": steps.DemosaicMethod.BILINEAR,
    "ISP_MALVAR": steps.DemosaicMethod.MALVAR,
}
CONSTANTS = {
    "ISP_STEP_SIZE": steps.STEP_SIZE,
    "ISP_MAX_PLANES": steps.MAX_PLANES,
    "ISP_MAX_STEPS": steps.MAX_STEPS,
    "ISP_RING_ROWS": native.RING_ROWS,
    "ISP_ROW_MARGINS": native.ROW_MARGINS,
    "ISP_JPEG_ROWS": jpeg.JPEG_ROWS,
    "ISP_JPEG_COLUMNS": jpeg.JPEG_COLUMNS,
}
C_TYPES = {ctypes.c_int32: "int32", ctypes.c_int64: "int64", ctypes.c_float: "float", ctypes.c_double: "double"}


def header(name):
    """The text of a header without comments."""
    return re.sub(r"/\*.*?\*/", "", (SOURCES / name).read_text(), flags=re.DOTALL)


def structures():
    """Fields of each structure in cpu.h, in order."""
    structures = {}
    for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", header("cpu.h"), re.DOTALL):
        fields = []
        for declaration in filter(str.strip, body.split(";")):
            first, *others = declaration.split(",")
            for declared in (first.split()[-1], *others):
                fields.append(re.sub(r"\[.*\]|\*|\s", "", declared))
        structures[name] = fields
    return structures


def members(enum):
    """The members of an enum in steps.h."""
    body = re.search(rf"enum {enum} \{{(.*?)\}};", header("steps.h"), re.DOTALL)[1]
    return re.findall(r"\bISP_[A-Z0-9_]+\b", body)


def constants():
    names_by_header = [re.findall(r"#define (ISP_[A-Z_]+) \d+\b", header(name)) for name in ("cpu.h", "steps.h")]
    return [name for names in names_by_header for name in names]


def mirrors():
    """Every ctypes structure, by the name of the C structure in its docstring."""
    modules = [
        importlib.import_module(f"isptoolkit.kernels.{module.name}")
        for module in pkgutil.iter_modules(kernels.__path__)
        if module.name not in ("build", "_cpu")
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
    """C source that prints sizes, offsets, types and values as JSON."""
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
    for name in [
        *members("isp_type"),
        *members("isp_demosaic_method"),
        *members("isp_sampling_mode"),
        *constants(),
    ]:
        lines.append(f'printf(", \\"{name}\\": %d", {name});')
    lines += ['#define PRINT(name) printf(", \\"" #name "\\": %d", name);', "PRINT(ISP_KINDS)"]
    lines += [
        "#define VALUE(name, count, owner) PRINT(ISP_KIND_##name)",
        "#define LOOKUP(name, count, search) PRINT(ISP_KIND_##name)",
        "#define COLOR(name, count) PRINT(ISP_KIND_##name)",
        "#define GAIN(name, base) PRINT(ISP_KIND_##name##_multiply) PRINT(ISP_KIND_##name##_divide)",
        "#define CURVE(name) PRINT(ISP_KIND_##name)",
        "ISP_VALUES(VALUE) ISP_LOOKUPS(LOOKUP) ISP_COLORS(COLOR) ISP_GAINS(GAIN) ISP_CURVES(CURVE)",
    ]
    lines.append('printf("}, \\"functions\\": {\\"\\": \\"\\"");')
    lines.append('#define F(name, args) printf(", \\"" #name "\\": \\"" #args "\\"");')
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
    assert mirrors().keys() == structures().keys()
    assert len(mirrors()) == 13


@pytest.mark.parametrize("name", sorted(structures().keys()))
def test_structures_agree(printed, name):
    """Size, and each field's name, order, offset, size and type."""
    cls, expected = mirrors()[name], printed["structures"][name]
    assert ctypes.sizeof(cls) == expected.pop("")[1]
    fields = {}
    for field, kind in cls._fields_:
        descriptor = getattr(cls, field)
        fields[field] = [descriptor.offset, descriptor.size, C_TYPES.get(kind, "")]
    assert list(fields.items()) == list(expected.items())


def test_kinds_agree(printed):
    kinds = {name: value for name, value in printed["values"].items() if name.startswith("ISP_KIND_")}
    assert {name.removeprefix("ISP_KIND_").upper(): value for name, value in kinds.items()} == {
        kind.name: int(kind) for kind in steps.Kind
    }
    assert printed["values"]["ISP_KINDS"] == len(steps.Kind)


def test_types_agree(printed):
    types = {name: printed["values"][name] for name in members("isp_type")}
    assert types == {f"ISP_{str(dtype).removeprefix('torch.').upper()}": code for dtype, code in native.TYPES.items()}


def test_methods_and_constants_agree(printed):
    assert {name: printed["values"][name] for name in members("isp_demosaic_method")} == METHODS
    assert list(METHODS.values()) == list(steps.DemosaicMethod)
    assert fusion._METHODS[stages.DemosaicBilinear] is steps.DemosaicMethod.BILINEAR
    assert fusion._METHODS[stages.DemosaicMalvar] is steps.DemosaicMethod.MALVAR
    assert {name: printed["values"][name] for name in constants()} == CONSTANTS


def test_radial_terms_agree():
    assert int(re.search(r"#define RADIAL_TERMS (\d+)", header("gains.h"))[1]) == steps.RADIAL_TERMS


def test_sampling_modes_agree(printed):
    modes = {name.removeprefix("ISP_"): printed["values"][name] for name in members("isp_sampling_mode")}
    assert modes == {mode.name: int(mode) for mode in cuda.SamplingMode}


def test_every_function_is_called(printed):
    """Python calls every function of the library, and mirrors the structure it takes."""
    functions = {name: args for name, args in printed["functions"].items() if name}
    called = set()
    for path in sorted(Path(kernels.__file__).parent.glob("*.py")):
        if path.name != "cuda.py":
            called.update(re.findall(r'(?:call|_sampled)\(\s*"(isp_\w+)"', path.read_text()))
    assert called == functions.keys()
    assert set(functions.values()) <= mirrors().keys()
    library = native.library()
    if library is not None:
        assert all(hasattr(library, name) for name in functions)


def test_large_steps_agree():
    """Those that `isp_develop_large` runs."""
    body = re.search(r"isp_is_large\(int kind\) \{(.*?)\n\}", header("cuda_steps.h"), re.DOTALL)[1]
    gains = re.findall(r"X\((\w+),", header("gains.h").split("#define ISP_GAINS(X)")[1])
    large = {f"{gain}_{operation}" for gain in gains for operation in ("multiply", "divide")}
    large |= set(re.findall(r"return kind == ISP_KIND_(\w+) ISP_GAINS", body))
    assert {kind.name.lower() for kind in cuda._LARGE} == large

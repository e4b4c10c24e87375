"""A checkout whose root is the current folder, where it shadows the installed package."""

import json
import shutil
import subprocess
import sys

import pytest
from distributions import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: install gcc"),
]
LOAD = """
import importlib.util, pathlib, sys
folder = pathlib.Path(sys.argv[1])
spec = importlib.util.spec_from_file_location("library", folder / "library.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
library, reason = module.load(folder)
print(reason if library is None else library._name)
"""
SHADOWED = """
import json, isptoolkit
from isptoolkit.kernels import describe_kernels
from isptoolkit.recipes import invisp
print(json.dumps([isptoolkit.__file__, invisp.__file__, describe_kernels()["cpu kernels"]]))
"""


def library_or_reason(python, checkout, *options):
    """The file of the library that is used, or why none is."""
    return run(python, *options, "-c", LOAD, checkout / "isptoolkit" / "kernels", cwd=checkout).strip()


def installed_library(python):
    (path,) = python.parent.parent.rglob("_cpu.*")
    return path


def compile_stale(target):
    """A library of sources that nobody has any more."""
    source = target.with_suffix(".c")
    source.write_text("int isp_has_threads(void) { return 0; }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", target, source], check=True)
    source.unlink()


def change_sources(checkout):
    header = checkout / "isptoolkit" / "kernels" / "csrc" / "steps.h"
    header.write_text(header.read_text() + "/* changed */\n")


def test_it_has_recipes_and_kernels(python, checkout):
    package, recipe, kernels = json.loads(run(python, "-c", SHADOWED, cwd=checkout))
    assert package == str(checkout / "isptoolkit" / "__init__.py")
    assert recipe == str(checkout / "isptoolkit" / "recipes" / "invisp.py")
    assert kernels.split(",")[0] in ("baseline", "neon", "avx2", "avx512")


@pytest.mark.parametrize("module", ["isptoolkit.cli", "benchmarks.raw_networks", "benchmarks.kernels"])
def test_modules_run_from_the_root(python, checkout, module):
    assert "usage:" in run(python, "-m", module, "--help", cwd=checkout).lower()


def test_the_installed_library_is_used_where_the_sources_agree(python, checkout):
    assert library_or_reason(python, checkout) == str(installed_library(python))


def test_line_endings_do_not_matter(python, checkout):
    header = checkout / "isptoolkit" / "kernels" / "csrc" / "steps.h"
    header.write_bytes(header.read_bytes().replace(b"\n", b"\r\n"))
    assert library_or_reason(python, checkout) == str(installed_library(python))


def test_an_installed_library_of_other_sources_is_refused(python, checkout):
    change_sources(checkout)
    csrc = checkout / "isptoolkit" / "kernels" / "csrc"
    assert library_or_reason(python, checkout) == (
        f"{installed_library(python)} was built from other sources than {csrc}: pip install ."
    )


def test_a_stale_library_in_the_checkout_is_refused(python, checkout):
    stale = checkout / "isptoolkit" / "kernels" / installed_library(python).name
    shutil.copy(installed_library(python), stale)
    assert library_or_reason(python, checkout) == str(stale)
    change_sources(checkout)
    assert library_or_reason(python, checkout).startswith(f"{stale} was built from other sources")


def test_a_stale_library_does_not_hide_the_installed_one(python, checkout):
    compile_stale(checkout / "isptoolkit" / "kernels" / installed_library(python).name)
    assert library_or_reason(python, checkout) == str(installed_library(python))


def test_flags_count_as_sources(python, checkout):
    build = checkout / "isptoolkit" / "kernels" / "build.py"
    build.write_text(build.read_text().replace('"-O3"', '"-O2"'))
    assert "was built from other sources" in library_or_reason(python, checkout)


def test_without_an_installation_the_remedy_is_to_install(checkout):
    reason = library_or_reason(sys.executable, checkout, "-I", "-S")
    assert reason == "this checkout's kernels are not built: pip install ."


def test_what_a_build_leaves_behind_is_no_installation(checkout):
    leftovers = checkout / "isptoolkit.egg-info"
    leftovers.mkdir()
    (leftovers / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: isptoolkit\nVersion: 0.1.0\n")
    reason = library_or_reason(sys.executable, checkout, "-E", "-S")
    assert reason == "this checkout's kernels are not built: pip install ."


def test_an_installation_does_not_borrow_a_library(python, checkout):
    """One without its library says so, even where another installation has one."""
    library = installed_library(python)
    hidden = library.with_suffix(".hidden")
    library.rename(hidden)
    try:
        assert run(python, "-c", LOAD, library.parent, cwd=checkout.parent).strip() == (
            "isptoolkit was installed without them: install a C compiler, then install isptoolkit again"
        )
    finally:
        hidden.rename(library)

"""The wheel: its tag and files, and that the package in it is complete."""

import json
import shutil
import subprocess
import sys
import zipfile

import pytest
from distributions import ROOT, build_wheel, environment, install, run

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler: install gcc")
REPORT = """
import json, logging
logging.basicConfig(format="%(message)s")
import torch, isptoolkit, isptoolkit.recipes
from isptoolkit import Capture, Fused, Pipeline, stages
from isptoolkit.kernels import describe_kernels, usable
output = Fused(Pipeline(gain=stages.Gain(2.0)))(torch.ones(1, 1, 2, 2), Capture.of("RGGB"))
usable(torch.zeros(1))
files = [isptoolkit.__file__, isptoolkit.recipes.__file__]
print(json.dumps([files, describe_kernels()["cpu kernels"], output.unique().tolist()]))
"""
OPENMP = """
import json, pathlib, torch
from isptoolkit import Capture, Pipeline, fuse, stages
from isptoolkit.kernels import describe_kernels, reference

torch.set_num_threads(2)
chain = fuse(
    Pipeline(
        levels=stages.Levels(),
        balance=stages.WhiteBalance(),
        demosaic=stages.DemosaicMalvar(),
        matrix=stages.ColorMatrix(),
        curve=stages.SRGBCurve(),
    ),
    demosaic=True,
)
capture = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5))
torch.manual_seed(0)
a = torch.rand(600, 600, dtype=torch.float64)
x = 64 + 959 * torch.rand(1, 1, 600, 800)
with reference():
    expected = chain(x, capture)
product = a @ a
rendered = chain(x, capture)
product_after = a @ a
rendered_after = chain(x, capture)
maps = pathlib.Path("/proc/self/maps").read_text()
print(json.dumps({
    "state": describe_kernels()["cpu kernels"],
    "torch": torch.equal(product, product_after),
    "kernels": torch.equal(rendered, rendered_after),
    "difference": float((rendered - expected).abs().max()),
    "runtimes": sorted({line.split()[-1] for line in maps.splitlines() if "libgomp" in line or "libomp" in line}),
}))
"""


def names(wheel):
    with zipfile.ZipFile(wheel) as file:
        return file.namelist()


def report(python, folder):
    """The files of the package and its recipes, the state of its kernels, and the log; fused stages must work."""
    done = subprocess.run([python, "-c", REPORT], cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    files, kernels, values = json.loads(done.stdout)
    assert values == [2.0]
    return files, kernels, done.stderr


@pytest.mark.slow
def test_it_fits_every_python_version(wheel):
    name, _, python, abi, platform = wheel.stem.split("-")
    assert (name, python, abi) == ("isptoolkit", "py3", "none")
    assert platform != "any"
    libraries = [name for name in names(wheel) if name.endswith((".so", ".dll", ".pyd", ".dylib"))]
    assert [
        name for name in libraries if name not in ("isptoolkit/kernels/_cpu.so", "isptoolkit/kernels/_cpu.dll")
    ] == []
    assert len(libraries) == 1


@pytest.mark.slow
def test_it_has_the_package_and_nothing_twice(wheel):
    files = names(wheel)
    assert len(set(files)) == len(files)
    assert {"isptoolkit/py.typed", "isptoolkit/recipes/invisp.py", "isptoolkit/kernels/csrc/steps.h"} <= set(files)
    assert {name.split("/")[0] for name in files if ".dist-info/" not in name} == {"isptoolkit"}


@pytest.mark.slow
def test_it_runs_the_demo_in_a_fresh_environment(python, tmp_path):
    files, kernels, log = report(python, tmp_path)
    assert [file for file in files if not file.startswith(str(python.parent.parent))] == []
    assert kernels.split(",")[0] in ("baseline", "neon", "avx2", "avx512")
    assert log == ""
    run(python.with_name("isptoolkit"), "demo", cwd=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.glob("*.png"))) >= 2


@pytest.mark.slow
def test_the_check_of_released_wheels_loads_the_library(python, tmp_path):
    """What cibuildwheel runs, without torch."""
    library = run(python, "-I", ROOT / ".ci" / "check_wheel.py", cwd=tmp_path).strip()
    assert library.startswith(str(python.parent.parent))
    assert library.endswith(("_cpu.so", "_cpu.dll"))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc: run on Linux")
def test_kernels_and_torch_share_one_openmp(python, tmp_path):
    """A second runtime beside torch's would have threads that know nothing of torch's."""
    result = json.loads(run(python, "-c", OPENMP, cwd=tmp_path))
    if "OpenMP" not in result["state"]:
        pytest.skip("needs a compiler with OpenMP: install gcc")
    assert result["torch"] and result["kernels"]
    assert result["difference"] < 1e-5
    assert len(result["runtimes"]) == 1, result["runtimes"]


def test_a_wheel_without_a_compiler_has_no_platform(checkout, tmp_path):
    wheel = build_wheel(checkout, tmp_path / "dist", compiler="no-such-compiler")
    assert wheel.name.endswith("-py3-none-any.whl")
    python = install(wheel, tmp_path / "venv")
    _, kernels, log = report(python, tmp_path)
    reason = "isptoolkit was installed without them: install a C compiler, then install isptoolkit again"
    assert kernels == f"plain torch: {reason}"
    assert log == f"no native kernels for the CPU: {reason}; using plain torch\n"
    check = subprocess.run([python, "-I", ROOT / ".ci" / "check_wheel.py"], capture_output=True, text=True)
    assert (check.returncode, check.stderr) == (1, f"no native kernels: {reason}\n")


def test_a_checkout_without_links_builds_the_same_wheel(checkout, tmp_path):
    """Git for Windows writes a link as a file that holds its target."""
    linked = names(build_wheel(checkout, tmp_path / "linked", compiler="no-such-compiler"))
    shutil.rmtree(checkout / "build")
    (checkout / "isptoolkit" / "recipes").unlink()
    (checkout / "isptoolkit" / "recipes").write_text("../recipes")
    assert "isptoolkit/recipes/invisp.py" in linked
    assert names(build_wheel(checkout, tmp_path / "plain", compiler="no-such-compiler")) == linked


def test_a_module_that_was_removed_is_not_in_the_next_wheel(checkout, tmp_path):
    (checkout / "isptoolkit" / "removed.py").touch()
    first = build_wheel(checkout, tmp_path / "first", compiler="no-such-compiler")
    (checkout / "isptoolkit" / "removed.py").unlink()
    second = build_wheel(checkout, tmp_path / "second", compiler="no-such-compiler")
    assert sorted(set(names(first)) - set(names(second))) == ["isptoolkit/removed.py"]


def test_environment_variables_of_python_do_not_leak(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    assert "PYTHONPATH" not in environment()

"""Optional packages: each is declared, and its absence is an error that names the extra which installs it."""

import ast
import re
import sys
import tomllib

import pytest
import torch
from distributions import ROOT

from isptoolkit import errors, metrics
from isptoolkit.data import sidd
from isptoolkit.io.jpeg_coefficients import read_jpeg_coefficients
from isptoolkit.kernels.nvrtc import compile_source
from isptoolkit.train.log import Log
from isptoolkit.unprocess.files import Job
from isptoolkit.unprocess.ray import by_ray

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
X = torch.rand(1, 3, 200, 200)


def lpips(folder):
    for name in ("alex.pth", "alexnet.pth"):
        (folder / name).touch()
    metrics.lpips(X, X, folder / "alex.pth", folder / "alexnet.pth")


USES = {
    "jpeg": ("jpeglib", lambda folder: read_jpeg_coefficients(folder / "photo.jpg")),
    "lpips": ("lpips", lpips),
    "metrics": ("torchmetrics.functional.image", lambda folder: metrics.ms_ssim(X, X)),
    "nvrtc": ("cuda.core", lambda folder: compile_source("cuda_blocks.cu", "sm_80")),
    "ray": ("ray", lambda folder: next(by_ray({}, Job()))),
    "sidd": ("h5py", lambda folder: sidd._frame(folder / "frame.MAT", lambda frame: frame.shape)),
    "tensorboard": ("torch.utils.tensorboard", lambda folder: Log(folder, 0, True)),
}


@pytest.mark.parametrize("extra", sorted(USES))
def test_a_missing_extra_is_named(extra, monkeypatch, tmp_path):
    module, use = USES[extra]
    monkeypatch.setitem(sys.modules, module, None)  # Python's own way to say that a module cannot be imported
    metrics._lpips.cache_clear()
    with pytest.raises(errors.MissingPackage, match=re.escape(f": pip install 'isptoolkit[{extra}]'") + "$"):
        use(tmp_path)


def guarded():
    """The extras that the package asks for."""
    for path in sorted((ROOT / "isptoolkit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "needs":
                yield node.args[0].value


def test_every_use_of_an_extra_is_tested():
    assert sorted(set(guarded())) == sorted(USES)
    assert set(USES) <= set(EXTRAS)


def requirements(name):
    """The distributions of an extra, with those of the extras that it includes."""
    for line in EXTRAS[name]:
        inner = re.fullmatch(r"isptoolkit\[(.*)\]", line)
        if inner:
            for other in inner[1].split(","):
                yield from requirements(other)
        else:
            yield re.match(r"[\w.-]+", line)[0].lower()


def test_all_has_what_users_can_use():
    tools = {"all", "bench", "dev", "docs", "mutation", "test"}
    expected = {name for extra in EXTRAS if extra not in tools for name in requirements(extra)}
    assert set(requirements("all")) == expected


def test_tests_need_no_nvidia_package_but_the_compiler():
    nvidia = {name for name in requirements("test") if name.startswith(("nvidia", "cuda"))}
    assert nvidia == {"cuda-bindings", "cuda-core", "nvidia-cuda-nvrtc"}
    lines = [line for extra in ("nvrtc", "test") for line in EXTRAS[extra]]
    assert [line for line in lines if re.match(r"cuda-core\[|cuda-bindings\[|cuda-toolkit", line)] == []


def third_party():
    """The distributions that the package imports outside of `needs`, by the name of the module."""
    names = {"PIL": "pillow", "torch": "torch"}
    for path in [*sorted((ROOT / "isptoolkit").rglob("*.py")), *sorted((ROOT / "recipes").rglob("*.py"))]:
        tree = ast.parse(path.read_text())
        optional = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.With) and "needs(" in ast.unparse(node.items[0])
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if id(node) in optional:
                continue
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module]
            for module in modules:
                top = module.partition(".")[0]
                if top not in sys.stdlib_module_names and top != "isptoolkit":
                    yield path.name, names.get(top, top)


def test_dependencies_are_what_the_package_imports():
    """setuptools builds the package; cuda-core runs kernels only where torch finds a GPU, and its absence is logged."""
    imported = {
        name for file, name in third_party() if (file, name) not in (("build.py", "setuptools"), ("cuda.py", "cuda"))
    }
    assert imported == {re.match(r"[\w.-]+", line)[0] for line in PROJECT["dependencies"]}


def test_constraints_leave_cuda_to_torch():
    """A torch that has CUDA requires one version of each of these; cuda-bindings it requires only of a range."""
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {"torch", "cuda-core", "cuda-bindings"} <= pinned
    assert [name for name in sorted(pinned) if name.startswith(("nvidia-", "cuda-toolkit"))] == []

"""The CUDA sources compile for every supported architecture; this needs NVRTC but no GPU."""

import concurrent.futures
import importlib.util
import re
from pathlib import Path

import pytest

from isptoolkit.errors import KernelError
from isptoolkit.kernels import nvrtc

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")


@pytest.fixture(scope="session")
def cubins(tmp_path_factory):
    """A fresh cache, so that every test run compiles."""
    return tmp_path_factory.mktemp("cubins")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", nvrtc.SOURCES)
def test_every_kernel_compiles(monkeypatch, cubins, source, architecture):
    monkeypatch.setenv("ISPTOOLKIT_CACHE", str(cubins))
    cubin = nvrtc.compile_source(source, architecture)
    assert cubin[:4] == b"\x7fELF"
    kernels = re.findall(r"__global__ void (\w+)\(", (Path(nvrtc.__file__).parent / "csrc" / source).read_text())
    assert kernels
    for kernel in kernels:
        assert kernel.encode() in cubin
        assert nvrtc.source_of(kernel) == source
    files = list(cubins.glob(f"{Path(source).stem}-{architecture}-*"))
    assert [file.read_bytes() for file in files] == [cubin]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("source", nvrtc.SOURCES)
def test_no_kernel_spills_registers(source, architecture):
    used = nvrtc.resources(source, architecture)
    text = (Path(nvrtc.__file__).parent / "csrc" / source).read_text()
    assert sorted(used) == sorted(re.findall(r"__global__ void (\w+)\(", text))
    for kernel, resources in used.items():
        assert resources.spilled == 0, f"{kernel} spills"
        assert 0 < resources.registers <= 255
        # ptxas counts the declared shared memory exactly.
        assert (resources.shared > 0) == ("__shared__" in body_of(kernel, text)), kernel


def body_of(kernel, text):
    """A kernel's source, with the function that sums over a block if it calls it."""
    body = re.search(rf"void {kernel}\(.*?^\}}", text, re.DOTALL | re.MULTILINE)[0]
    return body + "__shared__" * ("isp_block_sums(" in body)


def test_cached_cubins_are_used_and_changes_recompiled(monkeypatch, tmp_path):
    monkeypatch.setenv("ISPTOOLKIT_CACHE", str(tmp_path / "cache"))
    first = nvrtc.compile_source("cuda_blocks.cu", "sm_80")
    (cached,) = (tmp_path / "cache").iterdir()
    cached.write_bytes(b"cached")
    assert nvrtc.compile_source("cuda_blocks.cu", "sm_80") == b"cached"
    monkeypatch.setattr(nvrtc, "_STANDARD", "c++20")
    assert len(nvrtc.compile_source("cuda_blocks.cu", "sm_80")) > len(first) / 2
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_an_unwritable_cache_costs_only_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("ISPTOOLKIT_CACHE", str(tmp_path / "file" / "below"))
    assert nvrtc.compile_source("cuda_blocks.cu", "sm_80")[:4] == b"\x7fELF"


def test_compile_errors_name_the_source(monkeypatch, tmp_path):
    monkeypatch.setenv("ISPTOOLKIT_CACHE", str(tmp_path))
    with pytest.raises(KernelError, match=r"cuda_blocks\.cu does not compile for sm_1"):
        nvrtc.compile_source("cuda_blocks.cu", "sm_1")


def test_concurrent_compilations_cache_one_complete_file(monkeypatch, tmp_path):
    monkeypatch.setenv("ISPTOOLKIT_CACHE", str(tmp_path))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        cubins = list(pool.map(lambda _: nvrtc.compile_source("cuda_blocks.cu", "sm_80"), range(3)))
    assert len(set(cubins)) == 1
    assert [file.read_bytes() for file in tmp_path.iterdir()] == cubins[:1]


def test_the_table_of_resources_lists_every_kernel():
    path = Path(__file__).parents[2] / "benchmarks" / "cuda_resources.py"
    spec = importlib.util.spec_from_file_location("cuda_resources", path)
    cuda_resources = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cuda_resources)
    kernels = [k for source in nvrtc.SOURCES for k in nvrtc.resources(source, "sm_90")]
    assert sorted(cuda_resources.TRAFFIC) == sorted(kernels)
    assert [cuda_resources.occupancy(registers) for registers in (32, 40, 64, 92, 255)] == [1, 0.75, 0.5, 0.25, 0.125]

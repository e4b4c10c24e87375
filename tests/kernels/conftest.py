"""Fixtures that run a test with each build of the kernels, emulated CUDA included, or skip it without kernels."""

import sys
import tempfile
from pathlib import Path

import cuda_emulation
import pytest
import torch

from isptoolkit.kernels import native, nvrtc, usable

BUILDS = ("baseline", "neon", "avx2", "avx512")


@pytest.fixture(params=[*BUILDS, "emulated"])
def build(request, device):
    """Each instruction set of the CPU and emulated CUDA in turn; on a GPU, the single CUDA build."""
    if request.param == "emulated":
        request.getfixturevalue("emulator")
        yield "emulated"
        return
    if device.type != "cpu":
        if request.param != BUILDS[0]:
            pytest.skip("not for a GPU: it has one build")
        assert usable(torch.zeros(1, 1, 1, 1, device=device))
        yield "cuda"
        return
    library = native.library()
    if library is None:
        pytest.skip("needs the native kernels: install a C compiler, then reinstall isptoolkit")
    best = library.isp_instruction_set()
    if not library.isp_use(request.param.encode()):
        pytest.skip(f"needs a processor with {request.param}: run on one")
    yield request.param
    library.isp_use(best)


@pytest.fixture
def kernels(device):
    """Skip if no kernel runs on this device."""
    if not usable(torch.zeros(1, 1, 1, 1, device=device)):
        pytest.skip("needs the native kernels: install a C compiler, then reinstall isptoolkit")


@pytest.fixture(params=["native", "emulated"])
def backend(request):
    """The best build of the kernels, then emulated CUDA."""
    request.getfixturevalue("kernels" if request.param == "native" else "emulator")
    return request.param


@pytest.fixture
def emulator(sources, objects, device):
    """Emulated CUDA: while the test runs, the CPU passes for a GPU and every launch is checked."""
    if device.type != "cpu":
        pytest.skip("not for a GPU: it runs the kernels themselves")
    with cuda_emulation.emulated(cuda_emulation.Emulator(sources, objects)) as emulator:
        yield emulator


@pytest.fixture(scope="session")
def sources():
    """The folder of the kernels' sources."""
    return Path(nvrtc.__file__).parent / "csrc"


@pytest.fixture(scope="session")
def objects(request):
    """Where compiled sources stay: pytest's cache, which processes and later runs share."""
    if sys.platform != "linux":
        pytest.skip("not for this system: the emulation needs Linux")
    if cuda_emulation.compiler() is None:
        pytest.skip("needs a C++ compiler: install g++")
    cache = getattr(request.config, "cache", None)
    return Path(cache.mkdir("cuda_emulation") if cache else tempfile.mkdtemp())

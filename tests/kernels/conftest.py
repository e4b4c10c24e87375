"""Fixtures that run a test with each build of the CPU library, or skip it without kernels."""

import pytest
import torch

from isptoolkit.kernels import native, usable

BUILDS = ("baseline", "neon", "avx2", "avx512")


@pytest.fixture(params=BUILDS)
def build(request, device):
    """Each instruction set in turn; on a GPU, the single CUDA build."""
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

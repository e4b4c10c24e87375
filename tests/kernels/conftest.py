"""The builds of the library that this machine can run, and tensors to run them on."""

import pytest
import torch

from isptoolkit.kernels import native, usable

BUILDS = ("baseline", "neon", "avx2", "avx512")


@pytest.fixture(params=BUILDS)
def build(request, device):
    """Each instruction set in turn; on a GPU there is one build."""
    if device.type != "cpu":
        if request.param != BUILDS[0]:
            pytest.skip("one build on a GPU")
        assert usable(torch.zeros(1, 1, 1, 1, device=device))
        yield "cuda"
        return
    library = native.library()
    if library is None:
        pytest.skip("isptoolkit was installed without a C compiler")
    best = library.isp_instruction_set()
    if not library.isp_use(request.param.encode()):
        pytest.skip(f"no build for {request.param} that runs here")
    yield request.param
    library.isp_use(best)


@pytest.fixture
def kernels(device):
    """Skip where no kernel runs at all."""
    if not usable(torch.zeros(1, 1, 1, 1, device=device)):
        pytest.skip("no native kernels here")

"""Every CUDA launch passes what the kernel declares: count, order of pointers, integers and floats. Needs no GPU."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from isptoolkit.kernels import cuda, nvrtc
from isptoolkit.kernels.steps import DemosaicMethod, Kind

CHANNELS = (0, 1, 1, 2)
CTYPES = {"isp_long": int, "int": np.int32, "float": np.float32, "double": np.float64}


def declared(kernel):
    """The types of a kernel's parameters: `Tensor` for pointers."""
    source = (Path(nvrtc.__file__).parent / "csrc" / nvrtc.source_of(kernel)).read_text()
    parameters = re.search(rf"void {kernel}\((.*?)\) {{", source, re.DOTALL)[1]
    return [torch.Tensor if "*" in p else CTYPES[p.split()[0]] for p in parameters.split(",")]


def calls():
    """Each kernel with a Python call that launches it."""
    x, plane = torch.rand(2, 3, 4, 6), torch.rand(2, 1, 4, 6)
    coefficients, program, large = torch.rand(1, 12), [0] * 10, [int(Kind.HIGHLIGHT), 0, 0, 0, 0]
    style, flat = torch.rand(2, 3), torch.rand(24)
    samples, table = torch.rand(2, 8, 16), torch.rand(1, 64)
    planes, factors = (torch.rand(2, 8, 8), torch.rand(2, 2, 8, 8)), (2, 2)
    return {
        "isp_develop": lambda: cuda.run(x, coefficients, program, (), CHANNELS, DemosaicMethod.NONE, x),
        "isp_develop_large": lambda: cuda.run(x, coefficients, large, (), CHANNELS, DemosaicMethod.NONE, x),
        "isp_render": lambda: cuda.run(plane, coefficients, program, program, CHANNELS, DemosaicMethod.MALVAR, x),
        "isp_develop_gradient": lambda: cuda.run_gradient(x, coefficients, program, x, x, coefficients),
        "isp_demosaic_adjoint": lambda: cuda.demosaic_adjoint(x, CHANNELS, DemosaicMethod.BILINEAR, plane),
        "isp_sample": lambda: cuda.sample("isp_pack", plane, CHANNELS, (4, 6), plane),
        "isp_adain_apply": lambda: cuda.adain(x, style, style, x, style, style, 1e-5),
        "isp_adain_back": lambda: cuda.adain_gradient(x, style, style, style, x, x, style, style),
        "isp_coupling_apply": lambda: cuda.coupling(flat, flat, flat, flat, 0.8, True),
        "isp_coupling_back": lambda: cuda.coupling_gradient(flat, flat, flat, flat, flat, flat, 0.8, False),
        "isp_jpeg_blocks": lambda: cuda.jpeg_blocks(samples, table, samples),
        "isp_jpeg_back": lambda: cuda.jpeg_blocks_gradient(samples, table, flat, samples, samples, table),
        "isp_jpeg_split": lambda: cuda.jpeg_split(x, *planes, *factors),
        "isp_jpeg_join": lambda: cuda.jpeg_join(*planes, x, *factors),
        "isp_jpeg_split_back": lambda: cuda.jpeg_split_gradient(*planes, x, *factors),
        "isp_jpeg_join_back": lambda: cuda.jpeg_join_gradient(x, x, *planes, *factors),
    }


def test_every_kernel_is_launched():
    folder = Path(nvrtc.__file__).parent / "csrc"
    sources = "".join((folder / source).read_text() for source in nvrtc.SOURCES)
    assert sorted(calls()) == sorted(re.findall(r"__global__ void (\w+)\(", sources))


@pytest.mark.parametrize("kernel", calls())
def test_arguments_match_the_kernel(monkeypatch, kernel):
    launches = []
    monkeypatch.setattr(cuda, "launch", lambda x, name, grid, *arguments: launches.append((name, arguments)))
    monkeypatch.setattr(cuda, "blocks", lambda x, items: 1)
    monkeypatch.setattr(cuda, "_program", lambda device, steps: torch.tensor(steps or (0,), dtype=torch.int32))
    calls()[kernel]()
    ((name, arguments),) = launches
    assert name == kernel
    assert [type(argument) for argument in arguments] == declared(kernel)

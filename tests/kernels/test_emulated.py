"""Emulated CUDA: what it checks, on small kernels that break one rule each."""

import cuda_emulation
import numpy as np
import pytest
import torch

from isptoolkit import CAMERA, Capture, Fused, Pipeline, stages
from isptoolkit.kernels import blocks, cuda, demosaic, jpeg, usable

HEAD = 'extern "C" __global__ void kernel('
BROKEN = {
    "reads after the end": (
        "const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x + 1]; }",
        r"thread \d+ reads outside every tensor, 0 bytes after the end of x",
    ),
    "reads before the start": (
        "const float *x, float *y) { y[threadIdx.x] = x[(int)threadIdx.x - 1]; }",
        "thread 0 reads outside every tensor, 4 bytes before x",
    ),
    "writes after the end": (
        "const float *x, float *y) { y[threadIdx.x + 1] = x[threadIdx.x]; }",
        "thread 63 writes outside every tensor, 0 bytes after the end of y",
    ),
    "writes a const tensor": (
        "const float *x, float *y) { y[threadIdx.x] = ((float *)x)[threadIdx.x] = 1.0f; }",
        r"writes x\[63\], which is const",
    ),
    "reads another type": (
        "const float *x, float *y) { y[threadIdx.x] = (float)((const double *)x)[threadIdx.x / 2]; }",
        "accesses 8 bytes of x, whose items have 4",
    ),
    "leaves an item unwritten": (
        "const float *x, float *y) { if (threadIdx.x) y[threadIdx.x] = x[0]; }",
        "1 of 64 items of y are never written",
    ),
    "writes an item twice": (
        "const float *x, float *y) { y[threadIdx.x] = x[0]; y[0] = x[0]; }",
        r"writes y\[0\], which another thread wrote",
    ),
    "reads shared memory early": (
        "const float *x, float *y) { __shared__ float s[64]; s[threadIdx.x] = x[threadIdx.x];"
        " y[threadIdx.x] = s[63 - threadIdx.x]; }",
        "reads shared memory that no thread wrote",
    ),
    "reads shared memory that is never written": (
        "const float *x, float *y) { __shared__ float s[64]; if (threadIdx.x) s[threadIdx.x] = x[0];"
        " __syncthreads(); y[threadIdx.x] = s[threadIdx.x]; }",
        "thread 0 reads shared memory that no thread wrote",
    ),
    "overwrites shared memory early": (
        "const float *x, float *y) { __shared__ float s[64]; s[threadIdx.x] = x[threadIdx.x]; __syncthreads();"
        " y[threadIdx.x] = s[63 - threadIdx.x]; s[threadIdx.x] = 0.0f; }",
        "shared memory that another thread (wrote|read) since the last barrier",
    ),
    "adds without atomics": (
        "const float *x, float *y) { __shared__ float s; if (!threadIdx.x) s = 0.0f; __syncthreads();"
        " s += x[threadIdx.x]; __syncthreads(); y[threadIdx.x] = s; }",
        "shared memory that another thread (wrote|read) since the last barrier",
    ),
    "misses a barrier": (
        "const float *x, float *y) { if (threadIdx.x != 5) __syncthreads(); y[threadIdx.x] = x[0]; }",
        "thread 0 is at the barrier of line 1, but thread 5 has finished",
    ),
    "waits at two barriers": (
        "const float *x, float *y) {\nif (threadIdx.x < 9) __syncthreads();\nelse __syncthreads();\n"
        " y[threadIdx.x] = x[0]; }",
        "thread 0 is at the barrier of line 2, but thread 9 is at the barrier of line 3",
    ),
    "misses a shuffle": (
        "const float *x, float *y) { float v = x[0]; if (threadIdx.x != 40) v = __shfl_down_sync(0xffffffffu, v, 1);"
        " y[threadIdx.x] = v; }",
        "thread 32 is at the shuffle of line 1, but thread 40 has finished",
    ),
    "masks a thread that shuffles": (
        "const float *x, float *y) { y[threadIdx.x] = __shfl_xor_sync(0x7fffffffu, x[0], 1); }",
        "thread 31 is not in the mask",
    ),
    "counts in the order of threads": (
        "const float *x, float *y) { __shared__ int n; if (!threadIdx.x) n = 0; __syncthreads();"
        " y[threadIdx.x] = (float)atomicAdd(&n, 1); }",
        "y depends on the order of threads",
    ),
    "uses unknown PTX": (
        'const float *x, float *y) { float f = x[0]; unsigned short h = 0; asm("ex2 %0, %1;" : "=f"(f) : "h"(h));'
        " y[threadIdx.x] = f; }",
        "uses PTX that",
    ),
}


def launch(folder, objects, source, *arguments, grid=1, block=64):
    """Emulate a kernel that is named `kernel`."""
    (folder / "cuda_small.cu").write_text(source)
    emulator = cuda_emulation.Emulator(folder, objects)
    emulator.launch(arguments[0], "kernel", (grid,), block, arguments)


@pytest.mark.parametrize("name", BROKEN)
def test_emulated_kernels_that_break_a_rule_fail(tmp_path, objects, name):
    body, problem = BROKEN[name]
    with pytest.raises(cuda_emulation.EmulationError, match=problem):
        launch(tmp_path, objects, HEAD + body, torch.ones(64), torch.empty(64))


def test_emulated_warps_and_barriers(tmp_path, objects):
    """Sums over the warps of a block that its threads fill unevenly, after a kernel that failed midway."""
    source = HEAD + (
        "const float *x, double *y, float *z) { __shared__ float s[4];"
        " float v = x[blockIdx.x * blockDim.x + threadIdx.x];"
        " for (int k = 16; k; k /= 2) v += __shfl_down_sync(0xffffffffu, v, k);"
        " if (threadIdx.x % 32 == 0) s[threadIdx.x / 32] = v; __syncthreads();"
        " atomicAdd(y, (double)x[threadIdx.x]);"
        " z[blockIdx.x * blockDim.x + threadIdx.x] = s[0] + s[1] + s[2]; }"
    )
    x, y, z = torch.arange(192.0), torch.zeros(1, dtype=torch.float64), torch.empty(192)
    launch(tmp_path, objects, source, x, y, z, grid=2, block=96)
    assert torch.equal(z, x.view(2, 96).sum(1).repeat_interleave(96))
    assert float(y) == 2 * float(x[:96].sum())


def test_emulated_reads_between_the_items_of_a_view_fail(tmp_path, objects):
    source = HEAD + "const float *x, float *y) { y[threadIdx.x] = x[threadIdx.x]; }"
    with pytest.raises(cuda_emulation.EmulationError, match=r"x\[\d+\], which its view skips"):
        launch(tmp_path, objects, source, torch.ones(128)[::2], torch.empty(64))


TYPED = HEAD + "const void *x, void *y, const float *p, isp_long n, int x_type, int type, float limit, double small) {}"


@pytest.mark.parametrize(
    ("position", "value", "problem"),
    [
        (0, torch.ones(8), "x is torch.float32, and the kernel reads torch.float16"),
        (1, torch.ones(8).half(), "y is torch.float16, and the kernel reads torch.float32"),
        (2, torch.ones(8).double(), "p is torch.float64, and the kernel reads torch.float32"),
        (2, 1, "float .p gets a int64"),
        (3, np.int32(8), "isp_long n gets a int32"),
        (4, 3, "int x_type gets a int64"),
        (6, 0.5, "float limit gets a float"),
        (7, np.float32(0.5), "double small gets a float32"),
        (3, torch.ones(8), "isp_long n gets a int"),
    ],
)
def test_emulated_arguments_have_the_declared_type(tmp_path, objects, position, value, problem):
    arguments = [
        torch.ones(8).half(),
        torch.ones(8),
        torch.ones(8),
        8,
        np.int32(3),
        np.int32(0),
        np.float32(1),
        np.float64(1),
    ]
    arguments[position] = value
    source = "typedef long long isp_long;\n" + TYPED
    with pytest.raises(cuda_emulation.EmulationError, match=problem):
        launch(tmp_path, objects, source, *arguments)
    with pytest.raises(cuda_emulation.EmulationError, match="takes 8 arguments, not 7"):
        launch(tmp_path, objects, source, *arguments[:-1])


def test_emulated_tensors_pass_for_cuda_only_inside_the_context(sources, objects):
    half = torch.zeros(1, dtype=torch.float16)
    assert not half.is_cuda
    with cuda_emulation.emulated(cuda_emulation.Emulator(sources, objects)):
        assert half.is_cuda
        assert usable(half)
        assert cuda.state() == "emulated on the CPU"
    assert not half.is_cuda
    assert not usable(half)


CAPTURE = Capture.of("GRBG", black=64, white=1023, gains=(2.0, 1.0, 1.5))


def test_emulated_operators_launch_every_kernel(emulator):
    image, plane, style = torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8), torch.rand(1, 3)
    leaves = [value.requires_grad_() for value in (image, plane, style)]
    chain = Fused(Pipeline(demosaic=stages.DemosaicMalvar(), matrix=stages.ColorMatrix()))
    table, slopes = torch.ones(1, 64), torch.zeros(0)
    outputs = [
        chain(plane, CAPTURE),
        Fused(Pipeline(matrix=stages.ColorMatrix()))(image, CAPTURE),
        Fused(Pipeline(shading=stages.LensShadingRadial([0.5], space=CAMERA)))(image, CAPTURE),
        demosaic.mosaic(image, (0, 1, 1, 2)),
        blocks.adain(image, style, style, 1e-5)[0],
        blocks.coupling(image, image, image, 0.8, False),
        jpeg.jpeg_blocks(image[0], table, slopes),
        jpeg.jpeg_image(image, torch.ones(1, 2, 64), slopes, 2, 2),
    ]
    torch.autograd.grad(sum(output.sum() for output in outputs), leaves)
    assert set(emulator.launches) == set(cuda_emulation.parameters(emulator.sources))


def test_emulated_grids_that_cuda_refuses_fail(emulator):
    for grid in ((0,), (1, 0), (1, 65536), (1, 1, 65536), (2**31,)):
        with pytest.raises(cuda_emulation.EmulationError, match="refuses a grid"):
            emulator.launch(torch.zeros(1), "isp_sample", grid, 256, ())

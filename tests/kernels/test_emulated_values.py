"""Emulated CUDA where parity tests do not reach: half precision, huge strides, grids of other sizes, empty batches."""

import cuda_emulation
import pytest
import torch

from isptoolkit import CAMERA, LINEAR, MOSAIC, Capture, Fused, Pipeline, stages
from isptoolkit.kernels import blocks, cuda, demosaic, jpeg, reference
from isptoolkit.kernels.steps import DemosaicMethod
from isptoolkit.stages.jpeg.image import jpeg_image
from isptoolkit.stages.jpeg.planes import SUBSAMPLINGS

CAPTURE = Capture.of("GRBG", black=64, white=1023, gains=(2.0, 1.0, 1.5))


def test_emulated_conversions_of_every_half(emulator):
    """Every float16 and bfloat16 is read and written unchanged; NaN stays NaN."""
    for dtype in (torch.float16, torch.bfloat16):
        x = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(dtype).view(1, 1, 256, 256)
        y = demosaic.unpack(demosaic.pack(x))
        assert torch.equal(y.isnan(), x.isnan())
        assert torch.equal(y.view(torch.int16)[~x.isnan()], x.view(torch.int16)[~x.isnan()])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_emulated_rounding_to_half(emulator, dtype):
    """Floats, halfway cases included, round to half precision as in torch."""
    torch.manual_seed(0)
    halves = torch.arange(2**15 - 2**10 - 1, dtype=torch.int16).view(torch.float16).float()
    between = (halves[1:] + halves[:-1]) / 2
    x = torch.cat([between, between.nextafter(torch.tensor(9e9)), between.nextafter(torch.tensor(0.0))])
    x = torch.cat([x, torch.randn(5000) * 10.0 ** torch.randint(-9, 6, (5000,)), torch.tensor([65519.9, 65520.0, 1e9])])
    x = torch.cat([x, -x])[None, None, None]
    y = torch.empty(x.shape, dtype=dtype)
    cuda.run(x, torch.zeros(1, 1), (), (), (0, 0, 0, 0), DemosaicMethod.NONE, y)
    assert torch.equal(y.view(torch.int16), x.to(dtype).view(torch.int16))


HALVES = pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)


def both(function, *values):
    """Output and gradients of a function of half-precision tensors, and of its definition in float32."""
    results = []
    for halves in (True, False):
        leaves = [value.detach().clone() if halves else value.detach().float() for value in values]
        leaves = [leaf.requires_grad_() for leaf in leaves]
        if halves:
            y = function(*leaves)
        else:
            with reference():
                y = function(*leaves)
        weights = torch.linspace(-1, 1, y.numel()).reshape(y.shape).sin()
        results.append([y, *torch.autograd.grad((y.float() * weights).sum(), leaves)])
    return zip(*results, strict=True)


def assert_close(output, expected, dtype):
    """Equal up to the rounding of the output, and of a gradient, to half precision."""
    assert output.dtype == dtype
    eps, expected = torch.finfo(dtype).eps, expected.detach()
    torch.testing.assert_close(output.float(), expected, rtol=4 * eps, atol=4 * eps * float(expected.abs().max()))


@HALVES
@pytest.mark.parametrize("stage", [stages.DemosaicBilinear(), stages.DemosaicMalvar()], ids=lambda s: type(s).__name__)
def test_emulated_demosaic_of_half_precision(emulator, stage, dtype):
    torch.manual_seed(1)
    for output, expected in both(lambda x: stage(x, CAPTURE), torch.rand(2, 1, 19, 70).to(dtype)):
        assert_close(output, expected, dtype)


@HALVES
def test_emulated_gradients_of_half_precision(emulator, dtype):
    torch.manual_seed(2)
    chain = Fused(
        Pipeline(
            balance=stages.WhiteBalance(space=CAMERA),
            matrix=stages.ColorMatrix(),
            clip=stages.Clip(space=LINEAR),
            curve=stages.SRGBCurve(),
        )
    )
    for output, expected in both(lambda x: chain(x, CAPTURE), torch.rand(2, 3, 9, 61).to(dtype)):
        assert_close(output, expected, dtype)


@HALVES
@pytest.mark.parametrize("inverse", [False, True])
def test_emulated_coupling_of_half_precision(emulator, inverse, dtype):
    torch.manual_seed(3)
    x, h, t = torch.randn(3, 2, 3, 7, 61).to(dtype).unbind(0)
    y = blocks.coupling(x, h, t, 0.8, inverse)
    scale = 0.8 * torch.tanh(h.float() / 2)
    x, t = x.float(), t.float()
    assert_close(y, (x - t) * torch.exp(-scale) if inverse else x * torch.exp(scale) + t, dtype)


@HALVES
def test_emulated_adain_of_half_precision(emulator, dtype):
    torch.manual_seed(4)
    x, scale, shift = (torch.randn(2, 3, 9, 40) + 2).to(dtype), torch.randn(2, 3), torch.randn(2, 3)
    y, mean, _ = blocks.adain(x, scale, shift, 1e-5)
    plain = torch.nn.functional.instance_norm(x.double(), eps=1e-5) * (359 / 360) ** 0.5
    assert_close(y, (plain * scale.double()[..., None, None] + shift.double()[..., None, None]).float(), dtype)
    torch.testing.assert_close(mean.double().sum(-1), x.double().mean((2, 3)), rtol=1e-5, atol=1e-5)
    grad_x, _, grad_shift = blocks.adain_gradient(x, scale, *blocks.adain(x, scale, shift, 1e-5)[1:], x)
    assert grad_x.dtype == dtype
    torch.testing.assert_close(grad_shift, x.float().sum((2, 3)), rtol=1e-4, atol=1e-3)


@HALVES
@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_emulated_jpeg_of_half_precision(emulator, subsampling, dtype):
    torch.manual_seed(10)
    tables, factors = torch.randint(8, 40, (2, 2, 8, 8)).float(), SUBSAMPLINGS[subsampling]
    x = (torch.rand(2, 3, 19, 37) * 1.2 - 0.1).to(dtype)
    (output, expected), (grad, expected_grad) = both(lambda x: jpeg_image(x, tables, factors, (0.4, -0.2)), x)
    assert torch.equal(output, expected.to(dtype))
    # Rounding to half precision decides where an output is clamped, and its codes are those of the definition.
    assert_close(grad, expected_grad, dtype)


def test_emulated_strides_beyond_32_bits(emulator):
    """Samples, planes and rows that lie more than 2^31 items apart; memory that no kernel touches is never used."""
    torch.manual_seed(5)
    memory, gap = torch.empty(2**32 + 2**20, dtype=torch.uint8), 2**31 + 1024
    gain = Fused(Pipeline(gain=stages.Gain(1 / 255, space=MOSAIC)))
    for strides in ((gap, 400, 40, 1), (400, 400, gap, 1)):
        x = memory.as_strided((2, 1, 2, 40), strides)
        x.copy_(torch.randint(0, 255, (2, 1, 2, 40), dtype=torch.uint8))
        assert torch.equal(gain.render(x, CAPTURE, dtype=torch.uint8), x)
    planes = memory.as_strided((1, 3, 2, 40), (0, gap, 40, 1))[:, :2]
    planes.copy_(torch.randint(0, 255, (1, 2, 2, 40), dtype=torch.uint8))
    y = torch.empty(1, 2, 2, 40)
    cuda.run(planes, torch.zeros(1, 1), (), (), (0, 0, 0, 0), DemosaicMethod.NONE, y)
    assert torch.equal(y, planes.float())


def test_emulated_items_beyond_32_bits(sources, objects):
    """The last block of a launch with one thread for each of more than 2^31 pixels, read from one expanded row."""
    height, width = 2**15 + 1, 2**16
    row = torch.randint(0, 255, (width,), dtype=torch.uint8)
    total = height * width
    first = -(-total // 256) - 2
    emulator = cuda_emulation.Emulator(sources, objects, multiprocessors=2**24, first=first)
    y = torch.zeros(1, 1, height, width, dtype=torch.uint8)
    with cuda_emulation.emulated(emulator):
        coefficients = torch.tensor([[0.0, 0, 0, 0, *[1 / 255] * 4, 0, 0, 0, 0]])
        program = (0, 0, 0, 0, 0)
        cuda.run(row.expand(1, 1, height, width), coefficients, program, (), (0, 0, 0, 0), DemosaicMethod.NONE, y)
    assert total > 2**31
    assert torch.equal(y[0, 0, -1, -512:], row[-512:])
    assert not bool(y[0, 0, -1, :-512].any())


def test_emulated_grids_of_several_blocks_per_sample(sources, objects):
    """Grids from one block to one thread per pixel compute the same."""
    torch.manual_seed(6)
    x = torch.rand(2, 3, 50, 41)
    outputs = []
    for multiprocessors in (1, 1000):
        emulator = cuda_emulation.Emulator(sources, objects, multiprocessors)
        with cuda_emulation.emulated(emulator):
            leaf = x.clone().requires_grad_()
            y = Fused(Pipeline(matrix=stages.ColorMatrix(), curve=stages.SRGBCurve()))(leaf, CAPTURE)
            outputs.append((y.detach(), *torch.autograd.grad(y.square().sum(), leaf)))
        assert emulator.launches == ["isp_develop", "isp_develop_gradient"]
    for a, b in zip(*outputs, strict=True):
        assert torch.equal(a, b)


def gradients(chain, x, capture):
    gains = capture.gains.clone().requires_grad_()
    leaf = x.clone().requires_grad_()
    y = chain(leaf, capture.replace(gains=gains))
    return [y.detach(), *torch.autograd.grad((y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum(), (leaf, gains))]


@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_emulated_batches_larger_than_a_grid(emulator, monkeypatch, own):
    """A grid limits the samples of one launch; more take several, whether samples share their coefficients or not."""
    torch.manual_seed(7)
    monkeypatch.setattr(cuda, "GRID_LIMIT", 2)
    capture = Capture.collate([Capture.of("GRBG", gains=(1 + k / 4, 1.0, 2.0)) for k in range(5)]) if own else CAPTURE
    chain = Pipeline(demosaic=stages.DemosaicMalvar(), balance=stages.WhiteBalance(space=CAMERA))
    x = torch.rand(5, 1, 6, 8)
    outputs = gradients(Fused(chain), x, capture)
    assert emulator.launches.count("isp_render") == 2 * 3
    with reference():
        expected = gradients(chain, x, capture)
    for a, b in zip(outputs, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_emulated_empty_batches(emulator):
    image, plane, style = torch.rand(0, 3, 6, 8), torch.rand(0, 1, 6, 8), torch.rand(0, 3)
    assert demosaic.demosaic(plane, (0, 1, 1, 2), DemosaicMethod.MALVAR).shape == image.shape
    assert blocks.adain(image, style, style, 1e-5)[0].shape == image.shape
    assert jpeg.jpeg_blocks(torch.rand(0, 8, 8), torch.ones(1, 64), torch.zeros(0)).shape == (0, 8, 8)
    assert jpeg.jpeg_image(image, torch.ones(1, 2, 64), torch.zeros(0), 2, 2).shape == image.shape
    assert emulator.launches == []


def test_emulated_mesh_with_more_coefficients_than_a_block_sums(emulator):
    """Gradients of coefficients beyond those that a block sums first go straight to global memory."""
    torch.manual_seed(8)
    mesh = torch.nn.Parameter(1 + torch.rand(4, 13, 17))
    chain = Pipeline(mesh=stages.LensShadingMesh(mesh))
    x = torch.rand(2, 1, 20, 31)
    grads = []
    for stage in (Fused(chain), chain):
        y = stage(x, CAPTURE) if stage is not chain else reference_output(chain, x)
        grads.append(torch.autograd.grad((y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum(), mesh)[0])
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)


def reference_output(stage, x):
    with reference():
        return stage(x, CAPTURE)

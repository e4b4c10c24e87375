"""Faults that are put into copies of the CUDA sources on purpose: the emulation has to notice each of them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import cuda_emulation
import pytest
import torch

from isptoolkit import CAMERA, Capture, Fused, Pipeline, stages
from isptoolkit.kernels import blocks, demosaic, nvrtc, reference
from isptoolkit.stages.jpeg.blocks import jpeg_blocks
from isptoolkit.stages.jpeg.image import jpeg_image

CAPTURE = Capture.of("GBRG", black=(60, 64, 66, 70), white=1023, gains=(2.1, 1.0, 1.6))


def compare(function, *values):
    """Compare a function's output and gradients with those of its definition."""
    leaves = [value.requires_grad_() for value in values]

    def evaluated():
        y = function(*leaves)
        return [y, *torch.autograd.grad((y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum(), leaves)]

    outputs = evaluated()
    with reference():
        expected = evaluated()
    for a, b in zip(outputs, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4 * float(b.detach().abs().max()))


def check_fused():
    torch.manual_seed(0)
    chain = Pipeline(balance=stages.WhiteBalance(space=CAMERA), matrix=stages.ColorMatrix(), curve=stages.SRGBCurve())
    x = torch.rand(2, 3, 12, 47)
    compare(lambda x: Fused(chain)(x, CAPTURE), x)
    strided = torch.nn.functional.pad(x.detach(), (3, 5, 1, 2))[..., 1:-2, 3:-5]
    assert torch.equal(Fused(chain)(strided, CAPTURE), Fused(chain)(strided.contiguous(), CAPTURE))


def check_render():
    torch.manual_seed(0)
    raw = Pipeline(levels=stages.Levels(), demosaic=stages.DemosaicMalvar())
    compare(lambda x: Fused(raw)(x, CAPTURE), torch.rand(2, 1, 18, 70) * 900 + 64)


def check_sites():
    torch.manual_seed(0)
    raw = Pipeline(levels=stages.Levels(), demosaic=stages.DemosaicMalvar())
    x = torch.rand(2, 1, 18, 70) * 900 + 64
    with reference():
        expected = raw(x, CAPTURE)
    torch.testing.assert_close(Fused(raw)(x, CAPTURE), expected)


def check_monotone():
    torch.manual_seed(0)
    x, logits = torch.rand(2, 3, 8, 40), torch.randn(2, 5)
    compare(lambda x, logits: curved(logits)(x, CAPTURE), x, logits)


def curved(logits):
    """A fused curve whose own logits carry the gradient."""
    curve = stages.MonotoneCurve(logits)
    return Fused(Pipeline(curve=curve))


def check_half():
    torch.manual_seed(0)
    x = torch.rand(1, 1, 8, 64).half()
    assert torch.equal(demosaic.unpack(demosaic.pack(x)), x)
    y = stages.DemosaicBilinear()(x, CAPTURE)
    with reference():
        assert torch.equal(y, stages.DemosaicBilinear()(x.float(), CAPTURE).half())


def check_adain():
    torch.manual_seed(0)
    x, scale, shift = torch.randn(2, 3, 20, 31), torch.randn(2, 3), torch.randn(2, 3)
    y, *_ = blocks.adain(x, scale, shift, 1e-5)
    plain = torch.nn.functional.instance_norm(x, eps=1e-5) * (619 / 620) ** 0.5
    torch.testing.assert_close(y, plain * scale[..., None, None] + shift[..., None, None], rtol=1e-4, atol=1e-4)


def check_jpeg():
    torch.manual_seed(0)
    table = torch.randint(1, 60, (1, 8, 8)).float()
    compare(lambda x, table: jpeg_blocks(x, table, [0.1]), torch.rand(2, 24, 136) * 255, table)


def check_jpeg_image():
    torch.manual_seed(0)
    tables = torch.randint(8, 60, (2, 2, 8, 8)).float()
    for height in (19, 20):
        x = torch.rand(2, 3, height, 69) * 1.2 - 0.1
        compare(lambda x, tables: jpeg_image(x, tables, (2, 2), [0.1]), x, tables)


@dataclass(frozen=True)
class Fault:
    """A change of one source.

    Args:
        source: file in isptoolkit/kernels/csrc.
        right: text of the source; occurs once.
        wrong: what replaces it.
        check: the test of the source's kernels.
        needs: the sources that the check needs; others are not compiled.
    """

    source: str
    right: str
    wrong: str
    check: Callable[[], None]
    needs: tuple[str, ...] = nvrtc.SOURCES


FAULTS = {
    "a wrong stride": Fault(
        "cuda_render.cu",
        "c * x_plane + place.row * x_row + place.column);\n        isp_forward_steps<LARGE>(program",
        "c * x_plane + place.row * width + place.column);\n        isp_forward_steps<LARGE>(program",
        check_fused,
    ),
    "a missing barrier in the demosaic": Fault(
        "cuda_render.cu", "    __syncthreads();\n    const int planes = 3;", "    const int planes = 3;", check_render
    ),
    "a missing barrier in JPEG": Fault(
        "cuda_jpeg.cu",
        "    __syncthreads();\n    READ_ROW(g, real)",
        "    READ_ROW(g, real)",
        check_jpeg,
    ),
    "a missing barrier between two sums": Fault(
        "cuda_blocks.cu",
        "    if (lane == 0) parts[0][warp] = a, parts[1][warp] = b;\n    __syncthreads();",
        "    if (lane == 0) parts[0][warp] = a, parts[1][warp] = b;",
        check_adain,
    ),
    "an off-by-one in the halo": Fault(
        "cuda_render.cu",
        "if (row >= height + MARGIN || column >= width + MARGIN) continue;",
        "if (row >= height + MARGIN - 1 || column >= width + MARGIN) continue;",
        check_render,
    ),
    "an off-by-one in the tile": Fault(
        "cuda_render.cu",
        "if (place.row >= height || place.column >= width) continue;",
        "if (place.row > height || place.column >= width) continue;",
        check_render,
    ),
    "a swapped site": Fault(
        "cuda_steps.h",
        "return (int)(place.row & 1) * 2 + (int)(place.column & 1);",
        "return (int)(place.column & 1) * 2 + (int)(place.row & 1);",
        check_sites,
        ("cuda_render.cu",),
    ),
    "a wrong index of a coefficient of a segment": Fault(
        "lookups.h",
        "{ return j * shape[0] + segment; }",
        "{ return j * (shape[0] - 1) + segment; }",
        check_monotone,
    ),
    "a wrong index of a coefficient of a site": Fault(
        "values.h",
        "4 * j + (owner == ISP_PLANE ? plane : site)",
        "4 * j + (owner == ISP_PLANE ? plane : site & 1)",
        check_sites,
        ("cuda_render.cu",),
    ),
    "a half conversion": Fault(
        "cuda_steps.h",
        "case ISP_FLOAT16: ((unsigned short *)to)[at] = isp_float_to_half(value); break;",
        "case ISP_FLOAT16: ((unsigned short *)to)[at] = isp_float_to_bfloat(value); break;",
        check_half,
        ("cuda_render.cu",),
    ),
    "a wrong row of chroma below the image": Fault(
        "cuda_jpeg_color.cu",
        "isp_smaller(isp_smaller(row, last) * down + k, height - 1)",
        "isp_smaller(row * down + k, height - 1)",
        check_jpeg_image,
    ),
    "a swapped pair of chroma planes": Fault(
        "cuda_jpeg_color.cu",
        "isp_chroma(red, row, column, rows, columns, chroma_width, down, across));",
        "isp_chroma(blue, row, column, rows, columns, chroma_width, down, across));",
        check_jpeg_image,
    ),
    "a padded row whose gradient is lost": Fault(
        "cuda_jpeg_color.cu", "row == height - 1 && height % down ? 2.0f : 1.0f", "1.0f", check_jpeg_image
    ),
    "a missing barrier in a tile of chroma": Fault(
        "cuda_jpeg_color.cu",
        "    __syncthreads();\n    const int r = threadIdx.x / TILE_COLUMNS",
        "    const int r = threadIdx.x / TILE_COLUMNS",
        check_jpeg_image,
    ),
    "an off-by-one in the last tile of chroma": Fault(
        "cuda_jpeg_color.cu",
        "if (row >= chroma_height || column >= chroma_width) return;",
        "if (row >= chroma_height || column > chroma_width) return;",
        check_jpeg_image,
    ),
    "a sum over too few warps": Fault(
        "cuda_blocks.cu", "warps = (blockDim.x + 31) / 32;", "warps = blockDim.x / 32 - 1;", check_adain
    ),
}


@pytest.mark.parametrize("check", sorted({fault.check for fault in FAULTS.values()}, key=lambda f: f.__name__))
def test_emulated_checks_pass_without_a_fault(emulator, check):
    check()
    assert emulator.launches


@pytest.mark.parametrize("name", FAULTS)
def test_emulated_fault_is_noticed(sources, objects, tmp_path, name):
    fault = FAULTS[name]
    for file in [*sources.glob("*.h"), *(sources / source for source in fault.needs)]:
        shutil.copy(file, tmp_path)
    text = (sources / fault.source).read_text()
    assert text.count(fault.right) == 1
    (tmp_path / fault.source).write_text(text.replace(fault.right, fault.wrong))
    with cuda_emulation.emulated(cuda_emulation.Emulator(tmp_path, objects)), pytest.raises(AssertionError):
        fault.check()

"""The published JPEG simulator: values and gradients of the published code, and its differences from JPEG files."""

import io
import math

import numpy as np
import pytest
import torch
from golden import Golden
from PIL import Image
from torch import nn

from isptoolkit import Capture, Pipeline, errors, read_image
from isptoolkit.stages import DiffJpeg, Jpeg
from isptoolkit.stages.jpeg.rounding import rounding_of

CAPTURE = Capture.of("RGGB")
# https://github.com/yzxing87/Invertible-ISP, first row of the luma table as the code applies it.
TRANSPOSED = [16, 12, 14, 14, 18, 24, 49, 72]


@pytest.fixture(scope="module")
def golden():
    return Golden("invisp_jpeg")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("y", DiffJpeg()),
        ("y_hard", DiffJpeg(rounding="hard")),
        ("y_hard", DiffJpeg(rounding="straight-through")),
        ("y_q50", DiffJpeg(quality=50)),
    ],
    ids=["fourier", "hard", "straight-through", "quality 50"],
)
def test_golden_values(golden, name, stage, dtype):
    # The file states a tolerance for `y` only, which includes the series; it applies to quality 50 too.
    tolerance = 6e-7 if name == "y_hard" else golden.tolerance("y", golden["y"]) / 2
    golden.check(name, stage(golden["x"].to(dtype), CAPTURE), tolerance=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_golden_gradient(golden, dtype):
    x = golden["x"].to(dtype).requires_grad_()
    (DiffJpeg()(x, CAPTURE) * golden["r"].to(dtype)).mean().backward()
    golden.check("grad", x.grad, tolerance=1e-6)


def test_golden_values_in_float64_differ_by_the_rounding_of_the_code(golden):
    measured = golden.meta["tolerance"]["y"]["float64_max_abs"]
    exact, single = (DiffJpeg()(golden["x"].to(dtype), CAPTURE) for dtype in (torch.float64, torch.float32))
    assert float((golden["y"] - exact).abs().max()) < 2 * measured
    assert float((single - exact).abs().max()) < 5 * measured


def test_the_published_series():
    """Values computed by the published code with nine terms."""
    values = {0.1: 0.005143, 0.25: -0.015763, 0.3: 0.02161, 0.45: -0.088656, 0.5: 0.5, 0.75: 1.015763, 1.2: 1.011478}
    rounding = rounding_of("fourier", 9)
    for x, y in (values | {2.6: 2.953088}).items():
        assert float(rounding(torch.tensor(x, dtype=torch.float64))) == pytest.approx(y, abs=1e-6)


def test_the_number_of_terms_matters():
    x = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    outputs = [DiffJpeg(terms=terms)(x, CAPTURE) for terms in (1, 8, 9)]
    assert not torch.allclose(outputs[1], outputs[2], atol=1e-4)
    assert not torch.allclose(outputs[0], outputs[1], atol=1e-4)


@pytest.mark.parametrize(("quality", "factor"), [(25, 2.0), (49, 50 / 49), (50, 1.0), (75, 0.5), (90, 0.2), (99, 0.02)])
def test_tables_follow_the_published_factor(quality, factor):
    luma, chroma = DiffJpeg(quality).quantizers()[0]
    torch.testing.assert_close(luma[0], factor * torch.tensor(TRANSPOSED, dtype=torch.float64))
    torch.testing.assert_close(chroma, chroma.T)
    plain, _ = DiffJpeg(quality, transposed=False).quantizers()[0]
    assert torch.equal(plain, luma.T)
    torch.testing.assert_close(torch.stack((plain, chroma))[None], factor * Jpeg(50).quantizers())


def test_tables_divide_the_other_direction():
    """A horizontal wave is quantized by the step that a file uses for a vertical wave."""
    k, size = 7, 16
    wave = torch.cos((2 * torch.arange(size) + 1) * k * math.pi / 16).double()
    across = (128 + 25 * wave).expand(1, 3, size, size) / 255  # a coefficient of 100 at horizontal frequency 7
    published, corrected = (DiffJpeg(50, "hard", transposed=t)(across, CAPTURE) for t in (True, False))
    down = DiffJpeg(50, "hard", transposed=False)(across.mT, CAPTURE).mT
    torch.testing.assert_close(published, down)
    assert float((published - corrected).abs().max()) > 0.01


def test_samples_have_their_own_quality_and_quality_a_gradient():
    quality = nn.Parameter(torch.tensor([40.0, 90.0], dtype=torch.float64))
    x = torch.rand(2, 3, 16, 32, dtype=torch.float64)
    both = DiffJpeg(quality)(x, CAPTURE)
    for sample, value, own in zip(both, (40, 90), x, strict=True):
        torch.testing.assert_close(sample[None], DiffJpeg(value)(own[None], CAPTURE))
    assert torch.autograd.gradcheck(
        lambda q: DiffJpeg(q)(0.25 + 0.5 * x, CAPTURE).mean((1, 2, 3)), quality.detach().requires_grad_()
    )


def test_hard_rounding_passes_no_gradient():
    x = torch.rand(1, 3, 16, 16, requires_grad=True)
    DiffJpeg(rounding="hard")(x, CAPTURE).sum().backward()
    assert float(x.grad.abs().max()) == 0
    assert not DiffJpeg(rounding="hard").contract.differentiable
    assert DiffJpeg().contract.differentiable


@pytest.mark.parametrize("size", [(1, 1), (3, 40), (17, 16), (31, 33)])
def test_other_sizes_are_padded_by_repetition(size):
    x = torch.rand(1, 3, *size)
    rows, columns = (torch.arange(-(-n // 16) * 16).clamp(max=n - 1) for n in size)
    whole = DiffJpeg()(x[:, :, rows][..., columns], CAPTURE)
    assert torch.equal(DiffJpeg()(x, CAPTURE), whole[..., : size[0], : size[1]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quality": 100}, "at least 1 and below 100, got 100"),
        ({"quality": 0.5}, "got 0.5"),
        ({"quality": [50.0, 120.0]}, "got 50 to 120"),
        ({"rounding": "rounded"}, "got 'rounded'"),
        ({"terms": 0}, "at least 1, got 0"),
        ({"terms": 2.5}, "an integer of at least 1, got 2.5"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(errors.InvalidArgument, match=message):
        DiffJpeg(**arguments)


def test_a_quality_for_each_image():
    with pytest.raises(errors.InvalidTensor, match="2 qualities for 3 images"):
        DiffJpeg([50.0, 90.0])(torch.rand(3, 3, 16, 16), CAPTURE)


def test_mixed_precision_does_not_change_it():
    """In bfloat16 the error of the DCT alone would exceed a quantization step."""
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(DiffJpeg()(x, CAPTURE), DiffJpeg()(x, CAPTURE))
        mixed = DiffJpeg()(x, CAPTURE)
    assert torch.equal(mixed, DiffJpeg()(x, CAPTURE))
    assert DiffJpeg()(x.bfloat16(), CAPTURE).dtype == torch.bfloat16


def test_a_quality_that_leaves_its_range():
    stage = DiffJpeg(nn.Parameter(torch.tensor(99.0)))
    with torch.no_grad():
        stage.quality.fill_(100.0)
    with pytest.raises(errors.InvalidArgument, match="got 100"):
        stage(torch.rand(1, 3, 16, 16), CAPTURE)


def test_it_is_saved_in_a_pipeline_file(tmp_path):
    pipeline = Pipeline(jpeg=DiffJpeg(77.5, "fejer", 5, transposed=False))
    pipeline.save(tmp_path / "jpeg.toml")
    loaded, x = Pipeline.load(tmp_path / "jpeg.toml"), torch.rand(1, 3, 20, 20)
    assert torch.equal(loaded(x, CAPTURE), pipeline(x, CAPTURE))
    assert loaded["jpeg"].transposed is False


@pytest.mark.parametrize(
    ("quality", "decibels", "equal", "within"),
    [(50, 34.7, 0.16, 0.41), (75, 36.5, 0.17, 0.45), (90, 39.3, 0.21, 0.54), (95, 41.5, 0.25, 0.61)],
)
def test_fidelity_to_files_equals_that_of_the_published_code(data, quality, decibels, equal, within):
    """Eight Kodak photographs against Pillow, 4:2:0: PSNR, share of equal samples, share within one code."""
    differences = []
    for number in range(1, 9):
        image = read_image(data / "kodak24" / f"kodim{number:02}.png").float()
        codes = (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(codes).save(file, "JPEG", quality=quality, subsampling=2)
        real = torch.from_numpy(np.array(Image.open(io.BytesIO(file.getvalue())))).permute(2, 0, 1)
        differences.append(((DiffJpeg(quality)(image, CAPTURE) * 255).round()[0] - real).abs().flatten().double())
    difference = torch.cat(differences)
    assert 10 * math.log10(255**2 / float(difference.square().mean())) == pytest.approx(decibels, abs=0.1)
    assert float((difference == 0).double().mean()) == pytest.approx(equal, abs=0.01)
    assert float((difference <= 1).double().mean()) == pytest.approx(within, abs=0.01)

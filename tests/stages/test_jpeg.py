"""The JPEG stage against Pillow, which uses libjpeg-turbo, and its surrogates against their published properties."""

import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from isptoolkit import Capture, Pipeline, errors, read_image
from isptoolkit.io import read_jpeg_coefficients
from isptoolkit.kernels import reference
from isptoolkit.stages import Jpeg
from isptoolkit.stages.jpeg.planes import SUBSAMPLINGS, join, real_join, real_split, split
from isptoolkit.stages.jpeg.rounding import ROUNDINGS, rounding_of

CAPTURE = Capture.of("RGGB")
SAMPLING = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


def pillow(codes, quality, subsampling, **kwargs):
    """Compress codes `[H,W,3]` uint8 with libjpeg; the decoded codes and the file's bytes."""
    file = io.BytesIO()
    kwargs |= {} if quality is None else {"quality": quality}
    Image.fromarray(codes).save(file, "JPEG", subsampling=SAMPLING[subsampling], **kwargs)
    return np.array(Image.open(io.BytesIO(file.getvalue()))), file.getvalue()


def tensor(codes):
    return torch.from_numpy(codes).permute(2, 0, 1)[None].float() / 255


def codes_of(x):
    return (x[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def make_image(seed, height, width):
    """Smooth shapes, edges, saturated colors and noise."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0:height, 0:width] / max(height, width)
    smooth = np.stack([127 + 127 * np.sin(9 * (a * down + b * across)) for a, b in rng.normal(size=(3, 2))], -1)
    noise = rng.integers(0, 256, (height, width, 3))
    return np.where(rng.random((height, width, 1)) < 0.2, noise, smooth).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("subsampling", SAMPLING)
@pytest.mark.parametrize("quality", range(1, 101))
def test_every_quality_and_subsampling_equals_libjpeg_bit_for_bit(quality, subsampling):
    codes = make_image(quality, 41, 55)
    expected, _ = pillow(codes, quality, subsampling)
    assert np.array_equal(codes_of(Jpeg(quality, subsampling)(tensor(codes), CAPTURE)), expected)


@pytest.mark.parametrize("subsampling", SAMPLING)
@pytest.mark.parametrize("height", [1, 2, 3, 7, 8, 9, 15, 16, 17, 33])
def test_every_size_equals_libjpeg_bit_for_bit(height, subsampling):
    for width in (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 47):
        codes = make_image(height * 100 + width, height, width)
        expected, _ = pillow(codes, 80, subsampling)
        decoded = codes_of(Jpeg(80, subsampling)(tensor(codes), CAPTURE))
        assert np.array_equal(decoded, expected), f"{height} x {width}"


@pytest.mark.parametrize("subsampling", SAMPLING)
def test_photographs_equal_libjpeg_bit_for_bit_with_and_without_kernels(data, subsampling):
    for index, path in enumerate(sorted((data / "kodak24").glob("*.png"))):
        image = read_image(path).float()[..., 3:-2, 5:-4]
        quality = (5, 30, 60, 75, 90, 98)[index % 6]
        expected, _ = pillow(codes_of(image), quality, subsampling)
        assert np.array_equal(codes_of(Jpeg(quality, subsampling)(image, CAPTURE)), expected), path.name
        if index % 8 == 0:
            with reference():
                assert np.array_equal(codes_of(Jpeg(quality, subsampling)(image, CAPTURE)), expected), path.name


def test_tables_and_sampling_of_a_file(tmp_path):
    codes = make_image(7, 40, 50)
    tables = [list(range(1, 65)), list(range(64, 0, -1))]
    decoded, content = pillow(codes, None, "4:2:2", qtables=tables)
    (tmp_path / "a.jpg").write_bytes(content)
    stage = Jpeg.like(tmp_path / "a.jpg")
    assert stage.subsampling == "4:2:2"
    assert np.array_equal(codes_of(stage(tensor(codes), CAPTURE)), decoded)
    (tmp_path / "b.jpg").write_bytes(b"not an image")
    with pytest.raises(errors.UnreadableFile, match="is not a readable JPEG"):
        Jpeg.like(tmp_path / "b.jpg")


def test_tables_follow_libjpegs_rule():
    for quality in (1, 2, 24, 25, 49, 50, 51, 75, 99, 100):
        _, content = pillow(make_image(1, 8, 8), quality, "4:4:4")
        file = Image.open(io.BytesIO(content))
        expected = torch.tensor([file.quantization[0], file.quantization[1]]).view(1, 2, 8, 8)
        assert torch.equal(Jpeg(quality).quantizers(), expected.double())


def test_a_quality_of_each_sample():
    codes = [make_image(seed, 24, 24) for seed in (1, 2)]
    decoded = Jpeg(torch.tensor([20.0, 95.0]))(torch.cat([tensor(c) for c in codes]), CAPTURE)
    for sample, one, quality in zip(decoded, codes, (20, 95), strict=True):
        assert np.array_equal(codes_of(sample[None]), pillow(one, quality, "4:2:0")[0])


@pytest.mark.parametrize("rounding", ["hard", *ROUNDINGS])
def test_gradients_flow_to_image_quality_and_tables(rounding):
    torch.manual_seed(0)
    x = torch.rand(2, 3, 18, 21, requires_grad=True)
    quality = nn.Parameter(torch.tensor([60.0, 30.0]))
    tables = nn.Parameter(torch.randint(5, 50, (2, 8, 8)).double())
    for stage, parameter in (
        (Jpeg(quality, rounding=rounding), quality),
        (Jpeg(rounding=rounding, tables=tables), tables),
    ):
        grad_x, grad_parameter = torch.autograd.grad((stage(x, CAPTURE) - 0.3).square().sum(), (x, parameter))
        assert bool(grad_x.isfinite().all())
        assert float(grad_x.abs().mean()) > 1e-4
        assert bool(grad_parameter.isfinite().all())
        assert float(grad_parameter.abs().max()) > 0


@pytest.mark.parametrize("rounding", ["fourier", "lanczos", "fejer", "noise"])
@pytest.mark.parametrize("subsampling", SAMPLING)
def test_soft_roundings_have_true_gradients(rounding, subsampling):
    torch.manual_seed(1)
    x = torch.rand(1, 3, 5, 9, dtype=torch.float64) * 0.4 + 0.3
    stage, capture = Jpeg(85, subsampling, rounding), CAPTURE.to(torch.float64)
    if rounding == "noise":  # a difference quotient would use different noise
        y = stage(x, capture)
        assert torch.equal(stage(x, capture), y)
        return
    direction = torch.rand_like(x)
    point = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad((stage(point, capture) * direction.flip(2)).sum(), point)
    step = 1e-6
    ends = [(stage(x + sign * step * direction, capture) * direction.flip(2)).sum() for sign in (1, -1)]
    assert float((slope * direction).sum()) == pytest.approx(float((ends[0] - ends[1]) / (2 * step)), rel=2e-4)


@pytest.mark.parametrize("subsampling", SAMPLING)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 4), (8, 8), (9, 21), (16, 33), (3, 6)])
def test_gradients_of_split_and_join_are_those_of_the_real_maps(size, subsampling):
    torch.manual_seed(3)
    factors = SUBSAMPLINGS[subsampling]
    x = (torch.rand(2, 3, *size) * 0.4 + 0.3).requires_grad_()
    planes = split(x, factors)
    weights = [torch.rand_like(plane) for plane in planes]
    real = real_split(x * 255, factors)
    (gradient,), (expected,) = (
        torch.autograd.grad(sum((a * b).sum() for a, b in zip(parts, weights, strict=True)), x)
        for parts in (planes, real)
    )
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-3)
    leaves = [plane.detach().clone().requires_grad_() for plane in planes]
    weight = torch.rand(2, 3, *size)
    integer, real = join(leaves, size, factors), real_join(leaves, size, factors) / 255
    pairs = zip(*(torch.autograd.grad((y * weight).sum(), leaves) for y in (integer, real)), strict=True)
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_gradient_is_zero_only_where_it_points_out_of_range():
    white = torch.ones(1, 3, 8, 8, requires_grad=True)
    for sign, passes in ((1.0, True), (-1.0, False)):
        (grad_x,) = torch.autograd.grad((sign * Jpeg(90, "4:4:4")(white, CAPTURE)).sum(), white)
        assert bool(grad_x.abs().sum() > 0) == passes


def test_the_gradient_of_hard_rounding_is_that_of_the_real_chain():
    torch.manual_seed(2)
    x = (torch.rand(1, 3, 16, 16) * 0.5 + 0.25).requires_grad_()
    weights = torch.rand(1, 3, 16, 16)
    gradients = [
        torch.autograd.grad((Jpeg(92, "4:2:2", rounding)(x, CAPTURE) * weights).sum(), x)[0]
        for rounding in ("hard", "straight-through")
    ]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-4)


def test_documented_properties_of_the_surrogates():
    """Mean error and share of negative slopes over one step, as stated in the docstring."""
    documented = {
        "fourier": (0.034, 0.47),
        "lanczos": (0.026, 0.44),
        "fejer": (0.046, 0),
        "cubic": (0.031, 0),
        "noise": (1 / 3, 0),
    }
    for name, (error, negative) in documented.items():
        x = (torch.linspace(0, 1, 100_001, dtype=torch.float64)[None, :-1]).requires_grad_()
        y = rounding_of(name, 9)(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
        assert float((y - x.round()).abs().mean()) == pytest.approx(error, abs=0.006 if name == "noise" else 0.001)
        assert float((slope < -1e-9).double().mean()) == pytest.approx(negative, abs=0.006)
        if name == "lanczos":
            assert float(slope.min()) > -0.6


def test_the_published_series():
    """Values computed by the published code."""
    expected = {0.1: 0.005143, 0.25: -0.015763, 0.3: 0.02161, 0.45: -0.088656, 0.5: 0.5, 0.75: 1.015763, 1.2: 1.011478}
    x = torch.tensor(list(expected), dtype=torch.float64)
    torch.testing.assert_close(
        rounding_of("fourier", 9)(x), torch.tensor(list(expected.values()), dtype=torch.float64), rtol=0, atol=1e-6
    )


def test_soft_values_approximate_libjpeg(data):
    image = read_image(sorted((data / "kodak24").glob("*.png"))[2]).float()[..., :256, :320]
    exact = Jpeg(75)(image, CAPTURE)
    error = {name: float((Jpeg(75, rounding=name)(image, CAPTURE) - exact).square().mean()) for name in ROUNDINGS}
    psnr = {name: -10 * np.log10(value) for name, value in error.items()}
    assert psnr["straight-through"] > 41
    assert psnr["fourier"] > 38


def test_saved_and_loaded(tmp_path):
    stage = Jpeg(torch.tensor(70.0), "4:4:4", "fejer")
    Pipeline(jpeg=stage).save(tmp_path / "a.toml")
    loaded = Pipeline.load(tmp_path / "a.toml")
    x = torch.rand(1, 3, 9, 9)
    assert torch.equal(loaded(x, CAPTURE), stage(x, CAPTURE))


@pytest.mark.parametrize(
    "arguments",
    [
        {"quality": 0},
        {"quality": 101},
        {"quality": float("nan")},
        {"quality": [[50.0]]},
        {"subsampling": "4:1:1"},
        {"rounding": "soft"},
        {"tables": torch.zeros(2, 8, 8)},
        {"tables": torch.ones(8, 8)},
    ],
    ids=str,
)
def test_invalid_arguments(arguments):
    with pytest.raises(errors.InvalidArgument):
        Jpeg(**arguments)


def equal_coefficients(a, b):
    return all(torch.equal(one, other) for one, other in zip(a, b, strict=True))


@pytest.mark.parametrize("subsampling", SAMPLING)
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(41, 55), (16, 32), (7, 3), (1, 1)], ids=str)
def test_coefficients_equal_those_of_the_file(subsampling, progressive, size, tmp_path):
    codes = make_image(3, *size)
    _, content = pillow(codes, 85, subsampling, progressive=progressive)
    (tmp_path / "a.jpg").write_bytes(content)
    coefficients = read_jpeg_coefficients(tmp_path / "a.jpg")
    assert equal_coefficients(Jpeg(85, subsampling).coefficients(tensor(codes)), coefficients)


@pytest.mark.parametrize("subsampling", SAMPLING)
@pytest.mark.parametrize("quality", [20, 75, 90])
def test_a_projected_image_is_encoded_to_the_same_file(quality, subsampling, data, tmp_path):
    """libjpeg encodes the projection of a darker image to the photograph's coefficients."""
    photograph = read_image(next(iter(sorted((data / "kodak24").glob("*.png"))))).float()[..., 100:157, 200:277]
    decoded, content = pillow(codes_of(photograph), quality, subsampling)
    (tmp_path / "a.jpg").write_bytes(content)
    stage, coefficients = Jpeg.like(tmp_path / "a.jpg"), read_jpeg_coefficients(tmp_path / "a.jpg")
    guess = tensor(decoded) * 0.9
    near = stage.project(guess, coefficients)
    assert torch.equal(near, (near * 255).round() / 255)
    _, projected = pillow(codes_of(near), quality, subsampling)
    (tmp_path / "b.jpg").write_bytes(projected)
    assert equal_coefficients(read_jpeg_coefficients(tmp_path / "b.jpg"), coefficients)
    # The photograph has these coefficients too; rounding to codes may cost one code.
    assert float((near - guess).square().mean().sqrt()) < float((photograph - guess).square().mean().sqrt()) + 0.5 / 255


def test_projection_is_idempotent():
    stage, x = Jpeg(80), tensor(make_image(5, 24, 40))
    assert float((stage.project(x, stage.coefficients(x)) - x).abs().max()) < 1.5 / 255


def test_a_projection_is_the_nearest():
    """Without rounding to codes, no mixture with another image of the same coefficients is nearer."""
    from isptoolkit.stages.jpeg.projection import _nearest

    torch.manual_seed(0)
    x, other = torch.rand(1, 3, 16, 16), tensor(make_image(2, 16, 16))
    stage = Jpeg(60)
    coefficients = stage.coefficients(other)
    near = _nearest(x, coefficients, stage.quantizers(), (2, 2), 2000)
    off = x - near
    for seed in range(6):
        inside = stage.project(tensor(make_image(seed, 16, 16)), coefficients)
        assert equal_coefficients(stage.coefficients(inside), coefficients)
        assert float((off * (inside - near)).sum()) < 1e-3 * float(off.norm() * (inside - near).norm())


def test_coefficients_of_another_size_or_file(tmp_path, monkeypatch):
    stage = Jpeg()
    with pytest.raises(
        errors.InvalidArgument, match=r"luma of 16 x 24 pixels needs integer coefficients \[1, 2, 3, 8, 8\]"
    ):
        stage.project(torch.rand(1, 3, 16, 24), stage.coefficients(torch.rand(1, 3, 16, 16)))
    _, content = pillow(make_image(1, 64, 64), 90, "4:2:0")
    for name, broken in (("none.jpg", b"not an image"), ("half.jpg", content[: len(content) // 2])):
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(errors.UnreadableFile, match="is not a JPEG with readable coefficients"):
            read_jpeg_coefficients(tmp_path / name)
    Image.new("L", (8, 8)).save(tmp_path / "gray.jpg")
    with pytest.raises(errors.UnreadableFile, match="mode L"):
        read_jpeg_coefficients(tmp_path / "gray.jpg")
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    with pytest.raises(errors.MissingPackage, match=r"isptoolkit\[jpeg\]"):
        read_jpeg_coefficients(tmp_path / "gray.jpg")


@pytest.mark.parametrize("slope", ["fourier", "lanczos", "fejer"])
def test_hard_values_with_the_slope_of_a_series(slope):
    """The values equal libjpeg's; the gradient is that of the series except for the rounding of samples."""
    torch.manual_seed(1)
    x = (torch.rand(1, 3, 16, 16) * 255).round() / 255
    weight = torch.randn(1, 3, 16, 16)
    plain, stage, soft = Jpeg(50, "4:4:4"), Jpeg(50, "4:4:4", slope=slope, terms=4), Jpeg(50, "4:4:4", slope, terms=4)
    assert torch.equal(stage(x, CAPTURE), plain(x, CAPTURE))
    gradients = [
        torch.autograd.grad((s(x.requires_grad_(), CAPTURE) * weight).sum(), x)[0].flatten()
        for s in (stage, soft, plain)
    ]
    assert float(torch.corrcoef(torch.stack(gradients))[0, 1]) > 0.8
    assert not torch.allclose(gradients[0], gradients[2])
    with pytest.raises(errors.InvalidArgument, match="slope must be one of straight-through"):
        Jpeg(slope="cubic")

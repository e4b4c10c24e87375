"""Metrics against independent implementations: scipy, colour-science, an explicit pyramid, and hand calculations."""

import shutil
import sys
import types
from pathlib import Path

import colour
import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import nn
from torch.nn import functional as F

from isptoolkit import Capture, errors, metrics
from isptoolkit.bench.perceptual import perceptual

torch.manual_seed(0)
X = torch.rand(3, 3, 48, 40, dtype=torch.float64)
Y = (X + 0.1 * torch.randn_like(X)).clamp(0, 1)


def test_psnr_of_each_sample():
    for value, x, y in zip(metrics.psnr(X, Y, 2.0), X.numpy(), Y.numpy(), strict=True):
        assert float(value) == pytest.approx(10 * np.log10(4 / np.mean((x - y) ** 2)))
    assert metrics.psnr(X, X).isinf().all()


def test_ssim_equals_the_challenge_code():
    """Per channel, with scipy's Gaussian filter (13 taps at sigma 1.5) and five pixels cropped."""

    def similarity(x, y):
        mean = [ndimage.gaussian_filter(z, 1.5) for z in (x, y)]
        second = [ndimage.gaussian_filter(z, 1.5) for z in (x * x, y * y, x * y)]
        variances = [second[i] - mean[i] ** 2 for i in range(2)]
        both = second[2] - mean[0] * mean[1]
        top = (2 * mean[0] * mean[1] + 1e-4) * (2 * both + 9e-4)
        return (top / ((mean[0] ** 2 + mean[1] ** 2 + 1e-4) * (sum(variances) + 9e-4)))[5:-5, 5:-5].mean()

    for value, x, y in zip(metrics.ssim(X, Y), X.numpy(), Y.numpy(), strict=True):
        assert float(value) == pytest.approx(np.mean([similarity(*pair) for pair in zip(x, y, strict=True)]), abs=1e-10)
    assert float((metrics.ssim(X, Y, taps=11) - metrics.ssim(X, Y)).abs().max()) < 1e-3


def test_similarity_does_not_depend_on_the_scale():
    x = torch.rand(1, 1, 176, 176, dtype=torch.float64)
    y = (x + 0.05 * torch.randn_like(x)).clamp(0, 1)
    for metric in (metrics.ssim, metrics.ms_ssim):
        assert float(metric(255 * x, 255 * y, 255.0)) == pytest.approx(float(metric(x, y)), abs=1e-6)
        assert float(metric(x, y, 255.0)) > float(metric(x, y)) + 1e-3


def test_ms_ssim_is_a_pyramid_of_ssim():
    """Valid Gaussian windows of 11 taps, means of 2x2, luminance at the last of five scales."""
    x = torch.rand(1, 1, 192, 176, dtype=torch.float64)
    y = (x + 0.05 * torch.randn_like(x)).clamp(0, 1)
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(window, window) / window.sum() ** 2

    def mean(z):
        return ndimage.correlate(z, window)[5:-5, 5:-5]

    a, b, product = x[0, 0].numpy(), y[0, 0].numpy(), 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        variances = mean(a * a) - mean(a) ** 2 + mean(b * b) - mean(b) ** 2
        structure = (2 * (mean(a * b) - mean(a) * mean(b)) + 9e-4) / (variances + 9e-4)
        light = (2 * mean(a) * mean(b) + 1e-4) / (mean(a) ** 2 + mean(b) ** 2 + 1e-4)
        product *= np.mean(light * structure if scale == 4 else structure) ** weight
        if scale == 4:
            break
        a, b = (z.reshape(z.shape[0] // 2, 2, z.shape[1] // 2, 2).mean((1, 3)) for z in (a, b))
    assert float(metrics.ms_ssim(x, y)) == pytest.approx(product, abs=2e-3)


def lab(x):
    return colour.XYZ_to_Lab(colour.sRGB_to_XYZ(np.moveaxis(x.numpy(), 0, -1)))


@pytest.mark.parametrize(
    "pair", [(X, Y), (X, X.flip(1)), (X, X.mean(1, keepdim=True).expand_as(X))], ids=["noisy", "swapped", "gray"]
)
def test_delta_e2000_equals_colour_science(pair):
    """Up to the rounding of its white point, which gives gray a hue."""
    for value, x, y in zip(metrics.delta_e2000(*pair), *pair, strict=True):
        assert float(value) == pytest.approx(float(colour.delta_E(lab(x), lab(y), method="CIE 2000").mean()), abs=2e-2)


SHARMA = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
    ((50.0, -0.001, 2.49), (50.0, 0.0011, -2.49), 4.7461),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
    ((90.8027, -2.0831, 1.441), (91.1528, -1.6435, 0.0447), 1.4441),
    ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "expected"), SHARMA)
def test_delta_e2000_of_the_published_pairs(first, second, expected):
    x, y = (torch.tensor(z, dtype=torch.float64).view(1, 3, 1, 1) for z in (first, second))
    for pair in ((x, y), (y, x)):
        assert float(metrics._difference(*pair)) == pytest.approx(expected, abs=1e-4)


def test_hue_of_highlights():
    """Only bright pixels count, weighted by chroma."""
    target = torch.tensor([1.0, 0.9, 0.7]).view(1, 3, 1, 1).repeat(1, 1, 1, 3)
    output = target.clone()
    assert float(metrics.highlight_hue_error(output, target)) == 0
    output[0, :, 0, 1] = torch.tensor([1.0, 0.7, 0.9])
    both = (lab(z[0].double())[0, 1] for z in (output, target))
    angles = [np.degrees(np.arctan2(z[2], z[1])) for z in both]
    expected = abs((angles[0] - angles[1] + 180) % 360 - 180)
    error = float(metrics.highlight_hue_error(output[..., 1:2], target[..., 1:2]))
    assert error == pytest.approx(expected, abs=0.05)
    assert error / 3 * 0.6 < float(metrics.highlight_hue_error(output, target)) < error / 3 * 1.6
    assert metrics.highlight_hue_error(0.2 * output, 0.2 * target).isnan().all()


def test_hue_error_weights_and_threshold():
    """Pixels of L* 79, 81 and 85 with known hue errors and chromas; weighted means by hand."""
    levels = np.array([[79.0, 5, 5], [81.0, 20, 20], [85.0, 4, 0.5]])
    turned = np.array([[79.0, -5, -5], [81.0, -2, 2], [85.0, 16, 2]])
    target, output = (
        torch.from_numpy(colour.XYZ_to_sRGB(colour.Lab_to_XYZ(z)).T.copy()).view(1, 3, 1, 3) for z in (levels, turned)
    )
    chroma = [np.sqrt(np.hypot(*a[1:]) * np.hypot(*b[1:])) for a, b in zip(levels, turned, strict=True)]
    values = [float(metrics.highlight_hue_error(output, target, *least)) for least in ((), (78.0,))]
    assert values[0] == pytest.approx(90 * chroma[1] / (chroma[1] + chroma[2]), rel=5e-3)
    assert values[1] == pytest.approx((180 * chroma[0] + 90 * chroma[1]) / sum(chroma), rel=5e-3)


def test_digital_numbers_scale_by_each_capture():
    captures = Capture.collate([Capture.of("RGGB", black=64, white=1023), Capture.of("RGGB", black=0, white=255)])
    error = metrics.digital_numbers(torch.zeros(2, 4, 3, 3), torch.full((2, 4, 3, 3), 0.5), captures)
    assert error.tolist() == [479.5, 127.5]
    uneven = Capture.of("RGGB", black=(10, 20, 30, 60), white=130)
    error = metrics.digital_numbers(torch.zeros(1, 4, 3, 3), torch.full((1, 4, 3, 3), 0.5), uneven)
    assert error.tolist() == [50.0]  # of the mean black, 30


_LAYERS = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))
_POOLED = (0, 1, 4)


def alexnet(**_):
    """The convolutional part of AlexNet, numbered as torchvision's is."""
    layers = []
    for number, (inputs, outputs, kernel, stride, padding) in enumerate(_LAYERS):
        layers += [nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU()]
        layers += [nn.MaxPool2d(3, 2)] if number in _POOLED else []
    net = nn.Module()
    net.features = nn.Sequential(*layers)
    return net


@pytest.fixture
def lpips_files(monkeypatch, tmp_path):
    """The real package and weights; a stand-in replaces only the architecture that it imports from torchvision."""
    torchvision, models = types.ModuleType("torchvision"), types.ModuleType("torchvision.models")
    torchvision.models, models.alexnet = models, alexnet
    transforms = types.ModuleType("torchvision.transforms")
    stand_ins = {"torchvision": torchvision, "torchvision.models": models, "torchvision.transforms": transforms}
    for name, module in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, module)
    for name in [name for name in sys.modules if name.split(".")[0] == "lpips"]:
        monkeypatch.delitem(sys.modules, name)
    package = pytest.importorskip("lpips", reason="needs lpips: pip install --no-deps lpips")
    torch.manual_seed(0)
    torch.save(alexnet().state_dict(), tmp_path / "alexnet-owt-7be5be79.pth")
    shutil.copy(Path(package.__file__).parent / "weights" / "v0.1" / "alex.pth", tmp_path / "alex.pth")
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "lpips"]:
        del sys.modules[name]


def test_lpips_equals_its_definition(lpips_files):
    """Weighted squared differences of five layers' unit-length features, in plain torch."""
    layers = torch.load(lpips_files / "alex.pth", "cpu", weights_only=True)
    state = torch.load(lpips_files / "alexnet-owt-7be5be79.pth", weights_only=True)
    weights = [state[name] for name in state if name.endswith("weight")]
    biases = [state[name] for name in state if name.endswith("bias")]
    shift, scale = (torch.tensor(v).view(1, 3, 1, 1) for v in ((-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)))
    images = [(2 * x.float() - 1 - shift) / scale for x in (X, Y)]
    expected = torch.zeros(len(X))
    for number, (_, _, _, stride, padding) in enumerate(_LAYERS):
        images = [torch.relu(F.conv2d(x, weights[number], biases[number], stride, padding)) for x in images]
        units = [x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10) for x in images]
        squares = (units[0] - units[1]).square()
        expected += (layers[f"lin{number}.model.1.weight"] * squares).sum(1).mean((1, 2))
        images = [F.max_pool2d(x, 3, 2) if number in _POOLED[:2] else x for x in images]
    files = (lpips_files / "alex.pth", lpips_files / "alexnet-owt-7be5be79.pth")
    torch.testing.assert_close(metrics.lpips(X, Y, *files), expected.double(), rtol=1e-4, atol=1e-6)
    assert metrics.lpips(X, X, *files).abs().max() == 0
    torch.save({"lin0.model.1.weight": torch.zeros(1, 64, 1, 1)}, files[0])
    other = lpips_files / "other.pth"
    files[0].rename(other)
    with pytest.raises(
        errors.InvalidArgument,
        match="does not hold the linear layers of LPIPS with AlexNet: lin1.model.1.weight is missing",
    ):
        metrics.lpips(X, Y, other, files[1])
    torch.save({**layers, "lin2.model.1.weight": torch.zeros(1, 1, 1, 1)}, lpips_files / "shapes.pth")
    with pytest.raises(
        errors.InvalidArgument, match="lin2.model.1.weight must have shape .1, 384, 1, 1., got .1, 1, 1, 1."
    ):
        metrics.lpips(X, Y, lpips_files / "shapes.pth", files[1])
    with pytest.raises(errors.InvalidArgument, match="other.pth does not hold the weights of torchvision's AlexNet"):
        metrics.lpips(X, Y, other, other)
    for content in (b"", b"PK", other.read_bytes()[:100]):
        (lpips_files / "broken.pth").write_bytes(content)
        with pytest.raises(errors.UnreadableFile, match="broken.pth does not hold weights .*download it again"):
            metrics.lpips(X, Y, other, lpips_files / "broken.pth")


def test_lpips_in_a_benchmark(lpips_files):
    metric, reason = perceptual(lpips_files)
    assert reason == ""
    assert metric(X[:1], X[:1]) == 0 and metric(X[:1], Y[:1]) > 0
    (lpips_files / "alex.pth").unlink()
    assert perceptual(lpips_files)[1].startswith("LPIPS left out: LPIPS needs its weights: ")


def test_lpips_names_what_is_missing(tmp_path):
    """Without files, and without torchvision, which is not built for every version of torch."""
    with pytest.raises(errors.InvalidArgument, match="LPIPS needs its weights: .* is not a file"):
        metrics.lpips(X, Y, tmp_path / "alex.pth", tmp_path / "alexnet.pth")
    for name in ("alex.pth", "alexnet.pth"):
        (tmp_path / name).write_bytes(b"")
    try:
        import lpips  # noqa: F401
    except (ImportError, RuntimeError):
        with pytest.raises(
            errors.MissingPackage, match="LPIPS needs lpips and a torchvision of the same build as torch"
        ):
            metrics.lpips(X, Y, tmp_path / "alex.pth", tmp_path / "alexnet.pth")


def test_bad_input():
    with pytest.raises(errors.InvalidTensor, match="two .B,C,H,W. tensors of one shape"):
        metrics.psnr(X, X[:, :1])
    with pytest.raises(errors.InvalidTensor, match="more than 10 pixels"):
        metrics.ssim(X[..., :10], X[..., :10])
    with pytest.raises(errors.InvalidTensor, match="more than 160 pixels"):
        metrics.ms_ssim(X, X)

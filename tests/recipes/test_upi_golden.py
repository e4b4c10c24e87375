"""UPI against the outputs of its programs: every step either way, the denoiser, and both losses."""

import pytest
import torch
from golden import Golden, load_published

from isptoolkit import Capture, stages
from isptoolkit.data import Batch
from isptoolkit.priors import matrix_of
from isptoolkit.recipes import upi
from isptoolkit.stages import pack, unpack
from isptoolkit.unprocess import published_camera, published_rendering

STEPS = Golden("upi_steps")
RGGB = Capture.of("RGGB")
dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


def first(name, dtype=torch.float64):
    """Channels first, batched."""
    x = STEPS[name]
    return (x if x.ndim == 4 else x[None]).permute(0, 3, 1, 2).to(dtype)


def check(name, output):
    last = output.permute(0, 2, 3, 1)
    STEPS.check(name, last if STEPS[name].ndim == 4 else last[0])


def unprocessed_by():
    """The settings of the unprocessing."""
    balance = torch.stack([STEPS["red_gain"], torch.tensor(1.0), STEPS["blue_gain"]]).double()
    gains = (STEPS["rgb_gain"].double() * balance)[None]
    return RGGB.replace(gains=gains, srgb_to_camera=STEPS["rgb2cam"].double()[None])


def processed_by(brightness=1.0):
    """The settings of the rendering, of two samples."""
    red, blue = STEPS["process_red_gains"].double(), STEPS["process_blue_gains"].double()
    matrices = torch.linalg.inv(STEPS["process_ccms"].double())
    gains = brightness * torch.stack([red, torch.ones(2), blue], 1)
    return Capture.collate([RGGB] * 2).replace(gains=gains, srgb_to_camera=matrices)


def sample(capture, number):
    return RGGB.replace(
        gains=capture.gains[number : number + 1], srgb_to_camera=capture.srgb_to_camera[number : number + 1]
    )


@dtypes
def test_golden_steps_to_raw(dtype):
    x, capture = first("x", dtype), unprocessed_by()
    steps = published_camera().trace_inverse(x, capture)
    check("y_inverse_smoothstep", steps["tone"])
    check("y_gamma_expansion", steps["gamma"])
    check("y_camera", steps["matrix"])
    check("y_safe_inverse_gains", steps["balance"])
    check("y_raw", pack(steps["levels"]))
    check("y_raw", pack(upi.unprocess(x, torch.Generator(), capture)[0]))


@dtypes
def test_golden_steps_to_a_photograph(dtype):
    bayer, capture = unpack(first("bayer", dtype)), processed_by()
    check("p_demosaiced_of_bayer", stages.DemosaicBilinear()(bayer, capture))
    steps = published_rendering().trace(bayer, capture)
    check("p_gained", pack(steps["balance"]))
    check("p_demosaiced", steps["demosaic"])
    check("p_colour", steps["matrix"])
    check("p_rgb", steps["gamma"])
    check("p_process", upi.process_published(bayer, capture))
    # Whatever the brightness is, the program has none.
    check("p_process", upi.process_published(bayer, processed_by(brightness=1.25)))
    raw = unpack(first("y_raw", dtype))
    check("p_process_of_y_raw", upi.process_published(raw, sample(capture, 0)))


@dtypes
def test_golden_denoiser(dtype):
    golden = Golden("upi")
    weights = {key: value.permute(3, 2, 0, 1) if value.ndim == 4 else value for key, value in golden.weights().items()}
    denoiser = upi.Denoiser(scaled=False)
    load_published(denoiser, weights, upi.official_name)
    x, variance = (golden[name].permute(0, 3, 1, 2).to(dtype) for name in ("x", "variance"))
    denoiser = denoiser.to(dtype)
    with torch.no_grad():
        golden.check("y", (x + denoiser.net(torch.cat((x, variance), 1))).permute(0, 2, 3, 1))
        # The stage makes its variances itself, of shot and read noise.
        noisy = RGGB.replace(noise=torch.tensor([[1e-2, 1e-3]], dtype=torch.float64))
        expected = x + denoiser.net(torch.cat((x, 1e-2 * x + 1e-3), 1))
        torch.testing.assert_close(denoiser(x, noisy), expected)


class Same(torch.nn.Module):
    """A denoiser that takes nothing off."""

    def forward(self, x, capture):
        return x


def loss(domain, sensor, clean, capture):
    objective = upi.Objective(upi.Config(widths=(4, 8), domain=domain))
    objective.stage = Same()
    return objective(Batch(sensor, capture, clean))


def test_golden_loss_in_the_published_photograph():
    """The mean absolute difference of two pictures that the program rendered with the same settings."""
    capture = sample(processed_by(brightness=1.25), 0)
    noisy, clean = unpack(first("bayer")[:1]), unpack(first("y_raw"))
    value, figures = loss("srgb-published", noisy, clean, capture)
    expected = (first("p_process")[:1] - first("p_process_of_y_raw")).abs().mean()
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    assert float(figures["raw"]) == pytest.approx(float((noisy - clean).abs().mean()), rel=1e-6)
    assert float(loss("raw", noisy, clean, capture)[0]) == pytest.approx(float(figures["raw"]), rel=1e-6)


def test_loss_in_our_photograph_by_the_golden_matrix():
    """Of even fields, whose rendering is written out: gains, matrix, clip, gamma, smoothstep."""
    matrix, gains = matrix_of(torch.ones(1, 4)), torch.tensor([[2.5, 1.25, 2.125]], dtype=torch.float64)
    capture = RGGB.replace(gains=gains, srgb_to_camera=matrix)

    def field(color):
        cells = torch.tensor([color[0], color[1], color[1], color[2]], dtype=torch.float64)
        return unpack(cells.view(1, 4, 1, 1).expand(1, 4, 3, 4))

    def rendered(color):
        linear = torch.linalg.solve(matrix[0], gains[0] * torch.tensor(color, dtype=torch.float64)).clamp(0, 1)
        encoded = linear ** (1 / 2.2)
        return 3 * encoded**2 - 2 * encoded**3

    noisy, clean = (0.05, 0.2, 0.1), (0.1, 0.15, 0.12)
    expected = float((rendered(noisy) - rendered(clean)).abs().mean())
    value, _ = loss("srgb", field(noisy), field(clean), capture)
    assert float(value) == pytest.approx(expected, rel=1e-9)
    published, _ = loss("srgb-published", field(noisy), field(clean), capture)
    assert abs(float(published) - expected) > 0.01


def test_golden_variances_below_zero():
    """The program gives its network the line of the noise, also where a sample below black makes it negative."""
    denoiser, seen = upi.Denoiser((4, 8), upi.PUBLISHED.scaled), []
    denoiser.net.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    denoiser(torch.full((1, 4, 8, 8), -0.5), Capture.of("RGGB", noise=(1e-2, 1e-4)))
    torch.testing.assert_close(seen[0][:, 4:], torch.full((1, 4, 8, 8), -0.5 * 1e-2 + 1e-4))

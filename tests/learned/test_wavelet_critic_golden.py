"""The critic of RST-ISP-Net as published: its bands, scores and gradients, and the gradient penalty."""

import copy
import re

import numpy as np
import pytest
import torch
from golden import Golden, load_published

from isptoolkit.learned import WaveletCritic
from isptoolkit.learned.wavelet_critic import gradient_penalty

WIDTHS = {"rst_critic_256": (128, 512, 512, 512, 512, 512), "rst_critic_gp": (512, 512, 512)}
HAAR = 0.49999997
"""The constant of the published code, where ours is 1/2; the sign of one feature near zero depends on it."""


def name_of(key):
    """The published code's name of one of our tensors."""
    key = key.replace("parametrizations.weight.original", "weight_orig")
    key = re.sub(r"parametrizations\.weight\.0\._([uv])", r"weight_\1", key)
    for name, published_name in (
        (r"from_bands\.(\d)", r"from_rgbs.\1.conv"),
        (r"convs\.(\d)", r"convs.\1.conv1"),
        (r"downs\.(\d)", r"convs.\1.conv2"),
        (r"last", "final_conv"),
        (r"head", "final_linear"),
    ):
        key = re.sub(f"^{name}", published_name, key)
    return key


def singular(weight):
    """The first singular vectors of a weight, and its spectral norm."""
    matrix = weight.double().flatten(1)
    values, vectors = torch.linalg.eigh(matrix @ matrix.T)
    norm, left = values[-1].sqrt(), vectors[:, -1]
    return left, matrix.T @ left / norm, float(norm)


def published(name):
    """The golden file, and the critic with its weights, in double precision."""
    golden = Golden(name)
    weights = {key: value.double() for key, value in golden.weights().items()}
    for key in [key for key in weights if key.endswith("weight_orig")]:
        prefix = key.removesuffix("weight_orig")
        weights[prefix + "weight_u"], weights[prefix + "weight_v"], norm = singular(weights[key])
        assert norm == pytest.approx(golden.meta["spectral_norms"][prefix + "weight"], rel=1e-9)
    critic = WaveletCritic(4, WIDTHS[name]).double().eval()
    load_published(critic, weights, name_of)
    assert sum(value.numel() for value in critic.parameters()) == golden.meta["parameters"]
    return golden, critic


@pytest.fixture(scope="module")
def large():
    golden, critic = published("rst_critic_256")
    (shape,) = golden.meta["in_shapes"]
    drawn = np.random.Generator(np.random.PCG64(golden.meta["seed"])).random(shape).astype(np.float32)
    x = torch.from_numpy(drawn)
    strided = golden.meta["strided"]["x"]["steps"]
    assert torch.equal(x[tuple(slice(None, None, step) for step in strided)], golden["x"])
    golden.check("x_channel_sum", x.double().sum((2, 3)), tolerance=1e-6)
    return golden, critic, x


@pytest.fixture(scope="module")
def small():
    return published("rst_critic_gp")


def gradient(critic, x):
    x = x.clone().requires_grad_()
    score = critic(x)
    return score.detach(), torch.autograd.grad(score.sum(), x)[0]


def test_golden_bands(large):
    golden, critic, x = large
    x = x.double()
    bands = critic.bands(x)
    golden.check("haar", bands[:, :, ::8, ::8])
    golden.check("second_input", critic.bands(critic.halved(x))[:, :, ::4, ::4])
    golden.check("from_rgb0", critic.from_bands[0](bands)[:, ::32, ::4, ::4])


def test_golden_score_and_gradient(large):
    """With the published constant, equal up to the rounding of the published code."""
    golden, critic, x = large
    critic = copy.deepcopy(critic)
    critic.haar.mix.mul_(2 * HAAR)
    score, slope = gradient(critic, x.double())
    golden.check("score", score[:, None], tolerance=1e-7)
    golden.check("score_sum_grad_x", slope[..., ::8, ::8])
    golden.check("score_sum_grad_x_norm", slope.flatten(1).norm(dim=1))


def test_golden_score_and_gradient_in_single_precision(large):
    golden, critic, x = large
    score, slope = gradient(copy.deepcopy(critic).float(), x)
    golden.check("score", score[:, None], tolerance=1e-7)
    largest = float(golden["score_sum_grad_x"].abs().max())
    golden.check("score_sum_grad_x", slope[..., ::8, ::8], tolerance=1e-2 * largest)
    golden.check("score_sum_grad_x_norm", slope.flatten(1).norm(dim=1), tolerance=1e-4 * float(slope.norm()))


def test_golden_scores_of_a_group(small):
    golden, critic = small
    for name in ("fake", "real"):
        golden.check(f"score_{name}", critic(golden[name].double()).detach()[:, None])


def test_golden_gradient_penalty(small):
    golden, critic = small
    fake, real, alpha = (golden[name].double() for name in golden.meta["in_names"])
    _, slope = gradient(critic, alpha * fake + (1 - alpha) * real)
    golden.check("gradient_at_interpolates", slope)
    golden.check("gradient_norms", slope.flatten(1).norm(dim=1))
    penalty = gradient_penalty(critic, fake, real, alpha)
    assert float(penalty.detach()) == pytest.approx(golden.meta["gradient_penalty_float64"], rel=1e-8)
    golden.check("gradient_penalty", penalty, tolerance=1e-7)
    swapped = gradient_penalty(critic, real, fake, alpha)
    assert abs(float((swapped - penalty).detach())) > 1e-6  # so alpha multiplies the generated sample
    penalty.backward()
    slopes = {name_of(key): value.grad for key, value in critic.named_parameters() if value.grad is not None}
    for name, norm in golden.meta["grad_norms_of_the_penalty"].items():
        value = float(slopes[name].norm()) if name in slopes else 0.0
        assert value == pytest.approx(norm, rel=1e-4, abs=1e-9), name

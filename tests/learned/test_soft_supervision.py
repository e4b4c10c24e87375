"""Soft supervision: the published equations, checked by their gradients."""

import pytest
import torch

from isptoolkit import errors
from isptoolkit.learned import VarianceHead, softened_error


def gradient(supervision, count=200_000):
    """The loss's gradient per sample for an error of 0.3, in units of that of the mean absolute error."""
    torch.manual_seed(0)
    output = torch.full((1, 1, 1, count), 0.8, requires_grad=True)
    softened_error(output, torch.zeros_like(output), torch.full_like(output, 0.5), supervision, 0.0).backward()
    return output.grad * count


def test_the_perturbed_target_scales_the_gradient_and_adds_noise():
    """`E |1 + z| = 1.1666`, never with the wrong sign."""
    slope = gradient("training")
    assert float(slope.mean()) == pytest.approx(1.1666, abs=0.01)
    assert float(slope.std()) == pytest.approx(0.80, abs=0.01)
    assert float(slope.min()) >= 0


def test_a_detached_error_has_the_wrong_sign_in_one_sample_of_six():
    slope = gradient("training-detached")
    assert float(slope.mean()) == pytest.approx(0.6827, abs=0.01)
    assert float((slope < 0).float().mean()) == pytest.approx(0.1587, abs=0.005)


@pytest.mark.parametrize("supervision", ["branch", "testing"])
def test_the_branch_does_not_change_the_error(supervision):
    assert torch.allclose(gradient(supervision), torch.ones(1))
    output, target = torch.rand(1, 4, 5, 5), torch.rand(1, 4, 5, 5)
    deviation = torch.rand(1, 4, 5, 5, requires_grad=True)
    loss = softened_error(output, deviation, target, supervision, 0.5)
    error = (output - target).abs()
    assert float(loss.detach()) == pytest.approx(float(error.mean() + 0.5 * (deviation.detach() - error).abs().mean()))
    loss.backward()
    assert torch.equal(deviation.grad.sign(), (deviation - error).sign().detach())


@pytest.mark.parametrize("supervision", ["training", "training-detached"])
def test_the_target_is_perturbed_by_noise_times_the_error(supervision):
    output, deviation, target, noise = torch.rand(4, 1, 4, 5, 5)
    error = (output - target).abs()
    expected = (output - (target + noise * error)).abs().mean() + 0.5 * (deviation - error).abs().mean()
    value = softened_error(output, deviation, target, supervision, 0.5, noise=noise)
    assert float(value) == pytest.approx(float(expected))
    torch.manual_seed(0)
    drawn = softened_error(output, deviation, target, supervision, 0.5)
    torch.manual_seed(0)
    repeated = softened_error(output, deviation, target, supervision, 0.5, noise=torch.randn_like(output))
    assert torch.equal(drawn, repeated)


@pytest.mark.parametrize("supervision", ["branch", "testing", "training", "training-detached"])
def test_the_branch_has_no_gradient_for_the_output(supervision):
    """The error is detached in the second term: the output has the gradient of the first term only."""
    torch.manual_seed(0)
    output = torch.rand(1, 4, 5, 5, requires_grad=True)
    target, deviation, noise = torch.rand(3, 1, 4, 5, 5)
    slopes = []
    for weight in (0.0, 1.0):
        value = softened_error(output, deviation, target, supervision, weight, noise=noise)
        slopes.append(torch.autograd.grad(value, output)[0])
    assert torch.equal(*slopes)


def test_bad_input():
    with pytest.raises(errors.InvalidArgument, match="supervision must be one of branch, testing"):
        softened_error(*[torch.rand(1, 4, 2, 2)] * 3, "hard")
    with pytest.raises(RuntimeError):
        VarianceHead(4, torch.nn.Identity())(torch.rand(1, 4, 4, 4))

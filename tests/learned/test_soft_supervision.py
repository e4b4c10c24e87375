"""Soft supervision: what the published equations are, by their gradients."""

import pytest
import torch

from isptoolkit import errors
from isptoolkit.learned import VarianceHead, softened_error


def gradient(supervision, count=200_000):
    """Of the loss in each sample of an error of 0.3, in units of a plain mean absolute error's."""
    torch.manual_seed(0)
    made = torch.full((1, 1, 1, count), 0.8, requires_grad=True)
    softened_error(made, torch.zeros_like(made), torch.full_like(made, 0.5), supervision, 0.0).backward()
    return made.grad * count


def test_the_target_moved_by_its_error_is_a_scaled_error_with_noise():
    """`E |1 + z| = 1.1666`, and never the wrong sign."""
    slope = gradient("training")
    assert float(slope.mean()) == pytest.approx(1.1666, abs=0.01)
    assert float(slope.std()) == pytest.approx(0.80, abs=0.01)
    assert float(slope.min()) >= 0


def test_the_error_held_has_the_wrong_sign_in_one_sample_of_six():
    slope = gradient("training-detached")
    assert float(slope.mean()) == pytest.approx(0.6827, abs=0.01)
    assert float((slope < 0).float().mean()) == pytest.approx(0.1587, abs=0.005)


@pytest.mark.parametrize("supervision", ["branch", "testing"])
def test_the_head_beside_leaves_the_error_plain(supervision):
    assert torch.allclose(gradient(supervision), torch.ones(1))
    made, wanted = torch.rand(1, 4, 5, 5), torch.rand(1, 4, 5, 5)
    deviation = torch.rand(1, 4, 5, 5, requires_grad=True)
    loss = softened_error(made, deviation, wanted, supervision, 0.5)
    error = (made - wanted).abs()
    assert float(loss.detach()) == pytest.approx(float(error.mean() + 0.5 * (deviation.detach() - error).abs().mean()))
    loss.backward()
    assert torch.equal(deviation.grad.sign(), (deviation - error).sign().detach())


@pytest.mark.parametrize("supervision", ["training", "training-detached"])
def test_the_target_moves_by_the_noise_times_the_error(supervision):
    made, deviation, wanted, noise = torch.rand(4, 1, 4, 5, 5)
    error = (made - wanted).abs()
    expected = (made - (wanted + noise * error)).abs().mean() + 0.5 * (deviation - error).abs().mean()
    value = softened_error(made, deviation, wanted, supervision, 0.5, noise=noise)
    assert float(value) == pytest.approx(float(expected))
    torch.manual_seed(0)
    drawn = softened_error(made, deviation, wanted, supervision, 0.5)
    torch.manual_seed(0)
    again = softened_error(made, deviation, wanted, supervision, 0.5, noise=torch.randn_like(made))
    assert torch.equal(drawn, again)


@pytest.mark.parametrize("supervision", ["branch", "testing", "training", "training-detached"])
def test_the_branch_does_not_draw_the_mean(supervision):
    """The error is held in the second term: the mean gets the first term's gradient alone."""
    torch.manual_seed(0)
    made = torch.rand(1, 4, 5, 5, requires_grad=True)
    wanted, deviation, noise = torch.rand(3, 1, 4, 5, 5)
    slopes = []
    for weight in (0.0, 1.0):
        value = softened_error(made, deviation, wanted, supervision, weight, noise=noise)
        slopes.append(torch.autograd.grad(value, made)[0])
    assert torch.equal(*slopes)


def test_bad_input():
    with pytest.raises(errors.InvalidArgument, match="supervision is branch, testing"):
        softened_error(*[torch.rand(1, 4, 2, 2)] * 3, "hard")
    with pytest.raises(RuntimeError):
        VarianceHead(4, torch.nn.Identity())(torch.rand(1, 4, 4, 4))

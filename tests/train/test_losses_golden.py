"""Losses of RST-ISP-Net against the values of its program."""

import pytest
import torch
from golden import Golden

from isptoolkit import errors
from isptoolkit.train import losses


@pytest.fixture(scope="module")
def golden():
    return Golden("rst_losses")


def test_golden_ms_ssim(golden):
    x, y = golden["x"].requires_grad_(), golden["y"]
    loss = losses.ms_ssim_published(x, y)
    loss.backward()
    golden.check("value_ms_ssim", loss, tolerance=1e-5 * 5.943)
    golden.check("ms_ssim_grad_x", x.grad)
    golden.check("ms_ssim_map", losses.ms_ssim_published(x, y, "none"))
    exact = losses.ms_ssim_published(x.double(), y.double())
    assert float(exact.detach()) == pytest.approx(golden.meta["values"]["ms_ssim_float64"], rel=1e-12)


def test_ms_ssim_in_mixed_precision():
    """Its variances are differences of nearly equal numbers, which bfloat16 does not have."""
    target = 0.4 + 0.02 * torch.rand(1, 4, 32, 32, generator=torch.Generator().manual_seed(0))
    output = target + 0.002
    expected = float(losses.ms_ssim_published(output, target))
    with torch.autocast("cpu", torch.bfloat16):
        assert float(losses.ms_ssim_published(output, target)) == expected
        assert float(losses.ms_ssim_published(output.bfloat16(), target)) < 100 * expected


def test_golden_ms_ssim_of_later_kornia(golden):
    """The one that looks at every plane at every scale."""
    golden.check("value_ms_ssim_kornia_0_9", losses.ms_ssim(golden["x"], golden["y"]), tolerance=1e-5 * 4.986)


def test_golden_total_variation(golden):
    x = golden["x"]
    golden.check("value_tv_mean_over_batch", losses.total_variation_sum(x), tolerance=1e-5 * 2346)
    samples = torch.stack([losses.total_variation_sum(sample[None]) for sample in x])
    golden.check("tv_per_sample", samples, tolerance=1e-5 * 2346)
    exact = losses.total_variation_sum(x.double())
    assert float(exact) == pytest.approx(golden.meta["values"]["tv_float64"], rel=1e-9)


def test_golden_total_variation_and_the_mean():
    """They differ by the number of differences, as many down as across where planes are square."""
    x = torch.rand(2, 4, 12, 12)
    ratio = losses.total_variation_sum(x) / losses.total_variation(x)
    assert float(ratio) == pytest.approx(4 * 11 * 12, rel=1e-5)


def test_golden_ms_ssim_of_other_shapes():
    x = torch.rand(1, 3, 24, 24)
    with pytest.raises(errors.InvalidTensor, match=r"takes \[B,4,H,W\] twice, got \[1, 3, 24, 24\]"):
        losses.ms_ssim_published(x, x)
    with pytest.raises(errors.InvalidTensor, match=r"and \[1, 4, 12, 12\]"):
        losses.ms_ssim_published(torch.rand(1, 4, 24, 24), torch.rand(1, 4, 12, 12))
    with pytest.raises(errors.InvalidArgument, match="reduction is mean or none, got 'sum'"):
        losses.ms_ssim_published(torch.rand(1, 4, 24, 24), torch.rand(1, 4, 24, 24), "sum")

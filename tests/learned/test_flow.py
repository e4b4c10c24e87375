"""Flows: inverses, determinants against autograd, and training without activations."""

import math
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from isptoolkit import errors
from isptoolkit.kernels import reference
from isptoolkit.learned import ActNorm, AffineCoupling, DenseBlock, Flow, Haar, InvertibleConv
from isptoolkit.learned.coupling import couple, log_scale, uncouple


def make_steps():
    torch.manual_seed(3)
    norm = ActNorm(3)
    norm.initialize(torch.rand(4, 3, 8, 8) * 3 + 1)
    return {
        "conv": InvertibleConv(3),
        "coupling": AffineCoupling(3, 1, growth=5),
        "coupling of other sizes": AffineCoupling(4, 3, growth=3, limit=0.0),
        "actnorm": norm,
        "haar": Haar(),
        "flow": Flow(
            [ActNorm(3), InvertibleConv(3), AffineCoupling(3, 1, growth=4), Haar(), AffineCoupling(12, 6, growth=3)]
        ),
    }


STEPS = make_steps()


@pytest.mark.parametrize("name", STEPS)
def test_both_round_trips(name):
    step = STEPS[name]
    x = torch.rand(2, 4 if "other" in name else 3, 8, 10)
    with torch.no_grad():
        assert float((step.inverse(step(x)) - x).abs().max()) < 1e-5
        y = step(x)
        assert float((step(step.inverse(y)) - y).abs().max()) < 1e-5
        double = step.double()
        assert float((double.inverse(double(x.double())) - x.double()).abs().max()) < 1e-13
    step.float()


@pytest.mark.parametrize("name", STEPS)
def test_log_determinants_are_those_of_the_jacobian(name):
    step = STEPS[name].double()
    x = torch.rand(2, 4 if "other" in name else 3, 4, 2, dtype=torch.float64)
    log_determinants = step.log_determinant(x)
    assert log_determinants.shape == (2,)
    for sample, value in zip(x, log_determinants, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: step(v[None])[0].flatten(), sample)
        expected = torch.linalg.slogdet(jacobian.flatten(1))[1]
        assert value.item() == pytest.approx(expected.item(), abs=1e-9)
    step.float()


def test_a_convolution_is_initialized_as_a_rotation():
    torch.manual_seed(0)
    step = InvertibleConv(5)
    x = torch.eye(5).view(5, 5, 1, 1)
    matrix = step(x)[:, :, 0, 0].T
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(5), atol=1e-5, rtol=0)


def test_actnorm_initializes_to_mean_0_and_deviation_1():
    step, x = ActNorm(3), torch.rand(5, 3, 9, 9) * torch.tensor([1.0, 5, 0.1]).view(3, 1, 1) + 7
    step.initialize(x)
    y = step(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)


def test_haar_bands():
    x = torch.tensor([[1.0, 2], [3, 4]]).view(1, 1, 2, 2)
    assert Haar()(x).flatten().tolist() == [5, -1, -2, 0]
    with pytest.raises(errors.InvalidSize, match="3 x 2"):
        Haar()(torch.zeros(1, 1, 3, 2))


def test_dense_block_has_the_published_number_of_parameters():
    assert sum(p.numel() for p in DenseBlock(2, 1).parameters()) == 58_899
    assert sum(p.numel() for p in DenseBlock(1, 2).parameters()) == 58_900


@pytest.mark.parametrize("split", [0, 3])
def test_a_coupling_needs_both_halves(split):
    with pytest.raises(errors.InvalidArgument, match=f"got {split}"):
        AffineCoupling(3, split)


def deep(blocks, recompute):
    torch.manual_seed(7)
    steps = (step for _ in range(blocks) for step in (InvertibleConv(3), AffineCoupling(3, 1, growth=4)))
    return Flow(steps, recompute=recompute)


@pytest.mark.parametrize("mode", ["forward", "inverse", "both"])
def test_recomputed_gradients_equal_those_of_autograd(mode):
    x = torch.rand(2, 3, 12, 12, dtype=torch.float64)
    gradients = []
    for recompute in (False, True):
        flow, leaf = deep(4, recompute).double(), x.clone().requires_grad_()
        y = flow(leaf) if mode != "inverse" else flow.inverse(leaf)
        y = flow.inverse(y.clamp(0.2, 0.8)) if mode == "both" else y
        gradients.append(torch.autograd.grad((y - 0.3).pow(3).sum(), [leaf, *flow.parameters()]))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_recomputing_respects_frozen_parameters():
    flow = deep(2, True)
    for value in flow.steps[1].parameters():
        value.requires_grad_(False)
    flow(torch.rand(1, 3, 8, 8)).sum().backward()
    assert all(value.grad is None for value in flow.steps[1].parameters())
    assert all(value.grad is not None for value in flow.steps[2].parameters() if value is not flow.steps[2].log_scale)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="needs /proc: run on Linux")
def test_memory_does_not_grow_with_depth_when_recomputing():
    """The peak memory of training 24 blocks stays near that of 4, unlike with ordinary autograd."""
    code = """
import sys, torch
from isptoolkit.learned import AffineCoupling, Flow, InvertibleConv
peak = lambda: int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
blocks, recompute = int(sys.argv[1]), sys.argv[2] == "1"
steps = [step for _ in range(blocks) for step in (InvertibleConv(3), AffineCoupling(3, 1, growth=8))]
flow = Flow(steps, recompute=recompute)
x = torch.rand(1, 3, 160, 160)
flow(x[..., :32, :32]).sum().backward()
before = peak()
flow(x).square().mean().backward()
print((peak() - before) / 1024)
"""

    def peak(blocks, recompute):
        run = subprocess.run(
            [sys.executable, "-c", code, str(blocks), str(int(recompute))], capture_output=True, text=True, check=True
        )
        return float(run.stdout)

    assert peak(24, True) < 1.3 * peak(4, True) + 20
    assert peak(24, False) > 3 * peak(4, False)


def test_round_trip_after_training():
    torch.manual_seed(0)
    flow = deep(3, True)
    x = torch.rand(4, 3, 24, 24)
    target = x.sqrt().flip(1)
    optimizer = torch.optim.Adam(flow.parameters(), 3e-3)
    first = None
    for _ in range(60):
        loss = (flow(x) - target).abs().mean()
        first = first or float(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss) < 0.6 * first
    with torch.no_grad():
        assert float((flow.inverse(flow(x)) - x).abs().max()) < 1e-4


def test_amplification_of_a_known_map_and_its_warning():
    step = ActNorm(3)
    with torch.no_grad():
        step.log_scale.fill_(-math.log(50))
    flow = Flow([step])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flow.amplification(torch.rand(1, 3, 8, 8)) == pytest.approx(50, rel=0.02)
    with torch.no_grad():
        step.log_scale.fill_(-math.log(1e5))
        step.shift.fill_(1.0)
    with pytest.warns(UserWarning, match="expect a round-trip error of about"):
        flow.amplification(torch.rand(1, 3, 8, 8))


def test_a_convolution_is_the_product_p_l_u():
    """`W` is `P L U`, of which only the strict triangles of the stored matrices are used."""
    step = InvertibleConv(3).double()
    with torch.no_grad():
        step.permutation.copy_(torch.tensor([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]]))
        step.lower.copy_(torch.tensor([[9.0, 9, 9], [2, 9, 9], [3, 5, 9]]))
        step.upper.copy_(torch.tensor([[9.0, 7, 11], [9, 9, 13], [9, 9, 9]]))
        step.sign.copy_(torch.tensor([1.0, -1, 1]))
        step.log_scale.copy_(torch.tensor([2.0, 3, 4]).log())
        # L = [[1,0,0],[2,1,0],[3,5,1]], U = [[2,7,11],[0,-3,13],[0,0,4]]; L U, its rows then moved by P.
        product = torch.tensor([[2.0, 7, 11], [4, 11, 35], [6, 6, 102]], dtype=torch.float64)
        expected = product[[1, 2, 0]]
        one = torch.eye(3, dtype=torch.float64).view(3, 3, 1, 1)
        torch.testing.assert_close(step(one)[:, :, 0, 0].T, expected)
        torch.testing.assert_close(step.inverse(one)[:, :, 0, 0].T, torch.linalg.inv(expected))
        assert step.log_determinant(torch.zeros(2, 3, 4, 5)).tolist() == pytest.approx([20 * math.log(24)] * 2)


def test_a_dense_block_is_densely_connected():
    """Five explicit convolutions: latest features last, slope 0.2, no activation after the fifth."""
    torch.manual_seed(5)
    block, x = DenseBlock(2, 3, growth=4), torch.randn(1, 2, 5, 6)
    features = x
    for k, conv in enumerate(block.convs):
        assert conv.weight.shape == (4 if k < 4 else 3, 2 + 4 * k, 3, 3)
        output = torch.nn.functional.conv2d(torch.nn.functional.pad(features, (1, 1, 1, 1)), conv.weight, conv.bias)
        if k < 4:
            features = torch.cat((features, torch.where(output > 0, output, 0.2 * output)), 1)
    torch.testing.assert_close(block(x), output)
    assert float(output.detach().min()) < 0 < float(output.detach().max())


@pytest.mark.parametrize("native", [True, False], ids=["kernel", "reference"])
@pytest.mark.parametrize("limit", [0.8, 0.3, 0.0])
def test_coupling_is_the_published_formula(native, limit):
    torch.manual_seed(6)
    x, h, t = torch.randn(3, 2, 3, 40, 7)
    s = limit * (2 * torch.sigmoid(h.double()) - 1) if limit else h.double()
    expected = x.double() * s.exp() + t.double()
    expected_inverse = (x.double() - t.double()) / s.exp()
    with torch.no_grad():
        for dtype, tolerance in ((torch.float32, 2e-6), (torch.float64, 1e-14)):
            values = [value.to(dtype) for value in (x, h, t)]
            if native:
                coupled, uncoupled = couple(*values, limit), uncouple(*values, limit)
            else:
                with reference():
                    coupled, uncoupled = couple(*values, limit), uncouple(*values, limit)
            torch.testing.assert_close(coupled.double(), expected, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(uncoupled.double(), expected_inverse, rtol=tolerance, atol=tolerance)
            torch.testing.assert_close(log_scale(values[1], limit).double(), s, rtol=tolerance, atol=tolerance)


def test_the_scale_of_a_coupling_is_bounded():
    extreme = torch.tensor([-1e4, 0.0, 1e4])
    assert log_scale(extreme, 0.8).tolist() == pytest.approx([-0.8, 0.0, 0.8])
    assert log_scale(extreme, 0.0).tolist() == [-1e4, 0.0, 1e4]


@pytest.mark.parametrize("direction", [couple, uncouple])
def test_a_coupling_refuses_invalid_arguments(direction):
    x = torch.zeros(1, 2, 3, 3)
    for h, t in ((x[:, :1], x), (x, x[..., :2]), (x.double(), x)):
        with pytest.raises(errors.InvalidTensor, match="three tensors of equal shape and dtype"):
            direction(x, h, t)
    for limit in (-0.1, math.inf, math.nan):
        with pytest.raises(errors.InvalidArgument, match=f"got {limit}"):
            direction(x, x, x, limit)


def test_an_affine_coupling_equals_its_equations():
    """The first group changes first; the other is scaled and shifted by functions of the result."""
    torch.manual_seed(8)
    step, x = AffineCoupling(5, 2, growth=3, limit=0.5).double(), torch.rand(2, 5, 6, 7, dtype=torch.float64)
    first = x[:, :2] + step.r(x[:, 2:])
    scale = torch.exp(0.5 * (2 * torch.sigmoid(step.s(first)) - 1))
    torch.testing.assert_close(step(x), torch.cat((first, x[:, 2:] * scale + step.t(first)), 1))


def test_identity_initialized_steps_return_their_input():
    flow, x = deep(2, False), torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        assert not torch.allclose(flow(x), x, atol=0.1)
        for step in flow.steps:
            step.set_identity()
        assert torch.equal(flow(x), x)
        assert torch.equal(flow.inverse(x), x)
        assert flow.log_determinant(x).tolist() == [0.0]


def test_recomputing_adds_up_the_gradients_of_a_step_that_occurs_twice():
    torch.manual_seed(9)
    step, other = AffineCoupling(3, 1, growth=4).double(), InvertibleConv(3).double()
    x, gradients = torch.rand(1, 3, 8, 8, dtype=torch.float64), []
    for recompute in (False, True):
        flow = Flow([step, other, step], recompute=recompute)
        gradients.append(torch.autograd.grad(flow(x).square().sum(), [*step.parameters(), other.lower]))
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_only_recomputing_stores_no_activations():
    """The number of values that autograd saves, for four and for eight blocks."""

    def saved(blocks, recompute):
        flow, sizes = deep(blocks, recompute), []

        def keep(value):
            sizes.append(value.numel())
            return value

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
            flow(torch.rand(1, 3, 32, 32))
        return sum(sizes)

    assert saved(8, True) == saved(4, True) == 3 * 32 * 32
    assert saved(8, False) > 1.9 * saved(4, False) > 19 * 3 * 32 * 32


@pytest.mark.parametrize("name", STEPS)
def test_gradients_are_true(name):
    """Gradcheck in both directions; recomputation and couplings define their own gradients."""
    step = STEPS[name].double()
    x = torch.rand(1, 4 if "other" in name else 3, 4, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.rand_like(step(x))
    for direction in (step, step.inverse):
        value = x if direction is step else step(x).detach().requires_grad_()
        cotangent = weights if direction is step else torch.rand_like(x)
        assert torch.autograd.gradcheck(lambda v, run=direction, w=cotangent: (run(v) * w).sum(), value)
    step.float()

"""SSDNet against the outputs of its program: the network, its branch, and the losses with their gradients."""

import dataclasses

import pytest
import torch
from golden import Golden, load_published

from isptoolkit import Capture
from isptoolkit.data import Batch
from isptoolkit.learned import clamped_error, softened_error
from isptoolkit.recipes import ssdnet


@pytest.fixture(scope="module")
def stage():
    """With the weights of the program; they are many, and drawn once."""
    made = ssdnet.build(ssdnet.Config(supervision="training"))
    load_published(made.net, Golden("ssdnet").weights(), ssdnet.official_name)
    return made.eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_golden(stage, dtype):
    golden, seen = Golden("ssdnet"), {}
    net = stage.to(dtype).net
    hooks = [
        net.down[0][0].register_forward_hook(lambda module, inputs, output: seen.update(first_block=output[:, ::8])),
        net.out.register_forward_pre_hook(lambda module, inputs: seen.update(refined_rgb=inputs[0])),
    ]
    x = golden["x"].to(dtype)
    with torch.no_grad():
        mean, deviation = net.softened(x)
        for hook in hooks:
            hook.remove()
        for name, output in seen.items():
            golden.check(name, output)
        golden.check("mu_unclamped", mean)
        golden.check("sigma_unclamped", deviation)
        golden.check("sigma", deviation.clamp(0, 1))
        golden.check("mu", stage(x, Capture.of("RGGB")))
    assert set(seen) == {"first_block", "refined_rgb"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("supervision", ["training", "testing", "hard"])
def test_golden_losses(supervision, dtype):
    """Values and gradients; elements that the program clamps have no gradient, in the same places."""
    golden = Golden("ssdnet_losses")
    mean, deviation = (golden[name].to(dtype).requires_grad_() for name in ("mu", "sigma"))
    target, noise = (golden[name].to(dtype) for name in ("target", "noise"))

    def loss(weight):
        if supervision == "hard":
            return clamped_error(mean, target)
        # The program moves the mean by its noise, not the target.
        return softened_error(mean, deviation, target, supervision, weight, published=True, noise=-noise)

    value = loss(0.001 if supervision == "training" else 1.0)
    value.backward()
    exact = golden.meta["values64"][supervision]
    assert float(value.detach()) == pytest.approx(exact, rel=1e-5 if dtype == torch.float32 else 1e-9)
    golden.check(f"value_{supervision}", value)
    if supervision == "training":
        golden.check("value_training_main_term", loss(0.0))
    for name, tensor in (("mu", mean), ("sigma", deviation)):
        if f"{supervision}_grad_{name}" in golden:
            golden.check(f"{supervision}_grad_{name}", tensor.grad)
            assert torch.equal(tensor.grad == 0, golden[f"{supervision}_grad_{name}"] == 0)


TINY = ssdnet.Config(width=8, blocks=(1, 1, 1), middle=1, last=1, refinement=1, published_loss=True)


@pytest.mark.parametrize("supervision", ["hard", "branch", "testing", "training", "training-detached"])
def test_the_objective_takes_the_golden_losses(supervision):
    """What the network gives is clamped first, as by the program."""
    torch.manual_seed(0)
    objective = ssdnet.Objective(dataclasses.replace(TINY, supervision=supervision, weight=0.5)).double()
    picture, sensor = torch.rand(2, 3, 32, 32).double(), torch.rand(2, 1, 32, 32).double()
    batch = Batch(sensor, Capture.collate([Capture.of("RGGB")] * 2), picture)
    target = torch.nn.functional.pixel_unshuffle(sensor, 2)
    with torch.no_grad():
        for net in (objective.stage.net.out, objective.stage.net.branch):
            for weight in () if net is None else net.parameters():
                weight.mul_(4)
        plain = ssdnet.SSDNet(dataclasses.replace(objective.config, published_loss=False)).double()
        plain.load_state_dict(objective.stage.net.state_dict())
        raw, deviation = plain.softened(picture)
        torch.manual_seed(1)
        loss, figures = objective(batch)
        torch.manual_seed(1)
        mean = raw.clamp(0, 1)
        assert not torch.equal(mean, raw)
        if supervision == "hard":
            expected = clamped_error(mean, target)
        else:
            assert not torch.equal(deviation.clamp(0, 1), deviation)
            expected = softened_error(mean, deviation.clamp(0, 1), target, supervision, 0.5, published=True)
    assert float(loss) == pytest.approx(float(expected), rel=1e-12)
    assert float(figures["raw"]) == pytest.approx(float((mean - target).abs().mean()), rel=1e-12)

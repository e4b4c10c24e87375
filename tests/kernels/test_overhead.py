"""What a call costs beside its kernel: imports, preparation, and never an outdated value."""

import subprocess
import sys

import pytest
import torch

from isptoolkit import Capture, Fused, Pipeline, fuse, plans, presets, stages
from isptoolkit.kernels import reference

pytestmark = pytest.mark.usefixtures("kernels")


def capture(**changes):
    return Capture.of("RGGB", **{"black": 64, "white": 1023, "gains": (2.0, 1.0, 1.5)} | changes)


def developed():
    whole = fuse(presets.classic(), demosaic=True)
    return whole[whole.names[0]]


def agrees(stage, x, capture):
    for direction in (stage.forward, stage.inverse):
        source = x if direction == stage.forward else stage(x, capture)
        output = direction(source, capture)
        with reference():
            expected = direction(source, capture)
        torch.testing.assert_close(output, expected, rtol=1e-4, atol=1.01 / 255 if direction == stage.forward else 0.2)


def mosaic(device="cpu"):
    return 64 + 900 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)).to(device)


def changed(stage, x, capture, change):
    """The outputs before and after a change: both are right, and they differ."""
    before = stage(x, capture)
    assert torch.equal(stage(x, capture), before)
    change()
    after = stage(x, capture)
    with reference():
        expected = stage(x, capture)
    torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-5)
    assert float((after - before).abs().max()) > 0.01


def exposed(value):
    return Fused(Pipeline(levels=stages.Levels(), balance=stages.WhiteBalance(), gain=stages.Gain(value)))


@pytest.mark.parametrize("track", [False, True])
@pytest.mark.parametrize("change", ["in place", "data", "data replaced", "numpy", "parameter replaced", "state"])
def test_a_changed_parameter_is_never_outdated(device, change, track):
    stage = exposed(torch.nn.Parameter(torch.tensor(1.5))).to(device)
    gain = dict(stage.named_modules())["stages.stages.gain"]

    def apply():
        with torch.no_grad():
            if change == "in place":
                gain.gain.mul_(2)
            elif change == "data":
                gain.gain.data.mul_(2)
            elif change == "data replaced":
                gain.gain.data = torch.tensor(3.0, device=device)
            elif change == "numpy" and device.type == "cpu":
                gain.gain.detach().numpy()[...] = 3
            elif change == "parameter replaced":
                gain.gain = torch.nn.Parameter(torch.tensor(3.0, device=device))
            else:
                stage.load_state_dict({name: 2 * value for name, value in stage.state_dict().items()})

    with torch.set_grad_enabled(track):
        changed(stage, mosaic(device), capture().to(device), apply)


def test_a_changed_capture_is_never_outdated(device):
    stage, taken = exposed(1.0).to(device), capture().to(device)
    changed(stage, mosaic(device), taken, lambda: taken.gains.mul_(1.3))
    changed(stage, mosaic(device), taken, lambda: taken.black.data.add_(200))


def test_captures_in_turn_have_their_own_values(device):
    stage, x = developed().to(device), mosaic(device)
    captures = [capture(black=black, gains=(gain, 1.0, 1.5)) for black in (0, 64) for gain in (1.0, 1.7)]
    captures += [capture().replace(cfa="BGGR"), *(capture(white=900 + i) for i in range(12))]
    for taken in 2 * captures:
        agrees(stage, x, taken.to(device))


def test_a_capture_in_another_precision_or_on_another_device(device):
    stage = exposed(1.0)
    for taken in (capture(), capture().to(torch.float32), capture().to(device)):
        own = stage.to(taken.white.device)
        agrees(own, mosaic(taken.white.device), taken)


def test_gradients_reach_a_parameter_that_was_used_without(device):
    stage = exposed(torch.nn.Parameter(torch.tensor(1.5))).to(device)
    x, taken = mosaic(device), capture().to(device)
    with torch.no_grad():
        stage(x, taken)
    stage(x, taken).sum().backward()
    assert float(next(stage.parameters()).grad) != 0


def test_a_plan_made_in_inference_mode_does_not_block_gradients(device):
    stage, taken = exposed(1.0).to(device), capture().to(device)
    with torch.inference_mode():
        stage(mosaic(device), taken)
    x = mosaic(device).requires_grad_()
    stage(x, taken).sum().backward()
    assert float(x.grad.abs().max()) > 0


def test_plans_are_few_and_die_with_their_stage():
    stage = developed()
    for white in range(900, 930):
        stage(mosaic(), capture(white=white))
    assert [len(made) for made in plans._plans[stage].values()] == [plans._KEPT]
    count = len(plans._plans)
    del stage
    assert len(plans._plans) < count


def test_preparation_is_done_once():
    """One plan for a hundred calls; `python -m benchmarks.kernels` times what is left of a call beside its kernel."""
    stage, x, taken = developed(), mosaic(), capture()
    plan = stage._plan(x, taken)
    assert all(stage._plan(x, taken) is plan for _ in range(100))


@pytest.mark.parametrize("command", ["render", "roundtrip"])
def test_commands_do_not_import_the_compiler(tmp_path, command):
    torch.zeros(64, 64, dtype=torch.uint16).numpy().tofile(tmp_path / "dump.raw")
    output = ["-o", str(tmp_path / "image.png")] if command == "render" else []
    arguments = [command, str(tmp_path / "dump.raw"), "--size", "64x64", "--black", "64", "--white", "1023"]
    arguments += ["--cfa", "RGGB", "--gains", "2,1,1.5", "--matrix", "1,0,0,0,1,0,0,0,1", *output]
    code = (
        "import sys\nfrom isptoolkit.cli import main\n"
        f"sys.argv = ['isptoolkit', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "from isptoolkit.kernels import native\nassert native._loaded.cache_info().currsize\n"
        "print([name for name in ('torch._dynamo', 'torch._inductor', 'torch._functorch.aot_autograd') "
        "if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "[]"

"""Training: learning, stopping at any moment, several processes, and what goes wrong."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

from isptoolkit import Capture, errors, read_image
from isptoolkit.data import Batch
from isptoolkit.train import Checkpoint, Objective, Training, train
from isptoolkit.train.log import steps_of


class Noise:
    """Batches that are functions of their number, as they have to be."""

    def batch(self, number, size, patch, *, seed, rank, world):
        samples = []
        for n in range(rank, size, world):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + number * 101 + n)
            samples.append(torch.rand(1, 1, patch, patch, generator=generator))
        sensor = torch.cat(samples)
        capture = Capture.collate([Capture.of("RGGB")] * len(samples))
        return Batch(sensor, capture, sensor.expand(-1, 3, -1, -1) * 0.5 + 0.1)


class Toy(Objective):
    def __init__(self):
        super().__init__(nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)))

    def forward(self, batch):
        loss = (self.stage(batch.sensor) - batch.target).abs().mean()
        return loss, {"again": loss}


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "weights.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_it_learns_and_logs(tmp_path):
    called = []
    train(Toy, Noise(), Training(steps=60, patch=16, lr=1e-2), tmp_path, on_step=lambda step, f: called.append(step))
    losses = [line["loss"] for line in steps_of(tmp_path / "log.jsonl")]
    assert len(losses) == 60
    assert called == list(range(60))
    assert losses[-1] < 0.4 * losses[0]


@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.9, "accumulate": 2, "milestones": (5,)}], ids=str)
def test_a_run_in_two_parts_equals_one_to_the_last_bit(tmp_path, settings):
    how = {"patch": 8, "checkpoint_every": 4, **settings}
    train(Toy, Noise(), Training(steps=12, **how), tmp_path / "one")
    train(Toy, Noise(), Training(steps=6, **how), tmp_path / "two")
    train(Toy, Noise(), Training(steps=12, **how), tmp_path / "two")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    logs = [list(steps_of(tmp_path / name / "log.jsonl")) for name in ("one", "two")]
    assert logs[0] == logs[1]


SCRIPT = """
import sys, pathlib, time
sys.path.insert(0, {tests!r})
from test_loop import Noise, Toy
from isptoolkit.train import Training, train
slow = float(sys.argv[2])
def on_step(step, figures):
    print(step, flush=True)
    time.sleep(slow)
how = Training(steps=30, patch=8, checkpoint_every=3, batch=4)
train(Toy, Noise(), how, pathlib.Path(sys.argv[1]), on_step=on_step)
"""


def script():
    return SCRIPT.format(tests=os.path.dirname(__file__))


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_gives_the_same_weights(tmp_path):
    command = [sys.executable, "-c", script()]
    subprocess.run([*command, str(tmp_path / "whole"), "0"], check=True, capture_output=True, cwd=tmp_path)
    killed = [*command, str(tmp_path / "killed")]
    for after in (1, 7, 17):
        with subprocess.Popen([*killed, "0.02"], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as run:
            for line in run.stdout:
                if int(line) >= after:
                    break
            time.sleep(0.007 * after)
            run.send_signal(signal.SIGKILL)
        assert not (tmp_path / "killed" / "weights.safetensors").exists()
    subprocess.run([*killed, "0"], check=True, capture_output=True, cwd=tmp_path)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    steps = [line["step"] for line in steps_of(tmp_path / "killed" / "log.jsonl")]
    assert steps == list(range(30))
    assert {path.name for path in (tmp_path / "killed").iterdir() if not path.name.startswith(".")} == {
        "checkpoint.safetensors",
        "log.jsonl",
        "weights.safetensors",
    }


def test_two_processes_equal_one(tmp_path):
    train(Toy, Noise(), Training(steps=30, patch=8, checkpoint_every=3, batch=4), tmp_path / "one")
    (tmp_path / "run.py").write_text(script())
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517"]
    done = subprocess.run(
        [*command, str(tmp_path / "run.py"), str(tmp_path / "two"), "0"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=0, atol=1e-5)


class Broken(Toy):
    def forward(self, batch):
        loss, others = super().forward(batch)
        return loss / (0 if float(batch.sensor.sum()) > 0 else 1), others


def test_a_loss_that_is_no_number_stops_and_keeps_the_batch(tmp_path):
    from safetensors.torch import load_file

    with pytest.raises(errors.TrainingFailed, match=r"step 0 is inf.*bad-batch"):
        train(Broken, Noise(), Training(steps=5, patch=8, batch=2), tmp_path)
    kept = load_file(tmp_path / "bad-batch.safetensors")
    assert torch.equal(kept["sensor"], Noise().batch(0, 2, 8, seed=0, rank=0, world=1).sensor)
    assert not (tmp_path / "weights.safetensors").exists()


def test_another_run_in_the_folder_is_not_overwritten(tmp_path):
    train(Toy, Noise(), Training(steps=2, patch=8), tmp_path)
    with pytest.raises(errors.InvalidArgument, match=r"batch 4, now 8"):
        train(Toy, Noise(), Training(steps=4, patch=8, batch=8), tmp_path)
    (tmp_path / "checkpoint.safetensors").write_bytes(b"half a file")
    with pytest.raises(errors.InvalidArgument, match="is not a readable checkpoint"):
        train(Toy, Noise(), Training(steps=4, patch=8), tmp_path)


def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    train(Toy, Noise(), Training(steps=2, patch=8), tmp_path)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(errors.InvalidArgument, match="No space left"):
        train(Toy, Noise(), Training(steps=4, patch=8, checkpoint_every=1), tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert Checkpoint.load(tmp_path / "checkpoint.safetensors").step == 2


class Previewed(Toy):
    def preview(self, batch):
        return {"output": self.stage(batch.sensor), "target": batch.target}


def test_tensorboard_and_previews(tmp_path):
    """In two parts, so that no step stands twice in what TensorBoard reads."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for steps in (4, 8):
        how = Training(steps=steps, patch=16, batch=3, checkpoint_every=3, preview_every=4, tensorboard=True)
        train(Previewed, Noise(), how, tmp_path)
    read = EventAccumulator(str(tmp_path)).Reload()
    assert {"loss", "again", "lr"} <= set(read.Tags()["scalars"])
    assert [event.step for event in read.Scalars("loss")] == list(range(8))
    logged = [line["loss"] for line in steps_of(tmp_path / "log.jsonl")]
    assert [event.value for event in read.Scalars("loss")] == pytest.approx(logged)
    assert [event.step for event in read.Images("output / target")] == [3, 7]
    assert sorted(path.name for path in (tmp_path / "previews").iterdir()) == ["0000004.png", "0000008.png"]
    sheet = read_image(tmp_path / "previews" / "0000008.png")
    assert sheet.shape == (1, 3, 32, 48)
    target = Noise().batch(0, 3, 16, seed=0, rank=0, world=1).target
    torch.testing.assert_close(sheet[0, :, 16:, :16], target[0], rtol=0, atol=0.6 / 255)


def test_tensorboard_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(errors.MissingPackage, match=r"isptoolkit\[tensorboard\]"):
        train(Toy, Noise(), Training(steps=1, patch=8, tensorboard=True), tmp_path)


def test_schedules():
    cosine = Training(steps=100, lr=2.0, schedule="cosine")
    assert [cosine.lr_at(step) for step in (0, 50)] == [2.0, pytest.approx(1.0)]
    assert Training(lr=1.0, milestones=(2, 4)).lr_at(4) == 0.25
    assert [Training(patch=((0, 8), (3, 16))).patch_at(step) for step in (0, 2, 3)] == [8, 8, 16]
    held = Training(steps=100, lr=3.0, schedule="cosine", hold=50, floor=1.0)
    assert [held.lr_at(step) for step in (0, 49, 50, 75, 100)] == [3, 3, 3, pytest.approx(2), pytest.approx(1)]


class Drawing(Toy):
    """Its loss draws its own random numbers."""

    def forward(self, batch):
        made = self.stage(batch.sensor)
        return (made + 0.1 * torch.randn_like(made) - batch.target).abs().mean(), {}


def test_what_an_objective_draws_goes_on_as_well(tmp_path):
    how = {"patch": 8, "checkpoint_every": 2}
    train(Drawing, Noise(), Training(steps=8, **how), tmp_path / "one")
    for steps in (4, 8):
        torch.manual_seed(steps)
        train(Drawing, Noise(), Training(steps=steps, **how), tmp_path / "two")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))


def test_patches_that_grow_and_batches_that_shrink(tmp_path):
    """And stopped in between, as one run."""
    seen = []

    class Watched(Noise):
        def batch(self, number, size, patch, **share):
            seen.append((number, size, patch))
            return super().batch(number, size, patch, **share)

    how = {
        "patch": ((0, 8), (4, 16)),
        "batch": ((0, 4), (4, 2)),
        "optimizer": "adamw",
        "weight_decay": 0.1,
        "grad_clip": 0.01,
    }
    train(Toy, Watched(), Training(steps=6, **how), tmp_path / "one")
    assert seen[1:] == [(n, 4, 8) for n in range(4)] + [(n, 2, 16) for n in (4, 5)]
    for steps in (3, 6):
        train(Toy, Noise(), Training(steps=steps, **how), tmp_path / "two")
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"))
    plain = {**how, "grad_clip": 0.0}
    train(Toy, Noise(), Training(steps=6, **plain), tmp_path / "three")
    assert not same(weights(tmp_path / "one"), weights(tmp_path / "three"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 1.5},
        {"schedule": "x"},
        {"lr": -1.0},
        {"ema_decay": 1.0},
        {"precision": "fp8"},
        {"preview_every": -1},
    ],
    ids=str,
)
def test_wrong_settings(wrong):
    with pytest.raises(errors.InvalidArgument):
        Training(**wrong)


def test_log_lines_are_json(tmp_path):
    train(Toy, Noise(), Training(steps=2, patch=8, lr=0.5), tmp_path)
    for line in (tmp_path / "log.jsonl").read_text().splitlines():
        assert json.loads(line).keys() == {"step", "lr", "loss", "again"}


def test_runs_of_one_process_have_each_its_precision(tmp_path):
    for name, precision in (("mixed", "bf16"), ("plain", "no")):
        train(Toy, Noise(), Training(steps=2, patch=8, precision=precision), tmp_path / name)
    assert not same(weights(tmp_path / "mixed"), weights(tmp_path / "plain"))
    train(Toy, Noise(), Training(steps=2, patch=8), tmp_path / "again")
    assert same(weights(tmp_path / "again"), weights(tmp_path / "plain"))

"""Training equals the same loop written out in plain torch: weights, averages, moments, figures, also after a stop."""

import json
import math

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from isptoolkit import Capture, errors
from isptoolkit.data import Batch
from isptoolkit.train import Checkpoint, Objective, Training, train
from isptoolkit.train.log import steps_of

SEED, RATE, STEPS = 3, 0.01, 5
COSINE = [0.002 + 0.008 * (1 + math.cos(math.pi * done / 4)) / 2 for done in (0, 0, 1, 2, 3)]


def samples(number, size, patch):
    generator = torch.Generator().manual_seed(1_000 * SEED + number)
    return torch.rand(size, 1, patch, patch, generator=generator)


class Numbered:
    """Batches that are functions of their number."""

    def batch(self, number, size, patch, *, seed, rank, world):
        assert (seed, rank, world) == (SEED, 0, 1)
        sensor = samples(number, size, patch)
        return Batch(sensor, Capture.collate([Capture.of("RGGB")] * size), 0.5 * sensor + 0.1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 1, 1)
        self.register_buffer("offset", torch.tensor([0.25]))

    def forward(self, x):
        return self.last(torch.tanh(self.first(x - self.offset)))


class Small(Objective):
    def __init__(self):
        super().__init__(Net())

    def forward(self, batch):
        error = self.stage(batch.sensor) - batch.target
        return error.square().mean(), {"error": error.abs().mean()}


def of_the_stage(tensors):
    """What a file of weights holds: the stage's tensors, by the stage's names."""
    return {name.removeprefix("stage."): value for name, value in tensors.items()}


class Case:
    """Settings, and what they mean written out: the rate, size and patch of each step.

    Args:
        how: for `Training`.
        rates: of the five steps.
        sizes: batch of each.
        patches: of each.
    """

    def __init__(self, how, rates=(RATE,) * STEPS, sizes=(2,) * STEPS, patches=(8,) * STEPS):
        self.how, self.rates, self.sizes, self.patches = how, rates, sizes, patches

    def training(self, steps=STEPS):
        return Training(**{"steps": steps, "lr": RATE, "batch": 2, "patch": 8, "seed": SEED, **self.how})


def written_out(case, steps=STEPS):
    """The model, its averaged weights, its optimizer, and a line of figures for each step."""
    how = case.how
    torch.manual_seed(SEED)
    model = Small()
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[how.get("optimizer", "adam")]
    optimizer = kind(
        model.parameters(), lr=1.0, betas=how.get("betas", (0.9, 0.999)), weight_decay=how.get("weight_decay", 0.0)
    )
    average = {name: value.detach().clone() for name, value in model.named_parameters()}
    keep, parts = how.get("ema_decay", 0.0), how.get("accumulate", 1)
    lines, number = [], 0
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = case.rates[step]
        optimizer.zero_grad()
        line = {"step": step, "lr": case.rates[step], "loss": 0.0, "error": 0.0}
        for _ in range(parts):
            sensor = samples(number, case.sizes[step], case.patches[step])
            loss, others = model(Batch(sensor, Capture.of("RGGB"), 0.5 * sensor + 0.1))
            (loss / parts).backward()
            line["loss"] += loss.item() / parts
            line["error"] += others["error"].item() / parts
            number += 1
        if how.get("grad_clip"):
            gradients = [value.grad for value in model.parameters()]
            norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
            assert norm > how["grad_clip"]  # else nothing is clipped
            for gradient in gradients:
                gradient.mul_(how["grad_clip"] / (norm + 1e-6))
        optimizer.step()
        for name, value in model.named_parameters():
            average[name] = keep * average[name] + (1 - keep) * value.detach()
        lines.append(line)
    return model, average, optimizer, lines


CASES = {
    "adam": Case({}),
    "betas": Case({"betas": (0.5, 0.9)}),
    "adam decay": Case({"weight_decay": 0.3}),
    "adamw decay": Case({"optimizer": "adamw", "weight_decay": 0.3}),
    "grad_clip": Case({"grad_clip": 0.02}),
    "accumulate": Case({"accumulate": 2}),
    "accumulate clip": Case({"accumulate": 3, "grad_clip": 0.02}),
    "ema_decay": Case({"ema_decay": 0.75}),
    "milestones": Case({"milestones": (1, 3), "factor": 0.3}, [RATE * 0.3**n for n in (0, 1, 1, 2, 2)]),
    "cosine": Case({"schedule": "cosine", "hold": 1, "floor": 0.002}, COSINE),
    "growing": Case({"patch": ((0, 8), (2, 12)), "accumulate": 2}, patches=(8, 8, 12, 12, 12)),
    "shrinking": Case({"batch": ((0, 4), (3, 1)), "accumulate": 2}, sizes=(4, 4, 4, 1, 1)),
    "all": Case(
        {
            "optimizer": "adamw",
            "betas": (0.8, 0.99),
            "weight_decay": 0.1,
            "grad_clip": 0.05,
            "accumulate": 2,
            "ema_decay": 0.9,
            "milestones": (2,),
            "patch": ((0, 8), (1, 12)),
            "batch": ((0, 3), (4, 2)),
        },
        [RATE * 0.5**n for n in (0, 0, 1, 1, 1)],
        (3, 3, 3, 3, 2),
        (8, 12, 12, 12, 12),
    ),
}


def check(actual, expected):
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            actual[name], value.detach(), rtol=1e-6, atol=1e-7, msg=f"{name}: {actual[name]}, {value}"
        )


@pytest.mark.parametrize("name", CASES)
def test_a_run_equals_the_loop_written_out(tmp_path, name):
    case = CASES[name]
    result = train(Small, Numbered(), case.training(), tmp_path, about={"recipe": "small"})
    model, average, optimizer, lines = written_out(case)
    check(dict(result.state_dict()), dict(model.state_dict()))
    chosen = average if "ema_decay" in case.how else {}
    check(load_file(tmp_path / "weights.safetensors"), of_the_stage({**model.state_dict(), **chosen}))
    with safe_open(tmp_path / "weights.safetensors", "pt") as file:
        assert file.metadata() == {"recipe": "small"}
    logged = list(steps_of(tmp_path / "log.jsonl"))
    assert logged == [pytest.approx(line, rel=1e-5, abs=1e-9) for line in lines]
    kept = Checkpoint.load(tmp_path / "checkpoint.safetensors")
    assert kept.step == STEPS and kept.settings["lr"] == RATE and kept.settings["seed"] == SEED
    check(kept.model, dict(model.state_dict()))
    check(kept.average, chosen)
    for label, value in model.named_parameters():
        check(kept.optimizer[label], optimizer.state[value])


@pytest.mark.parametrize("name", [name for name in CASES if name != "cosine"])
def test_a_run_that_was_stopped_equals_it_as_well(tmp_path, name):
    """A cosine knows its end from the beginning: such a run is stopped below."""
    case = CASES[name]
    stop = case.training(2 if name != "milestones" else 3)
    train(Small, Numbered(), stop, tmp_path)
    train(Small, Numbered(), case.training(), tmp_path)
    model, average, _, lines = written_out(case)
    check(
        load_file(tmp_path / "weights.safetensors"),
        of_the_stage({**model.state_dict(), **(average if "ema_decay" in case.how else {})}),
    )
    assert list(steps_of(tmp_path / "log.jsonl")) == [pytest.approx(line, rel=1e-5, abs=1e-9) for line in lines]


class Stopped(Exception):
    pass


def test_what_is_kept_on_the_way(tmp_path):
    """Checkpoints come every so many steps; what was done after the last one is done again."""
    case = Case({"schedule": "cosine", "hold": 1, "floor": 0.002, "checkpoint_every": 2, "ema_decay": 0.5}, COSINE)
    seen = []

    def on_step(step, figures):
        kept = tmp_path / "checkpoint.safetensors"
        seen.append((step, Checkpoint.load(kept).step if kept.is_file() else 0, figures["error"]))
        if step == 2 and len(seen) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        train(Small, Numbered(), case.training(), tmp_path, on_step=on_step)
    two, half, _, _ = written_out(case, 2)
    kept = Checkpoint.load(tmp_path / "checkpoint.safetensors")
    check(kept.model, dict(two.state_dict()))
    check(kept.average, half)
    train(Small, Numbered(), case.training(), tmp_path, on_step=on_step)
    assert [(step, kept) for step, kept, _ in seen] == [(0, 0), (1, 2), (2, 2), (2, 2), (3, 4), (4, 5)]
    model, average, _, lines = written_out(case)
    check(load_file(tmp_path / "weights.safetensors"), of_the_stage({**model.state_dict(), **average}))
    errors = [lines[step]["error"] for step in (0, 1, 2, 2, 3, 4)]
    assert [error for *_, error in seen] == pytest.approx(errors, rel=1e-5)


def test_the_first_two_steps_of_adam_by_hand(tmp_path):
    """One weight, its gradient known: the formulas of Adam, with decay in the gradient and, for AdamW, beside it."""

    class One(Objective):
        def __init__(self):
            super().__init__(nn.Module())
            self.stage.w = nn.Parameter(torch.tensor(2.0, dtype=torch.float64))

        def forward(self, batch):
            return 3 * self.stage.w + 0 * batch.sensor.double().mean(), {}

    for optimizer in ("adam", "adamw"):
        how = Training(
            steps=2, lr=0.1, batch=1, patch=8, seed=SEED, optimizer=optimizer, weight_decay=0.5, betas=(0.8, 0.9)
        )
        result = train(One, Numbered(), how, tmp_path / optimizer)
        w, first, second = 2.0, 0.0, 0.0
        for step in (1, 2):
            gradient = 3.0 + (0.5 * w if optimizer == "adam" else 0.0)
            w -= 0.1 * 0.5 * w if optimizer == "adamw" else 0.0
            first, second = 0.8 * first + 0.2 * gradient, 0.9 * second + 0.1 * gradient**2
            w -= 0.1 * (first / (1 - 0.8**step)) / (math.sqrt(second / (1 - 0.9**step)) + 1e-8)
        assert float(result.stage.w.detach()) == pytest.approx(w, abs=1e-12)


def test_every_batch_draws_other_numbers(tmp_path):
    """An objective that draws sees other numbers in every part of every step, whatever was drawn before."""
    drawn = []

    class Drawing(Small):
        def forward(self, batch):
            drawn.append(float(torch.rand(())))
            return super().forward(batch)

    how = Case({"accumulate": 2})
    train(Drawing, Numbered(), how.training(), tmp_path / "one")
    whole = list(drawn)
    assert len(set(whole)) == 2 * STEPS
    drawn.clear()
    for steps in (3, STEPS):
        torch.manual_seed(steps)
        train(Drawing, Numbered(), how.training(steps), tmp_path / "two")
    assert drawn == whole
    drawn.clear()

    class OfAnySeed(Numbered):
        def batch(self, number, size, patch, *, seed, **share):
            return super().batch(number, size, patch, seed=SEED, **share)

    train(Drawing, OfAnySeed(), Training(steps=1, batch=2, patch=8, seed=SEED + 1), tmp_path / "three")
    assert drawn[0] not in whole


def test_a_checkpoint_comes_back_as_it_was(tmp_path):
    """Names with dots, empty parts, and settings that are lists."""
    tensors = {"net.0.weight": torch.rand(2, 3), "offset": torch.rand(1)}
    moments = {"net.0.weight": {"step": torch.tensor(4.0), "exp_avg": torch.rand(2, 3), "exp_avg_sq": torch.rand(2, 3)}}
    written = Checkpoint(7, tensors, {}, moments, {"lr": 0.1, "betas": [0.9, 0.999]})
    written.save(tmp_path / "c.safetensors")
    read = Checkpoint.load(tmp_path / "c.safetensors")
    assert (read.step, read.settings, read.average) == (7, {"lr": 0.1, "betas": [0.9, 0.999]}, {})
    assert read.model.keys() == tensors.keys() and read.optimizer.keys() == moments.keys()
    assert all(torch.equal(read.model[name], value) for name, value in tensors.items())
    for slot, value in moments["net.0.weight"].items():
        assert torch.equal(read.optimizer["net.0.weight"][slot], value)


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    """Such as one of an earlier version, whose settings and tensors had other names."""
    metadata = {"format": "1", "step": "3", "settings": "{}"}
    save_file({"model.a": torch.zeros(1)}, tmp_path / "c.safetensors", metadata=metadata)
    message = "not a readable checkpoint: format '1', this version reads 2: finish the run with the version that began"
    with pytest.raises(errors.InvalidArgument, match=message):
        Checkpoint.load(tmp_path / "c.safetensors")


def test_settings_are_kept_whole(tmp_path):
    case = CASES["all"]
    train(Small, Numbered(), case.training(1), tmp_path)
    kept = Checkpoint.load(tmp_path / "checkpoint.safetensors").settings
    assert kept == json.loads(json.dumps(vars(case.training(1))))

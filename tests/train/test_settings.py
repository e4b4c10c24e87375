"""Settings at their bounds, logs that were cut off, and weights that are of something else."""

import json

import pytest
import torch
from torch import nn

from isptoolkit import errors, read_image
from isptoolkit.cli.train import _configured
from isptoolkit.train import Training, load_trained
from isptoolkit.train.log import Log, steps_of
from isptoolkit.train.settings import RENAMED
from isptoolkit.train.weights import write_weights


@pytest.mark.parametrize(
    "wrong",
    [
        {"betas": (0.9, 1.0)},
        {"betas": (-0.1, 0.9)},
        {"betas": (0.9,)},
        {"ema_decay": -0.1},
        {"ema_decay": 1.0},
        {"hold": 10},
        {"hold": -1},
        {"floor": 2e-4},
        {"floor": -1e-9},
        {"grad_clip": -0.5},
        {"weight_decay": -0.5},
        {"optimizer": "sgd"},
        {"critic_lr": 0.0},
        {"critic_lr": float("inf")},
        {"critic_steps": 0},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"accumulate": 0},
        {"checkpoint_every": 0},
        {"preview_every": 0.5},
        {"patch": ((1, 8),)},
        {"patch": ((0, 8), (4, 16), (2, 32))},
        {"patch": ((0, 8), (0, 16))},
        {"patch": ((0, 0),)},
        {"batch": 0},
        {"batch": ()},
        {"batch": ((0, 1, 2),)},
    ],
    ids=str,
)
def test_settings_beyond_their_bounds(wrong):
    name = next(iter(wrong))
    with pytest.raises(errors.InvalidArgument, match=rf"^training: .*{name}"):
        Training(**{"steps": 10, **wrong})


@pytest.mark.parametrize(
    "right",
    [
        {"betas": (0.0, 0.0)},
        {"ema_decay": 0.0},
        {"hold": 9},
        {"floor": 1e-4},
        {"patch": ((0, 8), (1, 4))},
        {"batch": 1},
    ],
    ids=str,
)
def test_settings_at_their_bounds(right):
    Training(**{"steps": 10, **right})


def test_a_log_goes_on_where_the_checkpoint_is(tmp_path):
    """Steps after it, and a line that was cut off, are dropped; what came before stays as it was."""
    lines = [json.dumps({"step": step, "loss": step / 10}) for step in range(4)]
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, '{"step": 4, "lo']))
    Log(tmp_path, 3, tensorboard=False).step(3, {"loss": 7.0})
    assert list(steps_of(tmp_path / "log.jsonl")) == [
        *({"step": step, "loss": step / 10} for step in range(3)),
        {"step": 3, "loss": 7.0},
    ]


def test_pictures_are_clipped_and_in_order(tmp_path):
    """A row for each picture, a column for each sample; NaN is black."""
    first = torch.tensor([0.2, 1.7]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    second = torch.tensor([-0.5, torch.nan]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    Log(tmp_path, 0, tensorboard=False).preview(12, {"output": first, "target": second})
    sheet = read_image(tmp_path / "previews" / "0000012.png")
    assert sheet.shape == (1, 3, 8, 8)
    assert (255 * sheet[0, 0, ::4, ::4]).round().tolist() == [[51, 255], [0, 0]]


class Net(nn.Module):
    def __init__(self, width, sizes):
        super().__init__()
        self.sizes, self.layer = sizes, nn.Linear(width, 1)
        self.other = torch.zeros(width)


@pytest.fixture
def written(tmp_path):
    def write(config=None, recipe="small"):
        tensors = {"layer.weight": torch.rand(1, 3), "layer.bias": torch.rand(1)}
        about = {"config": json.dumps(config or {"width": 3, "sizes": [1, 2]})}
        about |= {"recipe": recipe} if recipe else {}
        write_weights(tmp_path / "w.safetensors", tensors, about)
        return tmp_path / "w.safetensors", tensors

    return write


def test_weights_come_back_for_use(written):
    path, tensors = written()
    net = load_trained(path, "small", lambda config: Net(**config))
    assert torch.equal(net.layer.weight, tensors["layer.weight"]) and net.sizes == (1, 2)
    assert not net.training


@pytest.mark.parametrize("former", ["pipeline.", "denoiser."])
def test_weights_under_former_names_come_back(former, tmp_path):
    """Earlier versions wrote the names of the objective, not those of its stage."""
    tensors = {f"{former}layer.weight": torch.rand(1, 3), f"{former}layer.bias": torch.rand(1)}
    about = {"recipe": "small", "config": json.dumps({"width": 3, "sizes": []})}
    write_weights(tmp_path / "w.safetensors", tensors, about)
    net = load_trained(tmp_path / "w.safetensors", "small", lambda config: Net(**config))
    assert torch.equal(net.layer.weight, tensors[f"{former}layer.weight"])


@pytest.mark.parametrize("former", RENAMED)
def test_former_names_of_settings_lead_to_the_present_ones(former):
    from isptoolkit.recipes.aim_unet import Config

    with pytest.raises(errors.InvalidArgument, match=f"--set {former}: this setting is now called {RENAMED[former]}$"):
        _configured({"steps": 7, former: 1}, Config())
    assert RENAMED[former] in vars(Training())
    with pytest.raises(errors.InvalidArgument, match=f"the setting {former} is now called {RENAMED[former]}$"):
        Training(**{former: 1})


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"recipe": "large"}, "does not contain weights for small: it was trained with large"),
        ({"recipe": None}, "does not contain weights for small: it does not name its recipe"),
        ({"config": {"width": 4, "sizes": []}}, "does not contain weights for small: Error.* in loading state_dict"),
        ({"config": {"width": 10**7, "sizes": []}}, "its configuration describes a larger network than its weights"),
        ({"config": {"depth": 3}}, "does not contain weights for small: .*unexpected keyword argument 'depth'"),
        ({"config": [3]}, "does not contain weights for small: its configuration is not a table"),
    ],
    ids=["recipe", "unnamed", "shape", "large", "name", "list"],
)
def test_weights_of_something_else(written, how, said):
    path, _ = written(**how)
    with pytest.raises(errors.UnreadableFile, match=said):
        load_trained(path, "small", lambda config: Net(**config))


def test_values_of_the_command_go_where_they_belong():
    from isptoolkit.recipes.aim_unet import Config

    training, config = _configured({"steps": 7, "widths": [4, 8], "patch": [[0, 8], [3, 16]]}, Config())
    assert (training.steps, training.patch, config.widths) == (7, ((0, 8), (3, 16)), (4, 8))
    with pytest.raises(errors.InvalidArgument, match="--set depth: the names are .*widths"):
        _configured({"depth": 3}, Config())


def test_defaults():
    """Those of the program of a recipe are set with --set; these stay, since runs that were begun rely on them."""
    assert Training() == Training(
        steps=1000,
        batch=4,
        patch=128,
        optimizer="adam",
        weight_decay=0.0,
        grad_clip=0.0,
        betas=(0.9, 0.999),
        lr=1e-4,
        schedule="step",
        hold=0,
        floor=0.0,
        milestones=(),
        factor=0.5,
        accumulate=1,
        ema_decay=0.0,
        seed=0,
        checkpoint_every=100,
        preview_every=0,
        tensorboard=False,
        critic_lr=4e-4,
        critic_steps=3,
        precision="no",
    )

"""`isptoolkit train` on real RAW files."""

import shutil

import pytest
import torch

from isptoolkit import read_image
from isptoolkit.train.log import steps_of

SMALL = ["--set", "blocks=1", "--set", "growth=4", "--set", "patch=32", "--set", "batch=2"]


@pytest.fixture
def folder(data, tmp_path):
    (tmp_path / "raw").mkdir()
    shutil.copy(data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW", tmp_path / "raw")
    return tmp_path / "raw"


def test_it_trains_goes_on_and_says_where_the_weights_are(run, folder, tmp_path):
    from safetensors.torch import load_file

    out = tmp_path / "run"
    how = ["train", "invisp", "--data", folder, "-o", out, *SMALL, "--set", "rounding=fejer"]
    for steps in (2, 3):
        code, said, _ = run(*how, "--set", f"steps={steps}")
        assert code == 0
        assert f"{steps} steps on 1 files" in said
    assert [line["step"] for line in steps_of(out / "log.jsonl")] == [0, 1, 2]
    weights = load_file(out / "weights.safetensors")
    assert any(name.endswith("render.flow.steps.0.lower") for name in weights)
    assert all(torch.isfinite(value).all() for value in weights.values())
    chosen = folder / "CRW_0117.CRW", "--recipe", "invisp", "--weights", out / "weights.safetensors"
    assert run("render", *chosen, "-o", tmp_path / "a.png")[0] == 0
    assert read_image(tmp_path / "a.png").shape == (1, 3, 1720, 2312)
    code, said, _ = run("roundtrip", *chosen)
    assert code == 0
    assert all(name in said for name in ("levels", "render", "clip", "jpeg", "sensor"))
    (tmp_path / "b.safetensors").write_bytes(b"half")
    for wrong in (["--weights", tmp_path / "b.safetensors"], ["--weights", tmp_path / "none.pth"], []):
        code, _, err = run("render", folder / "CRW_0117.CRW", "--recipe", "invisp", *wrong, "-o", tmp_path / "c.png")
        assert (code, err.count("\n")) == (2, 1)
    assert not (tmp_path / "c.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "nothing", "--data", ".", "-o", "x"], "no recipe 'nothing'"),
        (["train", "invisp", "--data", "none", "-o", "x"], "none is not a folder"),
        (["train", "invisp", "--data", ".", "-o", "x", "--set", "step=3"], "--set step: the names are"),
        (["train", "invisp", "--data", ".", "-o", "x", "--set", "steps=0"], "steps is a whole number"),
        (["train", "invisp", "--data", ".", "-o", "x"], "holds no RAW file"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_cameras_own_pictures_as_targets_and_a_list(run, folder, tmp_path):
    (tmp_path / "train.txt").write_text("CRW_0117\n")
    how = [
        "train",
        "invisp",
        "--data",
        folder,
        *SMALL,
        "--set",
        "steps=1",
        "--set",
        "draw_every=1",
        "--target",
        "camera",
    ]
    code, said, _ = run(*how, "-o", tmp_path / "run", "--list", tmp_path / "train.txt", "--cache", tmp_path / "cache")
    assert code == 0
    assert "1 steps on 1 files" in said
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert (tmp_path / "run" / "pictures" / "0000001.png").is_file()
    (tmp_path / "train.txt").write_text("CRW_0001\n")
    code, _, said = run(*how, "-o", tmp_path / "other", "--list", tmp_path / "train.txt")
    assert code == 2
    assert "1 of 1 files of the list are not in" in said

"""`isptoolkit train` on real RAW files."""

import csv
import shutil

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from isptoolkit import read_image
from isptoolkit.data import LAYOUTS
from isptoolkit.recipes import RECIPES
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
    assert read_image(tmp_path / "a.png").shape == (1, 3, 1704, 2272)  # the camera's own frame
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
        (["train", "invisp", "--data", ".", "-o", "x", "--set", "steps=0"], "steps is an integer"),
        (["train", "invisp", "--data", ".", "-o", "x"], "contains no RAW file"),
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
        "preview_every=1",
        "--target",
        "camera",
    ]
    code, said, _ = run(*how, "-o", tmp_path / "run", "--list", tmp_path / "train.txt", "--cache", tmp_path / "cache")
    assert code == 0
    assert "1 steps on 1 files" in said
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert (tmp_path / "run" / "previews" / "0000001.png").is_file()
    (tmp_path / "train.txt").write_text("CRW_0001\n")
    code, _, said = run(*how, "-o", tmp_path / "other", "--list", tmp_path / "train.txt")
    assert code == 2
    assert "1 of 1 listed files are not in" in said


SCENE = "0001_001_S6_00100_00060_3200_L"


@pytest.fixture
def published(data, tmp_path):
    """Each layout as small as it can be, in a folder of its name."""
    rng = np.random.default_rng(0)
    tiles = tmp_path / "aim22-s7" / "train"
    tiles.mkdir(parents=True)
    for name in ("0011_0", "0012_0"):
        np.save(tiles / f"{name}.npy", rng.integers(0, 1024, (252, 252, 4)).astype(np.uint16))
        Image.new("RGB", (504, 504), "gray").save(tiles / f"{name}.jpg")
    camera = tmp_path / "fivek-nikon" / "NIKON_D700" / "DNG"
    camera.mkdir(parents=True)
    shutil.copy(data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW", camera)
    (tmp_path / "fivek-nikon" / "NIKON_D700_train.txt").write_text("CRW_0117\n")
    place = tmp_path / "sidd" / "Data" / SCENE
    place.mkdir(parents=True)
    for kind in ("GT", "NOISY"):
        with h5py.File(place / f"0001_{kind}_RAW_010.MAT", "w") as file:
            file["x"] = rng.random((64, 48)).astype(np.float32)
    with (tmp_path / "sidd" / "noise_level_functions.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["scene_instance_id", "beta1_g", "beta2_g"], [SCENE, 1e-3, 1e-6]])
    return tmp_path


@pytest.mark.parametrize(
    ("recipe", "layout", "small"),
    [
        ("aim_unet", "aim22-s7", ["widths=[4,8]"]),
        ("zero_noise", "aim22-s7", ["width=4"]),
        ("zero_noise", "fivek-nikon", ["width=4"]),
        ("invisp", "fivek-nikon", ["blocks=1", "growth=4"]),
        ("upi", "sidd", ["widths=[4,8]", "domain=raw"]),
    ],
)
def test_recipes_learn_from_published_layouts(run, published, tmp_path, recipe, layout, small):
    how = [part for text in (*small, "steps=2", "patch=32", "batch=2") for part in ("--set", text)]
    code, said, err = run("train", recipe, "--data", published / layout, "--layout", layout, "-o", tmp_path / "o", *how)
    assert code == 0, err
    assert "2 steps on 1 files" in said
    assert all(np.isfinite(line["loss"]) for line in steps_of(tmp_path / "o" / "log.jsonl"))


@pytest.mark.parametrize(
    ("recipe", "layout", "more", "said"),
    [
        ("invisp", "aim22-s7", [], "pass a folder of RAW files, or --layout fivek-nikon, fivek-canon"),
        (
            "upi",
            "fivek-nikon",
            [],
            "cannot be trained on fivek-nikon: pass a folder of photographs, or --layout sidd",
        ),
        ("aim_unet", "sidd", [], "or --layout aim22-s7, aim22-p20, fivek-nikon, fivek-canon"),
        ("aim_unet", "raise", [], "no layout 'raise': choose one of aim22-s7, aim22-p20"),
        ("aim_unet", "aim22-p20", [], "uint16 [248, 248, 4]"),
        ("upi", "sidd", ["--target", "camera"], "the layout sidd takes no target"),
        ("upi", "sidd", ["--cache", "x"], "the layout sidd takes no cache"),
        ("invisp", "fivek-nikon", ["--mixed"], "--mixed is for a folder of RAW files"),
        ("invisp", "fivek-nikon", ["--list", "x"], "--list is for a folder of RAW files"),
        ("invisp", "fivek-canon", [], "Canon_EOS_5D_train.txt does not exist: get the data from"),
    ],
)
def test_layouts_that_do_not_fit_are_one_line(run, published, recipe, layout, more, said):
    folder = published / {"aim22-p20": "aim22-s7", "fivek-canon": "fivek-nikon"}.get(layout, layout)
    code, _, err = run("train", recipe, "--data", folder, "--layout", layout, "-o", published / "out", *more)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert not (published / "out").exists()


def test_every_layout_has_a_recipe():
    assert {name for recipe in RECIPES for name in recipe.layouts} == LAYOUTS.keys()
    for recipe in RECIPES:
        denoises = {LAYOUTS[name].task for name in recipe.layouts} == {"denoise"}
        assert denoises == (recipe.photographs is not None) == (recipe.folder == "photographs")


@pytest.mark.parametrize("command", ["render", "roundtrip"])
def test_a_denoiser_is_not_a_camera(run, tmp_path, command):
    for name in ("a.dng", "w.safetensors"):
        (tmp_path / name).write_bytes(b"")
    code, _, message = run(
        command,
        tmp_path / "a.dng",
        "--recipe",
        "upi",
        "--weights",
        tmp_path / "w.safetensors",
        *(["-o", tmp_path / "b.png"] * (command == "render")),
    )
    assert (code, message.count("\n")) == (2, 1) and "the recipe upi does not render RAW files" in message

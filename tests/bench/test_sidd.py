"""SIDD in a small folder of the published layout: read correctly; incomplete downloads are named."""

import csv

import h5py
import numpy as np
import pytest
import torch
from scipy.io import savemat

from isptoolkit import errors, metrics
from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.data.sidd import Sidd
from isptoolkit.bench.methods.entrants import entrant, entrants_of
from isptoolkit.bench.scoring import score
from isptoolkit.data.sidd import PHASES, SCENES, _check_range
from isptoolkit.stages.cfa import site_channels

ROWS = 3
SHOT, READ = 4e-3, 2e-5
TRAINED = "0001_001_S6_00100_00060_3200_L"
LEVELS = (0.1, 0.3, 0.6)
"""Levels of red, green, and blue, which identify the CFA of a mosaic."""


def flat(scene, height, width):
    """A mosaic with the CFA of the scene's phone, flat except for a slope."""
    letters = np.array(site_channels(PHASES[scene.split("_")[2]])).reshape(2, 2)
    cells = np.array(LEVELS)[np.tile(letters, (height // 2, width // 2))]
    return (cells + 0.05 * np.linspace(0, 1, height)[:, None]).astype(np.float32)


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    clean = np.stack([np.stack([flat(scene, 256, 256)] * 32) for scene in SCENES[:ROWS]])
    noisy = clean + np.sqrt(SHOT * clean + READ) * rng.standard_normal(clean.shape).astype(np.float32)
    savemat(tmp_path / "ValidationGtBlocksRaw.mat", {"ValidationGtBlocksRaw": clean})
    savemat(tmp_path / "ValidationNoisyBlocksRaw.mat", {"ValidationNoisyBlocksRaw": noisy})
    with (tmp_path / "noise_level_functions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        letters = [f"beta{n}_{c}" for c in "rgb" for n in (1, 2)]
        table.writerow(["scene_instance_id", *letters])
        for scene in (*SCENES[: ROWS - 1], TRAINED):
            table.writerow([scene, *[SHOT, READ] * 3])
    place = tmp_path / "Data" / TRAINED
    place.mkdir(parents=True)
    frame = flat(TRAINED, 120, 200)
    for kind, values in (("GT", frame), ("NOISY", frame + 0.01)):
        with h5py.File(place / f"0001_{kind}_RAW_010.MAT", "w") as file:
            file["x"] = values.T  # MATLAB stores columns first
    return tmp_path


def test_blocks_begin_with_rggb_and_keep_all_samples(folder):
    data = Sidd(folder)
    assert len(data.cases) == ROWS * 32
    for row in range(ROWS):
        case = data.cases[32 * row]
        assert case.name == f"{SCENES[row]} block 00" and case.capture.camera == (SCENES[row].split("_")[2],)
        cell = case.sensor[0, 0, :2, :2].flatten()
        assert (cell[None] - torch.tensor(LEVELS)[:, None]).abs().argmin(0).tolist() == [0, 1, 1, 2]
    assert PHASES[SCENES[0].split("_")[2]] == "GRBG"
    assert torch.equal(data.cases[0].sensor.flip(-1)[0, 0], torch.from_numpy(flat(SCENES[0], 256, 256)))


def test_noise_comes_from_the_table_or_is_measured(folder):
    data = Sidd(folder)
    assert data.cases[0].capture.noise.tolist() == [[SHOT, READ]]
    shot, read = data.cases[-1].capture.noise[0].tolist()  # the table lacks the last scene
    assert shot == pytest.approx(SHOT, rel=0.1) and read == pytest.approx(READ, abs=1e-4)
    assert "noise of 1 scenes measured, because noise_level_functions.csv lacks them" in data.notes


def test_frames_to_train_on(folder):
    batch = Sidd(folder).train.batch(0, 3, 64, seed=2)
    assert batch.sensor.shape == batch.target.shape == (3, 1, 64, 64)
    assert float((batch.sensor - batch.target - 0.01).abs().max()) < 1e-6
    assert batch.capture.noise.tolist() == [[SHOT, READ]] * 3
    for sample in batch.target[:, 0]:
        cell = sample[:2, :2].flatten()
        assert (cell[None] - torch.tensor(LEVELS)[:, None]).abs().argmin(0).tolist() == [0, 1, 1, 2]
    repeated = Sidd(folder).train.batch(0, 3, 64, seed=2)
    assert torch.equal(batch.sensor, repeated.sensor)


def test_denoisers_are_scored(folder):
    """By the formula, on the mosaic; a filter that knows the noise removes most of it from a flat field."""
    case, protocol = Sidd(folder).cases[1], PROTOCOLS["sidd"]
    noisy, raw, rendered = score(entrant("noisy").predictor(None), case, protocol)
    clean, source = (x.clamp(0, 1).double() for x in (case.sensor, case.input))
    assert noisy["raw PSNR"] == pytest.approx(float(10 * torch.log10(1 / (source - clean).square().mean())), abs=1e-4)
    assert noisy["raw SSIM"] == pytest.approx(float(metrics.ssim(source, clean, taps=11)), abs=1e-6)
    assert rendered is None and raw.shape == (1, 4, 128, 128) and "raw DN" not in noisy
    assert score(entrant("wiener").predictor(None), case, protocol)[0]["raw PSNR"] > noisy["raw PSNR"] + 9


@pytest.mark.parametrize("name", entrants_of("sidd"))
def test_every_entrant_denoises(folder, name):
    one, data = entrant(name), Sidd(folder)
    objective = None if one.make is None else one.make()
    if objective is not None:
        loss, _ = objective(data.train.batch(0, 2, 32))
        loss.backward()
        assert any(float(value.grad.abs().sum()) > 0 for value in objective.parameters() if value.grad is not None)
        previews = objective.preview(data.train.batch(0, 2, 32))
        assert all(image.shape[:2] == (2, 3) for image in previews.values())
        objective.eval()
    figures, *_ = score(one.predictor(objective), data.cases[0], PROTOCOLS["sidd"])
    assert np.isfinite(figures["raw PSNR"])


def test_missing_files_are_named(folder):
    (folder / "Data" / TRAINED / "0001_GT_RAW_010.MAT").rename(folder / "gone")
    with pytest.raises(errors.InvalidArgument, match="0001_GT_RAW_010.MAT and 0 more clean frames are missing"):
        _ = Sidd(folder).train
    (folder / "Data").rename(folder / "elsewhere")
    with pytest.raises(errors.InvalidArgument, match="Data has no noisy frames to train on: download them from"):
        _ = Sidd(folder).train
    assert len(Sidd(folder).cases) == ROWS * 32  # entrants without training need no frames
    (folder / "ValidationGtBlocksRaw.mat").unlink()
    with pytest.raises(errors.InvalidArgument, match="ValidationGtBlocksRaw.mat is missing: download the data from"):
        Sidd(folder)


def test_truncated_and_wrong_files(folder):
    path = folder / "ValidationNoisyBlocksRaw.mat"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.UnreadableFile, match="ValidationNoisyBlocksRaw.mat .*download it again"):
        _ = Sidd(folder).cases[0]
    path.write_bytes(b"<html>")
    with pytest.raises(errors.UnreadableFile, match="is not a MATLAB file of version 5"):
        Sidd(folder)
    for values, message in (
        (np.zeros((ROWS, 32, 128, 256), np.float32), r"is single \[3, 32, 128, 256\], not single \[40, 32, 256, 256\]"),
        (np.zeros((ROWS, 32, 256, 256), np.uint16), "is uint16"),
        (np.zeros((ROWS - 1, 32, 256, 256), np.float32), "holds 2 noisy scenes but 3 clean ones"),
    ):
        savemat(path, {"ValidationNoisyBlocksRaw": values})
        with pytest.raises(errors.UnreadableFile, match=message):
            Sidd(folder)
    savemat(path, {"ValidationNoisyBlocksRaw": np.full((ROWS, 32, 256, 256), 1023, np.float32)})
    with pytest.raises(errors.UnreadableFile, match="holds samples from 1023 to 1023, but RAW of SIDD is between"):
        _ = Sidd(folder).cases[0]
    (folder / "noise_level_functions.csv").write_text("a,b\n1,2\n")
    with pytest.raises(errors.UnreadableFile, match="is not a table of scene_instance_id, beta1_g, and beta2_g"):
        Sidd(folder)


def test_hostile_frames(folder, tmp_path_factory):
    """Truncated, of another layout or size, or a link to another file."""
    path = folder / "Data" / TRAINED / "0001_NOISY_RAW_010.MAT"
    whole = path.read_bytes()
    source = Sidd(folder).train
    with pytest.raises(errors.InvalidArgument, match=r"has \(200, 120\) pixels, too few for a patch of 128"):
        source.batch(0, 1, 128)
    for content in (whole[:300], b""):
        path.write_bytes(content)
        with pytest.raises(errors.UnreadableFile, match="is not a complete HDF5 file with a frame x"):
            source.batch(0, 1, 64)
    other = tmp_path_factory.mktemp("secret") / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = flat(TRAINED, 120, 200).T
    for make, message in (
        (lambda file: file.__setitem__("x", h5py.ExternalLink(str(other), "x")), "does not contain its frame x"),
        (lambda file: file.create_group("x"), "does not contain its frame x"),
        (lambda file: file.create_dataset("x", data=np.zeros((3, 200, 120))), "does not contain its frame x"),
        (lambda file: file.create_dataset("x", data=np.zeros((200, 120), "S4")), "a frame of .*S4, not of floating"),
        (lambda file: file.create_dataset("x", data=np.zeros((200, 120), complex)), "a frame of complex128, not of"),
        (
            lambda file: file.create_dataset("x", data=np.zeros((198, 120))),
            r"has \(198, 120\) pixels but .*\(200, 120\)",
        ),
        (lambda file: file.create_dataset("x", data=np.full((200, 120), 1023.0)), "holds samples from 1023 to 1023"),
    ):
        with h5py.File(path, "w") as file:
            make(file)
        with pytest.raises(errors.UnreadableFile, match=message):
            source.batch(0, 1, 64)


def test_noise_may_exceed_the_range_by_half():
    """But not by more; NaN is refused too."""
    _check_range(np.array([-0.5, 1.5]), "frame.mat")
    for sample in (-0.5001, 1.5001, np.nan):
        with pytest.raises(errors.UnreadableFile, match="frame.mat holds samples from"):
            _check_range(np.array([0.5, sample]), "frame.mat")

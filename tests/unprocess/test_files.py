"""`isptoolkit unprocess`: photographs into DNG files, the same each time, however often it was stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from isptoolkit import Capture, errors, presets, read_image, read_raw, write_dng
from isptoolkit.io.exif import read_exif
from isptoolkit.metrics import psnr
from isptoolkit.priors import CAMERAS, matrix_of_camera
from isptoolkit.recipes import upi
from isptoolkit.unprocess.files import Job, unprocess_all, unprocess_file


def smooth(seed, height=60, width=90):
    small = np.random.default_rng(seed).integers(30, 220, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for index in range(6):
        smooth(index).save(folder / ("more" if index > 3 else "") / f"{index}.{'png' if index % 2 else 'jpg'}")
    return folder


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.dng")}


def lines(folder):
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_a_folder(run, photos, tmp_path):
    code, said, _ = run("unprocess", photos, "-o", tmp_path / "out")
    assert (code, "wrote 6 DNG files to" in said) == (0, True)
    assert sorted(files(tmp_path / "out")) == ["0.dng", "1.dng", "2.dng", "3.dng", "more/4.dng", "more/5.dng"]
    entries = lines(tmp_path / "out")
    assert len({entry["seed"] for entry in entries}) == 6
    for entry in entries:
        sensor, capture = read_raw(tmp_path / "out" / entry["output"])
        brightness = entry["gains"][1]
        capture = capture.replace(gains=capture.gains * brightness)
        picture = upi.process(sensor, capture)
        assert psnr(picture.clamp(0, 1), read_image(entry["photo"])) > 12
    before = files(tmp_path / "out")
    code, said, _ = run("unprocess", photos, "-o", tmp_path / "out")
    assert (code, "wrote 0 DNG files to" in said) == (0, True)
    assert files(tmp_path / "out") == before
    assert len(lines(tmp_path / "out")) == 6


@pytest.mark.parametrize(
    ("photo", "arguments", "says"),
    [
        ("1.png", ["-o", "x.tif"], "cannot write x.tif: name a .dng file or a folder"),
        ("1.png", ["-o", "text.txt"], "cannot write text.txt: name a .dng file or a folder"),
        ("", ["-o", "x.dng"], "cannot write x.dng: name a folder, since there may be several photographs"),
        ("", ["-o", "text.txt"], "cannot write text.txt: name a folder, since there may be several photographs"),
        ("1.png", ["-o", "x.dng", "--engine", "spark"], "--engine is threads or ray, got 'spark'"),
    ],
)
def test_outputs_and_engines_that_do_not_fit_are_refused(run, photos, tmp_path, monkeypatch, photo, arguments, says):
    (tmp_path / "text.txt").touch()
    monkeypatch.chdir(tmp_path)
    code, _, error = run("unprocess", photos / photo, *arguments)
    assert (code, error) == (2, f"isptoolkit: {says}\n")
    assert sorted(os.listdir(tmp_path)) == ["photos", "text.txt"]


def test_one_photograph_without_noise_comes_back(run, photos, tmp_path):
    how = ["unprocess", photos / "1.png", "-o", tmp_path / "a.dng", "--noise", "none", "--camera", CAMERAS[1]]
    assert run(*how, "--compress")[0] == 0
    sensor, capture = read_raw(tmp_path / "a.dng")
    torch.testing.assert_close(capture.srgb_to_camera, matrix_of_camera(CAMERAS[1]), rtol=0, atol=1e-5)
    entry = json.loads((tmp_path / "a.json").read_text())
    capture = capture.replace(gains=torch.tensor([entry["gains"]], dtype=torch.float64))
    assert psnr(upi.process(sensor, capture).clamp(0, 1), read_image(photos / "1.png")) > 35


def test_like_a_raw_file(run, photos, data, tmp_path):
    like = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW"
    assert run("unprocess", photos / "0.jpg", "-o", tmp_path / "a.dng", "--like", like, "--noise", "400")[0] == 0
    result, original = read_raw(tmp_path / "a.dng")[1], read_raw(like)[1]
    assert (result.cfa, result.camera) == (original.cfa, original.camera)
    assert torch.equal(result.white, original.white)
    assert torch.equal(result.black, original.black)
    torch.testing.assert_close(result.gains, original.gains, rtol=1e-6, atol=0)
    torch.testing.assert_close(result.srgb_to_camera, original.srgb_to_camera, rtol=0, atol=1e-5)
    assert float(result.noise[0, 0]) == pytest.approx(4e-4)


@pytest.mark.parametrize(("planes", "cfa"), [(3, "RGB"), (1, "MONO")])
def test_like_a_file_without_a_mosaic_is_refused(run, photos, tmp_path, planes, cfa):
    codes = torch.full((1, planes, 32, 32), 500.0)
    write_dng(tmp_path / "like.dng", codes, Capture.of(cfa, black=64, white=4095))
    for source, out in ((photos / "0.jpg", "a.dng"), (photos, "folder")):
        code, _, err = run("unprocess", source, "-o", tmp_path / out, "--like", tmp_path / "like.dng")
        assert code == 2
        assert err.count("\n") == 1
        assert "choose a file with a Bayer mosaic" in err
        assert not (tmp_path / out).exists()


@pytest.mark.parametrize("like", [False, True], ids=["drawn camera", "like a file"])
def test_a_rendering_is_as_bright_as_the_photograph(like, photos, tmp_path):
    """The drawn brightness, or the exposure of the --like file, is in the file and applied by renderings."""
    if like:
        stated = Capture.of("GRBG", black=64, white=4095, gains=(2, 1, 1.5), exposure=1.5, orientation=6)
        write_dng(tmp_path / "like.dng", torch.full((1, 1, 32, 32), 500.0), stated)
    job = Job(noise="none", like=str(tmp_path / "like.dng") if like else None, seed=3)
    unprocess_file(photos / "1.png", tmp_path / "a.dng", job)
    sensor, capture = read_raw(tmp_path / "a.dng")
    assert capture.orientation == (1,)  # photographs are read upright
    assert abs(float(capture.exposure)) > 0.3
    picture = presets.classic()(sensor, capture)
    photograph = read_image(photos / "1.png")
    assert float(picture.mean()) == pytest.approx(float(photograph.mean()), abs=0.02)
    dark = presets.classic()(sensor, capture.replace(exposure=None))
    assert abs(float(dark.mean()) - float(photograph.mean())) > 0.05


def test_the_photograph_is_stated(photos, tmp_path):
    exif = Image.Exif()
    exif[274], exif[271], exif[272], exif[315] = 6, "Maker", "Model X", "Zoe"
    exif.get_ifd(34665).update({36867: "2026:01:31 23:59:58", 33434: IFDRational(1, 60), 42036: "50 mm"})
    smooth(5).save(photos / "1.jpg", exif=exif)
    unprocess_file(photos / "1.jpg", tmp_path / "a.dng", Job())
    assert read_exif(tmp_path / "a.dng") == {
        "artist": "Zoe",
        "date": "2026:01:31 23:59:58",
        "exposure_time": Fraction(1, 60),
        "lens": "50 mm",
    }  # the samples are of a drawn camera, so the photograph's is not named
    sensor, capture = read_raw(tmp_path / "a.dng")
    assert (sensor.shape[2:], capture.orientation, capture.camera) == ((90, 60), (1,), ("",))


SCRIPT = """
import itertools, sys, time
from pathlib import Path
import isptoolkit.unprocess.files as job
plain = job.unprocess_file
started = itertools.count()
def limited(*args):
    if next(started) >= int(sys.argv[3]):
        time.sleep(600)  # until the process is killed
    return plain(*args)
job.unprocess_file = limited
def on_file(done, total):
    print(done, flush=True)
job.unprocess_all([Path(sys.argv[1])], Path(sys.argv[2]), job.Job(), on_file)
"""


def test_killed_and_resumed_it_makes_the_same_files(photos, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(photos)]
    subprocess.run([*command, str(tmp_path / "whole"), "99"], check=True, capture_output=True, cwd=tmp_path)
    for limit, pause in ((3, 0.0), (2, 0.11)):
        with subprocess.Popen(
            [*command, str(tmp_path / "killed"), str(limit)], stdout=subprocess.PIPE, text=True, cwd=tmp_path
        ) as run:
            run.stdout.readline()
            time.sleep(pause)
            run.send_signal(signal.SIGKILL)
        assert 1 <= len(files(tmp_path / "killed")) < 6
    (tmp_path / "killed" / ".half.0123456789ab.dng").write_bytes(b"half")
    with (tmp_path / "killed" / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"output": "2.dn')
    subprocess.run([*command, str(tmp_path / "killed"), "99"], check=True, capture_output=True, cwd=tmp_path)
    assert files(tmp_path / "whole") == files(tmp_path / "killed")
    by_name = [sorted(lines(tmp_path / name), key=lambda e: e["output"]) for name in ("whole", "killed")]
    assert by_name[0] == by_name[1]


def test_a_changed_photograph_is_made_again(photos, tmp_path):
    unprocess_all([photos], tmp_path / "out", Job())
    smooth(99).save(photos / "1.png")
    written, failed = unprocess_all([photos], tmp_path / "out", Job())
    assert (written, failed) == (1, {})
    os.remove(tmp_path / "out" / "2.dng")
    assert unprocess_all([photos], tmp_path / "out", Job())[0] == 1


def test_broken_photographs_are_reported_and_the_others_are_written(run, photos, tmp_path):
    (photos / "broken.jpg").write_bytes(b"no picture")
    Image.new("RGB", (1, 1)).save(photos / "dot.png")
    Image.new("CMYK", (20, 20)).save(photos / "print.jpg")
    smooth(7, 61, 33).save(photos / "odd.png")
    code, said, error = run("unprocess", photos, "-o", tmp_path / "out")
    assert code == 1
    assert "wrote 7 DNG files to" in said
    assert "3 photographs failed" in said
    for what in (
        "broken.jpg is not a readable",
        "dot.png has 1 x 1 pixels: a DNG file has at least 22 x 22",
        "print.jpg is CMYK",
    ):
        assert what in error
    assert read_raw(tmp_path / "out" / "odd.dng")[0].shape == (1, 1, 61, 33)


def test_wrong_requests(run, photos, tmp_path):
    for more, why in (
        (["--camera", "Kodak"], "no camera 'Kodak': choose one of"),
        (["--noise", "loud"], "noise is line, none"),
        (["--noise", "2,3"], "below 1"),
        (["--camera", CAMERAS[0], "--like", "a.dng"], "exclude each other"),
        (["--like", tmp_path / "a.dng"], "not a file"),
    ):
        code, _, error = run("unprocess", photos / "1.png", "-o", tmp_path / "a.dng", *more)
        assert (code, why in error) == (2, True), error
    assert run("unprocess", photos / "none.png", "-o", tmp_path / "a.dng")[0] == 2
    (tmp_path / "empty").mkdir()
    assert "no photograph" in run("unprocess", tmp_path / "empty", "-o", tmp_path / "out")[2]
    smooth(1).save(photos / "1.tif")
    assert "would become" in run("unprocess", photos, "-o", tmp_path / "out")[2]


def test_another_job_in_the_folder_is_refused(photos, tmp_path):
    unprocess_all([photos], tmp_path / "out", Job())
    before = files(tmp_path / "out")
    with pytest.raises(errors.InvalidArgument, match="seed 0, now 1"):
        unprocess_all([photos], tmp_path / "out", Job(seed=1))
    assert files(tmp_path / "out") == before

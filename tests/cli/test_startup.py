"""Commands import only what they use: help and refusals do without torch, rendering without the training packages."""

import subprocess
import sys

import numpy as np
import pytest

RUN = """
import sys
sys.argv = ["isptoolkit", *sys.argv[1:]]
from isptoolkit.cli import main
try:
    main()
except SystemExit as stop:
    code = stop.code or 0
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
SLOW = {"torch", "numpy", "scipy", "rawpy", "PIL", "matplotlib"}
UNUSED = {"hypothesis", "accelerate", "kornia", "colour", "matplotlib", "ray", "torchmetrics", "lpips"}
OUT = ("-o", "x.png")


def loaded(folder, *arguments):
    """Exit status of a command in a new process, and the packages that it imported."""
    command = [sys.executable, "-c", RUN, *map(str, arguments)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    code, *packages = result.stderr.splitlines()[-1].split()
    return int(code), set(packages)


@pytest.fixture
def dump(tmp_path):
    np.random.default_rng(0).integers(64, 2000, (24, 32), dtype="<u2").tofile(tmp_path / "dump.raw")
    matrix = "3.24,-1.54,-0.5,-0.97,1.88,0.04,0.06,-0.2,1.06"
    options = [
        "--size",
        "32x24",
        "--cfa",
        "RGGB",
        "--black",
        "64",
        "--white",
        "4095",
        "--gains",
        "2,1,1.5",
        "--matrix",
        matrix,
    ]
    return [tmp_path / "dump.raw", *options]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        *([command, "--help"] for command in ("render", "roundtrip", "show", "info", "check", "train", "bench")),
        ["unprocess", "--help"],
        ["calibrate", "noise", "--help"],
        ["demo", "--help"],
    ],
    ids=" ".join,
)
def test_help_and_version_import_nothing_slow(tmp_path, arguments):
    code, packages = loaded(tmp_path, *arguments)
    assert code == 0
    assert packages & SLOW == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["redner"],
        ["render", "none.dng", *OUT],
        ["render", "here.dng", "-o", "none/x.png"],
        ["render", "here.dng", *OUT, "--gain", "2,1,1"],
        ["render", "here.dng", *OUT, "--bits", "many"],
        ["render", "here.dng", *OUT, "--frame", "whole"],
        ["render", "here.dng", *OUT, "--black", "1,2"],
        ["render", "here.dng", *OUT, "--white", "max"],
        ["render", "here.dng", *OUT, "--size", "4by4"],
        ["render", "here.dng", *OUT, "--pipeline", "none.toml"],
        ["render", "here.dng", *OUT, "--recipe", "invisp", "--weights", "none.pth"],
        ["roundtrip", "none.dng"],
        ["show", "none.dng", *OUT],
        ["show", "here.dng", "-o", "none/x.png"],
        ["info", "none.dng"],
        ["check", "none.py:Stage"],
        ["train", "invisp", "--data", "none", "-o", "run"],
        ["train", "invisp", "--data", ".", "-o", "here.dng"],
        ["train", "invisp", "--data", ".", "-o", "run", "--list", "none.txt"],
        ["bench", "pairs", "-o", "out", "--data", "none"],
        ["bench", "micro", "-o", "here.dng"],
        ["bench", "micro", "-o", "out", "--lpips", "none"],
        ["unprocess", "none.jpg", "-o", "out.dng"],
        ["unprocess", "here.dng", "-o", "none/out.dng"],
        ["unprocess", "here.dng", "-o", "out.dng", "--like", "none.dng"],
        ["calibrate", "noise", "none.dng"],
        ["demo", "-o", "here.dng"],
    ],
    ids=" ".join,
)
def test_mistakes_are_refused_before_anything_slow_is_imported(tmp_path, arguments):
    (tmp_path / "here.dng").write_bytes(b"no RAW file")
    code, packages = loaded(tmp_path, *arguments)
    assert code == 2
    assert packages & SLOW == set()
    assert [path.name for path in tmp_path.iterdir()] == ["here.dng"]


def test_rendering_imports_no_package_that_it_does_not_use(dump, tmp_path, data):
    path = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW"
    for command in (
        ["render", *dump, *OUT],
        ["render", *dump, *OUT, "--set", "tone.amount=0.8"],
        ["roundtrip", *dump],
        ["info", path],
    ):
        code, packages = loaded(tmp_path, *command)
        assert code == 0
        assert "torch" in packages
        assert packages & UNUSED == set()

"""Bad input: a typed error of one sentence from the library; one line, status 2, and no file from the command line."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from isptoolkit import (
    CAMERA,
    Capture,
    Pipeline,
    errors,
    presets,
    read_image,
    read_mosaic,
    read_raw,
    stages,
    write_image,
)
from isptoolkit.cli import app as cli
from isptoolkit.io.mosaic_dump import MAX_SAMPLES
from isptoolkit.report.contact_sheet import contact_sheet
from isptoolkit.report.demo import run as run_demo

MATRIX = "3.24,-1.54,-0.5,-0.97,1.88,0.04,0.06,-0.2,1.06"
LEVELS = ["--cfa", "RGGB", "--black", "64", "--white", "4095", "--gains", "2,1,1.5", "--matrix", MATRIX]
NEEDS = {"cfa": "RGGB", "black": 64, "white": 4095, "gains": (2, 1, 1.5), "matrix": np.eye(3).tolist()}
UNKNOWN_STAGE = """type = "Pipeline"
[isptoolkit]
format = 1
[stages.a]
type = "os.system"
"""


def sentence(error: errors.IspError) -> str:
    message = str(error)
    assert type(error) is not errors.IspError
    assert message
    assert "\n" not in message
    assert not message.endswith(".")
    return message


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder of the commands; `../in` holds inputs of many kinds."""
    (tmp_path / "in").mkdir()
    (tmp_path / "work").mkdir()
    values = np.random.default_rng(0).integers(64, 2000, (23, 33), dtype="<u2")
    values.tofile(tmp_path / "in" / "odd.raw")
    values[:1, :1].tofile(tmp_path / "in" / "one.raw")
    np.array([[1, np.nan], [2, np.inf]], "<f4").tofile(tmp_path / "in" / "nan.raw")
    (tmp_path / "in" / "empty.raw").touch()
    np.save(tmp_path / "in" / "a.npy", values)
    (tmp_path / "in" / "ends.py").write_text("raise SystemExit(0)")
    (tmp_path / "in" / "broken.py").write_text("raise ValueError('two\\nlines \\x1b[2J')")
    (tmp_path / "in" / "unknown.toml").write_text(UNKNOWN_STAGE)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def refused(result: tuple[int, str, str], folder: object) -> str:
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("isptoolkit: ")
    assert err[:-1].isprintable()
    assert os.listdir(folder) == []
    return err


def dump(name: str, size: str, *more: str) -> list[str]:
    return [f"../in/{name}.raw", "--size", size, *LEVELS, *more]


OUT = ("-o", "x.png")
DUMP = dump("odd", "33x23")
TOML = "../in/unknown.toml"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["render", "none.CRW", *OUT], "is not a file"),
        (["render", "../in", *OUT], "is not a file"),
        (["info", "/dev/null"], "is not a file"),
        (["info", "n" * 5000], "is not a file"),
        (["render", "../in/empty.raw", *OUT], "is empty"),
        (["render", *dump("odd", "33x24"), *OUT], "33 x 24"),
        (["render", *dump("odd", "99999999x99999999"), *OUT], "more than"),
        (["render", *dump("odd", "9999999999x1"), *OUT], "WIDTHxHEIGHT"),
        (["render", *dump("odd", "0x0"), *OUT], "from 1"),
        (["render", *dump("odd", "-1x2"), *OUT], "WIDTHxHEIGHT"),
        (["roundtrip", *dump("one", "1x1")], "at least 2 x 2"),
        (["show", *dump("one", "1x1"), *OUT], "at least 2 x 2"),
        (["render", *dump("nan", "2x2", "--dtype", "float32"), *OUT], "2 samples that are not finite"),
        (["render", *dump("odd", "33x23", "--dtype", "object"), *OUT], "dtype must be one of"),
        (["render", *dump("odd", "33x23", "--cfa", "XYZW"), *OUT], "cfa must be one of"),
        (["render", *dump("odd", "33x23", "--gains", "nan,1,1"), *OUT], "gains must be finite"),
        (["render", *dump("odd", "33x23", "--white", "nan"), *OUT], "white must be finite"),
        (["render", *dump("odd", "33x23", "--white", "10"), *OUT], "white must be above black"),
        (["render", "../in/odd.raw", "--size", "33x23", "--black", "0", *OUT], "--cfa, --white, --gains, and --matrix"),
        (["render", "../in/odd.raw", "--size", "33x23", *LEVELS[:6], *OUT], "has no header: pass --gains and --matrix"),
        (["render", *dump("odd", "66x23"), *OUT], "at exactly 8 bits a sample, --dtype uint8 fits"),
        (["render", *dump("odd", "33x23", "--dtype", "mipi10"), *OUT], "--dtype uint16 or >u2 fits"),
        (["render", *dump("odd", "30x23"), *OUT], "--stride 66 and --dtype uint16 or >u2 fit"),
        (["render", *dump("odd", "33x22"), *OUT], "--offset 66 fits a header"),
        (["render", *dump("odd", "33x23", "--stride", "65"), *OUT], "stride must be at least the 66 bytes"),
        (["render", *dump("odd", "33x23", "--offset", "-1"), *OUT], "offset must be a whole number from 0"),
        (["render", *dump("odd", "33x23", "--offset", "x"), *OUT], "--offset"),
        (["render", *dump("odd", "33x23", "--black", "1,2,3"), *OUT], "--black takes 1 or 4 numbers"),
        (["render", *dump("odd", "33x23", "--white", "max"), *OUT], "--white takes a number or auto, got 'max'"),
        (["render", *dump("odd", "33x23", "--cfa", "MONO"), *OUT], "has no colors: leave out --gains and --matrix"),
        (
            ["render", "../in/a.npy", *OUT],
            "NumPy array without metadata of a mosaic: pass --cfa, --black, --white, --gains, a",
        ),
        (["render", "../in/a.npy", *LEVELS, "--size", "33x23", *OUT], "states its geometry: leave out --size"),
        (["render", "../in/a.npy", *LEVELS, "--dtype", "uint8", *OUT], "states its geometry: leave out --dtype"),
        (["render", *dump("odd", "33x23"), "-o", "x"], "suffix"),
        (["render", *dump("odd", "33x23"), "-o", "x.jpg", "--bits", "16"], "JPEG has 8 bits"),
        (["render", *dump("odd", "33x23"), *OUT, "--bits", "7"], "--bits"),
        (["render", *dump("odd", "33x23"), "-o", "."], "folder"),
        (["render", *dump("odd", "33x23"), "-o", "no/x.png"], "does not exist"),
        (["render", *dump("odd", "33x23"), "-o", "../in/odd.raw/x.png"], "odd.raw is a file, not a folder"),
        (["render", *dump("odd", "33x23"), "-o", "n" * 300 + ".png"], "cannot write"),
        (["render", *dump("odd", "33x23"), "-o", "/proc/x.png"], "cannot write"),
        (["show", *dump("odd", "33x23"), "-o", "x"], "suffix"),
        (["show", *dump("odd", "33x23"), "-o", "x.pdf"], "suffix"),
        (["show", *dump("odd", "33x23"), "-o", "no/x.png"], "does not exist"),
        (["render", *dump("odd", "33x23"), *OUT, "--pipeline", "../in/unknown.toml"], "os.system"),
        (["render", *dump("odd", "33x23"), *OUT, "--set", "tone.amount=" + "[" * 5000], "as in TOML"),
        (["render", *dump("odd", "33x23"), *OUT, "--set", "tone.amount=nan"], "finite"),
        (["render", *dump("odd", "33x23"), *OUT, "--set", "clip.space=mosaic"], "clip takes mosaic"),
        (["render", *dump("odd", "33x23"), *OUT, "--set", "quantize.bits=70"], "bits must be"),
        (
            ["render", "../in/odd.raw", "--cfa", "BGGR", *OUT],
            "dump, which read_mosaic reads (pass --size, --black, --white, --gains, and --matrix)",
        ),
        (["roundtrip", "../in/odd.raw", "--dtype", "uint8"], "--dtype uint8 describes a headerless dump"),
        (["calibrate", "noise", "../in/odd.raw", "--stride", "9"], "--stride 9 describes a headerless dump"),
        (["render", *DUMP, *OUT, "--preset", "libraw", "--pipeline", TOML], "--preset and --pipeline exclude each"),
        (["show", *DUMP, *OUT, "--preset", "x", "--recipe", "invisp", "--weights", TOML], "--preset and --recipe"),
        (["roundtrip", *DUMP, "--pipeline", TOML, "--recipe", "invisp", "--weights", TOML], "--pipeline and --recipe"),
        (["check", "../in/ends.py:Stage"], "running the file exits"),
        (["check", "../in/broken.py:Stage"], "two lines \\x1b[2J"),
        (["check", "../in/broken.py:Stage", "--examples", "0"], "--examples"),
        (["check", "../in/broken.py"], "FILE.py:CLASS"),
        (["demo", "-o", "../in/odd.raw"], "is not a folder"),
        (["render", "[/x]\x1b[2J\udcff.CRW", *OUT], "is not a file"),
        (["render", "a\0b", *OUT], "null"),
    ],
    ids=lambda value: " ".join(value)[:40].encode("ascii", "replace").decode() if isinstance(value, list) else None,
)
def test_the_command_refuses_in_one_line(run, folder, arguments, says):
    assert says in refused(run(*arguments), folder)


def test_errors_name_the_stage(run, folder):
    """The note that `Pipeline.forward` adds to an error follows its message, on the same line."""
    with pytest.raises(errors.InvalidSize) as caught:
        presets.classic()(torch.ones(1, 1, 1, 1), CAPTURE)
    (note,) = caught.value.__notes__
    assert "demosaic" in note and "mosaic -> camera" in note
    for command in (["render", *OUT], ["roundtrip"], ["show", *OUT], ["show", "-o", "x.html"]):
        error = refused(run(*command, *dump("one", "1x1"), "--no-fuse"), folder)
        assert error == f"isptoolkit: {caught.value} ({note})\n"


def test_render_refuses_an_output_before_it_builds_a_pipeline(run, folder, monkeypatch):
    monkeypatch.setattr(presets, "classic", None)
    assert "x.pdf: the suffix must be one of" in refused(run("render", *DUMP, "-o", "x.pdf"), folder)
    assert "JPEG has 8 bits" in refused(run("render", *DUMP, "-o", "x.jpg", "--bits", "16"), folder)


def test_real_files_without_a_mosaic_or_truncated(run, folder, data):
    layered = data / "kimageformats" / "RAW_KODAK_C330_FORMAT_NONE_YRGB.raw"
    assert "not a mosaic" in refused(run("render", layered, *OUT), folder)
    whole = (data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0101.CRW").read_bytes()
    cut = folder.parent / "in" / "cut.CRW"
    cut.write_bytes(whole[: len(whole) // 2])
    for command in (["render", cut, *OUT], ["roundtrip", cut], ["show", cut, *OUT], ["info", cut]):
        assert "truncated" in refused(run(*command), folder)


def test_the_real_command_prints_one_line_where_libraw_complains(data, tmp_path):
    command = [sys.executable, "-m", "isptoolkit.cli", "render"]
    files = sorted((data / "unreadable").iterdir())
    assert files
    started = [
        subprocess.Popen([*command, file, *OUT], stdout=-1, stderr=-1, text=True, cwd=tmp_path) for file in files
    ]
    for process in started:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("isptoolkit: ")
    assert list(tmp_path.iterdir()) == []


def test_standard_error_survives_threads_that_decode(data, capfd):
    path = data / "unreadable" / "Canon-R6-pruned.CR3"
    opened = len(os.listdir("/dev/fd"))
    barrier = threading.Barrier(4)

    def read(_: int) -> type[Exception]:
        barrier.wait()
        with pytest.raises(errors.UnreadableFile) as caught:
            read_raw(path)
        return caught.type

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(read, range(40))) == {errors.UnreadableFile}
    os.write(2, b"still there")
    assert capfd.readouterr().err == "still there"
    assert len(os.listdir("/dev/fd")) == opened


def test_a_process_without_standard_error_reads_raw_files(data):
    path = data / "a2tools" / "quicktake-100" / "IMAGE01.QTK"
    read = f"print(read_raw({str(path)!r}, gains=(1, 1, 1))[1].cfa)"
    code = f"import os; os.close(2)\nfrom isptoolkit import read_raw\n{read}"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "GRBG\n"


def test_a_closed_pipe_and_a_full_disk(data):
    command = [sys.executable, "-m", "isptoolkit.cli", "info", data / "a2tools" / "quicktake-100" / "IMAGE01.QTK"]
    with subprocess.Popen([*command, "--json"], stdout=-1, stderr=-1, text=True) as gone:
        gone.stdout.close()
        assert (gone.stderr.read(), gone.wait(timeout=120)) == ("", 1)
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command, stdout=full, stderr=-1, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, "isptoolkit: No space left on device\n")


def test_an_interrupt_exits_quietly_with_130(run, folder, monkeypatch):
    monkeypatch.setattr("isptoolkit.io.describe_raw", lambda _, **options: signal.raise_signal(signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for background jobs
    try:
        code, out, err = run("info", "../in/odd.raw")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (code, out, err.strip()) == (130, "", "")


def test_too_little_memory(run, folder, monkeypatch):
    def greedy(_, **options):
        raise MemoryError

    monkeypatch.setattr("isptoolkit.io.describe_raw", greedy)
    assert "not enough memory" in refused(run("info", "../in/odd.raw"), folder)


@pytest.mark.usefixtures("folder")
def test_a_bug_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["isptoolkit", "info", "../in/odd.raw"])
    monkeypatch.setattr("isptoolkit.io.describe_raw", lambda _, **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main()


CAPTURE = Capture.of("RGGB", black=64, white=1023)
MOSAIC = torch.ones(1, 1, 4, 4)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda _: stages.Levels()(torch.zeros(1, 1, 2, 2, dtype=torch.int32), CAPTURE), errors.InvalidTensor),
        (lambda _: stages.Levels()(np.zeros((1, 1, 2, 2)), CAPTURE), errors.InvalidTensor),
        (lambda _: stages.Levels()(torch.zeros(1, 3, 2, 2), CAPTURE), errors.InvalidTensor),
        (lambda _: stages.Levels()(torch.zeros(2, 2), CAPTURE), errors.InvalidTensor),
        (lambda _: stages.Levels()(torch.zeros(1, 1, 0, 2), CAPTURE), errors.InvalidTensor),
        (lambda _: stages.Levels()(torch.zeros(3, 1, 2, 2), Capture.collate([CAPTURE] * 2)), errors.InvalidTensor),
        (lambda _: stages.Pack()(torch.zeros(1, 1, 3, 4), CAPTURE), errors.InvalidSize),
        (lambda _: stages.DemosaicMalvar()(torch.zeros(1, 1, 1, 4), CAPTURE), errors.InvalidSize),
        (lambda _: presets.classic()(torch.zeros(1, 1, 1, 1), CAPTURE), errors.InvalidSize),
        (lambda _: Pipeline(a=stages.SRGBCurve(), b=stages.Levels()), errors.SpaceMismatch),
        (lambda _: stages.Gain(float("nan"), space=CAMERA), errors.InvalidArgument),
        (lambda _: Capture.of("RGGB", gains=(1, float("nan"), 1)), errors.InvalidCapture),
        (lambda _: CAPTURE.replace(white=torch.zeros(1)), errors.InvalidCapture),
        (lambda at: read_raw(at / "none.dng"), errors.UnreadableFile),
        (lambda at: read_raw(at), errors.UnreadableFile),
        (lambda at: read_image(at / "none.png"), errors.UnreadableFile),
        (lambda at: Pipeline.load(at / "none.toml"), errors.PipelineFileError),
        (
            lambda at: read_mosaic(at.parent / "in" / "odd.raw", width=MAX_SAMPLES, height=2, **NEEDS),
            errors.InvalidArgument,
        ),
        (lambda at: write_image(at / "a", torch.zeros(1, 3, 2, 2)), errors.InvalidArgument),
        (lambda at: write_image(at / "a\0.png", torch.zeros(1, 3, 2, 2)), errors.InvalidArgument),
        (lambda at: write_image(at / "a.png", torch.full((1, 3, 2, 2), torch.nan)), errors.InvalidTensor),
        (lambda at: presets.classic().draw(at / "a"), errors.InvalidArgument),
        (
            lambda at: contact_sheet(presets.classic(), torch.ones(1, 1, 4, 4), CAPTURE, at / "a"),
            errors.InvalidArgument,
        ),
        (lambda at: run_demo(at / "work" / "a\0"), errors.InvalidArgument),
    ],
)
def test_the_library_raises_its_own_types(folder, call, error):
    with pytest.raises(errors.IspError) as caught:
        call(folder)
    assert type(caught.value) is error
    sentence(caught.value)
    assert os.listdir(folder) == []


@pytest.mark.parametrize("height", [2, 3, 23])
@pytest.mark.parametrize("width", [2, 3, 33])
def test_odd_sizes_are_rendered(folder, height, width):
    x = torch.linspace(64, 1023, height * width, dtype=torch.float64).reshape(1, 1, height, width)
    chain = presets.classic()
    assert chain(x, CAPTURE).shape == (1, 3, height, width)
    if (height, width) == (3, 33):
        contact_sheet(chain, x, CAPTURE, folder / "sheet.png")
        assert os.listdir(folder) == ["sheet.png"]


def test_a_folder_without_write_permission(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(errors.InvalidArgument, match="no permission"):
        write_image(folder / "a.png", torch.zeros(1, 3, 2, 2))
    assert os.listdir(folder) == []

"""The command line: every command, and refusals of one line with exit status 2."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
import typer

from isptoolkit import presets, read_image, read_raw
from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.methods.entrants import ENTRANTS
from isptoolkit.cli.app import app
from isptoolkit.cli.inputs import setting
from isptoolkit.cli.options import Rendering
from isptoolkit.data import LAYOUTS
from isptoolkit.data.decoded import TARGETS
from isptoolkit.io.dump_rows import DTYPES
from isptoolkit.priors import CAMERAS
from isptoolkit.recipes import RECIPES
from isptoolkit.report.demo import CAPTURE

STAGE = """
from isptoolkit import SRGB, Contract, Stage

class Honest(Stage):
    takes = gives = SRGB
    contract = Contract(round_trip=0.0, re_render=0.0)
    def forward(self, x, capture):
        return 2 * x
    def inverse(self, y, capture):
        return y / 2

class Cheat(Stage):
    takes = gives = SRGB
    contract = Contract(round_trip=0.0, re_render=0.0)
    def forward(self, x, capture):
        return 2 * x
    def inverse(self, y, capture):
        return y
"""


@pytest.fixture
def dump(tmp_path) -> list[object]:
    """A headerless 12-bit mosaic and the options that describe it."""
    path = tmp_path / "dump.raw"
    np.random.default_rng(0).integers(64, 2000, (24, 32), dtype="<u2").tofile(path)
    matrix = "3.24,-1.54,-0.5,-0.97,1.88,0.04,0.06,-0.2,1.06"
    options = ["--size", "32x24", "--cfa", "GBRG", "--black", "64", "--white", "4095", "--gains", "2,1,1.5", "--matrix"]
    return [path, *options, matrix]


def refused(result: tuple[int, str, str]) -> str:
    code, out, err = result
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert err.startswith("isptoolkit: ")
    return err


def test_render_writes_the_image_of_the_preset(run, dump, tmp_path):
    assert run("render", *dump, "-o", tmp_path / "out.png")[0] == 0
    image = read_image(tmp_path / "out.png")
    assert image.shape == (1, 3, 24, 32)
    assert run("render", *dump, "-o", tmp_path / "more.png", "--set", "tone.amount=1.0")[0] == 0
    assert not torch.equal(read_image(tmp_path / "more.png"), image)
    presets.classic().save(tmp_path / "mine.toml")
    assert run("render", *dump, "-o", tmp_path / "same.png", "--pipeline", tmp_path / "mine.toml")[0] == 0
    assert torch.equal(read_image(tmp_path / "same.png"), image)


def test_roundtrip_prints_numbers(run, dump):
    code, out, _ = run("roundtrip", *dump, "--json")
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [row["stage"] for row in rows] == list(presets.classic().names)
    assert rows[-1]["on_domain"][2] <= 0.5 / 255 * (4095 - 64) * 1.001


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_tables_show_every_column_and_stage_at_any_width(run, dump, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = run("roundtrip", *dump)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "\u2026" not in out
    header = ("stage", "space", "median", "99 %", "max", "domain", "99 % all", "max all")
    for word in (*header, *presets.classic().names, "sensor", "mosaic", "camera", "linear", "srgb"):
        assert word in out


def test_long_stage_names_are_not_cut(run, dump, tmp_path):
    chain = presets.classic()
    pairs = {name * 4: stage for name, stage in chain.items()}
    type(chain)(**pairs).save(tmp_path / "long.toml")
    out = run("roundtrip", *dump, "--pipeline", tmp_path / "long.toml")[1]
    assert all(name in out for name in pairs)
    assert "max all" in out


def test_show_draws(run, dump, tmp_path):
    assert run("show", *dump, "-o", tmp_path / "sheet.png")[0] == 0
    assert read_image(tmp_path / "sheet.png").shape[1] == 3
    assert run("show", *dump, "-o", tmp_path / "report.html")[0] == 0
    page = (tmp_path / "report.html").read_text()
    assert page.startswith("<!doctype html>") and '"source":"dump.raw"' in page
    assert ".html, .png, .svg" in refused(run("show", *dump, "-o", tmp_path / "sheet.pdf"))


def test_check_accepts_a_lawful_stage_and_rejects_a_cheat(run, tmp_path):
    (tmp_path / "mine.py").write_text(STAGE)
    assert run("check", f"{tmp_path / 'mine.py'}:Honest", "--examples", 10)[0] == 0
    code, out, _ = run("check", f"{tmp_path / 'mine.py'}:Cheat", "--examples", 10)
    assert code == 1
    assert "round trip" in out.lower().replace("-", " ").replace("_", " ")


def test_info_names_missing_metadata(run, data):
    code, out, _ = run("info", data / "digicam_corpus" / "kodak-dc120" / "P003908.KDC")
    assert code == 0
    assert "pass --gains and --matrix" in out


def test_info_names_the_kernels(run):
    code, out, _ = run("info", "--kernels")
    assert code == 0
    assert "cpu kernels" in out
    assert "cuda kernels" in out
    code, _, err = run("info")
    assert code == 2
    assert "--kernels" in err


def test_fused_and_plain_rendering_agree(run, dump, tmp_path):
    for name, option in (("fused", "--fuse"), ("plain", "--no-fuse")):
        assert run("render", *dump, "-o", tmp_path / f"{name}.png", option)[0] == 0
    fused, plain = (read_image(tmp_path / f"{name}.png") for name in ("fused", "plain"))
    assert float((fused - plain).abs().max()) <= 1.01 / 255
    assert float(((fused - plain).abs() > 1e-3).double().mean()) < 0.001
    trips = [json.loads(run("roundtrip", *dump, "--json", option)[1])["rows"] for option in ("--fuse", "--no-fuse")]
    assert [row["stage"] for row in trips[0]] == [row["stage"] for row in trips[1]]
    assert abs(trips[0][0]["on_domain"][0] - trips[1][0]["on_domain"][0]) < 0.05


def test_info_prints_numbers_and_json(run, data):
    path = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW"
    out = run("info", path)[1]
    assert str(path) in out
    for line in (
        ["cfa", "RGGB"],
        ["black", "32,", "32,", "32,", "32"],
        ["problems", "no", "problems", "found"],
        ["exposure time", "1/4 s"],
        ["crop", "2272 x 1704 at column 20, row 8"],
        ["matrix source", "LibRaw's table, for Canon PowerShot S40"],
        ["missing", "nothing"],
        ["0.8606", "-0.2573"],
    ):
        assert any(" ".join(line) in " ".join(row.split()) for row in out.splitlines())
    assert json.loads(run("info", path, "--json")[1])["matrix"][2] == [-0.2649, 0.3076, 0.91]


def test_help_is_complete_and_prints_the_version(run, monkeypatch):
    code, out, _ = run()
    assert code == 0
    for command in ("render", "roundtrip", "show", "info", "check", "demo"):
        assert f"  {command} " in out
        assert run(command, "--help")[0] == 0
    assert "..." not in out.split("Commands:")[1]
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"{name} 9")
    assert run("--version")[1] == "isptoolkit isptoolkit 9\n"


TABLES = {
    "recipes": [recipe.name for recipe in RECIPES],
    "presets": ("classic", "libraw"),
    "layouts": LAYOUTS,
    "targets": TARGETS,
    "protocols": PROTOCOLS,
    "entrants": ENTRANTS,
    "cameras": CAMERAS,
    "dtypes": DTYPES,
}


@pytest.mark.parametrize("kind", TABLES)
def test_info_lists_the_names_of_the_library(run, kind):
    code, out, _ = run("info", "--list", kind, "--json")
    assert code == 0
    names = json.loads(out)
    assert list(names) == list(TABLES[kind])
    lines = run("info", "--list", kind)[1].splitlines()
    assert [" ".join(line.split()) for line in lines] == [f"{name} {names[name]}".strip() for name in names]


def test_info_lists_one_kind_at_a_time(run):
    assert "choose one of recipes, presets, layouts" in refused(run("info", "--list", "lenses"))
    assert "--list cannot be combined" in refused(run("info", "--list", "recipes", "--kernels"))


def test_unknown_names_are_answered_with_the_known_ones(run, dump, tmp_path):
    out = tmp_path / "out"
    for arguments, names in (
        (["render", *dump, "-o", out.with_suffix(".png"), "--preset", "x"], TABLES["presets"]),
        (["train", "x", "--data", tmp_path, "-o", out], [recipe.name for recipe in RECIPES]),
        (["train", "upi", "--data", tmp_path, "-o", out, "--layout", "x"], LAYOUTS),
        (["train", "invisp", "--data", tmp_path, "-o", out, "--target", "x"], TARGETS),
        (["bench", "x", "-o", out], PROTOCOLS),
        (["bench", "micro", "-o", out, "--entrants", "x"], ENTRANTS),
        (["unprocess", dump[0], "-o", out, "--camera", "x"], CAMERAS),
    ):
        assert ", ".join(names) in refused(run(*arguments))
    assert not out.exists()


@pytest.mark.parametrize("command", ["render", "train", "bench"])
def test_help_texts_repeat_no_table(run, command):
    words = re.findall(r"[\w-]+", run(command, "--help")[1])
    for kind in ("recipes", "layouts", "protocols", "entrants"):
        assert len({*TABLES[kind]} & {*words}) <= 1, f"{command} --help lists {kind}"


def test_rendering_commands_share_their_options():
    commands = typer.main.get_command(app).commands
    names = {name: {parameter.name for parameter in commands[name].params} for name in ("render", "roundtrip", "show")}
    shared = {field.name for field in fields(Rendering)}
    assert len(shared) == 17
    assert names["render"] - shared == {"out", "bits", "frame", "rotate"}
    assert names["roundtrip"] - shared == {"double", "as_json"}
    assert names["show"] - shared == {"out"}


def test_a_bare_word_of_set_is_a_string(run, dump, tmp_path):
    same = run("roundtrip", *dump, "--json")[1]
    assert run("roundtrip", *dump, "--json", "--set", "clip.space=linear")[1] == same
    assert run("roundtrip", *dump, "--json", "--set", 'clip.space = "linear"')[1] == same


def test_demo_needs_no_file(run, tmp_path):
    code, out, _ = run("demo", "-o", tmp_path / "demo")
    assert code == 0
    assert "A sensor measures one color per pixel" in out and "PSNR 31.03 dB" in out
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"photograph.png", "rendered.png", "sensor.dng", "report.html", "sheet.png", "graph.svg"}
    assert str(tmp_path / "demo") in out and all(f"  {name} " in out for name in names)


def test_the_demo_leaves_the_raw_that_it_rendered(run, tmp_path):
    assert run("demo", "-o", tmp_path)[0] == 0
    sensor, capture = read_raw(tmp_path / "sensor.dng")
    pipeline = presets.classic().span("levels", "tone")
    photograph, rendered = (read_image(tmp_path / f"{name}.png") for name in ("photograph", "rendered"))
    assert torch.equal(sensor, pipeline.inverse(photograph, CAPTURE).round())
    assert (capture.cfa, capture.white.item()) == ("RGGB", 16383) and torch.equal(capture.black, CAPTURE.black)
    assert capture.camera == ("isptoolkit demo",)
    again = pipeline(sensor, capture)
    # The color matrix of a DNG has finite precision, which moves a few values across a rounding limit of the PNG.
    assert float((again - rendered).abs().max()) < 1.5 / 255
    assert float(((again * 255).round() / 255 != rendered).double().mean()) < 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("render", "none.CRW", "-o", "out.png"), "none.CRW"),
        (("render", "none.CRW"), "output"),
        (("render", "a.CRW", "-o", "out.png", "--preset", "vivid"), "no preset 'vivid'"),
        (("render", "a.CRW", "-o", "out.png", "--set", "tone"), "stage.value=VALUE"),
        (("render", "a.CRW", "-o", "out.png", "--set", "tone.strength=1"), "strength"),
        (("render", "a.CRW", "-o", "out.png", "--pipeline", "none.toml"), "none.toml"),
        (("render", "a.CRW", "-o", "out.png", "--gains", "2,1"), "--gains takes 3 numbers"),
        (("render", "a.CRW", "-o", "out.png", "--size", "4by4"), "WIDTHxHEIGHT"),
        (("check", "none.py:Stage"), "none.py"),
        (("develop",), "develop"),
    ],
)
def test_bad_input_is_one_line(run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.CRW").write_bytes(b"no RAW file")
    assert message in refused(run(*arguments))
    assert list(tmp_path.iterdir()) == [tmp_path / "a.CRW"]


def test_wrong_geometry_and_bad_outputs_leave_nothing(run, dump, tmp_path):
    before = set(tmp_path.iterdir())
    wrong = [*dump[:2], "33x24", *dump[3:]]
    assert "33" in refused(run("render", *wrong, "-o", tmp_path / "out.png"))
    assert "out.bmp" in refused(run("render", *dump, "-o", tmp_path / "out.bmp"))
    assert "missing" in refused(run("render", *dump, "-o", tmp_path / "missing" / "out.png"))
    assert set(tmp_path.iterdir()) == before


def test_undecodable_files_of_the_data(run, data, tmp_path):
    for path in sorted((data / "unreadable").iterdir()):
        refused(run("render", path, "-o", tmp_path / "out.png"))
    assert list(tmp_path.iterdir()) == []


def test_the_installed_command_leaves_no_traceback(tmp_path):
    script = Path(sys.executable).with_name("isptoolkit")
    if not script.exists():
        pytest.skip("needs the isptoolkit command on the PATH: pip install .")
    done = subprocess.run([script, "render", "none.CRW", "-o", "out.png"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=word", "word"),
        ("a=two-words", "two-words"),
        ("a=-5", -5),
        ("a=-1e3", -1000.0),
        ("a=-inf", float("-inf")),
        ("a=true", True),
        ("a=[1, 2]", [1, 2]),
    ],
)
def test_values_of_settings(text, value):
    """Bare words are strings, with hyphens too; negative numbers stay numbers."""
    assert setting(text) == ("a", value) and type(setting(text)[1]) is type(value)

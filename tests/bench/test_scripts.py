"""The scripts in benchmarks/ answer `--help` and refuse unknown arguments instead of running."""

import runpy
import sys
from pathlib import Path

import pytest

SCRIPTS = {
    path.stem: path
    for path in sorted((Path(__file__).resolve().parents[2] / "benchmarks").glob("*.py"))
    if "\nif __name__ ==" in path.read_text("utf-8")
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_parses_its_arguments(script):
    source = SCRIPTS[script].read_text("utf-8")
    assert "argparse.ArgumentParser(" in source and ".parse_args(" in source


@pytest.mark.parametrize("script", ["cuda_resources", "curve_costs", "kernel_parity", "tables"])
@pytest.mark.parametrize(("option", "code"), [("--help", 0), ("--halp", 2)])
def test_scripts_without_options_do_not_run(script, option, code, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{script}.py", option])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(SCRIPTS[script]), run_name="__main__")
    output = capsys.readouterr()
    assert stop.value.code == code
    assert (output.out + output.err).startswith(f"usage: {script}.py")

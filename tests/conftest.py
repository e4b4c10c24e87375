"""Fixtures that every test may use."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import not_tested
import pytest
import torch

from isptoolkit import Capture
from isptoolkit.cli import app as cli

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="device of the law tests")


def pytest_configure(config: pytest.Config) -> None:
    # The processes of `pytest -n` share the cores.
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    torch.set_num_threads(max(1, min(2, (os.cpu_count() or 1) // processes)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if line := not_tested.summary(not_tested.reasons_of(terminalreporter)):
        terminalreporter.write_line(line)


@pytest.fixture
def pytester_run(tmp_path: Path) -> Callable[[str], str]:
    """Runs pytest on a module's source in a new process, with this file as its conftest; returns what it prints."""

    def call(source: str) -> str:
        (tmp_path / "conftest.py").write_text(Path(__file__).read_text())
        (tmp_path / "test_it.py").write_text(source)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-c",
            str(ROOT / "pyproject.toml"),
            str(tmp_path / "test_it.py"),
        ]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout

    return call


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real camera data: `ISPTOOLKIT_DATA`, or `../shared/data` beside the checkout."""
    folder = Path(os.environ.get("ISPTOOLKIT_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("needs camera data: set ISPTOOLKIT_DATA to its folder")
    return folder


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command line in this process; returns exit status, standard output, and standard error."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["isptoolkit", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capfd.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def compiler() -> None:
    """An empty compiler cache: torch limits how often one piece of code is recompiled, across all tests."""
    torch.compiler.reset()


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.config.getoption("--device"))


@pytest.fixture
def capture() -> Capture:
    """A capture with four different black levels, strong gains and a real camera's color matrix."""
    return Capture.of(
        "GRBG",
        black=(60, 64, 66, 70),
        white=1023,
        gains=(2.1, 1.0, 1.6),
        srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
        noise=(1e-3, 1e-6),
    )

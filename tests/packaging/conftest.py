"""Distributions, built once for all tests of this folder."""

from pathlib import Path

import pytest
from distributions import build_sdist, build_wheel, copy_checkout, install, unpack


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of a clean copy of this checkout."""
    folder = tmp_path_factory.mktemp("sdist")
    return build_sdist(copy_checkout(folder / "checkout"), folder / "dist")


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that the unpacked source distribution builds."""
    folder = tmp_path_factory.mktemp("wheel")
    return build_wheel(unpack(sdist, folder / "source"), folder / "dist")


@pytest.fixture(scope="session")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the wheel is installed."""
    return install(wheel, tmp_path_factory.mktemp("installed") / "venv")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clean copy of this checkout, with nothing built."""
    return copy_checkout(tmp_path / "checkout")

"""Build and install distributions of this checkout, offline, with the setuptools and pip of the running environment."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SETUP = "import setuptools; setuptools.setup()"


def tracked() -> list[str]:
    """The files of the checkout that Git tracks or would, links included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in set(listed.split("\0")) if name and os.path.lexists(ROOT / name))


def copy_checkout(target: Path) -> Path:
    """A clean copy: what Git tracks, or, in an unpacked source distribution, which has no Git, what is there."""
    if not (ROOT / ".git").exists():
        ignored = shutil.ignore_patterns("build", "dist", "*.egg-info", "*.so", "__pycache__")
        shutil.copytree(ROOT, target, symlinks=True, ignore=ignored)
        return target
    for name in tracked():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target


def environment(**changes: str) -> dict[str, str]:
    """The variables of this process without those that make other packages importable."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | changes


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """The standard output of a command that must succeed."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env or environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_sdist(source: Path, target: Path) -> Path:
    """The source distribution of a checkout."""
    run(sys.executable, "-c", SETUP, "-q", "sdist", "--dist-dir", target, cwd=source)
    (archive,) = target.glob("*.tar.gz")
    return archive


def unpack(archive: Path, target: Path) -> Path:
    """The root of an unpacked source distribution."""
    with tarfile.open(archive) as file:
        file.extractall(target, filter="data")
    (root,) = target.iterdir()
    return root


def build_wheel(source: Path, target: Path, compiler: str | None = None) -> Path:
    """The wheel of a checkout or unpacked source distribution, as `pip install` builds it.

    Args:
        source: its root.
        target: the folder for the wheel.
        compiler: the C compiler; None lets the build choose.
    """
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--wheel-dir")
    env = environment(**({"CC": compiler} if compiler else {}))
    run(sys.executable, "-m", "pip", "wheel", *options, target, source, cwd=target.parent, env=env)
    (wheel,) = target.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path) -> Path:
    """The Python of a new environment that has the wheel, and everything else from the running environment."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=folder)
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    # Folders in a .pth file come after the environment's own, and the .pth files in them are not read.
    outer = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own / "outer.pth").write_text("".join(f"{path}\n" for path in outer))
    return python

"""Builds the CPU library and the distributions: setuptools commands, which run without torch or the package."""

import importlib.util
import os
import platform
import shutil
from pathlib import Path
from typing import Any

from setuptools import Extension
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

SOURCES = (
    "cpu_render.c",
    "cpu_gradient.c",
    "cpu_demosaic.c",
    "cpu_blocks.c",
    "cpu_jpeg.c",
    "cpu_jpeg_image.c",
    "cpu_jpeg_image_gradient.c",
)
FLAGS = [
    "-O3",
    "-g0",
    "-std=gnu11",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=fast",
]
X86_BUILDS = {
    "avx2": ["-mavx2", "-mfma"],
    "avx512": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
}
STAMP = """#if defined(_WIN32)
__declspec(dllexport)
#else
__attribute__((visibility("default")))
#endif
const char *isp_fingerprint(void) {{ return "{}"; }}
"""


class BuildKernels(build_ext):
    """Compiles every source for each instruction set that the compiler knows, and links them into one library."""

    def build_extension(self, ext: Extension) -> None:
        folder = Path(next(iter(ext.sources))).parent
        place = str(Path(self.build_temp) / "kernels")
        threads = ["-fopenmp"] if self._compiles(["-fopenmp"]) else ["-fopenmp-simd"]
        builds: dict[str, list[str]] = {"baseline": []}
        if platform.machine().lower() in ("x86_64", "amd64"):
            builds |= {name: flags for name, flags in X86_BUILDS.items() if self._compiles(flags)}
        objects: list[str] = []
        for name, flags in builds.items():
            objects += self.compiler.compile(
                [str(folder / source) for source in SOURCES],
                output_dir=f"{place}/{name}",
                macros=[("ISP_ISA", name)],
                extra_postargs=[*FLAGS, *threads, *flags],
            )
        stamp = Path(self.build_temp) / "fingerprint.c"
        stamp.write_text(STAMP.format(_fingerprint(folder.parent)))
        objects += self.compiler.compile(
            [str(folder / "cpu_dispatch.c"), str(stamp)],
            output_dir=place,
            macros=[(f"ISP_HAVE_{name.upper()}", "1") for name in builds],
            extra_postargs=[*FLAGS, *threads],
        )
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(objects, str(target), extra_postargs=[*threads])

    def get_ext_filename(self, fullname: str) -> str:
        # ctypes loads the library, so its name says nothing of a Python version.
        return str(Path(*fullname.split("."))) + (".dll" if os.name == "nt" else ".so")

    def _compiles(self, flags: list[str]) -> bool:
        """Whether the compiler accepts these flags."""
        folder = Path(self.build_temp)
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / "probe.c"
        probe.write_text("int probe(void) { return 0; }\n")
        try:
            self.compiler.compile([str(probe)], output_dir=str(folder), extra_postargs=flags)
        except Exception:
            return False
        return True

    def get_export_symbols(self, ext: Any) -> list[Any]:
        return []


class BuildModules(build_py):
    """Copies the Python files into an empty folder, so that a module that was removed or renamed is not installed."""

    def run(self) -> None:
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib) / "isptoolkit", ignore_errors=True)
        super().run()


class BuildWheel(bdist_wheel):
    """Tags a wheel with the library `py3-none-PLATFORM`, and one without it `py3-none-any`."""

    def get_tag(self) -> tuple[str, str, str]:
        library = self.get_finalized_command("build_ext").get_ext_fullpath("isptoolkit.kernels._cpu")
        return "py3", "none", super().get_tag()[2] if Path(library).is_file() else "any"


class BuildSource(sdist):
    """Keeps the link from the package to `recipes`, since setuptools packs only files."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        link = Path(base_dir, "isptoolkit", "recipes")
        if not link.exists():
            link.symlink_to(Path("..", "recipes"), target_is_directory=True)


def _fingerprint(folder: Path) -> str:
    """That of library.py, loaded by its path, since importing the package would need torch."""
    spec = importlib.util.spec_from_file_location("library", Path(__file__).with_name("library.py"))
    if spec is None or spec.loader is None:
        raise FileNotFoundError("library.py is not beside build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.fingerprint(folder))

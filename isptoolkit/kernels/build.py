"""Builds the CPU library when the package is installed: plain C, once per instruction set. Runs without the package."""

import platform
from pathlib import Path
from typing import Any

from setuptools import Extension
from setuptools.command.build_ext import build_ext

SOURCES = ("cpu_render.c", "cpu_gradient.c", "cpu_demosaic.c", "cpu_blocks.c", "cpu_jpeg.c", "cpu_jpeg_planes.c")
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
        objects += self.compiler.compile(
            [str(folder / "cpu_dispatch.c")],
            output_dir=place,
            macros=[(f"ISP_HAVE_{name.upper()}", "1") for name in builds],
            extra_postargs=[*FLAGS, *threads],
        )
        target = Path(self.get_ext_fullpath(ext.name))
        target.parent.mkdir(parents=True, exist_ok=True)
        self.compiler.link_shared_object(objects, str(target), extra_postargs=[*threads])

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

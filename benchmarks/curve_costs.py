"""The arithmetic intensity of each curve of the kernels: floating-point operations per byte; needs NVRTC but no GPU.

    python -m benchmarks.curve_costs

Counts the operations in the PTX that NVRTC compiles a curve to; a fused multiply-add counts as two. Both sides of a
selection count, because both run. A curve that stands alone reads and writes 8 bytes per value; in a longer program it
moves nothing.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import isptoolkit.kernels

ARCHITECTURE = "sm_90"
BYTES = 8
_SOURCES = Path(isptoolkit.kernels.__file__).parent / "csrc"
_OPERATION = re.compile(r"^\s+(?:@\S+ )?(fma|mul|add|sub|div|sqrt|min|max)\.(?:\w+\.)*f32", re.MULTILINE)


def ptx(source: str) -> str:
    """Compile CUDA source to PTX.

    Raises:
        RuntimeError: if it does not compile.
    """
    from cuda.bindings import nvrtc

    _, program = nvrtc.nvrtcCreateProgram(source.encode(), b"curves.cu", 0, [], [])
    options = [f"--gpu-architecture={ARCHITECTURE}", "--std=c++17", f"--include-path={_SOURCES}"]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise RuntimeError(f"NVRTC: {status}")
    _, size = nvrtc.nvrtcGetPTXSize(program)
    code = b" " * size
    nvrtc.nvrtcGetPTX(program, code)
    return code.decode()


def operations() -> Iterator[tuple[str, int]]:
    """The name of each curve and its floating-point operations per value."""
    table = (_SOURCES / "curves.h").read_text().split("#define ISP_CURVES(X)")[1]
    names = re.findall(r"X\((\w+)\)", table)
    head = 'extern "C" __global__ void run_{0}(float *y, const float *x, float p)'
    body = "{{ y[threadIdx.x] = {0}(x[threadIdx.x], p); }}"
    kernels = [f"{head} {body}".format(name) for name in names]
    code = ptx("\n".join(['#include "curves.h"', *kernels]))
    for name, entry in zip(names, code.split(".visible .entry run_")[1:], strict=True):
        yield name, sum(2 if operation == "fma" else 1 for operation in _OPERATION.findall(entry))


def main() -> None:
    """Print a row per curve."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"{'curve':<19} {'operations':>10} {'per byte':>9}")
    for name, count in operations():
        print(f"{name:<19} {count:>10} {count / BYTES:>9.1f}")


if __name__ == "__main__":
    main()

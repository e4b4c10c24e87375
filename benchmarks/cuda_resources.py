"""What each CUDA kernel uses, its occupancy, and the least time of its memory traffic; needs NVRTC but no GPU.

    python -m benchmarks.cuda_resources

Occupancy is the share of a multiprocessor's warps that are resident at once. Registers are allocated to a warp in units
of 256, and a multiprocessor divides its 65536 registers among four partitions, each with a quarter of its 64 warps
(compute capability 9.0; CUDA C++ Programming Guide, "Compute Capabilities", and `cuda_occupancy.h` of CUDA 13). Shared
memory limits no kernel here. Times are bytes over memory bandwidth (3.35 TB/s of an H100 SXM, 4.8 TB/s of an H200):
lower bounds, not measurements.
"""

import argparse

from isptoolkit.kernels import nvrtc

ARCHITECTURE = "sm_90"
REGISTERS, WARPS, PARTITIONS, UNIT = 65536, 64, 4, 256
BLOCK_WARPS = 8
"""Of the blocks of 256 threads that `isptoolkit.kernels.cuda` launches."""
BANDWIDTHS = {"H100": 3.35e12, "H200": 4.8e12}
"""Bytes per second."""
PIXELS = 12e6
TRAFFIC = {
    "isp_develop": ("read and write each value", 24),
    "isp_develop_large": ("read and write each value, for programs with shading or highlights", 24),
    "isp_render": ("read the mosaic with the margins of tiles, write RGB", 17.3),
    "isp_demosaic_adjoint": ("read RGB, write the mosaic", 16),
    "isp_sample": ("sampling: read what the sites see, write the mosaic", 8),
    "isp_develop_gradient": ("read input and gradient, write gradient", 36),
    "isp_adain_apply": ("read each value for the statistics and again, write it", 36),
    "isp_adain_back": ("read input and gradient twice, write gradient", 60),
    "isp_coupling_apply": ("read x, h, t, write y", 48),
    "isp_coupling_back": ("read 3 values, write 3", 72),
    "isp_jpeg_blocks": ("read and write each sample", 24),
    "isp_jpeg_back": ("read sample and gradient, write gradient", 36),
    "isp_jpeg_split": ("read RGB, write 8-bit components (4:2:0)", 13.5),
    "isp_jpeg_join": ("read 8-bit components (4:2:0), write RGB", 13.5),
    "isp_jpeg_split_back": ("read gradients of components (4:2:0), write those of RGB", 18),
    "isp_jpeg_join_back": ("read RGB and its gradients with margins, write those of components (4:2:0)", 33.8),
}
"""What a kernel has to move in float32, and bytes per pixel of an image with three channels."""


def occupancy(registers: int) -> float:
    """The share of a multiprocessor's warps that are resident, for registers per thread."""
    per_warp = -(-32 * registers // UNIT) * UNIT
    warps = min(WARPS, REGISTERS // PARTITIONS // per_warp * PARTITIONS)
    return warps // BLOCK_WARPS * BLOCK_WARPS / WARPS


def table() -> str:
    """A Markdown table with a row per kernel."""
    times = " | ".join(f"12 MP, {name}" for name in BANDWIDTHS)
    lines = [
        f"| kernel | moves | bytes | registers | stack | spilled | shared memory | occupancy | limited by | {times} |",
        "| --- |" + " --- |" * (8 + len(BANDWIDTHS)),
    ]
    used = {kernel: use for source in nvrtc.SOURCES for kernel, use in nvrtc.resources(source, ARCHITECTURE).items()}
    for kernel, (moves, moved) in TRAFFIC.items():
        use = used[kernel]
        share = occupancy(use.registers)
        cells = f"{use.registers} | {use.stack} | {use.spilled} | {use.shared} | {share:.0%}"
        least = " | ".join(f"{1e6 * PIXELS * moved / bandwidth:.0f} us" for bandwidth in BANDWIDTHS.values())
        limit = "warps" if share == 1 else "registers"
        lines.append(f"| `{kernel}` | {moves} | {moved:g} | {cells} | {limit} | {least} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(table())


if __name__ == "__main__":
    main()

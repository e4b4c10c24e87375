"""What each CUDA kernel uses and how many of its threads fit on a multiprocessor, as a table; needs NVRTC but no GPU.

    python -m benchmarks.cuda_resources

Occupancy is the share of a multiprocessor's warps that are resident at once. Registers are allocated to a warp in units
of 256, and a multiprocessor divides its 65536 registers among four partitions, each with a quarter of its 64 warps
(compute capability 9.0; CUDA C++ Programming Guide, "Compute Capabilities", and `cuda_occupancy.h` of CUDA 13). Shared
memory limits no kernel here.
"""

import argparse

from isptoolkit.kernels import nvrtc

ARCHITECTURE = "sm_90"
REGISTERS, WARPS, PARTITIONS, UNIT = 65536, 64, 4, 256
BLOCK_WARPS = 8
"""Of the blocks of 256 threads that `isptoolkit.kernels.cuda` launches."""
BYTES = {
    "isp_develop": "read and write each value: 24 per RGB pixel",
    "isp_render": "read the mosaic, write RGB: 16 per pixel, 17.3 with the margins of tiles",
    "isp_demosaic_adjoint": "read RGB, write the mosaic: 16 per pixel",
    "isp_sample": "sampling, packing, unpacking: 8 per site; its adjoint: 16 per pixel",
    "isp_develop_gradient": "read input and gradient, write gradient: 36 per RGB pixel",
    "isp_adain_apply": "read each value for the statistics and again, write it: 12 per value",
    "isp_adain_back": "read input and gradient twice, write gradient: 20 per value",
    "isp_coupling_apply": "read x, h, t, write y: 16 per value",
    "isp_coupling_back": "read 3 values, write 3: 24 per value",
    "isp_jpeg_blocks": "read and write each sample: 8 per sample",
    "isp_jpeg_back": "read sample and gradient, write gradient: 12 per sample",
    "isp_jpeg_split": "read RGB, write 8-bit components: 13.5 per pixel (4:2:0)",
    "isp_jpeg_join": "read 8-bit components, write RGB: 13.5 per pixel (4:2:0)",
    "isp_jpeg_split_back": "read gradients of components, write those of RGB: 18 per pixel (4:2:0)",
    "isp_jpeg_join_back": "read RGB and its gradients, write those of components: 33.8 per pixel with margins (4:2:0)",
}
"""Bytes that a kernel has to move in float32."""


def occupancy(registers: int) -> float:
    """The share of a multiprocessor's warps that are resident, for registers per thread."""
    per_warp = -(-32 * registers // UNIT) * UNIT
    warps = min(WARPS, REGISTERS // PARTITIONS // per_warp * PARTITIONS)
    return warps // BLOCK_WARPS * BLOCK_WARPS / WARPS


def table() -> str:
    """A Markdown table with a row per kernel."""
    lines = [
        "| kernel | bytes moved | registers | stack | spilled | shared memory | occupancy | limited by |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    used = {kernel: use for source in nvrtc.SOURCES for kernel, use in nvrtc.resources(source, ARCHITECTURE).items()}
    for kernel, moved in BYTES.items():
        use = used[kernel]
        share = occupancy(use.registers)
        cells = f"{use.registers} | {use.stack} | {use.spilled} | {use.shared} | {share:.0%}"
        lines.append(f"| `{kernel}` | {moved} | {cells} | {'warps' if share == 1 else 'registers'} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(table())


if __name__ == "__main__":
    main()

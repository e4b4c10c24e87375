"""Every RAW file of the camera data: read or refused and why, and the agreement with LibRaw's rendering.

    python -m benchmarks.raw_files [--data DIR] [--written DIR]

The agreement is the PSNR of `presets.libraw()` and LibRaw's own rendering, without adjustments and away from the
border: first with all that the file states, then with LibRaw's black levels and, for DNG files, its color matrix. With
`--written`, mosaics of the data are also written into a folder as DNG files with one and with two illuminants.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import rawpy
import torch

from isptoolkit import Capture, errors, presets, read_raw
from isptoolkit.io import write_dng
from isptoolkit.io.color_profile import ColorProfile
from isptoolkit.metrics import psnr

from .libraw_parity import BORDER, rendered_by_libraw

SUFFIXES = {".crw", ".dng", ".gpr", ".kdc", ".nef", ".cr3", ".qtk", ".raw"}


def with_libraw_values(path: Path, capture: Capture) -> Capture:
    """The capture with the black levels that LibRaw uses and, for a DNG file, its color matrix."""
    with rawpy.imread(str(path)) as raw:
        sites = raw.raw_colors_visible[:2, :2].flatten().tolist()
        black = torch.tensor([[float(raw.black_level_per_channel[site]) for site in sites]], dtype=torch.float64)
        to_srgb = torch.from_numpy(raw.color_matrix[:, :3].astype("float64"))
    # LibRaw computes this matrix for DNG files; for others it has the one of its table, as `read_raw` has.
    matrix = torch.linalg.inv(to_srgb)[None] if to_srgb.any() else capture.srgb_to_camera
    return capture.replace(black=black, srgb_to_camera=matrix)


def agreement(path: Path, sensor: torch.Tensor, capture: Capture) -> float:
    """PSNR in decibels of the two renderings, away from the border."""
    inner = (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    return float(psnr(presets.libraw()(sensor, capture)[inner], rendered_by_libraw(path)[inner]))


def line(path: Path) -> str:
    """What came of reading the file."""
    try:
        sensor, capture = read_raw(path)
    except errors.IspError as error:
        return f"refused: {str(error).removeprefix(str(path)).lstrip(': ')}"
    size = f"{sensor.shape[3]} x {sensor.shape[2]} {capture.cfa}"
    if capture.cfa not in ("RGGB", "BGGR", "GRBG", "GBRG"):
        return f"read {size}"
    with_own, with_theirs = agreement(path, sensor, capture), agreement(path, sensor, with_libraw_values(path, capture))
    return f"read {size}, {with_own:.1f} dB, with LibRaw's levels and matrix {with_theirs:.1f} dB"


def written(folder: Path, sources: list[Path]) -> Iterator[Path]:
    """Mosaics of other files as DNG files: with the capture's matrix, and with two illuminants."""
    first, second = (
        ((0.9, -0.3, -0.1), (-0.4, 1.2, 0.2), (-0.1, 0.2, 0.6)),
        ((0.8, -0.2, -0.1), (-0.5, 1.3, 0.2), (0, 0.1, 0.7)),
    )
    both = ColorProfile(torch.tensor(first), torch.tensor(second), illuminant1=17, illuminant2=21)
    for source in sources:
        sensor, capture = read_raw(source)
        for name, profile in (("one", None), ("two", both)):
            path = folder / f"{source.stem}-{name}-illuminants.dng"
            write_dng(path, sensor, capture, profile=profile)
            yield path


def main() -> None:
    """Print a row per file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--written", type=Path)
    arguments = parser.parse_args()
    files = sorted(path for path in arguments.data.rglob("*") if path.suffix.lower() in SUFFIXES)
    names = {path: str(path.relative_to(arguments.data)) for path in files}
    if arguments.written:
        sources = [path for path in files if path.suffix.lower() == ".crw"][:2]
        names |= {path: path.name for path in written(arguments.written, sources)}
    width = max(map(len, names.values()), default=0)
    for path, name in names.items():
        print(f"{name:<{width}}  {line(path)}", flush=True)


if __name__ == "__main__":
    main()

"""How much brighter LibRaw's default rendering is than one of fixed levels, file by file: what no picture tells.

    python -m benchmarks.libraw_brightness photo.CRW ...

By default (`adjust_maximum_thr`) LibRaw takes the largest sample of a file for white where that is not far below it:
the target `libraw` of `isptoolkit.data.RawFolder`. The protocol `pairs` takes `libraw-fixed`, one white for all files.
"""

import argparse
from pathlib import Path

import numpy as np
import rawpy


def brightness(path: Path) -> float:
    """The median ratio of linear samples, neither dark nor clipped, with and without the adjustment."""
    made = []
    for asked in ({}, {"adjust_maximum_thr": 0.0}):
        with rawpy.imread(str(path)) as raw:
            how = {"use_camera_wb": True, "no_auto_bright": True, "gamma": (1, 1), "output_bps": 16, "half_size": True}
            made.append(raw.postprocess(**how, **asked).astype(np.float64))
    adjusted, plain = made
    inside = (adjusted < 60000) & (plain > 500)
    return float(np.median(adjusted[inside] / plain[inside]))


def main() -> None:
    """Print a line for each file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    for path in parser.parse_args().files:
        print(f"{path.name} {brightness(path):.3f}")


if __name__ == "__main__":
    main()

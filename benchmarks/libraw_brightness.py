"""The brightness of LibRaw's default rendering relative to one with a fixed white level, per file.

    python -m benchmarks.libraw_brightness photo.CRW ...

By default (`adjust_maximum_thr`) LibRaw uses the largest sample of a file as white level if it is not far below the
nominal one: the target `libraw` of `isptoolkit.data.RawFolder`. The protocol `pairs` uses `libraw-fixed`, whose white
level is the same for all files.
"""

import argparse
from pathlib import Path

import numpy as np
import rawpy


def brightness(path: Path) -> float:
    """The median ratio of linear samples that are neither dark nor clipped, with and without the adjustment."""
    renderings = []
    for adjustment in ({}, {"adjust_maximum_thr": 0.0}):
        with rawpy.imread(str(path)) as raw:
            options = {
                "use_camera_wb": True,
                "no_auto_bright": True,
                "gamma": (1, 1),
                "output_bps": 16,
                "half_size": True,
            }
            renderings.append(raw.postprocess(**options, **adjustment).astype(np.float64))
    adjusted, fixed = renderings
    inside = (adjusted < 60000) & (fixed > 500)
    return float(np.median(adjusted[inside] / fixed[inside]))


def main() -> None:
    """Print one line per file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    for path in parser.parse_args().files:
        print(f"{path.name} {brightness(path):.3f}")


if __name__ == "__main__":
    main()

"""Demosaic quality on the Kodak 24: mean CPSNR away from the border, compared with colour-demosaicing.

python benchmarks/demosaic_quality.py [--data DIR]
"""

import argparse
import os
from pathlib import Path

import torch
from colour_demosaicing import (
    demosaicing_CFA_Bayer_bilinear,
    demosaicing_CFA_Bayer_Malvar2004,
    demosaicing_CFA_Bayer_Menon2007,
)

from isptoolkit import Capture, read_image, stages
from isptoolkit.metrics import psnr

BORDER = 8
METHODS = {
    "bilinear": (stages.DemosaicBilinear(), demosaicing_CFA_Bayer_bilinear),
    "Malvar": (stages.DemosaicMalvar(), demosaicing_CFA_Bayer_Malvar2004),
    "Menon": (stages.DemosaicMenon(), demosaicing_CFA_Bayer_Menon2007),
}


def main() -> None:
    """Print one row per method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    paths = sorted((parser.parse_args().data / "kodak24").glob("*.png"))
    capture, inner = Capture.of("RGGB"), (..., slice(BORDER, -BORDER), slice(BORDER, -BORDER))
    totals = {name: [0.0, 0.0] for name in METHODS}
    for path in paths:
        image = read_image(path).double()
        mosaic = stages.Mosaic()(image, capture)
        for name, (stage, peer) in METHODS.items():
            other = torch.from_numpy(peer(mosaic[0, 0].numpy(), "RGGB")).permute(2, 0, 1)[None]
            for i, output in enumerate((stage(mosaic, capture), other)):
                totals[name][i] += float(psnr(output[inner], image[inner])) / len(paths)
    print(f"{len(paths)} images         isptoolkit   colour-demosaicing")
    for name, (ours, other) in totals.items():
        print(f"{name:<12} {ours:13.3f} dB {other:15.3f} dB")


if __name__ == "__main__":
    main()

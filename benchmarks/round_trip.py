"""Round-trip errors of `presets.classic()` on every RAW of the camera data, relative to the sensor's range.

Without quantization: the largest on-domain error in float32 and float64. With 8-bit quantization: the distribution over
the pixels of one file, by stage.

    python benchmarks/round_trip.py [--data DIR] [--json FILE]
"""

import argparse
import json
import os
from pathlib import Path

from torch import Tensor

from isptoolkit import Capture, presets, read_mosaic, read_raw
from isptoolkit.errors import MissingMetadata, UnreadableFile
from isptoolkit.report.round_trip import measure

# For files without white balance or matrix: daylight gains, and sRGB primaries as camera primaries.
GAINS = (2.0, 1.0, 1.5)
MATRIX = ((3.2404542, -1.5371385, -0.4985314), (-0.9692660, 1.8760108, 0.0415560), (0.0556434, -0.2040259, 1.0572252))
# name ending -> width, height, CFA, dtype, black, white: the geometry stated in the data's README.
DUMPS = {
    "8bit_GRBG.raw": (2592, 1536, "GRBG", "uint8", 12.5, 255),
    "ColorCheckerRAW_1920x1080_12bit_BGGR.raw": (1920, 1080, "BGGR", "uint16", 0, 4095),
    "BlackImage_1920x1080_12bits_BGGR.raw": (1920, 1080, "BGGR", "uint16", 0, 4095),
    "test.RAW": (1920, 1080, "BGGR", "uint16", 0, 1023),
    "512_rggb.raw": (768, 512, "RGGB", "uint16", 600, 15520),
    "512_bggr.raw": (768, 512, "BGGR", "uint16", 600, 15520),
    "512_gbrg.raw": (768, 512, "GBRG", "uint16", 600, 15520),
    "512_grbg.raw": (768, 512, "GRBG", "uint16", 600, 15520),
    "xkisp/input.raw": (640, 480, "RGGB", "uint16", 0, 1023),
    **{f"isp_rawtorgb/{i}.raw": (1920, 1200, "RGGB", "uint8", 0, 255) for i in range(3)},
}
SUFFIXES = (".crw", ".kdc", ".qtk", ".dng", ".raw", ".nef", ".cr3", ".gpr")


def read(path: Path) -> tuple[Tensor, Capture]:
    """Read a RAW of the data, with substitutes for missing metadata only."""
    for ending, (width, height, cfa, dtype, black, white) in DUMPS.items():
        if path.as_posix().endswith(ending):
            return read_mosaic(
                path,
                width=width,
                height=height,
                cfa=cfa,
                dtype=dtype,
                black=black,
                white=white,
                gains=GAINS,
                matrix=MATRIX,
            )
    try:
        return read_raw(path)
    except MissingMetadata:
        pass
    try:
        return read_raw(path, gains=GAINS)
    except MissingMetadata:
        return read_raw(path, gains=GAINS, matrix=MATRIX)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    smooth, results, skipped = presets.classic().span("levels", "tone"), {}, []
    print(f"{'file':<44} {'float32':>9} {'float64':>9}  on-domain")
    for path in sorted(p for p in arguments.data.rglob("*") if p.suffix.lower() in SUFFIXES):
        try:
            sensor, capture = read(path)
        except UnreadableFile as error:
            skipped.append(f"{path.name}: {error}")
            continue
        span = float((capture.white[:, None] - capture.black).max())
        single, double = (measure(smooth, x, capture, stages=["levels"]).rows[0] for x in (sensor, sensor.double()))
        row = results[path.name] = single.on_domain[2] / span, double.on_domain[2] / span, single.alive
        print(f"{path.name:<44} {row[0]:9.1e} {row[1]:9.1e}  {row[2]:8.2%}", flush=True)
    worst = [max(row[i] for row in results.values()) for i in range(2)]
    print(f"{'worst of ' + str(len(results)):<44} {worst[0]:9.1e} {worst[1]:9.1e}")
    print("\nnot a mosaic, or not decodable:\n  " + "\n  ".join(skipped))
    example = next(arguments.data.rglob("CRW_0117.CRW"))
    sensor, capture = read_raw(example)
    print(f"\n{example.name} with 8-bit quantization, error in digital numbers: median, 99 %, max; on-domain")
    for row in measure(presets.classic(), sensor, capture).rows:
        print(
            f"  {row.stage:<10} {row.space:<7}"
            + "".join(f"{value:9.3f}" for value in row.on_domain)
            + f"  {row.alive:.2%}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()

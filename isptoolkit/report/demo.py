"""The main job without a file: a photograph becomes a RAW mosaic and is rendered back."""

from dataclasses import dataclass
from pathlib import Path

from .. import presets
from ..capture import Capture
from ..errors import InvalidArgument
from ..io import read_image, write_image
from ..metrics import psnr
from .contact_sheet import contact_sheet
from .round_trip import RoundTrip, measure

CAPTURE = Capture.of(
    "RGGB",
    black=(512, 510, 511, 513),
    white=16383,
    gains=(2.0, 1.0, 1.7),
    srgb_to_camera=((0.646005, 0.271432, 0.082563), (0.082558, 0.755754, 0.161688), (0.014545, 0.225019, 0.760436)),
    camera="a 14-bit demonstration camera",
)
"""A 14-bit RGGB sensor under daylight; the matrix is the mean of UPI's four cameras (Brooks et al. 2019)."""


@dataclass(frozen=True)
class Demo:
    """What the demonstration measured, and the files that it wrote."""

    photograph_psnr: float
    trip: RoundTrip
    files: tuple[Path, ...]


def run(folder: Path) -> Demo:
    """Invert the photograph that ships with matplotlib to a RAW mosaic, render it, go back, and draw it all.

    The mosaic is rounded to whole digital numbers, as a sensor gives them. Writes `photograph.png`, `rendered.png`,
    `sheet.png` and `graph.svg` into `folder`, which is made when missing.

    Raises:
        InvalidArgument: when `folder` cannot be made or written to.
    """
    from matplotlib import cbook

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"cannot make the folder {folder}: {getattr(error, 'strerror', error)}") from None
    image = read_image(Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))))
    pipeline = presets.classic().span("levels", "tone")
    sensor = pipeline.inverse(image, CAPTURE).round()
    rendered = pipeline(sensor, CAPTURE)
    files = tuple(folder / name for name in ("photograph.png", "rendered.png", "sheet.png", "graph.svg"))
    write_image(files[0], image)
    write_image(files[1], rendered)
    contact_sheet(pipeline, sensor, CAPTURE, files[2])
    pipeline.draw(files[3])
    return Demo(float(psnr(rendered, image)), measure(pipeline, sensor, CAPTURE), files)

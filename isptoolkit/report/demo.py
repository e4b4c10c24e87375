"""A demonstration without a camera file: a photograph becomes RAW and is rendered again."""

from dataclasses import dataclass
from pathlib import Path

from .. import presets
from ..capture import Capture
from ..errors import InvalidArgument
from ..io import read_image, write_dng, write_image
from ..kernels import reference
from ..metrics import psnr
from .contact_sheet import contact_sheet
from .page import write_page
from .round_trip import RoundTrip, measure, travel

CAPTURE = Capture.of(
    "RGGB",
    black=(512, 510, 511, 513),
    white=16383,
    gains=(2.0, 1.0, 1.7),
    srgb_to_camera=((0.646005, 0.271432, 0.082563), (0.082558, 0.755754, 0.161688), (0.014545, 0.225019, 0.760436)),
    camera="isptoolkit demo",
)
"""A 14-bit RGGB sensor under daylight; the matrix is the mean of UPI's four cameras (Brooks et al. 2019)."""


@dataclass(frozen=True)
class Demo:
    """What the demonstration measured and wrote.

    Attributes:
        photograph_psnr: of the rendered image against the photograph, in dB.
        trip: the errors of the sensor data that are recovered from the rendered image.
        files: what was written, and what each file shows.
    """

    photograph_psnr: float
    trip: RoundTrip
    files: dict[Path, str]


def run(folder: Path) -> Demo:
    """Invert the photograph that ships with matplotlib to a RAW mosaic, render that, and report the round trip.

    The mosaic is rounded to whole digital numbers, as a sensor outputs them.

    Args:
        folder: where the files go; created if it does not exist.

    Raises:
        InvalidArgument: when `folder` cannot be created or written to.
    """
    from matplotlib import cbook

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"cannot make the folder {folder}: {getattr(error, 'strerror', error)}") from None
    files = {
        folder / "report.html": "every stage, forward and inverse: open it in a browser",
        folder / "sheet.png": "every stage on one sheet",
        folder / "graph.svg": "the pipeline",
        folder / "photograph.png": "the photograph",
        folder / "sensor.dng": "the RAW file made from it, for any converter",
        folder / "rendered.png": "the image rendered from the RAW file",
    }
    page, sheet, graph, photograph, sensor_file, image = files
    target = read_image(Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))))
    pipeline = presets.classic().span("levels", "tone")
    with reference():  # for one small image, loading the native kernels takes longer than they save
        sensor = pipeline.inverse(target, CAPTURE).round()
        journey = travel(pipeline, sensor, CAPTURE)
        trip = measure(pipeline, sensor, CAPTURE, journey=journey)
        write_page(pipeline, sensor, CAPTURE, page, source=sensor_file.name)
        contact_sheet(pipeline, sensor, CAPTURE, sheet, journey=journey)
    pipeline.draw(graph)
    write_image(photograph, target)
    write_dng(sensor_file, sensor, CAPTURE)
    write_image(image, journey.output)
    return Demo(float(psnr(journey.output, target)), trip, files)

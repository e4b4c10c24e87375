"""Protocols: what exactly a number is of. Figures of different protocols cannot be compared."""

from dataclasses import dataclass, replace

from ...errors import InvalidArgument


@dataclass(frozen=True)
class Protocol:
    """How RAW that was found in a picture is compared with RAW as it was.

    Args:
        name: on the command line.
        data: what the pairs are.
        task: `reverse`, RAW out of pictures, or `denoise`, RAW out of RAW with noise.
        cfa: of the RAW as it is compared.
        layout: `planes`, the four sites of a cell as channels; `mosaic`, one channel; or `demosaiced`, bilinearly,
            three.
        black: digital number that becomes 0; None is each file's.
        white: digital number that becomes 1; None is each file's.
        balanced: RAW is compared after white balance, the largest gain being 1.
        gamma: RAW is compared after `x^(1/gamma)`.
        jpeg: what pictures go through: `none`, `file` (those of the data are JPEG files), or `own` (every entrant
            renders RAW itself, and gets that back through a JPEG file of quality 90, 4:2:2).
        clip: both sides are clipped to 0 ... 1 before they are compared.
        patch: height and width of the pictures that are compared, in pixels; 0 for those of the data.
        images: how many pictures the test of the full data has; 0 where any number will do.
        taps: of SSIM's weights, see `isptoolkit.metrics.ssim`.
        source: where all this is from.

    Raises:
        InvalidArgument: for another task, layout or JPEG.
    """

    name: str
    data: str
    task: str = "reverse"
    cfa: str = "RGGB"
    layout: str = "planes"
    black: float | None = None
    white: float | None = None
    balanced: bool = False
    gamma: float = 1.0
    jpeg: str = "none"
    clip: bool = True
    patch: int = 0
    images: int = 0
    taps: int = 13
    source: str = ""

    def __post_init__(self) -> None:
        allowed = {
            "task": ("reverse", "denoise"),
            "layout": ("planes", "mosaic", "demosaiced"),
            "jpeg": ("none", "file", "own"),
        }
        for name, values in allowed.items():
            if (value := getattr(self, name)) not in values:
                raise InvalidArgument(f"a protocol's {name} is {', '.join(values)}, got {value!r}")

    @property
    def jpeg_passes(self) -> int:
        """How many times a picture goes through JPEG before RAW is found in it."""
        return 0 if self.jpeg == "none" else 1


_CHALLENGE = "Conde et al., AIM 2022 challenge on reversed ISP, ECCV workshops 2022, and its scoring program"
_INVISP = "Xing, Qian and Chen, CVPR 2021, and its published test program"

MICRO = Protocol(
    "micro", "procedural scenes, two simulated cameras", jpeg="file", patch=128, images=24, source="isptoolkit"
)
MICRO_NOISE = Protocol(
    "micro-noise",
    "procedural scenes, two simulated cameras at high gain",
    task="denoise",
    layout="mosaic",
    patch=128,
    images=24,
    source="isptoolkit",
)
PAIRS = Protocol("pairs", "RAW files, and renderings of them", jpeg="none", patch=256, source="isptoolkit")
AIM22_S7 = Protocol(
    "aim22-s7",
    "Samsung S7: JPEG tiles of 504 pixels and their RAW",
    black=0,
    white=1024,
    jpeg="file",
    clip=False,
    images=480,
    source=_CHALLENGE,
)
AIM22_P20 = Protocol(
    "aim22-p20",
    "Huawei P20: JPEG tiles of 496 pixels and their RAW, mostly not aligned",
    black=0,
    white=1024,
    jpeg="file",
    clip=False,
    images=720,
    source=_CHALLENGE,
)
FIVEK_NIKON = Protocol(
    "fivek-nikon",
    "MIT-Adobe FiveK, Nikon D700, as InvISP lays it out",
    layout="demosaiced",
    balanced=True,
    gamma=2.2,
    jpeg="own",
    images=657,
    source=_INVISP,
)
FIVEK_CANON = Protocol(
    "fivek-canon",
    "MIT-Adobe FiveK, Canon EOS 5D, as InvISP lays it out",
    layout="demosaiced",
    balanced=True,
    gamma=2.2,
    jpeg="own",
    images=1143,
    source=_INVISP,
)
# Table 4 of SSDNet has one-way networks beside InvISP, which have no rendering of their own. That they begin with this
# JPEG file, and are compared as InvISP is, are inferences: see the notes of `isptoolkit.bench.report.published`.
_LIBRAW = "InvISP's data, given as one-way networks of table 4 of SSDNet take them (an inference)"
FIVEK_NIKON_LIBRAW = replace(
    FIVEK_NIKON,
    name="fivek-nikon-libraw",
    data=f"{FIVEK_NIKON.data}, LibRaw's JPEG files",
    jpeg="file",
    source=_LIBRAW,
)
FIVEK_CANON_LIBRAW = replace(
    FIVEK_CANON,
    name="fivek-canon-libraw",
    data=f"{FIVEK_CANON.data}, LibRaw's JPEG files",
    jpeg="file",
    source=_LIBRAW,
)
SIDD = Protocol(
    "sidd",
    "five telephones, real noise: validation blocks of 256 pixels",
    task="denoise",
    layout="mosaic",
    black=0,
    white=1,
    patch=256,
    images=1280,
    taps=11,
    source="Abdelhamed, Lin and Brown, CVPR 2018; table 5 of SSDNet",
)
_FIVEK = (FIVEK_NIKON, FIVEK_NIKON_LIBRAW, FIVEK_CANON, FIVEK_CANON_LIBRAW)
PROTOCOLS = {p.name: p for p in (MICRO, MICRO_NOISE, PAIRS, AIM22_S7, AIM22_P20, *_FIVEK, SIDD)}
"""By name."""

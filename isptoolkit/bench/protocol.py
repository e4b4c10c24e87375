"""Protocols: what exactly a number is of. Figures of different protocols cannot be compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..errors import InvalidArgument


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
        reported: PSNR in dB and, where known, SSIM by entrant, as published.

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
    reported: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)

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
    reported={
        "ssdnet": (29.13, 0.79),
        "rst": (27.89, 0.79),
        "zero-noise": (27.67, 0.79),
        "u-net": (26.30, 0.77),
        "upi": (26.90, 0.78),
    },
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
    reported={"rst": (32.72, 0.87), "zero-noise": (33.68, 0.90), "u-net": (30.01, 0.80)},
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
    reported={
        "invisp": (44.42, None),
        "invisp-without-jpeg": (43.29, None),
    },
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
    reported={"invisp": (46.78, None), "invisp-without-jpeg": (45.72, None)},
)
# Table 4 of SSDNet has these rows beside InvISP's, without a word of where each begins. That UPI begins with LibRaw's
# JPEG file is known; that SSDNet does is inferred: it has no rendering of its own.
_LIBRAW = "InvISP's data, as one-way networks of table 4 of SSDNet take them (inferred: they do not render)"
FIVEK_NIKON_LIBRAW = replace(
    FIVEK_NIKON,
    name="fivek-nikon-libraw",
    data=f"{FIVEK_NIKON.data}, LibRaw's JPEG files",
    jpeg="file",
    source=_LIBRAW,
    reported={"ssdnet": (47.84, None), "upi": (29.30, None)},
)
FIVEK_CANON_LIBRAW = replace(
    FIVEK_CANON,
    name="fivek-canon-libraw",
    data=f"{FIVEK_CANON.data}, LibRaw's JPEG files",
    jpeg="file",
    source=_LIBRAW,
    reported={"ssdnet": (53.60, None)},
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
    # Other rows of that table are of another benchmark, DND.
    reported={"ssdnet-denoiser": (51.73, 0.993)},
)
_FIVEK = (FIVEK_NIKON, FIVEK_NIKON_LIBRAW, FIVEK_CANON, FIVEK_CANON_LIBRAW)
PROTOCOLS = {p.name: p for p in (MICRO, MICRO_NOISE, PAIRS, AIM22_S7, AIM22_P20, *_FIVEK, SIDD)}
"""By name."""

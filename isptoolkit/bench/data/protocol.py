"""Protocols: the data, preprocessing, and metrics behind a figure. Figures of different protocols are not comparable.

This file imports no reader before data are opened, so that the command line can list protocols quickly.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InvalidArgument

if TYPE_CHECKING:
    from .case import Pairs

Reader = Callable[[Path, str, Path], "Pairs"]
"""Opens data: their folder, the target of RAW files, and the folder of decoded files, as in `pairs_of`."""


@dataclass(frozen=True)
class Protocol:
    """How recovered RAW is compared with the true RAW, and the reader of the data.

    Args:
        name: name on the command line.
        data: description of the pairs of input and RAW.
        reader: opens the data, see `isptoolkit.bench.data.pairs.pairs_of`.
        task: `reverse`, recover RAW from sRGB images, or `denoise`, recover clean RAW from noisy RAW.
        cfa: CFA of the compared RAW.
        layout: `packed`, the four sites of a cell as channels; `mosaic`, one channel; or `demosaiced`, bilinearly,
            three channels.
        black: digital number that maps to 0; None uses each file's.
        white: digital number that maps to 1; None uses each file's.
        balanced: whether RAW is compared after white balance, scaled so that the largest gain is 1.
        gamma: RAW is compared after `x^(1/gamma)`.
        jpeg: JPEG compression of the images: `none`; `file`, the data are JPEG files; or `own`, each entrant renders
            RAW itself and gets its rendering through a JPEG file of quality 90, 4:2:2.
        clip: whether both sides are clipped to [0, 1] before the comparison.
        patch: height and width of the compared images in pixels; 0 uses the size of the data.
        images: number of test images of the full data; 0 if any number is allowed.
        taps: number of taps of SSIM's window, see `isptoolkit.metrics.ssim`.
        source: publication that defines the protocol.
        computed: whether the data are computed, so that they need no folder.

    Raises:
        InvalidArgument: for an unknown task, layout, or JPEG compression.

    >>> PROTOCOLS["micro"].layout, PROTOCOLS["micro"].jpeg_passes
    ('packed', 1)
    """

    name: str
    data: str
    reader: Reader
    task: str = "reverse"
    cfa: str = "RGGB"
    layout: str = "packed"
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
    computed: bool = False

    def __post_init__(self) -> None:
        allowed = {
            "task": ("reverse", "denoise"),
            "layout": ("packed", "mosaic", "demosaiced"),
            "jpeg": ("none", "file", "own"),
        }
        for name, values in allowed.items():
            if (value := getattr(self, name)) not in values:
                raise InvalidArgument(f"the {name} of a protocol must be one of {', '.join(values)}, got {value!r}")

    @property
    def jpeg_passes(self) -> int:
        """How many times an image is compressed with JPEG before RAW is recovered from it."""
        return 0 if self.jpeg == "none" else 1

    def recorded(self) -> dict[str, Any]:
        """The fields that a figure depends on, as plain data for result files.

        >>> PROTOCOLS["micro"].recorded()["patch"]
        128
        """
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("reader", "computed")}


def _micro(*_: object) -> "Pairs":
    from .micro import Micro

    return Micro()


def _micro_noise(*_: object) -> "Pairs":
    from .micro import MicroNoise

    return MicroNoise()


def _raw_pairs(data: Path, target: str, cache: Path) -> "Pairs":
    from .raw_pairs import RawPairs

    return RawPairs(data, target, cache, PAIRS.patch)


def _aim22(phone: str, data: Path, target: str, cache: Path) -> "Pairs":
    from ...data.aim22 import SIZES
    from .aim22 import Aim22

    return Aim22(data, SIZES[phone])


def _fivek(camera: str, data: Path, target: str, cache: Path) -> "Pairs":
    from .fivek import FiveK

    return FiveK(data, camera, cache)


def _sidd(data: Path, target: str, cache: Path) -> "Pairs":
    from .sidd import Sidd

    return Sidd(data)


_CHALLENGE = "Conde et al., AIM 2022 challenge on reversed ISP, ECCV workshops 2022, and its scoring program"
_INVISP = "Xing, Qian and Chen, CVPR 2021, and its published test program"

MICRO = Protocol(
    "micro",
    "procedural scenes, two simulated cameras",
    _micro,
    jpeg="file",
    patch=128,
    images=24,
    source="isptoolkit",
    computed=True,
)
MICRO_NOISE = Protocol(
    "micro-noise",
    "procedural scenes, two simulated cameras at high gain",
    _micro_noise,
    task="denoise",
    layout="mosaic",
    patch=128,
    images=24,
    source="isptoolkit",
    computed=True,
)
PAIRS = Protocol("pairs", "RAW files, and renderings of them", _raw_pairs, jpeg="none", patch=256, source="isptoolkit")
AIM22_S7 = Protocol(
    "aim22-s7",
    "Samsung S7: JPEG tiles of 504 pixels and their RAW",
    functools.partial(_aim22, "aim22-s7"),
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
    functools.partial(_aim22, "aim22-p20"),
    black=0,
    white=1024,
    jpeg="file",
    clip=False,
    images=720,
    source=_CHALLENGE,
)
FIVEK_NIKON = Protocol(
    "fivek-nikon",
    "MIT-Adobe FiveK, Nikon D700, in InvISP's layout",
    functools.partial(_fivek, "NIKON_D700"),
    layout="demosaiced",
    balanced=True,
    gamma=2.2,
    jpeg="own",
    images=657,
    source=_INVISP,
)
FIVEK_CANON = Protocol(
    "fivek-canon",
    "MIT-Adobe FiveK, Canon EOS 5D, in InvISP's layout",
    functools.partial(_fivek, "Canon_EOS_5D"),
    layout="demosaiced",
    balanced=True,
    gamma=2.2,
    jpeg="own",
    images=1143,
    source=_INVISP,
)
# Table 4 of SSDNet lists one-way networks, which do not render, beside InvISP. That their input is this JPEG file, and
# that they are compared like InvISP, are inferences: see the notes of `isptoolkit.bench.report.published`.
_LIBRAW = "InvISP's data, as the input of the one-way networks in table 4 of SSDNet (an inference)"
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
    "SIDD, five phones, real noise: validation blocks of 256 pixels",
    _sidd,
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
"""All protocols, by name."""

"""Every figure that others published under a protocol of this project, with its source; none was measured here.

The rows of the challenge are in `challenge`. FiveK rows are from SSDNet's table 4, which copies the scores of the other
methods from the paper on learnable dictionaries ("reported by [13]"). SIDD rows are from its table 5.
"""

from .challenge import CHALLENGE
from .published_figure import Figure

TABLE_4 = "SSDNet paper, table 4"
TABLE_5 = "SSDNet paper, table 5"
RERUN = "repository Nemoblue/Extent-Research-InvISP"

_CAMERA_JPEG = "InvISP's project page: made from 8-bit compressed RGB; that it is LibRaw's JPEG is an inference"
_ONE_WAY = "no source states the input; a network that only maps RGB to RAW needs a rendering as input"
_LIBRAW = (
    "the SSDNet paper names LibRaw's rendering as the input; that it is a JPEG file, and the domain, are inferences"
)
_OWN_WITHOUT = "trained without JPEG; that the test uses a JPEG file is an inference: without one, a flow is exact"
_GRAY = "no source states how InvISP's authors adapted it; because it encodes and decodes, its own rendering is assumed"
_RERUN = (
    "the published weights, evaluated again; the file names no camera, so Nikon is an inference; sRGB 37.46 dB, SSIM "
    "0.9473"
)


def _fivek(
    method: str,
    nikon: float,
    canon: float | None,
    note: str,
    *,
    own: bool,
    entrant: str | None = None,
    stated: bool = False,
) -> tuple[Figure, ...]:
    """Rows of both cameras; the input is the method's own rendering through JPEG, or LibRaw's."""
    suffix = "" if own else "-libraw"
    cameras = {"nikon": nikon, "canon": canon}
    return tuple(
        Figure(method, f"fivek-{camera}{suffix}", psnr, TABLE_4, entrant=entrant, stated=stated, note=note)
        for camera, psnr in cameras.items()
        if psnr is not None
    )


FIVEK = (
    *_fivek("UPI", 29.30, None, _CAMERA_JPEG, own=False, entrant="upi"),
    *_fivek("CycleISP", 29.40, 31.71, _CAMERA_JPEG, own=False),
    *_fivek("InvGrayscale", 33.34, 34.21, _GRAY, own=True),
    *_fivek("U-Net", 38.24, 41.52, _ONE_WAY, own=False),
    *_fivek("InvISP, without JPEG", 43.29, 45.72, _OWN_WITHOUT, own=True, entrant="invisp-without-jpeg"),
    *_fivek("InvISP, JPEG by Fourier rounding", 44.42, 46.78, "", own=True, entrant="invisp", stated=True),
    *_fivek("Learnable Dictionaries", 43.62, 50.08, _LIBRAW, own=False),
    *_fivek("SSDNet", 47.84, 53.60, _LIBRAW, own=False, entrant="ssdnet"),
    Figure("InvISP, run again", "fivek-nikon", 45.23, RERUN, stated=False, note=_RERUN),
)
"""Figures on MIT-Adobe FiveK; no source reports SSIM of RAW."""

_DND = "table 5 is headed SIDD, but these are figures of the Darmstadt Noise Dataset (general knowledge, unchecked)"
_SIDD = "the paper does not say on which part of SIDD the row was measured"


def _noise(method: str, psnr: float, ssim: float, dnd: bool = False, entrant: str | None = None) -> Figure:
    note = _DND if dnd else _SIDD
    return Figure(method, "dnd" if dnd else "sidd", psnr, TABLE_5, ssim, entrant=entrant, stated=False, note=note)


NOISE = (
    _noise("EPLL", 40.73, 0.935),
    _noise("GLIDE", 41.87, 0.949),
    _noise("TNRD", 42.77, 0.945),
    _noise("MLP", 43.17, 0.965),
    _noise("KSVD", 43.26, 0.969),
    _noise("NLM", 44.06, 0.971),
    _noise("WNNM", 44.85, 0.975),
    _noise("BM3D", 45.52, 0.980),
    _noise("FoE", 45.78, 0.966, dnd=True),
    _noise("DnCNN", 47.37, 0.976, dnd=True),
    _noise("N3Net", 47.56, 0.976, dnd=True),
    _noise("UPI", 48.89, 0.982, dnd=True),
    _noise("CycleISP", 52.41, 0.990),
    _noise("Learnable Dictionaries", 52.48, 0.990),
    _noise("SSDNet", 51.73, 0.993, entrant="ssdnet-denoiser"),
)
"""Figures of RAW denoising; the sRGB columns of the table mix both data sets and are not quoted."""

PUBLISHED = (*CHALLENGE, *FIVEK, *NOISE)
"""All published figures."""


def reported(protocol: str, entrant: str | None) -> Figure | None:
    """The published figure to print beside an entrant's own: the first under a protocol (Test1 of the challenge).

    Args:
        protocol: name of the protocol.
        entrant: name of the entrant in the published rows; None has no figure.

    >>> reported("aim22-s7", "u-net").text()
    '26.30 / 0.77'
    >>> reported("micro", "u-net") is None
    True
    """
    key = (protocol, entrant)
    return next((row for row in PUBLISHED if entrant and (row.protocol, row.entrant) == key), None)

"""Refuse TIFF-based files whose samples mean something else than a Bayer mosaic, linear RGB, or one plane."""

from pathlib import Path

from ..errors import NotAMosaic, UnreadableFile
from .tiff import CFA, LINEAR_RAW, Tiff
from .tiff_directory import Directory

_WHITE_IS_ZERO, _GRAY = 0, (0, 1)
_PLANE_COLORS, _CFA_LAYOUT, _BLOCKS, _SAMPLE_FORMAT = 50710, 50711, 50974, 339
_RED_GREEN_BLUE, _RECTANGULAR, _SIGNED = b"\0\1\2", 1, 2


def check_samples(path: Path, tiff: Tiff, cfa: str | None) -> None:
    """Refuse a plain TIFF or DNG whose samples would be read as something else than they are.

    Args:
        path: of the file, for error messages.
        tiff: structure of the file; RAW files of cameras other than DNG pass.
        cfa: letters of the color filter array that the caller states.

    Raises:
        UnreadableFile: for a DNG without a RAW image, a TIFF in colors, gray in which 0 is white, samples in blocks,
            and signed samples.
        NotAMosaic: for a gray TIFF where no `cfa` is stated; for a DNG with another number of samples per pixel, with a
            staggered color filter array, or with planes other than red, green, and blue.

    Source: DNG 1.6 specification, chapter 4: CFAPlaneColor (50710), CFALayout (50711), SubTileBlockSize (50974);
        TIFF 6.0: PhotometricInterpretation (262), SampleFormat (339).
    """
    if tiff.is_plain:
        _check_gray(path, tiff.main, cfa)
    elif not tiff.is_dng:
        return
    elif tiff.main.photometric not in (CFA, LINEAR_RAW):  # a preview
        raise UnreadableFile(f"{path} is truncated or damaged: it states a DNG without a RAW image")
    else:
        _check_planes(path, tiff.main, cfa)
    if max(tiff.main.numbers(_BLOCKS), default=1) > 1:
        raise UnreadableFile(f"{path} stores its samples in blocks (SubTileBlockSize), which are not decoded")
    if tiff.main.number(_SAMPLE_FORMAT) == _SIGNED:
        raise UnreadableFile(f"{path} has signed samples (SampleFormat {_SIGNED}): store them unsigned or as floats")


def _check_gray(path: Path, main: Directory, cfa: str | None) -> None:
    """Refuse a plain TIFF unless it is gray and the caller states its color filter array."""
    if main.photometric not in _GRAY or main.samples != 1:
        raise UnreadableFile(f"{path} is a TIFF image without RAW samples, not a RAW file")
    if main.photometric == _WHITE_IS_ZERO:
        raise UnreadableFile(f"{path} is a gray TIFF whose largest samples are black (WhiteIsZero): invert it first")
    if cfa is None:
        raise NotAMosaic(
            f"{path} is a gray TIFF that states no color filter array: if it is a mosaic, pass cfa= (--cfa)"
        )


def _check_planes(path: Path, main: Directory, cfa: str | None) -> None:
    """Refuse a DNG whose planes are neither R, G and B nor one, or whose pixels do not form rows and columns."""
    allowed = (1,) if main.photometric == CFA else (1, 3)
    if main.samples > 1 and main.samples not in allowed:
        raise NotAMosaic(
            f"{path} has {main.samples} samples per pixel: only mosaics of one and linear DNG of one or three are "
            "supported"
        )
    if main.photometric == LINEAR_RAW:
        return
    planes, arrangement = main.tags.get(_PLANE_COLORS, _RED_GREEN_BLUE), main.number(_CFA_LAYOUT, _RECTANGULAR)
    if planes != _RED_GREEN_BLUE:
        raise NotAMosaic(
            f"{path} has color planes other than red, green, and blue, in this order (CFAPlaneColor): its color matrix "
            "and white balance would be applied to other colors"
        )
    if cfa is None and arrangement != _RECTANGULAR:
        raise NotAMosaic(
            f"{path} has a staggered color filter array (CFALayout {arrangement}): only rectangular ones are supported"
        )

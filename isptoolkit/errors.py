"""Every exception that isptoolkit raises on purpose; all of them are `ValueError`s."""

import contextlib
from collections.abc import Iterator

__all__ = [
    "InvalidArgument",
    "InvalidCapture",
    "InvalidSize",
    "InvalidTensor",
    "IspError",
    "KernelError",
    "MissingMetadata",
    "MissingPackage",
    "NotAMosaic",
    "OneWay",
    "PipelineFileError",
    "SpaceMismatch",
    "TrainingFailed",
    "UnreadableFile",
    "needs",
]


class IspError(ValueError):
    """Base class of the toolkit's exceptions; messages are one sentence with the invalid value and the remedy."""


class SpaceMismatch(IspError):
    """Adjacent stages do not fit: one gives a space that the other does not take."""


class OneWay(IspError):
    """A stage has no inverse."""


class InvalidTensor(IspError):
    """A tensor has the wrong type, dtype, device, channel count or shape for its space, or holds NaN or infinity."""


class InvalidSize(IspError):
    """A height or width that an operation cannot handle, such as an odd size for 2x2 packing."""


class InvalidCapture(IspError):
    """A capture's value is malformed or physically impossible, such as a white level below the black level."""


class InvalidArgument(IspError):
    """An argument of a constructor or function is outside its documented range."""


class UnreadableFile(IspError):
    """A file is missing, truncated or of an unknown format, or its size contradicts the stated geometry."""


class NotAMosaic(UnreadableFile):
    """A RAW file holds neither a Bayer mosaic, nor linear RAW, nor one plane, such as Foveon or X-Trans."""


class MissingMetadata(IspError):
    """A file lacks a value that rendering needs (white balance, color matrix, levels), and none was passed."""


class PipelineFileError(IspError):
    """A pipeline file is malformed, names an unknown stage, or does not fit its weights."""


class KernelError(IspError):
    """A native kernel was called where it cannot run, or does not compile for this GPU."""


class TrainingFailed(IspError):
    """The loss of a training step is not finite."""


class MissingPackage(IspError):
    """What was asked for needs a package that is not installed."""


@contextlib.contextmanager
def needs(extra: str, need: str) -> Iterator[None]:
    """Import optional packages inside; if one is missing or broken, the error names the extra that installs it.

    Args:
        extra: a key of `optional-dependencies` in pyproject.toml.
        need: the start of the error: what needs which packages.

    Raises:
        MissingPackage: if an import inside fails.

    >>> with needs("ray", "unprocessing on a cluster needs Ray"):
    ...     import no_such_package
    Traceback (most recent call last):
    isptoolkit.errors.MissingPackage: unprocessing on a cluster needs Ray (No module named 'no_such_package'): pip
    install 'isptoolkit[ray]'
    """
    try:
        yield
    except (ImportError, RuntimeError) as error:  # torchvision raises RuntimeError beside a torch of another build
        raise MissingPackage(f"{need} ({error}): pip install 'isptoolkit[{extra}]'") from None


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

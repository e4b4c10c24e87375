"""Every exception that isptoolkit raises on purpose; all of them are `ValueError`s."""

import contextlib
from collections.abc import Iterator


class IspError(ValueError):
    """Base of the toolkit's exceptions: one sentence that says what was wrong, with the value, and what to do."""


class SpaceMismatch(IspError):
    """Two neighbours in a pipeline do not fit: one gives a space that the other does not take."""


class OneWay(IspError):
    """The inverse was asked of a stage that has none."""


class InvalidTensor(IspError):
    """A tensor has the wrong type, dtype, device, channel count or shape for its space, or holds NaN or infinity."""


class InvalidSize(IspError):
    """A height or width that the operation cannot have, such as an odd size for 2x2 packing."""


class InvalidCapture(IspError):
    """A capture's quantity is malformed or physically impossible, such as a white level below the black level."""


class InvalidArgument(IspError):
    """A constructor or function argument is outside what it documents."""


class UnreadableFile(IspError):
    """A file is missing, truncated, of an unknown format, or its size contradicts the stated geometry."""


class NotAMosaic(UnreadableFile):
    """A RAW file holds no Bayer mosaic: linear DNG, Foveon, X-Trans and the like."""


class MissingMetadata(IspError):
    """A file does not say what rendering needs (white balance, color matrix, levels), and no value was passed."""


class PipelineFileError(IspError):
    """A pipeline file is malformed, names an unknown stage, or does not fit its weights."""


class KernelError(IspError):
    """A native kernel was called where it cannot run, or does not compile for the GPU at hand."""


class TrainingFailed(IspError):
    """The loss of a training step is no finite number."""


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

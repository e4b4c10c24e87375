"""Every exception that isptoolkit raises on purpose; all of them are `ValueError`s."""


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
    """A RAW file does not hold a Bayer mosaic, such as linear DNG, Foveon or X-Trans."""


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

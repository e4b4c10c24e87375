"""isptoolkit: camera image signal processors from composable, invertible, differentiable stages.

Importing the package imports nothing else: each public name, and each sub-package such as `isptoolkit.learned`, is
imported the first time it is used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import bench as bench
    from . import calibrate as calibrate
    from . import data as data
    from . import errors as errors
    from . import io as io
    from . import kernels as kernels
    from . import learned as learned
    from . import metrics as metrics
    from . import presets as presets
    from . import priors as priors
    from . import recipes as recipes
    from . import report as report
    from . import serialization as serialization
    from . import stages as stages
    from . import testing as testing
    from . import train as train
    from . import unprocess as unprocess
    from .capture import Capture as Capture
    from .contract import Contract as Contract
    from .fusion import Fused as Fused
    from .fusion import fuse as fuse
    from .geometry import align as align
    from .geometry import crop as crop
    from .geometry import flip as flip
    from .geometry import rotate as rotate
    from .io import read_image as read_image
    from .io import read_mosaic as read_mosaic
    from .io import read_raw as read_raw
    from .io import write_dng as write_dng
    from .io import write_image as write_image
    from .parallel import ChannelSplit as ChannelSplit
    from .parallel import Parallel as Parallel
    from .parallel import Split as Split
    from .pipeline import Pipeline as Pipeline
    from .spaces import CAMERA as CAMERA
    from .spaces import LINEAR as LINEAR
    from .spaces import LINEAR_RAW as LINEAR_RAW
    from .spaces import MOSAIC as MOSAIC
    from .spaces import PACKED as PACKED
    from .spaces import SENSOR as SENSOR
    from .spaces import SRGB as SRGB
    from .spaces import Space as Space
    from .stage import Stage as Stage
    from .tiles import Tiled as Tiled
    from .wrappers import Learned as Learned
    from .wrappers import Pair as Pair

    __version__: str

_NAMES = {
    "capture": ("Capture",),
    "contract": ("Contract",),
    "fusion": ("Fused", "fuse"),
    "geometry": ("align", "crop", "flip", "rotate"),
    "io": ("read_image", "read_mosaic", "read_raw", "write_dng", "write_image"),
    "parallel": ("ChannelSplit", "Parallel", "Split"),
    "pipeline": ("Pipeline",),
    "spaces": ("CAMERA", "LINEAR", "LINEAR_RAW", "MOSAIC", "PACKED", "SENSOR", "SRGB", "Space"),
    "stage": ("Stage",),
    "tiles": ("Tiled",),
    "wrappers": ("Learned", "Pair"),
}
"""The public names by module; the imports above repeat them for type checkers and editors."""
_CORE = ("errors", "presets", "stages")
"""Modules that `from isptoolkit import *` imports as well."""
_ROOMS = (
    "bench",
    "calibrate",
    "data",
    "io",
    "kernels",
    "learned",
    "metrics",
    "priors",
    "recipes",
    "report",
    "serialization",
    "testing",
    "train",
    "unprocess",
)
"""The other public modules and sub-packages."""
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "CAMERA",
    "LINEAR",
    "LINEAR_RAW",
    "MOSAIC",
    "PACKED",
    "SENSOR",
    "SRGB",
    "Capture",
    "ChannelSplit",
    "Contract",
    "Fused",
    "Learned",
    "Pair",
    "Parallel",
    "Pipeline",
    "Space",
    "Split",
    "Stage",
    "Tiled",
    "align",
    "crop",
    "errors",
    "flip",
    "fuse",
    "presets",
    "read_image",
    "read_mosaic",
    "read_raw",
    "rotate",
    "stages",
    "write_dng",
    "write_image",
]

if not TYPE_CHECKING:  # a type checker that saw `__getattr__` would accept any attribute

    def __getattr__(name):
        """Import a public name or sub-package at its first use (PEP 562)."""
        import importlib

        if name in _MODULE_OF:
            value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        elif name in _CORE or name in _ROOMS or name in _NAMES:
            value = importlib.import_module(f"{__name__}.{name}")
        elif name == "__version__":
            value = _version()
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS, "__all__", "__doc__", "__file__", "__name__", "__path__", "__version__"])


def _version() -> str:
    """The installed version; `0+unknown` where the sources run uninstalled."""
    from importlib import metadata

    try:
        return metadata.version(__name__)
    except metadata.PackageNotFoundError:
        return "0+unknown"

"""JPEG: libjpeg's integer arithmetic, differentiable rounding, and the simulator of InvISP."""

from .diff_jpeg import DiffJpeg as DiffJpeg
from .jpeg import Jpeg as Jpeg

"""JPEG: libjpeg'"'"'s arithmetic, its Fourier quantization, and the simulator of InvISP."""

from .diff_jpeg import DiffJpeg as DiffJpeg
from .jpeg import Jpeg as Jpeg

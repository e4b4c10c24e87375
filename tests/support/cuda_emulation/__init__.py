"""Emulated CUDA: the unchanged sources of the kernels run on the CPU through `isptoolkit.kernels.cuda`."""

from .compile import CompileError, compiler
from .launcher import EmulationError, Emulator, emulated, parameters

__all__ = ["CompileError", "EmulationError", "Emulator", "compiler", "emulated", "parameters"]

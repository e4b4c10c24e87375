"""Benchmark recipes side by side, under protocols that are part of the result."""

from .data.protocol import PROTOCOLS as PROTOCOLS
from .data.protocol import Protocol as Protocol

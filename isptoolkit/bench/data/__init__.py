"""Protocols, and the data that each of them trains and tests on."""

from .protocol import PROTOCOLS as PROTOCOLS
from .protocol import Protocol as Protocol

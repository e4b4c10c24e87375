"""Protocols, and the data that each of them trains and tests on."""

from .case import Case as Case
from .case import Cases as Cases
from .case import Pairs as Pairs
from .pairs import pairs_of as pairs_of
from .protocol import PROTOCOLS as PROTOCOLS
from .protocol import Protocol as Protocol

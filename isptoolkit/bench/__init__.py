"""Recipes side by side on the same work, by protocols that are part of the result."""

from .protocol import PROTOCOLS as PROTOCOLS
from .protocol import Protocol as Protocol

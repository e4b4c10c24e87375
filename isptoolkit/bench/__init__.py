"""Recipes side by side on the same work, by protocols that are part of the result."""

from .data.protocol import PROTOCOLS as PROTOCOLS
from .data.protocol import Protocol as Protocol

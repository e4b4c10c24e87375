"""The law checker: tests every promise of a contract, for built-in stages and for yours.

The Hypothesis strategies are imported at their first use, since a check on a given input needs no Hypothesis.
"""

from typing import TYPE_CHECKING

from .checking import Report as Report
from .checking import assert_lawful as assert_lawful
from .checking import check as check
from .checking import falsify as falsify
from .checking import load_stage as load_stage
from .laws import Finding as Finding

__all__ = [
    "Finding",
    "Report",
    "assert_lawful",
    "captures",
    "check",
    "falsify",
    "images",
    "load_stage",
    "mosaics",
    "sizes",
]

if TYPE_CHECKING:
    from .strategies import captures as captures
    from .strategies import images as images
    from .strategies import mosaics as mosaics
    from .strategies import sizes as sizes
else:
    _STRATEGIES = ("captures", "images", "mosaics", "sizes")

    def __getattr__(name):
        """Import a strategy at its first use (PEP 562)."""
        if name not in _STRATEGIES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import strategies

        return getattr(strategies, name)


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])

"""The classes that every pipeline file may name."""

from typing import Any

from .. import stages
from ..fusion import Fused
from ..parallel import ChannelSplit, Parallel
from ..pipeline import Pipeline
from ..stage import Inverse, Stage
from ..tiles import Tiled
from ..wrappers import Learned, Pair


def public_classes() -> dict[str, Any]:
    """Every public stage and split, by class name."""
    exported: list[type] = [
        value for value in vars(stages).values() if isinstance(value, type) and issubclass(value, Stage)
    ]
    parts: list[type] = [ChannelSplit, Parallel, Pipeline, Fused, Inverse, Learned, Pair, Tiled]
    return {kind.__name__: kind for kind in exported + parts}

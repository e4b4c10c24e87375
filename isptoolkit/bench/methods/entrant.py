"""What takes part: how it is made, trained and asked."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from ...capture import Capture
from ...pipeline import Pipeline
from ...stages import pack_sensor
from ...train.loop import Source


@dataclass(frozen=True)
class Predictor:
    """What an entrant can do, once it is made.

    Args:
        back: `[B,3,H,W]` sRGB, or a mosaic with noise `[B,1,H,W]`, and its capture to `[B,4,H/2,W/2]` planes, black 0
            and white 1.
        forward: `[B,1,H,W]` digital numbers and their capture to `[B,3,H,W]` sRGB, where it renders.
        pipeline: two-way, whose stages are then looked at one by one.
        module: whose parameters count.
    """

    back: Callable[[Tensor, Capture], Tensor]
    forward: Callable[[Tensor, Capture], Tensor] | None = None
    pipeline: Pipeline | None = None
    module: nn.Module | None = None


@dataclass(frozen=True)
class Entrant:
    """One row of the table.

    Args:
        about: what it is; says so where it is a smaller configuration than the published one.
        make: the objective that is trained, or None where nothing is.
        predictor: of what was trained or fitted, or of None.
        configuration: all that changes it; a result is kept for as long as this stays.
        rate: of the optimizer.
        cost: of a step, in those of the U-Net: divides the number of steps, so that all get about the same time.
        reported: its name among the published results, of which it need not be the same configuration.
        task: of the protocols that it takes part in, see `isptoolkit.bench.Protocol`.
        fit: of a source and a seed, what is made of it at once; in place of `make`.
    """

    about: str
    predictor: Callable[[Any], Predictor]
    make: Callable[[], nn.Module] | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    rate: float = 1e-3
    cost: float = 1.0
    reported: str | None = None
    task: str = "reverse"
    fit: Callable[[Source, int], nn.Module] | None = None

    @property
    def learns(self) -> bool:
        """Whether its result depends on a seed."""
        return self.make is not None or self.fit is not None


Maker = Callable[[bool], Entrant]
"""Of an entrant, as large as published or not."""


def recipe(name: str) -> Any:
    """A recipe's module, imported when it is asked for."""
    return importlib.import_module(f"isptoolkit.recipes.{name}")


def sized(full: bool, small: str) -> str:
    """What a description says of the size, small in which way where it is not that of the paper.

    >>> "InvISP" + sized(False, "3 of 8 blocks")
    'InvISP, 3 of 8 blocks'
    """
    return " as published" if full else f", {small}"


def two_way(pipeline: Pipeline) -> Predictor:
    """Of a pipeline from sensor to sRGB whose inverse is the way back."""
    return Predictor(
        lambda picture, capture: pack_sensor(pipeline.inverse(picture, capture), capture),
        lambda sensor, capture: pipeline(sensor, capture),
        pipeline,
        pipeline,
    )

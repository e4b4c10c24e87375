"""A participant of the benchmark: how it is made, trained and asked."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from ...capture import Capture
from ...errors import InvalidArgument
from ...pipeline import Pipeline
from ...spaces import PACKED, SENSOR, SRGB
from ...stage import Stage
from ...stages import pack_sensor
from ...train import Candidate, Objective, Recipe
from ...train.loop import Source


@dataclass(frozen=True)
class Predictor:
    """What an entrant computes, once it is trained or fitted.

    Args:
        back: `[B,3,H,W]` sRGB, or a noisy mosaic `[B,1,H,W]`, and its capture, to packed RAW `[B,4,H/2,W/2]`, black 0
            and white 1.
        forward: `[B,1,H,W]` digital numbers and their capture to `[B,3,H,W]` sRGB; None if it does not render.
        pipeline: two-way, whose stages are then compared one by one; None for other entrants.
        module: whose parameters are counted.
    """

    back: Callable[[Tensor, Capture], Tensor]
    forward: Callable[[Tensor, Capture], Tensor] | None = None
    pipeline: Pipeline | None = None
    module: nn.Module | None = None


@dataclass(frozen=True)
class Entrant:
    """One row of the table.

    Args:
        about: what it is; states whether it is a smaller configuration than the published one.
        predictor: makes the predictor of what was trained or fitted, or of None.
        make: the objective that is trained, or None.
        configuration: everything that determines the result; a result is reused as long as this is unchanged.
        lr: learning rate.
        cost: of a step, relative to that of the AIM U-Net: divides the number of steps, so that all entrants train for
            about the same time.
        reported: its name among the published figures; the published configuration may differ.
        task: of its protocols, see `isptoolkit.bench.Protocol`.
        fit: makes, from a source and a seed, what is fitted in closed form; instead of `make`.
    """

    about: str
    predictor: Callable[[Any], Predictor]
    make: Callable[[], Objective] | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    lr: float = 1e-3
    cost: float = 1.0
    reported: str | None = None
    task: str = "reverse"
    fit: Callable[[Source, int], nn.Module] | None = None

    @property
    def learns(self) -> bool:
        """Whether its result depends on a seed."""
        return self.make is not None or self.fit is not None


Maker = Callable[[bool], Entrant]
"""Makes an entrant at its published size, or sized for two cores."""


def from_recipe(recipe: Recipe[Any], candidate: Candidate[Any]) -> Maker:
    """The entrant that a recipe declares."""

    def make(full: bool) -> Entrant:
        config = candidate.full if full else candidate.small
        objective = candidate.objective or recipe.objective

        def predictor(trained: Objective) -> Predictor:
            stage = trained.stage.eval()
            evaluated = stage if candidate.inference is None else candidate.inference(stage).eval()
            return predictor_of(evaluated, stage)

        return Entrant(
            candidate.about(full),
            predictor,
            lambda: objective(config),
            {"recipe": recipe.name, "entrant": candidate.name, **asdict(config)},
            candidate.lr,
            candidate.cost,
            candidate.reported,
            candidate.task,
        )

    return make


def predictor_of(stage: Stage, module: nn.Module) -> Predictor:
    """The predictor of a stage, by the spaces that it maps between.

    Args:
        stage: from SRGB to PACKED, from noisy PACKED to PACKED, or a two-way pipeline from SENSOR to SRGB.
        module: whose parameters are counted.

    Raises:
        InvalidArgument: for a stage between other spaces.
    """
    ends = (stage.takes, stage.gives)
    if ends == (SRGB, PACKED):
        return Predictor(stage.forward, module=module)
    if ends == (PACKED, PACKED):
        return Predictor(lambda noisy, capture: stage(pack_sensor(noisy, capture), capture), module=module)
    if ends == (SENSOR, SRGB):
        return two_way(stage if isinstance(stage, Pipeline) else Pipeline(stage=stage), module)
    raise InvalidArgument(f"the benchmark cannot score a stage from {stage.takes.name} to {stage.gives.name}")


def two_way(pipeline: Pipeline, module: nn.Module | None = None) -> Predictor:
    """The predictor of a pipeline from sensor to sRGB whose inverse recovers RAW."""
    return Predictor(
        lambda image, capture: pack_sensor(pipeline.inverse(image, capture), capture),
        lambda sensor, capture: pipeline(sensor, capture),
        pipeline,
        pipeline if module is None else module,
    )

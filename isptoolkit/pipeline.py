"""Pipelines: stages in series, themselves a stage."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import torch
from torch import Tensor, nn

from .capture import Capture, shared_layouts
from .contract import compose
from .errors import InvalidArgument, IspError, SpaceMismatch
from .spaces import resample_mask
from .stage import Stage

if TYPE_CHECKING:
    from .report.explain import Explanation


class Stages(nn.ModuleDict):
    """The stages of a pipeline by name, in order; fixed, because spaces and contracts are checked at construction."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise InvalidArgument(_FIXED)

    __delitem__ = append = clear = extend = insert = pop = popitem = setdefault = _refuse
    _fixed = False

    def __init__(self, stages: dict[str, Stage]) -> None:
        super().__init__(stages)
        self._fixed = True

    def __setitem__(self, name: str, stage: nn.Module) -> None:
        self.add_module(name, stage)

    def __setattr__(self, name: str, value: Any) -> None:
        # Tools of torch that walk a model put every module back where it was.
        if self._fixed and isinstance(value, nn.Module) and value is not self._modules.get(name):
            self._refuse()
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in self._modules:
            self._refuse()
        super().__delattr__(name)

    def add_module(self, name: str, module: nn.Module | None) -> None:
        if self._fixed and module is not self._modules.get(name):
            self._refuse()
        super().add_module(name, module)

    def update(self, modules: Any) -> None:
        if self._fixed:
            self._refuse()
        super().update(modules)


_FIXED = "the stages of a pipeline cannot be changed in place: pipeline.swap(name, stage) returns a new pipeline"


class Pipeline(Stage):
    """Named stages in series, checked once, at construction.

    `forward` runs them in order, and `inverse` runs their inverses in reverse order. Pipelines nest. A pipeline is
    never changed in place: `swap` returns a new one that shares the other stages.

    Args:
        stages: the stages by name, in order; names are Python identifiers.

    Attributes:
        contract: what follows from the stages' contracts alone, by `isptoolkit.contract.compose`; if that is nothing,
            measure with `explain_inverse(x, capture)`.

    Raises:
        SpaceMismatch: for adjacent stages whose spaces differ; names both stages and both spaces.
        InvalidArgument: for a pipeline without stages, a value that is not a stage, or stages that no capture suits.

    >>> from isptoolkit import Capture, stages
    >>> import torch
    >>> pipeline = Pipeline(levels=stages.Levels(), balance=stages.WhiteBalance())
    >>> capture = Capture.of("RGGB", black=64, white=1088, gains=(2.0, 1.0, 1.5))
    >>> pipeline(torch.full((1, 1, 2, 2), 576.0), capture)
    tensor([[[[1.0000, 0.5000],
              [0.5000, 0.7500]]]])
    """

    def __init__(self, **stages: Stage) -> None:
        super().__init__()
        if not stages:
            raise InvalidArgument("a pipeline needs at least one stage")
        for name, stage in stages.items():
            if not isinstance(stage, Stage):
                raise InvalidArgument(f"{name} must be a Stage, got {type(stage).__name__}: wrap a module in Learned")
        pairs = list(stages.items())
        for (before, first), (after, second) in itertools.pairwise(pairs):
            if first.gives != second.takes:
                raise SpaceMismatch(
                    f"{before} gives {first.gives.name}, but {after} takes {second.takes.name} "
                    f"({first.gives!r} is not {second.takes!r})"
                )
        try:
            self.stages = Stages(stages)
        except KeyError as error:
            raise InvalidArgument(f"a stage cannot be called {error.args[0]!r}: choose another name") from error
        self.takes, self.gives = pairs[0][1].takes, pairs[-1][1].gives
        self.layouts = shared_layouts([stage.layouts for stage in stages.values()])
        self.contract = compose([stage.contract for stage in stages.values()])

    def __setattr__(self, name: str, value: Any) -> None:
        if self._constructed and (name == "stages" or name in self.stages):
            raise InvalidArgument(_FIXED)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name == "stages":
            raise InvalidArgument(_FIXED)
        super().__delattr__(name)

    def __setitem__(self, name: str, stage: Stage) -> NoReturn:
        raise InvalidArgument(_FIXED)

    def __delitem__(self, name: str) -> NoReturn:
        raise InvalidArgument(_FIXED)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        for name, stage in self.items():
            try:
                x = stage.forward(x, capture)
            except IspError as error:
                raise self._noted(error, name, x) from None
        return x

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        for name, stage in reversed(self.items()):
            try:
                y = stage.inverse(y, capture)
            except IspError as error:
                raise self._noted(error, name, y) from None
        return y

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where every stage's promise holds in `forward`, on the pixel grid of `x`."""
        mask = torch.ones_like(x[:, :1], dtype=torch.bool)
        for stage in self:
            mask = mask & resample_mask(stage.in_domain(x, capture), stage.takes, self.takes)
            x = stage.forward(x, capture)
        return mask

    @property
    def has_domain(self) -> bool:
        return any(stage.has_domain for stage in self)

    @property
    def two_way(self) -> bool:
        return all(stage.two_way for stage in self)

    def __iter__(self) -> Iterator[Stage]:
        return (stage for _, stage in self.items())

    def __len__(self) -> int:
        return len(self.stages)

    def __getitem__(self, name: str) -> Stage:
        self._position(name)
        return cast(Stage, self.stages[name])

    def items(self) -> list[tuple[str, Stage]]:
        """Names and stages, in order."""
        return [(name, cast(Stage, stage)) for name, stage in self.stages.items()]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the stages, in order."""
        return tuple(self.stages)

    def swap(self, name: str, stage: Stage, *, through: str | None = None) -> "Pipeline":
        """A new pipeline in which `stage` replaces the stage `name`, or all stages from `name` to `through`.

        The new stage is called `name`; the other stages are shared, not copied.

        Raises:
            InvalidArgument: for an unknown name, or if `through` comes before `name`.
            SpaceMismatch: if the new stage does not fit its neighbors.
        """
        first, last = self._position(name), self._position(through or name)
        if last < first:
            raise InvalidArgument(f"swap: {through} comes before {name} in {', '.join(self.names)}")
        pairs = self.items()
        return Pipeline(**dict([*pairs[:first], (name, stage), *pairs[last + 1 :]]))

    def span(self, first: str, last: str) -> "Pipeline":
        """The stages from `first` through `last`, as a pipeline that shares them."""
        start, stop = self._position(first), self._position(last)
        if stop < start:
            raise InvalidArgument(f"span: {last} comes before {first} in {', '.join(self.names)}")
        return Pipeline(**dict(self.items()[start : stop + 1]))

    def trace(self, x: Tensor, capture: Capture) -> dict[str, Tensor]:
        """The output of every stage of `forward`, by name."""
        values = {}
        for name, stage in self.items():
            try:
                x = values[name] = stage.forward(x, capture)
            except IspError as error:
                raise self._noted(error, name, x) from None
        return values

    def trace_inverse(self, y: Tensor, capture: Capture) -> dict[str, Tensor]:
        """The recovered input of every stage of `inverse`, by name, last stage first."""
        values = {}
        for name, stage in reversed(self.items()):
            try:
                y = values[name] = stage.inverse(y, capture)
            except IspError as error:
                raise self._noted(error, name, y) from None
        return values

    def draw(self, path: str | Path | None = None) -> str:
        """The graph as text; with a path ending in .svg or .png, also as an image."""
        from .report.drawing import draw

        return draw(self, path)

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart, for Markdown files.

        >>> from isptoolkit import stages
        >>> print(Pipeline(clip=stages.Clip()).to_mermaid().splitlines()[0])
        flowchart LR
        """
        from .report.graph import mermaid

        return mermaid(self)

    def _repr_svg_(self) -> str:
        from .report.drawing import svg

        return svg(self)

    def explain_inverse(self, x: Tensor | None = None, capture: Capture | None = None) -> "Explanation":
        """Attribute the loss of a round trip to stages: from the contracts and, with data, by measurement."""
        from .report.explain import explain_inverse

        return explain_inverse(self, x, capture)

    def save(self, path: str | Path) -> None:
        """Write structure and constructor values as TOML, and weights and tables as safetensors beside it."""
        from .serialization.file import save

        save(self, path)

    @staticmethod
    def load(path: str | Path, *, classes: Iterable[Any] = ()) -> "Pipeline":
        """Read what `save` wrote; only public stages and the given classes (or factories) are constructed.

        Args:
            path: of the TOML file.
            classes: your own stages and networks that the file names.

        Raises:
            PipelineFileError: for a malformed or unknown description, or weights that do not fit.
        """
        from .serialization.file import load
        from .serialization.public import public_classes

        known = public_classes() | {factory.__name__: factory for factory in classes}
        loaded = load(path, known)
        return loaded if isinstance(loaded, Pipeline) else Pipeline(stage=loaded)

    def _position(self, name: str) -> int:
        if name not in self.stages:
            raise InvalidArgument(f"no stage {name!r} in this pipeline: it has {', '.join(self.names)}")
        return self.names.index(name)

    def _noted(self, error: IspError, name: str, x: Tensor) -> IspError:
        stage = self[name]
        error.add_note(f"in stage {name} ({stage.takes.name} -> {stage.gives.name}), tensor {tuple(x.shape)}")
        return error

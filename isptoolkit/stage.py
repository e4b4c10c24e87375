"""One step of an image signal processor, with both of its verbs and its promise."""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from .capture import Capture
from .contract import Contract
from .errors import InvalidArgument, OneWay
from .spaces import Space, resample_mask

if TYPE_CHECKING:
    from .kernels.steps import Step

Quantity: TypeAlias = float | Sequence[Any] | Tensor
"""What a constructor accepts for a physical quantity: a number, nested numbers, a tensor, or an `nn.Parameter`."""


class Stage(nn.Module, ABC):
    """A step from one space to another: `forward` renders, `inverse` undoes, `contract` says how well.

    A stage is abstract or final: a concrete stage is never subclassed. It reads only its input, the capture and its own
    constructor values, keeps nothing from a call, draws no random numbers and, unless clipping or rounding is its whole
    purpose, never clamps. Every constructor argument is kept under its own name, which is how a stage is saved.

    `forward` and `inverse` of every subclass check layout, dtype, batch and device before they run.

    Attributes:
        takes: the space of the input of `forward`.
        gives: the space of its output.
        contract: what is promised of the two directions.

    >>> class Negative(Stage):
    ...     takes = gives = Space("srgb", 3)
    ...     contract = Contract(round_trip=0.0, re_render=0.0)
    ...     def forward(self, x, capture):
    ...         return 1 - x
    ...     def inverse(self, y, capture):
    ...         return 1 - y
    >>> stage = Negative()
    >>> stage.inv.inv is stage
    True
    """

    takes: Space
    gives: Space
    contract: Contract

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__mro__[1:]:
            if issubclass(base, Stage) and not inspect.isabstract(base):
                raise TypeError(f"{cls.__name__} subclasses the concrete stage {base.__name__}: compose stages instead")
        for verb, side in (("forward", "takes"), ("inverse", "gives")):
            method = vars(cls).get(verb)
            if method is not None and not getattr(method, "__isabstractmethod__", False):
                setattr(cls, verb, _checked(method, side))

    @abstractmethod
    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        """Render: from `takes` to `gives`."""

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        """Undo `forward`: from `gives` to `takes`; raises `OneWay` where a stage has no inverse."""
        raise OneWay(f"{type(self).__name__} has no inverse ({self.takes.name} -> {self.gives.name} only)")

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where the round-trip promise holds: `[B,1,H,W]` bool over the pixels of `x`."""
        return torch.ones_like(x[:, :1], dtype=torch.bool)

    @property
    def two_way(self) -> bool:
        """Whether the stage has an inverse at all."""
        return type(self).inverse is not Stage.inverse

    @property
    def inv(self) -> "Stage":
        """The stage read backwards; `stage.inv.inv is stage`."""
        return Inverse(self)

    def hold(self, name: str, value: Quantity | None, shape: tuple[int | None, ...]) -> None:
        """Keep a constructor value: a parameter as such, other values as a buffer, None for "read the capture".

        Numbers become float64, so that a pipeline in float64 loses nothing. `shape` is that of one sample (None: any
        length); a leading batch dimension is accepted.

        Raises:
            InvalidArgument: when the shape is another one or a value is not finite.
        """
        if value is None:
            self.register_buffer(name, None)
            return
        if not isinstance(value, Tensor):
            value = torch.tensor(value, dtype=torch.float64)
        for dims in (value.shape, value.shape[1:]):
            if len(dims) == len(shape) and all(want in (None, got) for want, got in zip(shape, dims, strict=True)):
                break
        else:
            wanted = tuple("any" if size is None else size for size in shape)
            raise InvalidArgument(f"{type(self).__name__}: {name} must have shape {wanted}, got {tuple(value.shape)}")
        if not value.isfinite().all():
            raise InvalidArgument(f"{type(self).__name__}: {name} must be finite, got {value.tolist()}")
        if isinstance(value, nn.Parameter):
            self.register_parameter(name, value)
        else:
            self.register_buffer(name, value)

    def quantity(self, name: str, capture: Capture, like: Tensor | None = None) -> Tensor:
        """The stage's own value of `name`, else the capture's, in the dtype of `like`, or in float64."""
        own = getattr(self, name)
        value: Tensor = getattr(capture, name) if own is None else own
        return value.to(torch.float64 if like is None else like.dtype)

    def forward_steps(self, capture: Capture) -> list["Step"] | None:
        """What `forward` does to each pixel, as steps for the native kernels; None where it is more than that.

        The steps equal `forward` to rounding, their gradients too; their numbers are float64, made of the stage's
        quantities by differentiable operations.
        """
        return None

    def inverse_steps(self, capture: Capture) -> list["Step"] | None:
        """The same of `inverse`."""
        return None

    def extra_repr(self) -> str:
        return f"{self.takes.name} -> {self.gives.name}"


def _checked(method: Callable[..., Tensor], side: str) -> Callable[..., Tensor]:
    @functools.wraps(method)
    def verb(self: Stage, tensor: Tensor, capture: Capture) -> Tensor:
        getattr(self, side).check(tensor)
        capture.check(tensor)
        return method(self, tensor, capture)

    return verb


class Inverse(Stage):
    """A stage read backwards: what `stage.inv` gives."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.takes, self.gives, self.contract = stage.gives, stage.takes, stage.contract.inv

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return self.stage.inverse(x, capture)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return self.stage.forward(y, capture)

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where `x` came from the stage's domain, if it is a rendering at all (that is not checked)."""
        return resample_mask(
            self.stage.in_domain(self.stage.inverse(x, capture), capture), self.stage.takes, self.takes
        )

    def forward_steps(self, capture: Capture) -> list["Step"] | None:
        return self.stage.inverse_steps(capture)

    def inverse_steps(self, capture: Capture) -> list["Step"] | None:
        return self.stage.forward_steps(capture)

    @property
    def two_way(self) -> bool:
        return self.stage.two_way

    @property
    def inv(self) -> Stage:
        return self.stage


class Pair(Stage):
    """One two-way stage of two opposite one-way ones, such as a JPEG and its learned restoration.

    Args:
        there: used by `forward`.
        back: used by `inverse`; takes what `there` gives and gives what it takes.
        contract: what is known of the two together; by default nothing is promised.

    Raises:
        InvalidArgument: when the spaces of the two are not opposite.
    """

    def __init__(self, there: Stage, back: Stage, contract: Contract | None = None) -> None:
        super().__init__()
        if (there.takes, there.gives) != (back.gives, back.takes):
            raise InvalidArgument(
                f"Pair: back must lead from {there.gives.name} to {there.takes.name}, "
                f"got {back.takes.name} -> {back.gives.name}"
            )
        self.there, self.back = there, back
        self.takes, self.gives = there.takes, there.gives
        promised = there.contract
        self.contract = contract or Contract(
            None, None, promised.condition, promised.reach, promised.period, promised.neutral, promised.differentiable
        )

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return self.there.forward(x, capture)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return self.back.forward(y, capture)

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        return self.there.in_domain(x, capture)


class Learned(Stage):
    """Any tensor-to-tensor module as a one-way stage; `Pair` two of them for both directions.

    Args:
        net: called with the input tensor alone; must keep batch and give the layout of `gives`.
        takes: the space of its input.
        gives: the space of its output.
        contract: by default nothing is promised and the whole frame may matter.

    >>> from isptoolkit import SRGB
    >>> stage = Learned(nn.Conv2d(3, 3, 1), takes=SRGB, gives=SRGB)
    >>> stage.contract.round_trip is None
    True
    """

    def __init__(self, net: nn.Module, takes: Space, gives: Space, contract: Contract | None = None) -> None:
        super().__init__()
        self.net, self.takes, self.gives = net, takes, gives
        self.contract = contract or Contract(None, None, reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        y: Tensor = self.net(x)
        self.gives.check(y)
        return y

"""One step of an image signal processor: its two directions and its contract."""

import functools
import inspect
import numbers
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
from torch import Tensor, nn

from .bound import Bound
from .capture import ADVICE, LAYOUTS, Capture
from .contract import Contract
from .display import constructor_call
from .errors import InvalidArgument, InvalidCapture, OneWay
from .spaces import Space, resample_mask

if TYPE_CHECKING:
    from .kernels.steps import Step

Quantity: TypeAlias = float | Sequence[Any] | Tensor
"""What a constructor accepts for a physical quantity: a number, nested numbers, a tensor, or an `nn.Parameter`."""


class Stage(nn.Module, ABC):
    """A step from one space to another: `forward` renders, `inverse` undoes it, and `contract` says how closely.

    A stage is abstract or final: a concrete stage is never subclassed. It reads only its input, the capture and its own
    constructor values, keeps no state between calls, draws no random numbers and, unless clipping or rounding is its
    sole purpose, never clamps. Every constructor argument is stored under its own name, because saving depends on it.

    `forward` and `inverse` of every subclass check layout, dtype, batch and device before they run. Once constructed, a
    stage refuses plain numbers for its attributes: contracts and checks are computed from them in the constructor.

    Attributes:
        takes: the space of the input of `forward`.
        gives: the space of its output.
        contract: what is promised of the two directions.
        layouts: the cfa of the captures that the stage accepts; others raise `InvalidCapture`.

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
    layouts: tuple[str, ...] = LAYOUTS
    _constructed = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__mro__[1:]:
            if issubclass(base, Stage) and not inspect.isabstract(base):
                raise TypeError(f"{cls.__name__} subclasses the concrete stage {base.__name__}: compose stages instead")
        for name, side in (("forward", "takes"), ("inverse", "gives")):
            method = vars(cls).get(name)
            if method is not None and not getattr(method, "__isabstractmethod__", False):
                setattr(cls, name, _checked(method, side))
        if "__init__" in vars(cls):
            _seal_after_construction(cls)

    def __init__(self) -> None:
        super().__init__()
        self._constructed = type(self).__init__ is Stage.__init__

    def __setattr__(self, name: str, value: Any) -> None:
        if self._constructed and not name.startswith("_") and self._is_plain_number(name, value):
            kind = type(self).__name__
            held = self._parameters.get(name, self._buffers.get(name))
            write = f"fill_({value!r})" if isinstance(value, numbers.Number) else f"copy_(torch.tensor({value!r}))"
            in_place = "" if held is None else f", or write in place: with torch.no_grad(): stage.{name}.{write}"
            raise InvalidArgument(
                f"{kind}: {name} cannot be set to {value!r} on a constructed stage: construct a new "
                f"{kind}({name}={value!r}) and swap it into the pipeline{in_place}"
            )
        super().__setattr__(name, value)

    def _is_plain_number(self, name: str, value: Any) -> bool:
        """Whether `value` is a number, or stands for one: anything but a tensor where the stage holds a tensor."""
        if name in self._parameters or name in self._buffers:
            return not (value is None or isinstance(value, Tensor))
        return isinstance(value, numbers.Number) and not isinstance(value, bool)

    @abstractmethod
    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        """Render: from `takes` to `gives`."""

    if TYPE_CHECKING:

        def __call__(self, x: Tensor, capture: Capture) -> Tensor: ...

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        """Undo `forward`: from `gives` to `takes`; raises `OneWay` if the stage has no inverse."""
        raise OneWay(f"{type(self).__name__} has no inverse ({self.takes.name} -> {self.gives.name} only)")

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where the round-trip promise holds: `[B,1,H,W]` bool over the pixels of `x`."""
        return torch.ones_like(x[:, :1], dtype=torch.bool)

    def check_values(self, x: Tensor, capture: Capture) -> None:
        """Raise if the input of `forward` cannot be what the capture describes; accepts everything by default."""

    @property
    def has_domain(self) -> bool:
        """Whether the contract is limited to a domain: False if it holds for every input."""
        return type(self).in_domain is not Stage.in_domain

    @property
    def two_way(self) -> bool:
        """Whether the stage has an inverse at all."""
        return type(self).inverse is not Stage.inverse

    @property
    def inv(self) -> "Stage":
        """The reversed stage; `stage.inv.inv is stage`."""
        return Inverse(self)

    def bind(self, capture: Capture) -> Bound:
        """A plain `nn.Module` of one tensor argument, for `nn.Sequential`, transforms and `DataLoader` workers.

        >>> from isptoolkit import presets
        >>> camera = presets.classic().bind(Capture.of("RGGB", black=64, white=1023))
        >>> camera(torch.full((1, 4, 4), 512.0)).shape
        torch.Size([3, 4, 4])
        """
        return Bound(self, capture)

    def hold(self, name: str, value: Quantity | None, shape: tuple[int | None, ...]) -> None:
        """Store a constructor value: a parameter as one, other values as a buffer, None for "read the capture".

        Numbers become float64, so that a pipeline in float64 loses no precision.

        Args:
            name: of the attribute, equal to that of the constructor argument.
            value: a number, nested numbers, a tensor, or an `nn.Parameter`.
            shape: of one sample (None: any length); a leading batch dimension is accepted.

        Raises:
            InvalidArgument: for another shape, or values that are not finite.
        """
        if value is None:
            self.register_buffer(name, None)
            return
        if not isinstance(value, Tensor):
            value = torch.tensor(value, dtype=torch.float64)
        for sizes in (value.shape, value.shape[1:]):
            if len(sizes) == len(shape) and all(size in (None, got) for size, got in zip(shape, sizes, strict=True)):
                break
        else:
            expected = tuple("any" if size is None else size for size in shape)
            raise InvalidArgument(f"{type(self).__name__}: {name} must have shape {expected}, got {tuple(value.shape)}")
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
        """`forward` as per-pixel steps for the native kernels; None if it does anything else.

        The steps equal `forward` to rounding, and so do their gradients. Their coefficients are float64 tensors,
        computed from the stage's quantities by differentiable operations.
        """
        return None

    def inverse_steps(self, capture: Capture) -> list["Step"] | None:
        """`inverse` as per-pixel steps for the native kernels; None if it does anything else."""
        return None

    def __repr__(self) -> str:
        return constructor_call(self)


def _checked(method: Callable[..., Tensor], side: str) -> Callable[..., Tensor]:
    """A direction of a stage that checks its input first."""

    @functools.wraps(method)
    def run(self: Stage, tensor: Tensor, capture: Capture) -> Tensor:
        if capture.cfa not in self.layouts:
            raise InvalidCapture(
                f"{type(self).__name__} takes samples of {' or '.join(self.layouts)}, but the capture has the cfa "
                f"{capture.cfa!r}: {ADVICE[capture.cfa]}"
            )
        getattr(self, side).check(tensor)
        capture.check(tensor)
        return method(self, tensor, capture)

    return run


def _seal_after_construction(cls: type[Stage]) -> None:
    """Mark instances as constructed when the outermost constructor returns.

    A metaclass would do it for every class, but would hide the signatures of constructors from `inspect`.
    """
    construct = cls.__init__

    @functools.wraps(construct)
    def __init__(self: Stage, *args: Any, **kwargs: Any) -> None:
        construct(self, *args, **kwargs)
        if type(self).__init__ is __init__:
            self._constructed = True

    setattr(cls, "__init__", __init__)  # noqa: B010


class Inverse(Stage):
    """A reversed stage, as `stage.inv` returns it: `forward` is the stage's `inverse`, and conversely.

    >>> from isptoolkit.stages import Gain
    >>> Gain(2.0).inv
    Gain(gain=2.0, space=MOSAIC).inv
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.takes, self.gives, self.contract = stage.gives, stage.takes, stage.contract.inv
        self.layouts = stage.layouts

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return self.stage.inverse(x, capture)

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return self.stage.forward(y, capture)

    def in_domain(self, x: Tensor, capture: Capture) -> Tensor:
        """Where the stage's inverse of `x` lies in its domain; whether `x` is a rendering at all is not checked."""
        return resample_mask(
            self.stage.in_domain(self.stage.inverse(x, capture), capture), self.stage.takes, self.takes
        )

    def forward_steps(self, capture: Capture) -> list["Step"] | None:
        return self.stage.inverse_steps(capture)

    def inverse_steps(self, capture: Capture) -> list["Step"] | None:
        return self.stage.forward_steps(capture)

    @property
    def has_domain(self) -> bool:
        return self.stage.has_domain

    @property
    def two_way(self) -> bool:
        return self.stage.two_way

    @property
    def inv(self) -> Stage:
        return self.stage

    def __repr__(self) -> str:
        return f"{self.stage!r}.inv"

"""Stages around other modules: a two-way stage of two opposite ones, and any network as a stage."""

from torch import Tensor, nn

from .capture import Capture, shared_layouts
from .contract import Contract
from .errors import InvalidArgument
from .spaces import Space
from .stage import Stage


class Pair(Stage):
    """A two-way stage made of two opposite one-way stages, such as JPEG and its learned restoration.

    Args:
        there: used by `forward`.
        back: used by `inverse`, from the space that `there` gives to the space that it takes.
        contract: what is known of the two together; by default nothing is promised.

    Raises:
        InvalidArgument: if the two do not connect the same spaces in opposite directions.
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
        self.layouts = shared_layouts([there.layouts, back.layouts])
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

    @property
    def has_domain(self) -> bool:
        return self.there.has_domain


class Learned(Stage):
    """Any tensor-to-tensor module as a one-way stage; combine two in a `Pair` for both directions.

    Args:
        net: called with the input tensor alone; keeps the batch size and returns the layout of `gives`.
        takes: the space of its input.
        gives: the space of its output.
        contract: by default nothing is promised, and any output pixel may depend on the whole frame.

    Raises:
        InvalidTensor: in `forward`, for an output that does not have the layout of `gives`.

    >>> from isptoolkit import SRGB
    >>> Learned(nn.Conv2d(3, 3, 1), takes=SRGB, gives=SRGB)
    Learned(net=<Conv2d, 12 parameters>, takes=SRGB, gives=SRGB)
    """

    def __init__(self, net: nn.Module, takes: Space, gives: Space, contract: Contract | None = None) -> None:
        super().__init__()
        self.net, self.takes, self.gives = net, takes, gives
        self.contract = contract or Contract(None, None, reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        y: Tensor = self.net(x)
        self.gives.check(y)
        return y

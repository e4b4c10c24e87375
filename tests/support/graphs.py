"""A pipeline with every kind of part, for tests of its graph."""

from torch import Tensor, nn

from isptoolkit import (
    MOSAIC,
    SENSOR,
    SRGB,
    Capture,
    ChannelSplit,
    Contract,
    Learned,
    Pair,
    Parallel,
    Pipeline,
    Space,
    Stage,
)


class Step(Stage):
    """Does nothing, from any space to any."""

    def __init__(self, takes: Space, gives: Space, round_trip: float | None = 0.0) -> None:
        super().__init__()
        self.takes, self.gives, self.round_trip = takes, gives, round_trip
        self.contract = Contract(round_trip, None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        return x

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return y


def graph() -> Pipeline:
    split = ChannelSplit(SRGB, (1, 2))
    luma, chroma = split.gives
    net = Learned(nn.Identity(), SRGB, SRGB)
    return Pipeline(
        levels=Step(SENSOR, MOSAIC),
        render=Pipeline(demosaic=Step(MOSAIC, SRGB, None), tone=Step(SRGB, SRGB)),
        color=Parallel(split, luma=Step(luma, luma), chroma=Pipeline(a=Step(chroma, chroma), b=Step(chroma, chroma))),
        jpeg=Pair(net, Learned(nn.Identity(), SRGB, SRGB)),
        quantize=Step(SRGB, SRGB, 0.25),
        back=Pipeline(x=Step(SRGB, MOSAIC), y=Step(MOSAIC, SRGB)).inv,
        learned=net,
    )

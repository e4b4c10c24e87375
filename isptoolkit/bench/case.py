"""What entrants are trained and tested on."""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..capture import Capture
from ..data import Batch
from ..train.loop import Source


@dataclass(frozen=True)
class Case:
    """A test picture and the RAW that it was made of, one sample.

    Args:
        name: of the file, tile or scene.
        sensor: `[1,1,H,W]` digital numbers, RGGB.
        capture: of the same.
        picture: `[1,3,H,W]` sRGB, 0 to 1.
    """

    name: str
    sensor: Tensor
    capture: Capture
    picture: Tensor

    def to(self, device: str) -> "Case":
        """The same on another device."""
        return Case(self.name, self.sensor.to(device), self.capture.to(device), self.picture.to(device))

    @staticmethod
    def of(name: str, batch: Batch) -> "Case":
        """Of a batch of one sample."""
        return Case(name, batch.sensor, batch.capture, batch.target)


class Pairs(Protocol):
    """Data of a protocol."""

    @property
    def train(self) -> Source:
        """What is learned from."""

    @property
    def cases(self) -> list[Case]:
        """What is tested on."""

    @property
    def fingerprint(self) -> str:
        """Changes when the data does."""

    @property
    def notes(self) -> list[str]:
        """What is to be said about the data beside every result, such as files that were passed over."""

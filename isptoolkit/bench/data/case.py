"""What entrants are trained and tested on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from torch import Tensor

from ...capture import Capture
from ...data import Batch
from ...train.loop import Source


@dataclass(frozen=True)
class Case:
    """RAW, and what an entrant is given to find it.

    Args:
        name: of the file, tile or scene.
        sensor: `[1,1,H,W]` digital numbers, RGGB.
        capture: of the same.
        given: `[1,3,H,W]` sRGB, 0 to 1; or, to a denoiser, `[1,1,H,W]` digital numbers with noise.
    """

    name: str
    sensor: Tensor
    capture: Capture
    given: Tensor

    def to(self, device: str) -> "Case":
        """The same on another device."""
        return Case(self.name, self.sensor.to(device), self.capture.to(device), self.given.to(device))

    @staticmethod
    def of(name: str, batch: Batch) -> "Case":
        """Of a batch of one sample of RAW and its picture."""
        return Case(name, batch.sensor, batch.capture, batch.target)


class Cases(Sequence[Case]):
    """Cases that are made when they are asked for, and not kept.

    Args:
        count: how many.
        make: of a number.

    >>> import torch
    >>> cases = Cases(3, lambda n: Case(f"{n}", torch.zeros(1, 1, 2, 2), Capture.of("RGGB"), torch.zeros(1, 3, 2, 2)))
    >>> len(cases), [case.name for case in cases], cases[-1].name
    (3, ['0', '1', '2'], '2')
    """

    def __init__(self, count: int, make: Callable[[int], Case]) -> None:
        self._numbers, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, number: int) -> Case: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Case]: ...
    def __getitem__(self, number: int | slice) -> Case | Sequence[Case]:
        chosen = self._numbers[number]
        return self._make(chosen) if isinstance(chosen, int) else [self._make(one) for one in chosen]


class Pairs(Protocol):
    """Data of a protocol."""

    @property
    def train(self) -> Source:
        """What is learned from."""

    @property
    def cases(self) -> Sequence[Case]:
        """What is tested on."""

    @property
    def fingerprint(self) -> str:
        """Changes when the data does."""

    @property
    def notes(self) -> list[str]:
        """What is to be said about the data beside every result, such as files that were passed over."""

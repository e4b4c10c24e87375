"""Training and test data of a protocol."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

from torch import Tensor

from ...capture import Capture
from ...data import Batch
from ...train.loop import Source


@dataclass(frozen=True)
class Case:
    """A test case: the true RAW, and the input from which an entrant recovers it.

    Args:
        name: name of the file, tile, or scene.
        sensor: `[1,1,H,W]` true RAW in digital numbers, RGGB.
        capture: metadata of the RAW.
        input: the input, `[1,3,H,W]` sRGB in [0, 1]; for denoisers, `[1,1,H,W]` noisy RAW in digital numbers.
    """

    name: str
    sensor: Tensor
    capture: Capture
    input: Tensor

    def to(self, device: str) -> "Case":
        """Copy the case to a device."""
        return Case(self.name, self.sensor.to(device), self.capture.to(device), self.input.to(device))

    @staticmethod
    def of(name: str, batch: Batch) -> "Case":
        """Make a case of a batch of one sample, whose target is the input.

        Args:
            name: name of the file, tile, or scene.
            batch: RAW and its sRGB image.
        """
        return Case(name, batch.sensor, batch.capture, batch.target)


class Cases(Sequence[Case]):
    """A sequence of cases that are made on access and not stored.

    Args:
        count: number of cases.
        make: makes the case of an index.

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
        selected = self._numbers[number]
        return self._make(selected) if isinstance(selected, int) else [self._make(one) for one in selected]


class Pairs(Protocol):
    """The data of a protocol: what its reader returns."""

    @property
    def train(self) -> Source:
        """Source of training batches."""

    @property
    def cases(self) -> Sequence[Case]:
        """Test cases."""

    @property
    def fingerprint(self) -> str:
        """A hash that changes if the data change."""

    @property
    def notes(self) -> list[str]:
        """Remarks about the data for every report, such as skipped files."""

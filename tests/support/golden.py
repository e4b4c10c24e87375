"""Inputs and outputs of the published programs, and the weights that produced them.

A file of `tests/vectors` names the tensors of a published network. Its weights are drawn from those names, with one
random stream each, so that no weights need to be stored. Only the rule is fixed, not the values: a file made from
another input passes the same tests.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


class Golden:
    """One file of `tests/vectors`.

    Args:
        name: name of the file, without the number of its seed.
    """

    def __init__(self, name: str) -> None:
        (path,) = VECTORS.glob(f"{name}-*.npz")
        with np.load(path) as file:
            self._arrays = {key: file[key] for key in file.files}
        self.meta: dict[str, Any] = json.loads(str(self._arrays.pop("meta")))

    def __getitem__(self, name: str) -> Tensor:
        """A stored input or output."""
        return torch.from_numpy(np.array(self._arrays[name]))

    def __contains__(self, name: str) -> bool:
        return name in self._arrays

    def weights(self) -> dict[str, Tensor]:
        """The weights of the published network, by published name, in the published order."""
        drawn = {key: _draw(key, *rule) for key, *rule in self.meta["keys"] if rule[-1] is not None}
        checksum = 0
        for values in drawn.values():
            checksum = zlib.crc32(values.tobytes(), checksum)
        assert checksum == self.meta["weights_crc32"], "these are not the weights that produced the file"
        return {key: torch.from_numpy(values) for key, values in drawn.items()}

    def tolerance(self, name: str, expected: Tensor) -> float:
        """The tolerance for another implementation: five times the program's own rounding, or 2e-5 of the maximum."""
        measured = self.meta.get("tolerance", {}).get(name, {})
        rounding = max((float(measured[key]) for key in _ROUNDINGS if key in measured), default=0.0)
        return max(5 * rounding, 2e-5 * float(expected.abs().max()))

    def check(self, name: str, output: Tensor, *, tolerance: float | None = None) -> float:
        """Compare an output with the published one.

        Returns:
            The largest difference.
        """
        expected = self[name]
        assert output.shape == expected.shape, f"{name}: {tuple(output.shape)}, published {tuple(expected.shape)}"
        difference = float((output.detach().double() - expected.double()).abs().max())
        allowed = self.tolerance(name, expected) if tolerance is None else tolerance
        assert difference <= allowed, f"{name} differs by {difference:.2e}, more than the tolerance of {allowed:.2e}"
        return difference


_ROUNDINGS = ("two_threads_max_abs", "float64_max_abs", "two_threads", "float64")
"""Changes of the program's own output with another number of threads, and in float64."""


def _draw(key: str, shape: list[int], offset: float, scale: float) -> np.ndarray:
    stream = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode())))
    values = stream.standard_normal(tuple(shape)).astype(np.float32)
    weights: np.ndarray = np.float32(offset) + np.float32(scale) * values
    return weights


def load_published(
    net: nn.Module, weights: Mapping[str, Tensor], name_of: Callable[[str], str], *, unused: tuple[str, ...] = ()
) -> None:
    """Load published weights into a network of this project; each published tensor is used exactly once.

    Args:
        net: network to load into.
        weights: weights by published name.
        name_of: maps a name of the network's state dict to the published name.
        unused: published names, or prefixes of them, of tensors that the program allocates but this network lacks.
    """
    ours = {key: name_of(key) for key in net.state_dict()}
    taken = list(ours.values())
    assert len(set(taken)) == len(taken), "two tensors of the network map to one published tensor"
    left = [key for key in weights if key not in set(taken) and not key.startswith(unused or ("\0",))]
    assert not left, f"published tensors that the network does not use: {left[:5]}"
    net.load_state_dict({key: weights[published] for key, published in ours.items()})

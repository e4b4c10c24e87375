"""Checkpoints of InvISP's published program."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isptoolkit.errors import UnreadableFile

from .invisp_network import InvISP

_PARTS = {"F": "r", "H": "s", "G": "t"}
_MIX = {"lower": "lower", "upper": "upper", "log_s": "log_scale", "p": "permutation", "sign_s": "sign"}
_KEY = re.compile(
    r"operations\.(0|[1-9][0-9]{0,3})\.(?:invconv\.(lower|upper|log_s|p|sign_s)|([FGH])\.conv([1-5])\.(weight|bias))"
)


_KEYS_OF_A_BLOCK = 35
"""Tensors of a block: five of the 1x1 convolution, weights and biases of three networks of five layers."""
_MOST_GROWTH = 4096
"""The largest growth of a checkpoint that is read; the published checkpoint has 32."""


def load_official(source: str | Path | Mapping[str, Any]) -> InvISP:
    """The network of a checkpoint of the published program.

    Args:
        source: a `.pth` of the published program, read without executing any code in it, or its state.

    Raises:
        UnreadableFile: if the file cannot be read safely, or holds another network.

    >>> len(official_state(InvISP(blocks=2)))
    70
    """
    state = source if isinstance(source, Mapping) else _read(Path(source))
    own = {}
    for key, value in state.items():
        name = own_key(str(key))
        if name is None or not isinstance(value, Tensor):
            raise UnreadableFile(f"not a checkpoint of InvISP: it holds {key!r} of type {type(value).__name__}")
        own[name] = value
    blocks = len({int(name.split(".")[2]) // 2 for name in own})
    first = own.get("flow.steps.1.r.convs.0.weight")
    if first is None:
        raise UnreadableFile("not a checkpoint of InvISP: it lacks operations.0.F.conv1.weight")
    if first.shape[1:] != (2, 3, 3) or not 0 < len(first) <= _MOST_GROWTH:
        shape = list(first.shape)
        raise UnreadableFile(
            f"the checkpoint of InvISP has operations.0.F.conv1.weight as {shape}, not [growth, 2, 3, 3]"
        )
    if (blocks - 1) * _KEYS_OF_A_BLOCK > len(own):
        raise UnreadableFile(f"the checkpoint of InvISP has {len(own)} tensors for {blocks} blocks: some are missing")
    with torch.device("meta"):  # nothing is allocated for what the file does not hold
        expected = InvISP(blocks, growth=len(first))
    for name, value in expected.state_dict().items():
        if name not in own:
            raise UnreadableFile(f"the checkpoint of InvISP lacks {official_key(name)}")
        stored = own[name]
        if stored.shape != value.shape or stored.dtype != value.dtype:
            raise UnreadableFile(
                f"the checkpoint of InvISP has {official_key(name)} as {list(stored.shape)} {stored.dtype}, "
                f"not {list(value.shape)} {value.dtype}"
            )
        if stored.layout != torch.strided or stored.is_meta or not stored.is_contiguous():
            raise UnreadableFile(f"the checkpoint of InvISP does not hold every number of {official_key(name)}")
    network = InvISP(blocks, growth=len(first))
    network.load_state_dict(own)
    return network.eval()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableFile(f"{path} is not a checkpoint that can be read safely: {why}") from None
    if not isinstance(state, Mapping):
        raise UnreadableFile(f"{path} does not contain a network's state but {type(state).__name__}")
    return state


def own_key(official: str) -> str | None:
    """The name here of a tensor of the published program; None for any other key.

    >>> own_key("operations.2.G.conv1.bias"), own_key("operations.0.invconv.p")
    ('flow.steps.5.t.convs.0.bias', 'flow.steps.0.permutation')
    """
    found = _KEY.fullmatch(official)
    if found is None:
        return None
    index, mix, part, conv, kind = found.groups()
    if mix:
        return f"flow.steps.{2 * int(index)}.{_MIX[mix]}"
    return f"flow.steps.{2 * int(index) + 1}.{_PARTS[part]}.convs.{int(conv) - 1}.{kind}"


def official_key(own: str) -> str:
    """The published program's name of a tensor of `InvISP`; the inverse of `own_key`.

    >>> official_key("flow.steps.5.t.convs.0.bias")
    'operations.2.G.conv1.bias'
    """
    parts = own.split(".")
    index = int(parts[2])
    if index % 2 == 0:
        return f"operations.{index // 2}.invconv.{next(k for k, v in _MIX.items() if v == parts[3])}"
    letter = next(k for k, v in _PARTS.items() if v == parts[3])
    return f"operations.{index // 2}.{letter}.conv{int(parts[5]) + 1}.{parts[6]}"


def official_state(stage: InvISP) -> dict[str, Tensor]:
    """The network's state under the names of the published program."""
    return {official_key(name): value for name, value in stage.state_dict().items()}

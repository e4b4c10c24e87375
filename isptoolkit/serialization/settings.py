"""A stage once more, with some of its constructor values changed."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..errors import PipelineFileError
from ..stage import Stage
from .document import SPACES, build, dump, encode, join, listed
from .signatures import arguments


def with_values(stage: Stage, settings: Mapping[str, Any], known: Mapping[str, Callable[..., Any]]) -> Stage:
    """A new stage with some constructor values changed; nothing is shared with the old one.

    Args:
        stage: usually a pipeline; stages are named as in `pipeline`, nested ones with dots.
        settings: `{"curve.space": "linear", "levels.white": 1023}`.
        known: as for `build`.

    Raises:
        PipelineFileError: for a name that does not exist (says which do) or a value that the stage refuses.
    """
    document, tensors = dump(stage)
    for dotted, value in settings.items():
        node, place = document, ""
        *parents, last = dotted.split(".")
        for step in parents:
            inside = _inside(node)
            if step not in inside:
                raise PipelineFileError(f"{dotted}: no stage {step!r} here, there is {listed(inside)}")
            place, node = join(place, inside[step][0]), inside[step][1]
        kind = node["type"]
        if kind not in known:
            raise PipelineFileError(f"{dotted}: unknown class {kind!r}, pass it as well")
        takes = arguments(known[kind], place)
        settable = [name for name, a in takes.items() if a.kind is not a.VAR_KEYWORD]
        if last not in settable:
            there = [*settable, *(f"{name}.*" for name in _inside(node))]
            raise PipelineFileError(f"{dotted}: no value {last!r} here, there is {listed(there)}")
        here, old = join(place, last), node.get(last)
        tensors = {key: t for key, t in tensors.items() if key != here and not key.startswith(here + ".")}
        space = old in SPACES if isinstance(old, str) else isinstance(old, dict) and "channels" in old
        raw = isinstance(value, dict) or (isinstance(value, str) and space)
        node[last] = value if raw else encode(value, here, tensors, hint=Tensor)
    return build(document, tensors, known)


def _inside(node: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, value in node.items():
        if isinstance(value, dict) and "type" in value:
            found[name] = (name, value)
        elif isinstance(value, dict):
            found |= {k: (f"{name}.{k}", v) for k, v in value.items() if isinstance(v, dict) and "type" in v}
    return found

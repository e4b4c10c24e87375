"""Copies of a stage with some constructor values changed."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ..errors import PipelineFileError
from ..stage import Stage
from .document import SPACES, build, dump, encode, join, listed
from .signatures import arguments


def with_values(stage: Stage, settings: Mapping[str, Any], known: Mapping[str, Callable[..., Any]]) -> Stage:
    """A copy of a stage with some constructor values changed; it shares no tensors with the original.

    Args:
        stage: usually a pipeline.
        settings: by dotted name, such as `{"curve.space": "linear", "levels.white": 1023}`.
        known: by class name, the stages, splits and networks that may be constructed.

    Raises:
        PipelineFileError: for an unknown name (lists the known ones), or a value that the stage rejects.
    """
    document, tensors = dump(stage)
    for dotted, value in settings.items():
        node, place = document, ""
        *parents, last = dotted.split(".")
        for step in parents:
            inside = _inside(node)
            if step not in inside:
                raise PipelineFileError(f"{dotted}: there is no stage {step!r}, only {listed(inside)}")
            place, node = join(place, inside[step][0]), inside[step][1]
        kind = node["type"]
        if kind not in known:
            raise PipelineFileError(f"{dotted}: unknown class {kind!r}, pass it in known")
        takes = arguments(known[kind], place)
        settable = [name for name, a in takes.items() if a.kind is not a.VAR_KEYWORD]
        if last not in settable:
            choices = [*settable, *(f"{name}.*" for name in _inside(node))]
            owner = f"stage {'.'.join(parents)}" if parents else kind
            raise PipelineFileError(f"{owner} has no setting {last!r}, only {listed(choices)}")
        here, old = join(place, last), node.get(last)
        tensors = {key: t for key, t in tensors.items() if key != here and not key.startswith(here + ".")}
        space = old in SPACES if isinstance(old, str) else isinstance(old, dict) and "channels" in old
        raw = isinstance(value, dict) or (isinstance(value, str) and space)
        node[last] = value if raw else encode(value, here, tensors, hint=Tensor)
    try:
        return build(document, tensors, known)
    except PipelineFileError as error:
        # Pipeline files have a table `stages`; dotted names do not.
        place, colon, reason = str(error).partition(": ")
        raise PipelineFileError(re.sub(r"\bstages\.", "", place) + colon + reason) from error


def _inside(node: Mapping[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """The stages directly inside a document, by name: their keys in it, and their own documents."""
    stages: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, value in node.items():
        if isinstance(value, dict) and "type" in value:
            stages[name] = (name, value)
        elif isinstance(value, dict):
            stages |= {k: (f"{name}.{k}", v) for k, v in value.items() if isinstance(v, dict) and "type" in v}
    return stages

"""Stages as plain documents: constructor values by name, and tensors too long to read."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from .. import spaces
from ..contract import Contract
from ..errors import PipelineFileError
from ..parallel import Split
from ..spaces import Space
from ..stage import Stage
from .signatures import arguments, fits, hints_of, in_words

MAX_DEPTH = 32
"""Deepest nesting of stages and lists."""
INLINE = 16
"""Tensors with up to this many elements are written as numbers."""

SPACES = {s.name: s for s in vars(spaces).values() if isinstance(s, Space)}
_DTYPES = {"float64": torch.float64, "float32": torch.float32, "int64": torch.int64, "bool": torch.bool}
_BOUNDS = ("round_trip", "re_render", "reach")
# What constructors raise for arguments that they reject.
_REFUSALS = (ValueError, TypeError, RuntimeError, LookupError, AttributeError, ArithmeticError, MemoryError)


def dump(stage: Stage) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Describe a stage by a document of constructor values and a dictionary of tensors; `build` is the inverse.

    The tensors hold, by dotted place, tensors of more than 16 elements, every `nn.Parameter`, the `state_dict` of
    networks, and weights that a stage creates itself. A stage used twice is written twice.

    Raises:
        PipelineFileError: for a constructor argument that is not stored under its name, or cannot be written.

    >>> from isptoolkit.stages import Gain
    >>> dump(Gain(2.0))
    ({'type': 'Gain', 'gain': 2.0, 'space': 'mosaic'}, {})
    """
    tensors: dict[str, Tensor] = {}
    return _dump_stage(stage, "", tensors, 0), tensors


def _dump_stage(stage: nn.Module, place: str, tensors: dict[str, Tensor], depth: int) -> dict[str, Any]:
    kind = type(stage).__name__
    document: dict[str, Any] = {"type": kind}
    hints = hints_of(type(stage))
    for name, parameter in arguments(type(stage), place).items():
        here = join(place, name)
        if name == "type" or not hasattr(stage, name):
            raise PipelineFileError(f"{here}: {kind} must store its argument as attribute {name!r} to be saved")
        value = getattr(stage, name)
        if parameter.kind is parameter.VAR_KEYWORD:
            document[name] = {
                _identifier(key, here): encode(part, join(here, key), tensors, depth + 1) for key, part in value.items()
            }
        elif value is not None or parameter.default is not None:
            document[name] = encode(value, here, tensors, depth + 1, hints.get(name, Tensor))
    for name, value in _own_state(stage, document).items():
        tensors[join(place, name)] = _plain(value, join(place, name))
    return document


def encode(value: Any, place: str, tensors: dict[str, Tensor], depth: int = 0, hint: Any = Any) -> Any:
    """Encode one constructor value; `hint` decides whether plain numbers may represent a small tensor."""
    _check_depth(place, depth)
    match value:
        case None:
            return {"none": True}
        case bool() | int() | float():
            return value
        case str():
            return {"text": value} if value in SPACES else value
        case tuple() | list():
            return [encode(item, f"{place}[{i}]", tensors, depth + 1) for i, item in enumerate(value)]
        case Space():
            known = SPACES.get(value.name) == value
            return value.name if known else {n: getattr(value, n) for n in ("name", "channels", "downscale")}
        case Contract():
            fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
            return {name: field for name, field in fields.items() if field is not None}
        case nn.Parameter():
            tensors[place] = _plain(value, place)
            return {"parameter": place} | ({} if value.requires_grad else {"frozen": True})
        case Tensor() if 0 < value.numel() <= INLINE and value.dtype in _DTYPES.values():
            numbers = value.tolist()
            if value.dtype == torch.float64 and fits(tuple(numbers) if value.ndim else numbers, hint):
                return numbers
            return {"values": numbers, "dtype": str(value.dtype).removeprefix("torch.")}
        case Tensor():
            tensors[place] = _plain(value, place)
            return {"table": place}
        case Stage() | Split():
            return _dump_stage(value, place, tensors, depth)
        case nn.Module():
            for name, entry in value.state_dict().items():
                tensors[join(place, name)] = _plain(entry, join(place, name))
            return {"module": type(value).__name__} | ({} if value.training else {"training": False})
    raise PipelineFileError(f"{place}: a {type(value).__name__} cannot be saved, got {value!r:.80}")


def build(document: Mapping[str, Any], tensors: Mapping[str, Tensor], known: Mapping[str, Callable[..., Any]]) -> Stage:
    """Construct the stage that a document describes; nothing is imported, and only classes in `known` are called.

    Args:
        document: of constructor values, from `dump`.
        tensors: by dotted place, from `dump`.
        known: by class name, the stages, splits and networks that may be constructed; networks take no arguments.

    Raises:
        PipelineFileError: for a value that is malformed, unknown, missing or unused; names its dotted place.
    """
    builder = _Builder(tensors, known)
    stage = builder.decode(document, "", 0)
    if not isinstance(stage, Stage):
        raise PipelineFileError(f"type: a pipeline file describes a stage, got {type(stage).__name__}")
    unused = sorted(set(tensors) - builder.used)
    if unused:
        raise PipelineFileError(f"{unused[0]}: a tensor that no stage uses ({len(unused)} in all): save again")
    return stage


class _Builder:
    def __init__(self, tensors: Mapping[str, Tensor], known: Mapping[str, Callable[..., Any]]) -> None:
        self.tensors, self.known = tensors, known
        self.used: set[str] = set()

    def decode(self, value: Any, place: str, depth: int) -> Any:
        _check_depth(place, depth)
        match value:
            case bool() | int() | float():
                return value
            case str():
                return SPACES.get(value, value)
            case list():
                return tuple(self.decode(item, f"{place}[{i}]", depth + 1) for i, item in enumerate(value))
            case {"type": str(kind)}:
                return self.stage(kind, value, place, depth)
            case {"module": str(kind), **rest} if rest in ({}, {"training": False}):
                return self.module(kind, place, training=not rest)
            case {"table": str(key), **rest} if not rest:
                return self.tensor(key, place)
            case {"parameter": str(key), **rest} if rest in ({}, {"frozen": True}):
                weights = self.tensor(key, place)
                if not weights.is_floating_point():
                    raise PipelineFileError(
                        f"{place}: a parameter must be floating point, got {weights.dtype}: save again"
                    )
                return nn.Parameter(weights, requires_grad=not rest)
            case {"values": values, "dtype": str(dtype), **rest} if not rest and dtype in _DTYPES:
                return self.call(torch.tensor, place, values, dtype=_DTYPES[dtype])
            case {"text": str(text), **rest} if not rest:
                return text
            case {"none": True, **rest} if not rest:
                return None
            case {"name": str(), "channels": int(), **rest} if set(rest) <= {"downscale"}:
                return self.record(Space, value, place)
            case {"condition": int() | float(), **rest} if set(rest) < set(Contract.__dataclass_fields__):
                return self.record(Contract, dict.fromkeys(_BOUNDS) | value, place)
        raise PipelineFileError(f"{place or 'type'}: not a valid value in a pipeline file, got {value!r:.80}")

    def stage(self, kind: str, document: Mapping[str, Any], place: str, depth: int) -> nn.Module:
        make = self.maker(kind, place)
        if isinstance(make, type) and not issubclass(make, Stage | Split):
            raise PipelineFileError(f"{place or 'type'}: {kind} is not a stage, got type = {kind!r}")
        takes, hints = arguments(make, place), hints_of(make)
        fixed = {name for name, argument in takes.items() if argument.kind is not argument.VAR_KEYWORD}
        kwargs: dict[str, Any] = {}
        for name, value in document.items():
            here = join(place, name)
            if name == "type":
                continue
            if name not in takes:
                raise PipelineFileError(f"{here}: {kind} has no such argument, only {listed(takes)}")
            several = name not in fixed
            if several and not isinstance(value, dict):
                raise PipelineFileError(f"{here}: must be a table of named stages, got {value!r:.80}")
            for key, part in value.items() if several else [(name, value)]:
                inner = join(here, _identifier(key, here)) if several else here
                if several and (key == "self" or key in fixed):
                    raise PipelineFileError(f"{inner}: this name is reserved, choose another")
                kwargs[key] = self.decode(part, inner, depth + 1)
                if not fits(kwargs[key], hints.get(name, Any)):
                    raise PipelineFileError(f"{inner}: must be {in_words(hints[name])}, got {part!r:.80}")
        for name, argument in takes.items():
            optional = argument.default is not argument.empty or argument.kind is argument.VAR_KEYWORD
            if name not in document and not optional:
                raise PipelineFileError(f"{join(place, name)}: missing, {kind} needs it")
        stage = self.call(make, place, **kwargs)
        if not isinstance(stage, Stage | Split):
            raise PipelineFileError(f"{place or 'type'}: {kind} must be a stage, got {type(stage).__name__}")
        self.restore(stage, _own_state(stage, document), place)
        return stage

    def module(self, kind: str, place: str, *, training: bool) -> nn.Module:
        module = self.call(self.maker(kind, place), place)
        if not isinstance(module, nn.Module):
            raise PipelineFileError(f"{place}: {kind}() must return an nn.Module, got {type(module).__name__}")
        self.restore(module, module.state_dict(keep_vars=True), place)
        return module.train(training)

    def restore(self, module: nn.Module, state: Mapping[str, Any], place: str) -> None:
        for name, own in state.items():
            here = join(place, name)
            saved = self.tensor(here, here)
            if not isinstance(own, Tensor) or saved.shape != own.shape:
                expected = tuple(own.shape) if isinstance(own, Tensor) else type(own).__name__
                raise PipelineFileError(f"{here}: {type(module).__name__} needs {expected}, got {tuple(saved.shape)}")
            if saved.dtype != own.dtype and not (saved.is_floating_point() and own.is_floating_point()):
                raise PipelineFileError(f"{here}: {type(module).__name__} needs {own.dtype}, got {saved.dtype}")
            own.data = saved.to(own.device)

    def maker(self, kind: str, place: str) -> Callable[..., Any]:
        if kind not in self.known:
            raise PipelineFileError(f"{place or 'type'}: unknown class {kind!r:.80}, pass it in classes=[...]")
        return self.known[kind]

    def tensor(self, key: str, place: str) -> Tensor:
        if key not in self.tensors:
            raise PipelineFileError(f"{place}: no tensor {key!r:.80} in the weights: save again")
        self.used.add(key)
        return self.tensors[key].clone()

    def record(self, make: type, fields: Mapping[str, Any], place: str) -> Any:
        hints = hints_of(make)
        for name, value in fields.items():
            if not fits(value, hints[name]):
                raise PipelineFileError(f"{place}.{name}: invalid value for {make.__name__}, got {value!r:.80}")
        return self.call(make, place, **fields)

    def call(self, make: Callable[..., Any], place: str, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return make(*args, **kwargs)
        except _REFUSALS as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            name = getattr(make, "__name__", make)
            if not reason.startswith(f"{name}: "):
                reason = f"{name} rejected its arguments: {reason}"
            raise PipelineFileError(f"{place or 'type'}: {reason.removeprefix(f'{name}: ')}") from error


def _own_state(stage: nn.Module, document: Mapping[str, Any]) -> dict[str, Any]:
    named = set(document) | set(arguments(type(stage), ""))
    state = stage.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if name.partition(".")[0] not in named}


def _plain(value: Any, place: str) -> Tensor:
    if not isinstance(value, Tensor) or value.is_sparse or value.is_complex():
        raise PipelineFileError(f"{place}: only dense real tensors can be saved, got {type(value).__name__}")
    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def _check_depth(place: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise PipelineFileError(f"{place:.80}: stages and lists nest deeper than {MAX_DEPTH} levels: flatten them")


def _identifier(name: str, place: str) -> str:
    if not name.isidentifier():
        raise PipelineFileError(f"{place}: {name!r:.80} cannot name a stage, use letters, digits and underscores")
    return name


def join(place: str, name: str) -> str:
    """A dotted place, one level deeper."""
    return f"{place}.{name}" if place else name


def listed(names: Iterable[str]) -> str:
    """Names separated by commas, for messages."""
    return ", ".join(names) or "nothing"

"""What constructors take, by name and type."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from torch import nn

from ..errors import PipelineFileError


def arguments(make: Callable[..., Any], place: str) -> Mapping[str, inspect.Parameter]:
    """The named arguments of a class or factory; raises `PipelineFileError` where there are nameless ones."""
    if getattr(make, "__init__", None) is nn.Module.__init__:  # takes anything and uses nothing
        return {}
    try:
        found = inspect.signature(make).parameters
    except (TypeError, ValueError) as error:
        raise PipelineFileError(f"{place or 'type'}: {make!r:.80} does not say which arguments it takes") from error
    if any(a.kind in (a.VAR_POSITIONAL, a.POSITIONAL_ONLY) for a in found.values()):
        raise PipelineFileError(f"{place or 'type'}: {make!r:.80} takes arguments without names: name them to save it")
    return found


def hints_of(make: Any) -> dict[str, Any]:
    """The annotations of the arguments, or none at all where they cannot be evaluated."""
    try:
        return dict(get_type_hints(make.__init__ if isinstance(make, type) else make))  # type: ignore[misc]
    except (NameError, TypeError, AttributeError):  # annotations that exist for type checkers only
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the annotated type; what cannot be told fits. Numbers stand for floats, never for bools.

    >>> from collections.abc import Sequence
    >>> fits(3, float | None), fits(True, float), fits("abc", Sequence[float])
    (True, False, False)
    """
    origin = get_origin(hint) or hint
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin in (None, NoneType):
        return value is None
    if origin is Any:
        return True
    if origin is list:  # lists of a file are read as tuples
        return isinstance(value, list | tuple)
    if origin in (int, float):
        return isinstance(value, int | origin) and not isinstance(value, bool)
    if not isinstance(origin, type):
        return True
    return isinstance(value, origin) and (origin is str or origin is object or not isinstance(value, str))

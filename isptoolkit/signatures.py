"""What constructors take, by name and type."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from .errors import PipelineFileError


def arguments(make: Callable[..., Any], place: str) -> Mapping[str, inspect.Parameter]:
    """The named arguments of a class or factory; raises `PipelineFileError` where there are nameless ones."""
    try:
        found = inspect.signature(make).parameters
    except (TypeError, ValueError) as error:
        raise PipelineFileError(f"{place or 'type'}: {make!r:.80} does not say which arguments it takes") from error
    if any(a.kind in (a.VAR_POSITIONAL, a.POSITIONAL_ONLY) for a in found.values()):
        raise PipelineFileError(f"{place or 'type'}: {make!r:.80} takes arguments without names: name them to save it")
    return found


def hints_of(make: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_typehints_of(make.__init__ if isinstance(make, type) else make)
    except (NameError, TypeError, AttributeError):  # annotations that exist for type checkers only
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the annotated type; what cannot be told fits. Numbers stand for floats, never for bools.

    >>> fits(3, float | None), fits(True, float), fits("abc", Sequence[Any])
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
    if origin in (int, float):
        return isinstance(value, int | origin) and not isinstance(value, bool)
    if not isinstance(origin, type):
        return True
    return isinstance(value, origin) and (origin is str or origin is object or not isinstance(value, str))

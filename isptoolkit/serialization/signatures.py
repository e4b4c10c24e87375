"""The names and types of constructor arguments."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from torch import Tensor, nn

from ..errors import PipelineFileError


def arguments(make: Callable[..., Any], place: str) -> Mapping[str, inspect.Parameter]:
    """The named arguments of a class or factory; raises `PipelineFileError` for positional-only or starred ones."""
    if getattr(make, "__init__", None) is nn.Module.__init__:  # accepts any argument and uses none
        return {}
    try:
        parameters = inspect.signature(make).parameters
    except (TypeError, ValueError) as error:
        raise PipelineFileError(f"{place or 'type'}: {make!r:.80} does not declare its arguments") from error
    if any(a.kind in (a.VAR_POSITIONAL, a.POSITIONAL_ONLY) for a in parameters.values()):
        raise PipelineFileError(f"{place or 'type'}: {make!r:.80} takes arguments without names: name them to save it")
    return parameters


def hints_of(make: Any) -> dict[str, Any]:
    """The annotations of the arguments, or none if they cannot be evaluated."""
    try:
        return dict(get_type_hints(make.__init__ if isinstance(make, type) else make))  # type: ignore[misc]
    except (NameError, TypeError, AttributeError):  # names that exist only for type checkers
        return {}


def fits(value: Any, hint: Any) -> bool:
    """Whether a value has the annotated type, as far as can be checked; integers pass as floats, bools never do.

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
    if origin is list:  # files read lists as tuples
        return isinstance(value, list | tuple)
    if origin in (int, float):
        return isinstance(value, int | origin) and not isinstance(value, bool)
    if not isinstance(origin, type):
        return True
    return isinstance(value, origin) and (origin is str or origin is object or not isinstance(value, str))


def in_words(hint: Any) -> str:
    """A type annotation in the words of an error message.

    >>> from collections.abc import Sequence
    >>> in_words(float | Sequence[Any] | None), in_words(Literal["srgb", "linear"])
    ('a number or a list of numbers', "'srgb' or 'linear'")
    """
    origin = get_origin(hint) or hint
    if origin is Literal:
        return " or ".join(map(repr, get_args(hint)))
    if origin in (Union, UnionType):
        # Files have no value for None, and they write tensors as numbers.
        parts = [in_words(part) for part in get_args(hint) if part not in (NoneType, Tensor)]
        return " or ".join(dict.fromkeys(parts))
    words = {float: "a number", int: "an integer", bool: "true or false", str: "a string"}
    if origin in (Sequence, list, tuple):
        return "a list of " + ("integers" if get_args(hint)[:1] == (int,) else "numbers")
    return words.get(origin) or f"a {getattr(origin, '__name__', str(origin)).lower()}"

"""How values show in a shell, in a notebook, and in messages: calls that construct stages, tables, enumerations."""

import html
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from . import spaces
from .spaces import Space

MAX_LINE = 100
"""Characters after which a call is broken into one argument per line."""
MAX_VALUES = 16
"""Tensors of up to this many elements are written out."""

_CONSTANTS = {value: name for name, value in vars(spaces).items() if isinstance(value, Space)}
_CELL = "padding:0.25em 0.7em;text-align:{};border-bottom:1px solid #d5d8e0;vertical-align:top"


def constructor_call(module: nn.Module) -> str:
    """The Python expression that constructs a stage, as far as text can hold it.

    Numbers, short tensors, spaces and nested stages are written out, so that a classical pipeline can be pasted back.
    Networks and long tensors appear in angle brackets with their class or shape and their size. Arguments left at None
    are omitted, and so is the contract.

    >>> from isptoolkit.stages import Gain
    >>> constructor_call(Gain(gain=1.8))
    'Gain(gain=1.8, space=MOSAIC)'
    """
    arguments = inspect.signature(type(module).__init__).parameters
    parts: list[str] = []
    for name, argument in arguments.items():
        if name in ("self", "contract") or not hasattr(module, name):
            continue
        value = getattr(module, name)
        if argument.kind is argument.VAR_KEYWORD and isinstance(value, nn.ModuleDict):
            parts += [_keyword(key, _text(part)) for key, part in value.items()]
        elif value is not None or argument.default is not None:
            parts.append(_keyword(name, _text(value)))
    parameters = [p for name, p in module.named_parameters() if name.partition(".")[0] not in arguments]
    if not isinstance(getattr(module, "stages", None) or getattr(module, "branches", None), nn.ModuleDict):
        parts += [f"<{_count(parameters)}>"] if parameters else []
    name = type(module).__name__
    line = f"{name}({', '.join(parts)})"
    if len(line) <= MAX_LINE and "\n" not in line:
        return line
    body = "".join(f"{part},\n" for part in parts).replace("\n", "\n  ")
    return f"{name}(\n  {body[:-2]})"


def html_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    caption: str = "",
    note: str = "",
    numeric: Sequence[int] = (),
    colors: Mapping[str, str] | None = None,
) -> str:
    """An HTML table with every text escaped.

    Args:
        head: the column titles; empty for a table without them.
        rows: the cells, as plain text; line breaks are kept.
        caption: shown in bold above the table.
        note: shown below the table.
        numeric: the columns that are right-aligned.
        colors: text colors of cells, by their text.

    >>> html_table([], [["<b>", "1"]]).count("&lt;b&gt;")
    1
    """

    def cell(tag: str, column: int, text: str) -> str:
        style = _CELL.format("right" if column in numeric else "left")
        color = (colors or {}).get(text)
        style += f";color:{color};font-weight:600" if color else ""
        return f'<{tag} style="{style}">{html.escape(text).replace(chr(10), "<br>")}</{tag}>'

    lines = [f"<strong>{html.escape(caption)}</strong>"] if caption else []
    lines.append('<table style="border-collapse:collapse;margin:0.4em 0">')
    if head:
        cells = "".join(cell("th", column, text) for column, text in enumerate(head))
        lines.append(f"<thead><tr>{cells}</tr></thead>")
    for row in rows:
        lines.append("<tr>" + "".join(cell("td", column, text) for column, text in enumerate(row)) + "</tr>")
    lines.append("</table>")
    lines += [f"<div>{html.escape(note)}</div>"] if note else []
    return "<div>" + "\n".join(lines) + "</div>"


def numbers(values: Any) -> str:
    """Nested numbers as text, with as many digits as the eye can use.

    >>> numbers([[0.65, 0.27], [0.08, 1.0]])
    '0.65, 0.27\\n0.08, 1'
    """
    if isinstance(values, Tensor):
        values = values.tolist()
    if not isinstance(values, list | tuple):
        return f"{values:.6g}"
    return ("\n" if values and isinstance(values[0], list | tuple) else ", ").join(numbers(value) for value in values)


def _keyword(name: str, text: str) -> str:
    return f"{name}={text}" if name.isidentifier() else f"**{{{name!r}: {text}}}"


def _text(value: Any) -> str:
    match value:
        case Space():
            return _CONSTANTS.get(value, repr(value))
        case Tensor():
            return _tensor_text(value)
        case nn.Module() if hasattr(value, "takes"):
            return repr(value) if type(value).__repr__ is not nn.Module.__repr__ else constructor_call(value)
        case nn.Module():
            return f"<{type(value).__name__}, {_count(value.parameters())}>"
    return repr(value)


def _tensor_text(value: Tensor) -> str:
    learned = isinstance(value, nn.Parameter)
    if value.numel() > MAX_VALUES or value.is_meta or not value.is_floating_point():
        shape = " x ".join(map(str, value.shape))
        return f"<{_count([value])}>" if learned else f"<{shape} tensor>"
    text = repr(_rounded(value.detach().tolist(), value.dtype))
    return f"Parameter({text})" if learned else text


def _rounded(values: Any, dtype: torch.dtype) -> Any:
    """Narrow floats as the shortest numbers that stand for them, not with the noise digits of a double."""
    if isinstance(values, list):
        return [_rounded(value, dtype) for value in values]
    return values if dtype == torch.float64 else float(f"{values:.7g}")


def _count(parameters: Iterable[Tensor]) -> str:
    total = sum(parameter.numel() for parameter in parameters)
    return f"{total:,} parameter" + ("" if total == 1 else "s")


def enumerated(words: Sequence[str], conjunction: str = "and") -> str:
    """Words as they are enumerated in a sentence.

    >>> enumerated(["a"]), enumerated(["a", "b"], "or"), enumerated(["a", "b", "c"])
    ('a', 'a or b', 'a, b, and c')
    """
    return f" {conjunction} ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])}, {conjunction} {words[-1]}"

"""Pipelines on disk: a readable TOML file, and safetensors beside it for weights and tables."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from ..atomic import replacing
from ..errors import InvalidArgument, PipelineFileError
from ..stage import Stage
from .document import build as build
from .document import dump as dump
from .settings import with_values as with_values

FORMAT = 1
"""Version of the file format."""
MAX_TEXT = 2**20
"""Largest size of the TOML file in bytes."""
MAX_LINE = 1000
"""Longest line in characters: tomllib takes quadratic time for a key with many dots."""
MAX_WEIGHTS = 4 * 2**30
"""Largest size of the weights in bytes."""

_HEADER = "isptoolkit"
_WIDTH = 100


def save(stage: Stage, path: str | Path) -> None:
    """Write structure and constructor values to `path`, and tensors, if any, beside it with suffix `.safetensors`.

    Writes are atomic. The TOML file holds the size and SHA-256 of the weights, so that files of different pipelines are
    never mixed.

    Raises:
        PipelineFileError: for a stage that cannot be saved (names its place), or a path that cannot be written to.
    """
    path = Path(path)
    weights = _beside(path)
    document, tensors = dump(stage)
    if _HEADER in document:
        raise PipelineFileError(f"{_HEADER}: the outermost stage cannot have an argument of this name, rename it")
    header: dict[str, Any] = {"format": FORMAT}
    blob = safetensors.torch.save(tensors) if tensors else b""
    if tensors:
        header |= {"weights_sha256": hashlib.sha256(blob).hexdigest(), "weights_bytes": len(blob)}
    text = "\n".join(_toml({_HEADER: header, **document})).strip() + "\n"
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise PipelineFileError(f"{path}: a text value is not valid Unicode ({error.reason}), change it") from None
    if len(encoded) > MAX_TEXT or len(blob) > MAX_WEIGHTS or max(map(len, text.splitlines())) > MAX_LINE:
        raise PipelineFileError(
            f"{path}: {len(encoded)} bytes of TOML and {len(blob)} bytes of weights exceed the limits of {MAX_TEXT} "
            f"(lines of {MAX_LINE} characters) and {MAX_WEIGHTS}: pass long tables as tensors"
        )
    try:
        if blob:
            with replacing(weights) as temporary:
                temporary.write_bytes(blob)
        with replacing(path) as temporary:
            temporary.write_bytes(encoded)
    except InvalidArgument as error:
        raise PipelineFileError(str(error)) from error


def load(path: str | Path, known: Mapping[str, Callable[..., Any]]) -> Stage:
    """Read what `save` wrote. The file is not trusted: only classes in `known` are constructed, nothing is imported.

    Args:
        path: of the TOML file; the weights lie beside it under the same stem.
        known: by class name, the stages, splits and networks that may be constructed; networks take no arguments.

    Raises:
        PipelineFileError: for missing, damaged, oversized or mismatched files, and for every document that `build`
            rejects.
    """
    path = Path(path)
    document = _read_text(path)
    header = document.pop(_HEADER, None)
    match header:
        case {"format": int(version), **rest}:
            if version != FORMAT:
                raise PipelineFileError(f"{path}: unknown format {version}, this version reads format {FORMAT}")
        case _:
            raise PipelineFileError(f"{path}: no [{_HEADER}] table with a format, so this is not a pipeline file")
    match rest:
        case {"weights_sha256": str(digest), "weights_bytes": int(size), **more} if not more:
            tensors = _read_weights(_beside(path), digest, size)
        case {} if not rest:
            tensors = {}
        case _:
            raise PipelineFileError(
                f"{path}: [{_HEADER}] holds format, weights_sha256 and weights_bytes, got also {rest!r:.80}"
            )
    try:
        return build(document, tensors, known)
    except PipelineFileError as error:
        raise PipelineFileError(f"{path}: {error}") from error


def _read_text(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_TEXT + 1)
    except (OSError, ValueError) as error:
        raise PipelineFileError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if len(raw) > MAX_TEXT:
        raise PipelineFileError(f"{path}: longer than {MAX_TEXT} bytes, so this is not a pipeline file")
    if max(map(len, raw.split(b"\n"))) > 4 * MAX_LINE:
        raise PipelineFileError(f"{path}: a line is longer than {4 * MAX_LINE} bytes, break it")
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        reason = "too deeply nested" if isinstance(error, RecursionError) else str(error)
        raise PipelineFileError(f"{path}: not valid TOML: {reason}") from error


def _read_weights(path: Path, digest: str, size: int) -> dict[str, Tensor]:
    if not 0 < size <= MAX_WEIGHTS:
        raise PipelineFileError(
            f"{path}: the TOML file states {size} bytes of weights, the limits are 1 and {MAX_WEIGHTS}"
        )
    try:
        actual = path.stat().st_size
        if actual != size:
            raise PipelineFileError(
                f"{path}: has {actual} bytes, the TOML file states {size}: copy both files together"
            )
        with path.open("rb") as file:
            blob = file.read(size)
    except OSError as error:
        raise PipelineFileError(f"{path}: cannot be read ({error.strerror}): copy both files together") from error
    if hashlib.sha256(blob).hexdigest() != digest:
        raise PipelineFileError(
            f"{path}: its SHA-256 differs from the stated one: copy both files together, or save again"
        )
    try:
        return safetensors.torch.load(blob)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise PipelineFileError(f"{path}: not valid safetensors: {error}") from error


def _beside(path: Path) -> Path:
    if not path.name or path.suffix == ".safetensors":
        raise PipelineFileError(f"{path}: name a TOML file; the weights go beside it with suffix .safetensors")
    return path.with_suffix(".safetensors")


def _toml(table: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Lines of TOML in which every stage is a table, and every other table is inline."""
    inner = {key: value for key, value in table.items() if _is_section(key, value)}
    if name and (len(table) > len(inner) or not table):
        yield f"[{name}]"
    for key, value in table.items():
        if key not in inner:
            yield f"{_key(key)} = {_value(value)}"
    if len(table) > len(inner):
        yield ""
    for key, value in inner.items():
        yield from _toml(value, f"{name}.{_key(key)}" if name else _key(key))


def _is_section(key: str, value: Any) -> bool:
    return isinstance(value, dict) and (
        key == _HEADER or "type" in value or all(isinstance(v, dict) and _is_section("", v) for v in value.values())
    )


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return int.__repr__(value)
        case float():
            return float.__repr__(value)
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case dict():
            return "{ " + ", ".join(f"{_key(key)} = {_value(part)}" for key, part in value.items()) + " }"
    parts = [_value(part) for part in value]
    line = "[" + ", ".join(parts) + "]"
    return line if len(line) <= _WIDTH else "[\n    " + ",\n    ".join(parts) + ",\n]"


def _key(key: str) -> str:
    return key if key.isascii() else json.dumps(key, ensure_ascii=False)

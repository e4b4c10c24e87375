"""Atomic writes: files appear complete or not at all."""

import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InvalidArgument


def check_target(path: Path, suffixes: Collection[str] = ()) -> None:
    """Raise, before any work is done, if a path cannot be written to.

    Raises:
        InvalidArgument: for an invalid file name, a suffix outside `suffixes` (if there are any), a folder that does
            not exist or is not writable, or a path that is itself a folder.
    """
    if "\0" in str(path):
        raise InvalidArgument(f"cannot write {str(path)!r}: file names cannot hold null characters")
    if suffixes and path.suffix.lower() not in suffixes:
        raise InvalidArgument(f"cannot write {path}: the suffix must be one of {', '.join(suffixes)}")
    if obstacle := next((parent for parent in path.parents if os.path.isfile(parent)), None):
        raise InvalidArgument(f"cannot write {path}: {obstacle} is a file, not a folder")
    if not os.path.isdir(path.parent):
        raise InvalidArgument(f"cannot write {path}: the folder {path.parent} does not exist, create it first")
    if os.path.isdir(path):
        raise InvalidArgument(f"cannot write {path}: it is a folder, name a file")
    if not os.access(path.parent, os.W_OK):
        raise InvalidArgument(f"cannot write {path}: no permission to write into {path.parent}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with its suffix; move it into place if the block succeeds.

    If the block fails, the temporary file is removed and `path` is left untouched.

    Raises:
        InvalidArgument: for a path that `check_target` rejects, or if the file system refuses the write.
    """
    check_target(path)
    temporary = path.with_name(f".{path.stem[:16]}.{secrets.token_hex(6)}{path.suffix[:16]}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InvalidArgument(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)

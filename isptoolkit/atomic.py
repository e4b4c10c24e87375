"""Files that appear whole or not at all."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InvalidArgument


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`, with the same suffix; move it into place if the block ends well.

    When the block fails, the temporary file is removed and what was at `path` stays as it was.

    Raises:
        InvalidArgument: when the folder does not exist, `path` is a folder, or the file system refuses the write.
    """
    if not path.parent.is_dir():
        raise InvalidArgument(f"cannot write {path}: the folder {path.parent} does not exist, make it first")
    if path.is_dir():
        raise InvalidArgument(f"cannot write {path}: it is a folder, name a file")
    temporary = path.with_name(f".{path.stem[:64]}.{secrets.token_hex(6)}{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise InvalidArgument(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)

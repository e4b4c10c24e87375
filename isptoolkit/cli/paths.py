"""Checks of the paths on a command line, made before anything slow is imported."""

import os
from pathlib import Path

from ..errors import InvalidArgument, UnreadableFile


def check_file(path: Path | None) -> None:
    """Refuse a path that is not a file; None, an option that was left out, passes.

    Raises:
        UnreadableFile: naming the path.
    """
    if path is not None and not os.path.isfile(path):
        raise UnreadableFile(f"{path} is not a file")


def check_folder(path: Path | None) -> None:
    """Refuse a path that is not a folder; None, an option that was left out, passes.

    Raises:
        InvalidArgument: naming the path.
    """
    if path is not None and not os.path.isdir(path):
        raise InvalidArgument(f"{path} is not a folder")


def check_output_folder(path: Path) -> None:
    """Refuse an output folder whose path is already taken by something else.

    Raises:
        InvalidArgument: naming the path.
    """
    if os.path.exists(path) and not os.path.isdir(path):
        raise InvalidArgument(f"{path} is not a folder")

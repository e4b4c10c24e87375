"""The structure of TIFF-based files (DNG, NEF, CR2, ARW, RW2, ...): their directories, tags, and RAW image."""

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import UnreadableFile
from .tag_values import Rationals
from .tiff_directory import Directory

CFA, LINEAR_RAW = 32803, 34892
"""PhotometricInterpretation of a mosaic and of linear samples."""
DNG_VERSION, EXIF_IFD, CFA_PATTERN, _MAKE = 50706, 34665, 33422, 271
_FORMATS = {
    **{1: "B", 2: "B", 3: "H", 4: "I", 5: "2I", 6: "b", 7: "B", 8: "h", 9: "i", 10: "2i", 11: "f", 12: "d", 13: "I"},
    **{16: "Q", 17: "q", 18: "Q"},
}
"""Struct format of each TIFF type."""
_ASCII, _BYTES, _RATIONALS = 2, (1, 7), (5, 10)
_ORDERS: dict[bytes, Literal["<", ">"]] = {b"II": "<", b"MM": ">"}
_MAGIC = {42: False, 43: True, 0x55: False, 0x4F52: False, 0x5352: False}
"""Version numbers of TIFF, BigTIFF, RW2, and the two of ORF, and whether their offsets have 64 bits."""
_REDUCED, _MANY = 1, 1024
_MOST_DIRECTORIES, _MOST_ENTRIES, _MOST_BYTES, _LARGEST_VALUE = 256, 4096, 1 << 27, 1 << 24


@dataclass(frozen=True)
class Tiff:
    """The directories of a TIFF-based file.

    Args:
        directories: the chain and its sub-directories, in the order of the file; at least one.
        main: the directory of the RAW image.
        exif: tags of the EXIF directory; empty if there is none.
        order: byte order, "<" or ">".
        is_variant: whether the version number is not that of TIFF, but a camera's.
    """

    directories: tuple[Directory, ...]
    main: Directory
    exif: dict[int, Any]
    order: Literal["<", ">"]
    is_variant: bool

    @property
    def is_dng(self) -> bool:
        """Whether the first directory has a DNGVersion."""
        return DNG_VERSION in self.directories[0].tags

    @property
    def is_plain(self) -> bool:
        """Whether it is an image like any other: neither a DNG nor a camera's file, and without RAW samples."""
        main, first = self.main, self.directories[0]
        is_raw = main.photometric in (CFA, LINEAR_RAW) or CFA_PATTERN in main.tags
        is_camera = self.is_variant or _MAKE in first.tags or main.photometric is None
        return not (self.is_dng or is_raw or is_camera)


def structure(path: str | Path) -> Tiff | None:
    """Read the directories of a TIFF-based file; None if the file is missing or not TIFF-based.

    The main directory has the photometric interpretation CFA or LinearRaw, and of several: NewSubFileType 0, then the
    most pixels. Where none states it (some cameras before DNG), the directory with the most bytes of samples is taken.
    Directories that cannot be read are left out, and cycles are followed once.

    Args:
        path: any file, existing or not.

    Raises:
        UnreadableFile: for more directories or values than any camera writes.

    Source: TIFF 6.0, section 2; DNG 1.6 specification, chapters 2 and 4.

    >>> structure("missing.dng") is None
    True
    """
    try:
        with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return parsed(content, path)
    except (OSError, ValueError) as error:
        if isinstance(error, UnreadableFile):
            raise
        return None


def tiff_tags(path: str | Path) -> dict[int, Any]:
    """Read the tags of a TIFF-based file by code; empty if the file is missing or not TIFF-based.

    Tags of the directory with the RAW samples take precedence over those of the first directory.

    Args:
        path: any file, existing or not.

    Raises:
        UnreadableFile: for more directories or values than any camera writes.

    >>> tiff_tags("missing.dng")
    {}
    """
    tiff = structure(path)
    return {} if tiff is None else {**tiff.directories[0].tags, **tiff.main.tags}


def main_tags(path: str | Path) -> dict[int, Any]:
    """Read the tags of the RAW image by code; empty if the file is missing or not TIFF-based.

    Tags of previews are left out: their frame and corrections are not those of the RAW image.

    Args:
        path: any file, existing or not.

    Raises:
        UnreadableFile: for more directories or values than any camera writes.

    >>> main_tags("missing.dng")
    {}
    """
    tiff = structure(path)
    return {} if tiff is None else tiff.main.tags


def parsed(content: "bytes | mmap.mmap", path: str | Path) -> Tiff | None:
    """Parse the directories of a file in memory; None if it is not TIFF-based.

    Args:
        content: all bytes of the file.
        path: of the file, for error messages.

    Raises:
        UnreadableFile: for more directories or values than any camera writes.

    >>> parsed(b"no TIFF", "a.dng") is None
    True
    """
    order = _ORDERS.get(content[:2])
    if order is None or len(content) < 16:
        return None
    (version,) = struct.unpack(order + "H", content[2:4])
    if version not in _MAGIC:
        return None
    reader = _Reader(content, path, order, _MAGIC[version])
    first = struct.unpack(order + "Q", content[8:16]) if reader.big else struct.unpack(order + "I", content[4:8])
    directories = reader.chain(first[0])
    if not directories:
        return None
    place = next((place for place in map(_exif_of, directories) if place), 0)
    exif = reader.directory(place)[0] if place else {}
    return Tiff(tuple(directories), max(directories, key=_rank), exif, order, version not in (42, 43))


def _rank(directory: Directory) -> tuple[int, ...]:
    """Order of preference for the RAW image."""
    if directory.photometric in (CFA, LINEAR_RAW):
        return (1, directory.subfile_type == 0, directory.subfile_type != _REDUCED, directory.width * directory.height)
    return (0, sum(directory.byte_counts))


def _exif_of(directory: Directory) -> int:
    value = directory.tags.get(EXIF_IFD, 0)
    return value if isinstance(value, int) else 0


class _Reader:
    """Reads directories within limits on their number and on the bytes of their values."""

    def __init__(self, content: "bytes | mmap.mmap", path: str | Path, order: str, big: bool) -> None:
        self.content, self.path, self.order, self.big = content, path, order, big
        self.visited: set[int] = set()
        self.bytes = 0
        self.pointer = "Q" if big else "I"
        self.entry = struct.Struct(f"{order}HH{self.pointer}{8 if big else 4}s")

    def chain(self, place: int) -> list[Directory]:
        """The directories from a position on, each followed by its sub-directories."""
        directories, places = [], [place]
        while places:
            place = places.pop(0)
            if place in self.visited or not 8 <= place < len(self.content):
                continue
            tags, following = self.directory(place)
            if tags:
                directories.append(Directory(tags))
                places = [*directories[-1].children[:_MOST_DIRECTORIES], following, *places]
        return directories

    def directory(self, place: int) -> tuple[dict[int, Any], int]:
        """Tags of one directory and the position of the next one; no tags where there is no directory."""
        self.visited.add(place)
        if len(self.visited) > _MOST_DIRECTORIES:
            raise UnreadableFile(
                f"{self.path} has more than {_MOST_DIRECTORIES} image directories, as no camera writes"
            )
        head = "Q" if self.big else "H"
        try:
            (count,) = struct.unpack_from(self.order + head, self.content, place)
            start = place + struct.calcsize(head)
            end = start + count * self.entry.size
            if not 0 < count <= _MOST_ENTRIES or end > len(self.content):
                return {}, 0
            entries = list(self.entry.iter_unpack(self.content[start:end]))
            following = struct.unpack_from(self.order + self.pointer, self.content, end)
        except struct.error:
            return {}, 0
        tags: dict[int, Any] = {}
        for code, kind, number, field_bytes in entries:
            if code not in tags and (value := self.value(kind, number, field_bytes)) is not None:
                tags[code] = value
        return tags, following[0]

    def value(self, kind: int, count: int, field_bytes: bytes) -> Any:
        """The value of a tag; None where it is malformed, lies outside the file, or is as long as samples."""
        if kind not in _FORMATS or not count:
            return None
        form = self.order + _FORMATS[kind]
        size = count * struct.calcsize(form)
        if size <= len(field_bytes):
            raw = field_bytes[:size]
        else:
            (place,) = struct.unpack(self.order + self.pointer, field_bytes)
            if size > _LARGEST_VALUE or place + size > len(self.content):
                return None
            raw = self.content[place : place + size]
        self.bytes += size
        if self.bytes > _MOST_BYTES:
            raise UnreadableFile(f"{self.path} has more than {_MOST_BYTES} bytes of tags, as no camera writes")
        if kind in _BYTES:
            return raw
        if kind == _ASCII:
            return raw.rstrip(b"\0").decode("utf-8", "replace").strip()
        if count > _MANY:
            return np.frombuffer(raw, self.order + form[-1])
        numbers = tuple(part for parts in struct.iter_unpack(form, raw) for part in parts)
        if kind in _RATIONALS:
            return Rationals(numbers)
        return numbers if len(numbers) > 1 else numbers[0]

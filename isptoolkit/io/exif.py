"""When, with which camera and lens, and at which exposure a photograph was taken: read, and written into images."""

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ..errors import UnreadableFile
from .camera_name import CIFF, camera_name
from .libraw import opened
from .tiff import structure
from .tiff_fields import Field, Kind, rational

Value: TypeAlias = str | int | Fraction
Exif: TypeAlias = Mapping[str, Value]
"""What is stated of a photograph, by the names of `ENTRIES`."""


class Entry(NamedTuple):
    """One fact: its tag, the tag's type, whether the EXIF directory holds it, and whether zero means something."""

    code: int
    kind: Kind
    nested: bool = True
    zero: bool = False


ENTRIES = {
    "make": Entry(271, Kind.ASCII, nested=False),
    "model": Entry(272, Kind.ASCII, nested=False),
    "artist": Entry(315, Kind.ASCII, nested=False),
    "copyright": Entry(33432, Kind.ASCII, nested=False),
    "exposure_time": Entry(33434, Kind.RATIONAL),
    "aperture": Entry(33437, Kind.RATIONAL),
    "iso": Entry(34855, Kind.SHORT),
    "date": Entry(36867, Kind.ASCII),
    "time_zone": Entry(36881, Kind.ASCII),
    "exposure_bias": Entry(37380, Kind.SRATIONAL, zero=True),
    "flash": Entry(37385, Kind.SHORT, zero=True),
    "focal_length": Entry(37386, Kind.RATIONAL),
    "subseconds": Entry(37521, Kind.ASCII),
    "focal_length_35mm": Entry(41989, Kind.SHORT),
    "lens_make": Entry(42035, Kind.ASCII),
    "lens": Entry(42036, Kind.ASCII),
}
"""Codes and types of Exif 2.32, sections 4.6.4 and 4.6.5. Serial numbers, owners and places are left out: private."""
_POINTER, _ORIENTATION, _RESOLUTIONS, _RESOLUTION_UNIT, _POSITIONING = 34665, 274, (282, 283), 296, 531
_VERSION, _COMPONENTS, _FLASHPIX, _COLOR_SPACE, _WIDTH, _HEIGHT = 36864, 37121, 40960, 40961, 40962, 40963
_SRGB = 1
_ISO, _SENSITIVITY_TYPE, _EXPOSURE_INDEX = 34855, 34864, 34866
"""Speeds above 65535 are a recommended exposure index, of sensitivity type 2, beside an ISO of 65535."""
_MOST = 65535
_LONGEST = 1024
"""Texts of more characters are taken for damage: the EXIF block of a JPEG file has 64 KiB."""


def read_exif(path: str | Path) -> dict[str, Value]:
    """Read what a file states of its photograph: camera, lens, time, and exposure.

    Tags come first; LibRaw completes them from maker notes and from files that are not TIFF-based. A value that is
    empty, malformed, or zero where zero means unknown is left out.

    Args:
        path: a RAW file, JPEG, PNG or TIFF.

    Returns:
        Values by the names of `ENTRIES`: times in seconds, lengths in millimeters, `date` as `YYYY:MM:DD HH:MM:SS`.
        Empty for a file that states none, such as a headerless dump.

    Raises:
        UnreadableFile: if the file is missing, or has more directories or values than any camera writes.

    >>> read_exif("missing.jpg")
    Traceback (most recent call last):
    ...
    isptoolkit.errors.UnreadableFile: missing.jpg is not a file
    """
    path = Path(path)
    if not path.is_file():
        raise UnreadableFile(f"{path} is not a file")
    with path.open("rb") as stream:
        head = stream.read(14)
    if head.startswith((b"\xff\xd8\xff", b"\x89PNG")):
        tags = _image_tags(path)
    else:
        tags = _heap_names(path) | _libraw_tags(path, is_utc=head[6:14] == CIFF) | _tiff_tags(path)
    values = {name: _value(tags.get(entry.code), entry) for name, entry in ENTRIES.items()}
    if values["iso"] == _MOST and isinstance(index := tags.get(_EXPOSURE_INDEX), int):
        values["iso"] = max(index, _MOST)
    return {name: value for name, value in values.items() if value is not None}


def exif_block(exif: Exif, orientation: int, size: tuple[int, int]) -> bytes:
    """Encode facts as a TIFF structure, which JPEG and PNG files embed.

    Args:
        exif: as `read_exif` returns it.
        orientation: EXIF orientation of the pixels, 1 if they are upright.
        size: rows and columns of the image.

    Source: Exif 2.32, section 4.5.

    >>> exif_block({"iso": 100}, 1, (20, 30))[:8]
    b'II*\\x00\\x08\\x00\\x00\\x00'
    """
    head = b"II*\0" + struct.pack("<I", 8)
    main = [
        (_ORIENTATION, Kind.SHORT, orientation),
        *((code, Kind.RATIONAL, 72) for code in _RESOLUTIONS),  # pixels per inch, the default
        (_RESOLUTION_UNIT, Kind.SHORT, 2),
        (_POSITIONING, Kind.SHORT, 1),
        *_fields(exif, nested=False),
    ]
    rows, columns = size
    nested = [(_COMPONENTS, Kind.UNDEFINED, b"\1\2\3\0"), (_WIDTH, Kind.LONG, columns), (_HEIGHT, Kind.LONG, rows)]
    start = len(head) + len(_directory([*main, (_POINTER, Kind.LONG, 0)], len(head)))
    return head + _directory([*main, (_POINTER, Kind.LONG, start)], len(head)) + _exif_directory(exif, start, nested)


def main_fields(exif: Exif) -> list[Field]:
    """The facts of a TIFF file's first directory, as tifffile's `extratags`.

    Args:
        exif: as `read_exif` returns it.

    >>> main_fields({"make": "Canon", "iso": 100})
    [(271, <Kind.ASCII: 2>, 0, b'Canon', True)]
    """
    return [(code, kind, 0, value, True) for code, kind, value in _fields(exif, nested=False)]


def add_exif(path: Path, exif: Exif) -> None:
    """Append an EXIF directory to a little-endian TIFF file, and a copy of the first directory that points to it.

    tifffile writes no EXIF directories.

    Args:
        path: of a file whose chain has one directory.
        exif: as `read_exif` returns it.
    """
    with path.open("r+b") as file:
        _, start = struct.unpack("<4sI", file.read(8))
        file.seek(start)
        (count,) = struct.unpack("<H", file.read(2))
        entries = [file.read(12) for _ in range(count)]
        end = file.seek(0, 2)
        place = end + end % 2  # directories begin at even offsets (TIFF 6.0, section 2)
        size = 2 + 12 * (count + 1) + 4
        entries.append(struct.pack("<HHII", _POINTER, Kind.LONG, 1, place + size))
        entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
        file.write(bytes(place - end) + struct.pack("<H", count + 1) + b"".join(entries) + bytes(4))
        file.write(_exif_directory(exif, place + size))
        file.seek(4)
        file.write(struct.pack("<I", place))


def _fields(exif: Exif, *, nested: bool) -> list[tuple[int, Kind, Any]]:
    fields: list[tuple[int, Kind, Any]] = []
    for name, value in exif.items():
        code, kind, is_nested, _ = ENTRIES[name]
        if is_nested != nested:
            continue
        if code == _ISO and not isinstance(value, str) and value > _MOST:
            fields += [(_SENSITIVITY_TYPE, Kind.SHORT, 2), (_EXPOSURE_INDEX, Kind.LONG, value)]
            value = _MOST
        fields.append((code, kind, value.encode() if isinstance(value, str) else value))
    return sorted(fields)


def _exif_directory(exif: Exif, place: int, more: Sequence[tuple[int, Kind, Any]] = ()) -> bytes:
    versions = [(_VERSION, Kind.UNDEFINED, b"0232"), (_FLASHPIX, Kind.UNDEFINED, b"0100")]
    return _directory([*versions, (_COLOR_SPACE, Kind.SHORT, _SRGB), *more, *_fields(exif, nested=True)], place)


def _directory(fields: Sequence[tuple[int, Kind, Any]], place: int) -> bytes:
    """A little-endian TIFF directory and its values, for byte `place` of a file."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    directory = ImageFileDirectory_v2(prefix=b"II")
    for code, kind, value in fields:
        directory.tagtype[code] = kind
        directory[code] = value
    encoded: bytes = directory.tobytes(place)
    return encoded


def _image_tags(path: Path) -> dict[int, Any]:
    """The EXIF tags of a JPEG or PNG file."""
    from PIL import Image

    try:
        with Image.open(path, formats=("JPEG", "PNG")) as image:
            exif = image.getexif()
            tags = dict(exif) | exif.get_ifd(_POINTER)
            return {code: value.encode("latin-1") if isinstance(value, str) else value for code, value in tags.items()}
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error, Image.DecompressionBombError):
        return {}


def _tiff_tags(path: Path) -> dict[int, Any]:
    """The tags of a TIFF-based file, those of its EXIF directory included."""
    tiff = structure(path)
    return {} if tiff is None else tiff.directories[0].tags | tiff.exif


def _value(stated: Any, entry: Entry) -> Value | None:
    """A tag's value in the type of its entry; None if it states nothing."""
    if entry.kind == Kind.ASCII:
        content = _decoded(stated) if isinstance(stated, bytes) else stated
        content = content.split("\0")[0].strip() if isinstance(content, str) else ""
        return content if 0 < len(content) <= _LONGEST else None
    try:
        if entry.kind == Kind.SHORT:
            number: int | Fraction = int(stated[0] if isinstance(stated, tuple) else stated)
        else:
            top, below = stated if isinstance(stated, tuple) else (stated.numerator, stated.denominator)
            number = rational(Fraction(top, below))
    except (AttributeError, TypeError, ValueError, ZeroDivisionError, IndexError):
        return None
    limits = (-_MOST if entry.kind == Kind.SRATIONAL else 0, _MOST)
    return number if limits[0] <= number <= limits[1] and (number or entry.zero) else None


def _decoded(content: bytes) -> str:
    """Text in UTF-8, which cameras write beyond ASCII, or else in Latin-1."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _heap_names(path: Path) -> dict[int, Any]:
    """Make and model of a file without tags, as tags: CIFF states the make in the model too."""
    name = camera_name(path, {})
    return {ENTRIES["make"].code: name.split(" ")[0], ENTRIES["model"].code: name}


def _libraw_tags(path: Path, *, is_utc: bool) -> dict[int, Any]:
    """What LibRaw knows of a RAW file's photograph, as tags; empty for files that it does not open."""
    try:
        with opened(path) as raw:
            other, lens = raw.other, raw.lens
    except UnreadableFile:
        return {}
    # A CIFF file counts seconds in UTC; LibRaw reads the times of others as local.
    date = other.timestamp.astimezone(UTC) if is_utc else other.timestamp
    values = {
        "artist": other.artist,
        "exposure_time": _fraction(other.shutter_speed, 10**6),
        "aperture": _fraction(other.aperture, 10),
        "iso": round(min(other.iso_speed, 2.0**31)),
        "date": f"{date:%Y:%m:%d %H:%M:%S}" if other.timestamp.timestamp() > 0 else "",
        "focal_length": _fraction(other.focal_length, 10),
        "lens_make": lens.make,
        "lens": lens.model,
    }
    return {ENTRIES[name].code: value for name, value in values.items()}


def _fraction(value: float, most: int) -> Fraction | None:
    """A single-precision number as the fraction that it stands for, with a denominator up to `most`."""
    return Fraction(value).limit_denominator(most) if 0 < value < _MOST else None

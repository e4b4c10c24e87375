"""Names of files that are not RAW, recognized by their first bytes, and of compressions."""

_ARRAYS = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"P5": "a PGM image",
    b"P6": "a PPM image",
    b"\x93NUMPY": "a NumPy array",
}
"""Files that may hold a mosaic, which `read_mosaic` reads."""
_SIGNATURES = _ARRAYS | {
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"BM": "a BMP image",
    b"8BPS": "a Photoshop document",
    b"v/1\x01": "an OpenEXR image",
    b"\xff\x0a": "a JPEG XL image",
    b"\0\0\0\x0cJXL ": "a JPEG XL image",
    b"\0\0\0\x0cjP  ": "a JPEG 2000 image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
}
_BRANDS = {b"avif": "an AVIF image", b"crx ": None, b"qt  ": "a video", b"mp42": "a video", b"isom": "a video"}
"""Brands of ISO media files; Canon's CR3 is a RAW file, and all other brands are HEIC's."""
_RAW = {
    **{(0, b"II*\0"): "TIFF-based", (0, b"MM\0*"): "TIFF-based", (6, b"HEAPCCDR"): "CRW", (4, b"ftypcrx "): "CR3"},
    **{(0, b"FUJIFILMCCD-RAW"): "RAF", (0, b"FOVb"): "X3F", (0, b"\0MRM"): "MRW", (0, b"IIU\0"): "RW2"},
    **{(0, b"IIRO"): "ORF", (0, b"IIRS"): "ORF", (0, b"qktk"): "QuickTake", (0, b"qktn"): "QuickTake"},
}
"""Position and first bytes of RAW formats."""
_COMPRESSIONS = {
    **{1: "no", 5: "LZW", 6: "old-style JPEG", 7: "JPEG", 8: "Deflate", 9: "VC-5 (GoPro)", 32773: "PackBits"},
    **{32946: "Deflate", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 50000: "Zstandard"},
    **{50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL"},
}
HEAD = 16
"""Bytes that are enough to recognize a file."""


def not_raw(head: bytes) -> str | None:
    """What a file is that begins with these bytes, and what to do, as part of a message; None if it may be RAW.

    Args:
        head: the first `HEAD` bytes of the file.

    Source: exiftool's tables `%magicNumber` (ExifTool.pm) and `%ftypLookup` (QuickTime.pm).

    >>> not_raw(bytes.fromhex("ffd8ffe0"))
    'a JPEG image, not a RAW file'
    """
    kind = _kind_of(head)
    if kind in _ARRAYS.values():
        return f"{kind}, not a RAW file: if it holds a mosaic, read it with read_mosaic or `isptoolkit render`"
    return None if kind is None else f"{kind}, not a RAW file"


def _kind_of(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP image"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "a HEIC image")
    return next((kind for start, kind in _SIGNATURES.items() if head.startswith(start)), None)


def raw_format(head: bytes) -> str | None:
    """The RAW format of a file that begins with these bytes; None if they are of none that is known.

    Args:
        head: the first `HEAD` bytes of the file.

    Source: exiftool's table `%magicNumber` (ExifTool.pm).

    >>> raw_format(b"FUJIFILMCCD-RAW 0201")
    'RAF'
    """
    return next((name for (place, start), name in _RAW.items() if head[place:].startswith(start)), None)


def compression_name(code: int) -> str:
    """Name of a TIFF compression.

    Args:
        code: value of the Compression tag.

    Source: the names of `tifffile.COMPRESSION`, but 9, which GoPro's GPR files use for VC-5.

    >>> compression_name(52546), compression_name(65000)
    ('JPEG XL', 'compression 65000')
    """
    return _COMPRESSIONS.get(code, f"compression {code}")

"""Write and read lens shading as GainMap opcodes of DNG files."""

import struct
from pathlib import Path

import numpy as np
import torch

from ..errors import InvalidArgument, UnreadableFile
from ..spaces import MOSAIC
from ..stages import LensShadingMesh

_GAIN_MAP, _VERSION = 9, (1, 3, 0, 0)
_HEAD = struct.Struct(">I4BII")  # identity, version, flags, size of the body
_FRAME = struct.Struct(">8I2I4dI")  # top, left, bottom, right, plane, planes, pitches; points; spacing, origin; planes
_OPCODES = (51008, 51009, 51022)
_MOST_POINTS = 1 << 20


def gain_map_opcodes(shading: LensShadingMesh, size: tuple[int, ...]) -> bytes:
    """Encode a mesh as a DNG opcode list: one GainMap for all sites, or one for each of the four.

    Args:
        shading: a stage of MOSAIC with a mesh `[1,h,w]` or `[4,h,w]`.
        size: rows and columns of the frame.

    Raises:
        InvalidArgument: for a batched mesh, or a mesh of another space.

    Source: DNG 1.6 specification, chapter 6, opcode GainMap; numbers are big-endian.

    >>> len(gain_map_opcodes(LensShadingMesh([[[1.0, 2.0], [1.5, 3.0]]]), (10, 20)))
    112
    """
    mesh = shading.mesh.detach().double().cpu()
    mesh = mesh[0] if mesh.ndim == 4 and len(mesh) == 1 else mesh
    if mesh.ndim != 3 or shading.takes.channels != 1:
        raise InvalidArgument(
            f"a GainMap holds one mesh of a mosaic, [1,h,w] or [4,h,w], got {list(shading.mesh.shape)} of "
            f"{shading.takes.name}"
        )
    parts = []
    for site, plane in enumerate(mesh):
        rows, columns = plane.shape
        pitch = 2 if len(mesh) == 4 else 1
        top, left = divmod(site, 2) if len(mesh) == 4 else (0, 0)
        spacing = [1 / max(n - 1, 1) for n in (rows, columns)]
        frame = (top, left, size[0], size[1], 0, 1, pitch, pitch, rows, columns, *spacing, 0.0, 0.0, 1)
        body = _FRAME.pack(*frame) + plane.numpy().astype(">f4").tobytes()
        parts.append(_HEAD.pack(_GAIN_MAP, *_VERSION, 1, len(body)) + body)
    return struct.pack(">I", len(parts)) + b"".join(parts)


def read_gain_map(path: str | Path) -> LensShadingMesh | None:
    """Read the GainMap opcodes of a DNG file as a lens-shading stage of MOSAIC; None if the file has none.

    One map for all sites, or four for the sites of the 2x2 cell. Maps for a part of the frame or for further planes are
    refused.

    Args:
        path: a DNG file.

    Raises:
        UnreadableFile: for opcodes that are truncated, inconsistent, or not supported.

    Source: DNG 1.6 specification, chapter 6, opcode GainMap; numbers are big-endian.

    >>> read_gain_map("missing.dng") is None
    True
    """
    from .tiff import tiff_tags

    tags = tiff_tags(path)
    lists = [bytes(tags[code]) for code in _OPCODES if code in tags]
    try:
        maps = [entry for content in lists for entry in _parsed(content)]
    except (struct.error, ValueError) as error:
        raise UnreadableFile(f"{path}: its GainMap opcodes cannot be read ({error})") from None
    if not maps:
        return None
    shapes = {mesh.shape for _, mesh in maps}
    places = sorted(place for place, _ in maps)
    if len(shapes) != 1 or places not in ([(0, 0, 1)], [(0, 0, 2), (0, 1, 2), (1, 0, 2), (1, 1, 2)]):
        raise UnreadableFile(f"{path}: GainMap opcodes for parts of the frame are not supported ({places})")
    meshes = [mesh for _, mesh in sorted(maps, key=lambda entry: entry[0])]
    return LensShadingMesh(torch.from_numpy(np.stack(meshes)), space=MOSAIC)


def _parsed(content: bytes) -> list[tuple[tuple[int, int, int], "np.ndarray[tuple[int, int], np.dtype[np.float64]]"]]:
    """Position and pitch, and the gains, of every GainMap in an opcode list."""
    (count,), at, maps = struct.unpack_from(">I", content), 4, []
    for _ in range(count):
        identity, *_, size = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        if size > len(content) - at:
            raise ValueError(f"an opcode states {size} bytes, but {len(content) - at} are left")
        if identity == _GAIN_MAP:
            maps.append(_map(content[at : at + size]))
        at += size
    return maps


def _map(body: bytes) -> tuple[tuple[int, int, int], "np.ndarray[tuple[int, int], np.dtype[np.float64]]"]:
    top, left, _, _, plane, planes, down, across, rows, columns, high, wide, origin_down, origin_across, deep = (
        _FRAME.unpack_from(body)
    )
    if not 0 < rows * columns <= _MOST_POINTS or deep != 1 or plane or planes != 1 or down != across:
        raise ValueError(f"{rows} x {columns} points of {deep} planes, pitch {down} x {across}")
    whole = all(abs(step * max(n - 1, 1) - 1) < 1e-3 for n, step in ((rows, high), (columns, wide)) if n > 1)
    if not whole or abs(origin_down) > 1e-6 or abs(origin_across) > 1e-6:
        raise ValueError(f"the map does not span the frame: origin {origin_down}, {origin_across}")
    gains = np.frombuffer(body, ">f4", rows * columns, _FRAME.size).astype(np.float64).reshape(rows, columns)
    if not (np.isfinite(gains).all() and (gains > 0).all()):
        raise ValueError("not all gains are positive")
    return (top, left, down), gains

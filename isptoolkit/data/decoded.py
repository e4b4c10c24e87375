"""Decode RAW files to disk, so that patches can be read without the rest."""

import functools
import hashlib
import io
import json
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..atomic import replacing
from ..capture import BAYER, QUANTITIES, Capture
from ..errors import NotAMosaic, UnreadableFile
from ..geometry import crop
from ..io import read_raw
from ..io.embedded import read_embedded
from ..io.libraw import render_by_libraw
from .registration import place, register
from .turning import phased

_FORMAT = "3"


@dataclass(frozen=True)
class Pair:
    """A mosaic and a rendering of it, aligned pixel by pixel.

    Args:
        sensor: `[1,1,H,W]` in digital numbers.
        capture: metadata of the file.
        target: `[1,3,H,W]` uint8 sRGB.
    """

    sensor: Tensor
    capture: Capture
    target: Tensor


def rendered_by_libraw(path: Path, *, fixed_levels: bool = False) -> Pair:
    """Pair a RAW file with LibRaw's rendering, with the settings of InvISP; the mosaic is cropped to begin with RGGB.

    Args:
        path: a Bayer RAW file.
        fixed_levels: use the camera's white level for every file, see `isptoolkit.io.libraw.render_by_libraw`.

    Raises:
        UnreadableFile: if LibRaw cannot decode or render the file, or renders another size.
        NotAMosaic: for a file without a Bayer mosaic.
    """
    sensor, capture = _read_mosaic(path)
    target = render_by_libraw(path, fixed_levels=fixed_levels)
    if target.shape[2:] != sensor.shape[2:]:
        raise UnreadableFile(
            f"{path}: LibRaw renders {list(target.shape[2:])} pixels, but the mosaic has {list(sensor.shape[2:])}"
        )
    height, width = (n - 1 for n in sensor.shape[2:])
    return Pair(*phased(sensor, capture, target, height, width))


def rendered_and_compressed(path: Path) -> Pair:
    """Pair a RAW file with LibRaw's rendering after a JPEG of quality 90, 4:2:2, the targets of InvISP's program.

    Args:
        path: a Bayer RAW file.

    Raises:
        UnreadableFile: if LibRaw cannot decode or render the file, or renders another size.
        NotAMosaic: for a file without a Bayer mosaic.
    """
    from PIL import Image

    pair, file = rendered_by_libraw(path), io.BytesIO()
    Image.fromarray(pair.target[0].permute(1, 2, 0).numpy()).save(file, "JPEG", quality=90, subsampling=1)
    codes = np.array(Image.open(io.BytesIO(file.getvalue())))
    return Pair(pair.sensor, pair.capture, torch.from_numpy(codes).permute(2, 0, 1)[None].contiguous())


def rendered_by_camera(path: Path) -> Pair:
    """Pair a RAW file with its embedded preview, registered in the frame and resampled onto the pixels of the mosaic.

    Args:
        path: a Bayer RAW file with an embedded preview.

    Raises:
        UnreadableFile: if the file cannot be decoded, has no preview, or the preview cannot be registered.
        NotAMosaic: for a file without a Bayer mosaic.
    """
    sensor, capture = _read_mosaic(path)
    preview = read_embedded(path)
    box = register(preview, render_by_libraw(path))
    if box.correlation < 0.5:
        raise UnreadableFile(
            f"{path}: the embedded preview cannot be registered in the frame (correlation {box.correlation:.2f})"
        )
    top, left = (-int(-max(start, 0) // 2) * 2 for start in (box.top, box.left))
    height = int(min(box.top + box.height, sensor.shape[2])) - top
    width = int(min(box.left + box.width, sensor.shape[3])) - left
    target = place(preview, box, top, left, height, width).clamp(0, 255).round().to(torch.uint8)
    part, cropped = crop(sensor, capture, top, left, height, width)
    return Pair(*phased(part, cropped, target, height - 1, width - 1))


def _read_mosaic(path: Path) -> tuple[Tensor, Capture]:
    sensor, capture = read_raw(path)
    if capture.cfa not in BAYER:
        raise NotAMosaic(f"{path} holds samples of {capture.cfa}: leave it out, training pairs need a Bayer mosaic")
    return sensor, capture


TARGETS: dict[str, Callable[[Path], Pair]] = {
    "libraw": rendered_by_libraw,
    "libraw-fixed": functools.partial(rendered_by_libraw, fixed_levels=True),
    "libraw-jpeg": rendered_and_compressed,
    "camera": rendered_by_camera,
}
"""Functions that pair a RAW file with a target, by the name that `RawFolder` accepts."""


class DecodedFiles:
    """A cache of decoded files on disk, filled on demand; the least recently used files are evicted.

    Args:
        target: one of `TARGETS`.
        folder: folder of the cache; None creates a temporary one that is removed with this object.
        limit: size of the cache in bytes; the most recent file always stays.
    """

    def __init__(self, target: str, folder: Path | None, limit: int) -> None:
        self.target, self.limit, self._lock = target, limit, threading.Lock()
        self.folder = Path(tempfile.mkdtemp(prefix="isptoolkit-")) if folder is None else folder
        self.folder.mkdir(parents=True, exist_ok=True)
        if folder is None:
            weakref.finalize(self, _remove, self.folder, os.getpid())

    def describe(self, path: Path) -> tuple[Capture, tuple[int, int]]:
        """The capture of a file, and its height and width in pixels.

        Raises:
            UnreadableFile: if the file cannot be decoded.
            MissingMetadata: if it has no white balance, color matrix, or white level.
        """
        file = self._open(path)
        rows, columns = file.get_slice("sensor").get_shape()[2:]
        return _capture(file), (rows, columns)

    def patch(self, path: Path, top: int, left: int, height: int, width: int) -> Pair:
        """Read a crop of a file.

        Args:
            path: the RAW file.
            top: first row, even.
            left: first column, even.
            height: number of rows.
            width: number of columns.

        Raises:
            UnreadableFile: if the file cannot be decoded.
            MissingMetadata: if it has no white balance, color matrix, or white level.
        """
        file = self._open(path)
        part = (slice(None), slice(None), slice(top, top + height), slice(left, left + width))
        sensor, target = (file.get_slice(name)[part] for name in ("sensor", "target"))
        return Pair(sensor.float(), _capture(file), target)

    def _open(self, path: Path) -> Any:
        """Open a decoded file; if it is damaged, or was just evicted by another process, it is decoded again."""
        from safetensors import SafetensorError, safe_open

        decoded = self._decoded(path)
        try:
            return safe_open(decoded, "pt")
        except (OSError, SafetensorError):
            decoded.unlink(missing_ok=True)
        return safe_open(self._decoded(path), "pt")

    def _decoded(self, path: Path) -> Path:
        decoded = self.folder / f"{_fingerprint(path, self.target)}.safetensors"
        try:
            os.utime(decoded)
        except FileNotFoundError:
            pair = TARGETS[self.target](path)
            with self._lock:
                _save(decoded, pair)
                self._trim()
        return decoded

    def _trim(self) -> None:
        cached = [(file.stat(), file) for file in self.folder.glob("*.safetensors")]
        newest, *others = sorted(cached, key=lambda entry: entry[0].st_mtime_ns, reverse=True)
        room = self.limit - newest[0].st_size
        for stat, file in others:
            room -= stat.st_size
            if room < 0:
                file.unlink(missing_ok=True)


def _remove(folder: Path, owner: int) -> None:
    """Remove the folder, unless this is a forked child that only shares it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _fingerprint(path: Path, target: str) -> str:
    stat = path.stat()
    identity = f"{_FORMAT}\0{target}\0{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


def _save(path: Path, pair: Pair) -> None:
    from safetensors.torch import save_file

    capture = pair.capture
    values = {name: getattr(capture, name) for name in QUANTITIES}
    tensors = {name: value.contiguous() for name, value in values.items() if value is not None}
    fields = {"cfa": capture.cfa, "camera": list(capture.camera), "orientation": list(capture.orientation)}
    whole = pair.sensor.to(torch.uint16)
    sensor = whole if torch.equal(whole.to(pair.sensor.dtype), pair.sensor) else pair.sensor
    content = {"sensor": sensor.contiguous(), "target": pair.target.contiguous(), **tensors}
    with replacing(path) as temporary:
        save_file(content, temporary, metadata={"capture": json.dumps(fields)})


def _capture(file: Any) -> Capture:
    fields = json.loads(file.metadata()["capture"])
    tensors = {name: file.get_tensor(name) for name in QUANTITIES if name in file.keys()}  # noqa: SIM118
    camera, orientation = tuple(fields["camera"]), tuple(fields["orientation"])
    return Capture(fields["cfa"], **tensors, camera=camera, orientation=orientation)

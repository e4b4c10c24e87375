"""Decoded RAW files on disk, of which patches are read without reading the rest."""

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
from ..capture import Capture
from ..errors import UnreadableFile
from ..geometry import crop
from ..io import read_raw
from ..io.embedded import read_embedded
from ..io.libraw import render_by_libraw
from .registration import place, register
from .turning import phased

_FORMAT = "2"
_FIELDS = ("black", "white", "gains", "srgb_to_camera")


@dataclass(frozen=True)
class Pair:
    """A mosaic and its picture, pixel by pixel.

    Args:
        sensor: `[1,1,H,W]` digital numbers.
        capture: of the file.
        target: `[1,3,H,W]` uint8 sRGB.
    """

    sensor: Tensor
    capture: Capture
    target: Tensor


def rendered_by_libraw(path: Path, *, fixed_levels: bool = False) -> Pair:
    """LibRaw's rendering with the settings of InvISP, or with one white level for all files of a camera."""
    sensor, capture = read_raw(path)
    target = render_by_libraw(path, fixed_levels=fixed_levels)
    if target.shape[2:] != sensor.shape[2:]:
        raise UnreadableFile(f"{path}: LibRaw renders {list(target.shape[2:])} of {list(sensor.shape[2:])} pixels")
    height, width = (n - 1 for n in sensor.shape[2:])
    return Pair(*phased(sensor, capture, target, height, width))


def rendered_and_compressed(path: Path) -> Pair:
    """The same, through a JPEG of quality 90 and 4:2:2, which is what the published program takes for its targets."""
    from PIL import Image

    pair, file = rendered_by_libraw(path), io.BytesIO()
    Image.fromarray(pair.target[0].permute(1, 2, 0).numpy()).save(file, "JPEG", quality=90, subsampling=1)
    codes = np.array(Image.open(io.BytesIO(file.getvalue())))
    return Pair(pair.sensor, pair.capture, torch.from_numpy(codes).permute(2, 0, 1)[None].contiguous())


def rendered_by_camera(path: Path) -> Pair:
    """The picture that the camera left in the file, found in the frame and resampled onto the pixels of the mosaic."""
    sensor, capture = read_raw(path)
    picture = read_embedded(path)
    box = register(picture, render_by_libraw(path))
    if box.correlation < 0.5:
        raise UnreadableFile(f"{path}: the camera's own picture does not lie in the frame ({box.correlation:.2f})")
    top, left = (-int(-max(start, 0) // 2) * 2 for start in (box.top, box.left))
    height = int(min(box.top + box.height, sensor.shape[2])) - top
    width = int(min(box.left + box.width, sensor.shape[3])) - left
    target = place(picture, box, top, left, height, width).clamp(0, 255).round().to(torch.uint8)
    part, described = crop(sensor, capture, top, left, height, width)
    return Pair(*phased(part, described, target, height - 1, width - 1))


TARGETS: dict[str, Callable[[Path], Pair]] = {
    "libraw": rendered_by_libraw,
    "libraw-fixed": functools.partial(rendered_by_libraw, fixed_levels=True),
    "libraw-jpeg": rendered_and_compressed,
    "camera": rendered_by_camera,
}
"""By the name that `RawFolder` takes."""


class DecodedFiles:
    """A folder of decoded files, each made when it is asked for, the longest unused given up when there are too many.

    Args:
        target: one of `TARGETS`.
        folder: that stays, or None for one that goes with this object.
        limit: bytes of the folder, at most (but one file always stays).
    """

    def __init__(self, target: str, folder: Path | None, limit: int) -> None:
        self.target, self.limit, self._lock = target, limit, threading.Lock()
        self.folder = Path(tempfile.mkdtemp(prefix="isptoolkit-")) if folder is None else folder
        self.folder.mkdir(parents=True, exist_ok=True)
        if folder is None:
            weakref.finalize(self, _remove, self.folder, os.getpid())

    def describe(self, path: Path) -> tuple[Capture, tuple[int, int]]:
        """The capture of a file, and its height and width."""
        file = self._open(path)
        rows, columns = file.get_slice("sensor").get_shape()[2:]
        return _capture(file), (rows, columns)

    def patch(self, path: Path, top: int, left: int, height: int, width: int) -> Pair:
        """A part of a file; `top` and `left` are even."""
        file = self._open(path)
        part = (slice(None), slice(None), slice(top, top + height), slice(left, left + width))
        sensor, target = (file.get_slice(name)[part] for name in ("sensor", "target"))
        return Pair(sensor.float(), _capture(file), target)

    def _open(self, path: Path) -> Any:
        """A decoded file; what is no such file, or was just given up by another process, is decoded again."""
        from safetensors import SafetensorError, safe_open

        made = self._decoded(path)
        try:
            return safe_open(made, "pt")
        except (OSError, SafetensorError):
            made.unlink(missing_ok=True)
        return safe_open(self._decoded(path), "pt")

    def _decoded(self, path: Path) -> Path:
        made = self.folder / f"{_fingerprint(path, self.target)}.safetensors"
        try:
            os.utime(made)
        except FileNotFoundError:
            pair = TARGETS[self.target](path)
            with self._lock:
                _save(made, pair)
                self._trim()
        return made

    def _trim(self) -> None:
        kept = [(file.stat(), file) for file in self.folder.glob("*.safetensors")]
        newest, *others = sorted(kept, key=lambda entry: entry[0].st_mtime_ns, reverse=True)
        room = self.limit - newest[0].st_size
        for stat, file in others:
            room -= stat.st_size
            if room < 0:
                file.unlink(missing_ok=True)


def _remove(folder: Path, owner: int) -> None:
    """Not by a forked child that only shares it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def _fingerprint(path: Path, target: str) -> str:
    found = path.stat()
    words = f"{_FORMAT}\0{target}\0{path.resolve()}\0{found.st_size}\0{found.st_mtime_ns}"
    return hashlib.sha256(words.encode()).hexdigest()[:32]


def _save(path: Path, pair: Pair) -> None:
    from safetensors.torch import save_file

    capture = pair.capture
    tensors = {name: getattr(capture, name) for name in _FIELDS}
    words = {"cfa": capture.cfa, "camera": list(capture.camera), "orientation": list(capture.orientation)}
    whole = pair.sensor.to(torch.uint16)
    sensor = whole if torch.equal(whole.to(pair.sensor.dtype), pair.sensor) else pair.sensor
    content = {"sensor": sensor.contiguous(), "target": pair.target.contiguous(), **tensors}
    with replacing(path) as temporary:
        save_file(content, temporary, metadata={"capture": json.dumps(words)})


def _capture(file: Any) -> Capture:
    words = json.loads(file.metadata()["capture"])
    described = {name: file.get_tensor(name) for name in _FIELDS}
    camera, orientation = tuple(words["camera"]), tuple(words["orientation"])
    return Capture(words["cfa"], **described, noise=None, camera=camera, orientation=orientation)

"""Photographs into DNG files: one at a time, or folders in parallel; interrupted runs resume."""

import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch

from ..capture import BAYER, MONO, RGB, Capture
from ..data.photo_folder import SUFFIXES
from ..errors import InvalidArgument, IspError
from ..io import read_raw, write_dng
from ..io.dng import SMALLEST
from ..io.photograph import read_photograph
from ..priors import CAMERAS, UPI, matrix_of_camera, random_captures
from .camera import unprocess

_HALF = re.compile(r"\..{1,16}\.[0-9a-f]{12}\.dng")
"""Names of the temporary files of `atomic.replacing`, which an interrupted run may leave."""
_BLACK, _WHITE, _SHOT_AT_100 = 512.0, 16383.0, 1e-4


@dataclass(frozen=True)
class Job:
    """How photographs become RAW; a job's output for a photograph depends on neither the machine nor the order.

    Args:
        like: a RAW file with a Bayer mosaic, whose phase, levels, gains and color matrix are used.
        camera: one of `isptoolkit.priors.CAMERAS`, instead of a random mixture of them.
        noise: `line` draws it as UPI does, `none`, an ISO number (of a nominal camera whose shot variance is 1e-4 at
            ISO 100, with the read variance of UPI's line), or `SHOT,READ`.
        seed: of everything that is drawn.
        compress: write lossless JPEG.

    Raises:
        InvalidArgument: for an unknown camera, for noise of another form, and for both a file and a camera.
    """

    like: str | None = None
    camera: str | None = None
    noise: str = "line"
    seed: int = 0
    compress: bool = False

    def __post_init__(self) -> None:
        if self.like is not None and self.camera is not None:
            raise InvalidArgument("unprocess: --like and --camera exclude each other")
        if self.camera is not None and self.camera not in CAMERAS:
            raise InvalidArgument(f"no camera {self.camera!r}: choose one of {', '.join(CAMERAS)}")
        self.variances()

    def variances(self) -> tuple[float, float] | None:
        """Shot and read variance; zeros for no noise, None if they are drawn."""
        if self.noise == "line":
            return None
        if self.noise == "none":
            return 0.0, 0.0
        try:
            values = [float(part) for part in self.noise.split(",")]
            if len(values) == 1:
                shot = _SHOT_AT_100 * values[0] / 100
                values = [shot, float(UPI.read_of(torch.tensor(shot, dtype=torch.float64)))]
            shot, read = values
            if not (0 <= shot < 1 and 0 <= read < 1):
                raise ValueError
        except ValueError:
            raise InvalidArgument(
                f"unprocess: noise is line, none, an ISO number or SHOT,READ below 1, got {self.noise!r}"
            ) from None
        return shot, read

    def capture(self, generator: torch.Generator) -> Capture:
        """The capture of the file to write."""
        drawn = random_captures(1, generator)
        if self.like is not None:
            capture = _capture_of(self.like)
            capture = capture if capture.noise is not None else capture.replace(noise=drawn.noise)
        else:
            one = torch.ones(1, dtype=torch.float64)
            capture = drawn.replace(black=_BLACK * one.expand(1, 4), white=_WHITE * one)
            if self.camera is not None:
                capture = capture.replace(srgb_to_camera=matrix_of_camera(self.camera), camera=(self.camera,))
        variances = self.variances()
        return capture if variances is None else capture.replace(noise=torch.tensor([variances], dtype=torch.float64))


@functools.lru_cache(maxsize=4)
def _capture_of(path: str) -> Capture:
    """The capture of a RAW file, which is decoded once for all photographs.

    Its exposure becomes part of the gains, so that the mosaic is darker by what a rendering brightens, and its
    orientation is dropped, because photographs are read upright.
    """
    capture = read_raw(path)[1]
    if capture.cfa not in BAYER:
        planes = {RGB: "three planes (LinearRaw)", MONO: "one plane without color filters"}[capture.cfa]
        raise InvalidArgument(f"unprocess: --like {path} holds {planes}: choose a file with a Bayer mosaic")
    brightness = 1.0 if capture.exposure is None else capture.exposure[:, None].exp2()
    return capture.replace(gains=capture.gains * brightness, exposure=None, orientation=(1,))


@torch.no_grad()
def unprocess_file(photo: Path, out: Path, job: Job) -> dict[str, Any]:
    """Write a photograph as a DNG file.

    Args:
        photo: an image file.
        out: path of the DNG file.
        job: how to make it.

    Returns:
        The line of the manifest: source, hash, seed, job, and the values of the capture.

    Raises:
        UnreadableFile: for a file that is not a photograph.
        InvalidArgument: if the photograph is too small, `out` cannot be written, or `job.like` has no mosaic.
    """
    content = hashlib.sha256(photo.read_bytes()).hexdigest()
    seed = int.from_bytes(hashlib.sha256(f"{job.seed} {content}".encode()).digest()[:7])
    generator = torch.Generator().manual_seed(seed)
    srgb = read_photograph(photo)
    rows, columns = srgb.shape[2:]
    if min(rows, columns) < SMALLEST:
        raise InvalidArgument(f"{photo} has {rows} x {columns} pixels: a DNG file has at least {SMALLEST} x {SMALLEST}")
    capture = job.capture(generator)
    _, capture, noisy = unprocess(srgb, generator, capture)
    write_dng(out, noisy.clamp(0, 65535), capture, compress=job.compress, source=_dng(job.like), exif=photo)
    tensors = {
        "black": capture.black,
        "white": capture.white,
        "gains": capture.gains,
        "srgb_to_camera": capture.srgb_to_camera,
        "noise": capture.noise,
    }
    numbers = {name: None if value is None else value[0].tolist() for name, value in tensors.items()}
    line = {"photo": str(photo), "sha256": content, "output": out.name, "seed": seed}
    return line | {"job": asdict(job), "cfa": capture.cfa, **numbers}


Engine: TypeAlias = Callable[[Mapping[Path, Path], Job], Iterator[tuple[Path, dict[str, Any] | Exception]]]
"""Writes the files of photographs and yields, as each is done, its line of the manifest or the error."""


def unprocess_all(
    photos: Sequence[Path],
    out: Path,
    job: Job,
    on_file: Callable[[int, int], None] | None = None,
    engine: Engine | None = None,
) -> tuple[int, dict[Path, str]]:
    """Write a DNG file for every photograph that has none yet.

    Files are written atomically, and `manifest.jsonl` gets a line for each. Interrupted runs resume: files that the
    manifest lists are not written again.

    Args:
        photos: files, or folders of photographs, whose subfolders are kept.
        out: folder.
        job: how to make the files.
        on_file: called with the number of photographs done, and the number of all photographs.
        engine: does the work: threads if None, or `isptoolkit.unprocess.ray.by_ray`.

    Returns:
        The number of files written now, and the error of each photograph that failed.

    Raises:
        InvalidArgument: if there is no photograph, two would become the same file, the folder holds the work of
            another job, or `job.like` has no mosaic.
        UnreadableFile: if `job.like` cannot be read.
    """
    if job.like is not None:
        _capture_of(job.like)
    targets = dict(_targets(photos, out))
    if not targets:
        raise InvalidArgument(f"no photograph ({', '.join(SUFFIXES)}) in {', '.join(map(str, photos))}")
    if len(set(targets.values())) < len(targets):
        twice = next(path for path in targets.values() if list(targets.values()).count(path) > 1)
        raise InvalidArgument(f"two photographs would become {twice}")
    out.mkdir(parents=True, exist_ok=True)
    for path in out.rglob(".*.dng"):
        if _HALF.fullmatch(path.name):
            path.unlink(missing_ok=True)
    done = _manifest(out / "manifest.jsonl", job)
    todo = {photo: target for photo, target in targets.items() if not _is_done(photo, target, out, done)}
    for target in todo.values():
        target.parent.mkdir(parents=True, exist_ok=True)
    failed: dict[Path, str] = {}
    with (out / "manifest.jsonl").open("a") as manifest:
        for count, (photo, result) in enumerate((engine or by_threads)(todo, job), len(targets) - len(todo) + 1):
            if isinstance(result, Exception):
                failed[photo] = str(result)
            else:
                manifest.write(json.dumps(result | {"output": str(todo[photo].relative_to(out))}) + "\n")
                manifest.flush()
            if on_file is not None:
                on_file(count, len(targets))
    return len(todo) - len(failed), failed


def by_threads(todo: Mapping[Path, Path], job: Job) -> Iterator[tuple[Path, dict[str, Any] | Exception]]:
    """One thread per core, with a few photographs in flight, so that an interrupt does not wait for all of them."""
    workers = max(1, min(len(todo), os.cpu_count() or 1))
    threads, queue = torch.get_num_threads(), iter(todo.items())
    torch.set_num_threads(max(1, threads // workers))
    waiting: dict[Future[dict[str, Any]], Path] = {}
    try:
        with ThreadPoolExecutor(workers) as pool:
            while True:
                while len(waiting) < 2 * workers and (entry := next(queue, None)) is not None:
                    waiting[pool.submit(unprocess_file, *entry, job)] = entry[0]
                if not waiting:
                    return
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    photo, error = waiting.pop(future), future.exception()
                    if error is not None and not isinstance(error, IspError | OSError):
                        raise error
                    yield photo, future.result() if error is None else error
    finally:
        torch.set_num_threads(threads)


def _targets(photos: Sequence[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    for photo in photos:
        if photo.is_dir():
            for path in sorted(p for p in photo.rglob("*") if p.suffix.lower() in SUFFIXES):
                yield path, (out / path.relative_to(photo)).with_suffix(".dng")
        else:
            yield photo, out / f"{photo.stem}.dng"


def _manifest(path: Path, job: Job) -> dict[str, str]:
    """By output, the hash of the photograph, for everything that an earlier run of this job finished."""
    if not path.is_file():
        return {}
    done = {}
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]  # an interrupted run may leave half a line
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            entry = json.loads(line)
            before, done[entry["output"]] = entry["job"], entry["sha256"]
        except (ValueError, KeyError, TypeError):
            raise InvalidArgument(f"line {number} of {path} is not a manifest entry: choose another folder") from None
        changed = [f"{k} {before.get(k)!r}, now {now!r}" for k, now in asdict(job).items() if before.get(k) != now]
        if changed:
            changes = "; ".join(changed)
            raise InvalidArgument(f"{path.parent} holds another job's files ({changes}): choose another folder")
    if whole != text:
        with path.open("r+") as file:
            file.truncate(len(whole.encode()))
    return done


def _is_done(photo: Path, target: Path, out: Path, done: dict[str, str]) -> bool:
    known = done.get(str(target.relative_to(out)))
    return known is not None and target.is_file() and hashlib.sha256(photo.read_bytes()).hexdigest() == known


def _dng(like: str | None) -> str | None:
    return like if like is not None and like.lower().endswith(".dng") else None

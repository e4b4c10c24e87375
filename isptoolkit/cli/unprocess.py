"""`isptoolkit unprocess`."""

import json
from pathlib import Path

from ..atomic import check_target, replacing
from ..errors import InvalidArgument
from ..unprocess.files import Job, by_threads, unprocess_all, unprocess_file
from ..unprocess.ray import by_ray
from .console import complain, progress, working


def run(
    photos: list[Path],
    out: Path,
    like: str | None,
    camera: str | None,
    noise: str,
    seed: int,
    compress: bool,
    engine: str,
) -> bool:
    """One file, or a folder; whether all were made."""
    job = Job(like, camera, noise, seed, compress)
    if missing := [photo for photo in photos if not photo.exists()]:
        raise InvalidArgument(f"{missing[0]} does not exist")
    if out.suffix.lower() == ".dng" and len(photos) == 1 and photos[0].is_file():
        check_target(out, (".dng",))
        with working("photograph -> RAW"):
            made = unprocess_file(photos[0], out, job)
        with replacing(out.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(made, indent=1) + "\n")
        print(f"wrote {out} and {out.with_suffix('.json').name}")
        return True
    if engine not in ("threads", "ray"):
        raise InvalidArgument(f"--engine is threads or ray, got {engine!r}")
    if out.exists() and not out.is_dir():
        raise InvalidArgument(f"{out} is not a folder; several photographs go into one")
    with progress() as shown:
        task = shown.add_task("unprocessing", total=None)

        def on_file(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total)

        count, failed = unprocess_all(photos, out, job, on_file, by_threads if engine == "threads" else by_ray)
    for photo, why in failed.items():
        complain(why if str(photo) in why else f"{photo}: {why}")
    print(f"{count} DNG files made in {out}" + (f", {len(failed)} photographs failed" if failed else ""))
    return not failed

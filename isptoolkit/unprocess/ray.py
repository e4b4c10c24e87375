"""`unprocess` on a cluster of machines that share their folders, by Ray Data."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, IspError, needs
from .files import Job, unprocess_file

_BLOCKS = 4096


def by_ray(todo: Mapping[Path, Path], job: Job) -> Iterator[tuple[Path, dict[str, Any] | Exception]]:
    """One task for each photograph, or a few, on the cluster of `RAY_ADDRESS`, or on this machine.

    A task whose machine is lost runs again elsewhere. The output does not depend on the machine, and files are written
    atomically, so a repeated task changes nothing.

    Raises:
        MissingPackage: without Ray.
    """
    with needs("ray", "unprocessing on a cluster needs Ray"):
        import ray
        import ray.data
    if not todo:
        return
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    items = [{"photo": str(photo.resolve()), "target": str(target.resolve())} for photo, target in todo.items()]
    by_name = {item["photo"]: photo for item, photo in zip(items, todo, strict=True)}
    rows = ray.data.from_items(items, override_num_blocks=min(len(items), _BLOCKS))
    for row in rows.map(functools.partial(_work, settings=asdict(job)), num_cpus=1).iter_rows():
        photo = by_name[row["photo"]]
        if row["error"]:
            yield photo, InvalidArgument(row["error"])
        else:
            yield photo, row["line"] | {"photo": str(photo)}


def _work(row: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """One photograph, in a worker process."""
    import torch

    torch.set_num_threads(1)
    try:
        line: dict[str, Any] = unprocess_file(Path(row["photo"]), Path(row["target"]), Job(**settings))
    except (IspError, OSError) as error:
        return {"photo": row["photo"], "line": None, "error": str(error)}
    return {"photo": row["photo"], "line": line, "error": ""}
